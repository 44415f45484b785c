# What is refused, before anything is made.

mock_provider "azurerm" {
  source          = "./tests/mocks/azurerm"
  override_during = plan
}

mock_provider "azapi" {
  source          = "./tests/mocks/azapi"
  override_during = plan
}

variables {
  environment = "dev"
  location    = "swedencentral"
  sql_administrator = {
    login     = "administrators"
    object_id = "00000000-0000-4000-8000-000000000001"
  }
}

run "name_too_long" {
  command = plan

  variables {
    name = "vitrineshopxy"
  }

  expect_failures = [var.name]
}

run "name_too_short" {
  command = plan

  variables {
    name = "ab"
  }

  expect_failures = [var.name]
}

run "name_with_dash" {
  command = plan

  variables {
    name = "my-shop"
  }

  expect_failures = [var.name]
}

run "name_with_capital" {
  command = plan

  variables {
    name = "Vitrine"
  }

  expect_failures = [var.name]
}

run "name_begins_with_digit" {
  command = plan

  variables {
    name = "1shop"
  }

  expect_failures = [var.name]
}

run "environment_unknown" {
  command = plan

  variables {
    environment = "staging"
  }

  expect_failures = [var.environment]
}

run "location_as_displayed" {
  command = plan

  variables {
    location  = "Sweden Central"
    container = true # which needs no list of regions
  }

  expect_failures = [var.location]
}

run "location_without_flex" {
  command = plan

  variables {
    location = "polandcentral"
  }

  expect_failures = [var.location]
}

run "suffix_too_long" {
  command = plan

  variables {
    name_suffix = "abcdefg"
  }

  expect_failures = [var.name_suffix]
}

run "suffix_with_capital" {
  command = plan

  variables {
    name_suffix = "ABCD"
  }

  expect_failures = [var.name_suffix]
}

run "tag_of_ours" {
  command = plan

  variables {
    tags = { environment = "mine" }
  }

  expect_failures = [var.tags]
}

run "tag_too_long" {
  command = plan

  variables {
    tags = { owner = join("", [for i in range(257) : "x"]) }
  }

  expect_failures = [var.tags]
}

run "administrator_without_name" {
  command = plan

  variables {
    sql_administrator = { login = " ", object_id = "00000000-0000-4000-8000-000000000001" }
  }

  expect_failures = [var.sql_administrator]
}

run "administrator_by_mail" {
  command = plan

  variables {
    sql_administrator = { login = "ann", object_id = "ann@shop.example" }
  }

  expect_failures = [var.sql_administrator]
}

run "operator_by_name" {
  command = plan

  variables {
    operator_object_ids = ["operators"]
  }

  expect_failures = [var.operator_object_ids]
}

run "image_tag_with_colon" {
  command = plan

  variables {
    container_image_tag = "vitrine:1"
  }

  expect_failures = [var.container_image_tag]
}

run "factory_in_private_network" {
  command = plan

  variables {
    data_factory    = true
    private_network = true
  }

  expect_failures = [var.data_factory]
}

run "trigger_unknown" {
  command = plan

  variables {
    import_trigger = "timer"
  }

  expect_failures = [var.import_trigger]
}

run "origin_any" {
  command = plan

  variables {
    cors_origins = ["*"]
  }

  expect_failures = [var.cors_origins]
}

run "origin_with_path" {
  command = plan

  variables {
    cors_origins = ["https://shop.example/"]
  }

  expect_failures = [var.cors_origins]
}

run "origin_in_clear" {
  command = plan

  variables {
    cors_origins = ["http://shop.example"]
  }

  expect_failures = [var.cors_origins]
}

run "origin_like_localhost" {
  command = plan

  variables {
    cors_origins = ["http://localhost.evil.example"]
  }

  expect_failures = [var.cors_origins]
}

run "admin_is_no_address" {
  command = plan

  variables {
    admin_emails = ["ann"]
  }

  expect_failures = [var.admin_emails]
}

run "two_admins_in_one" {
  command = plan

  variables {
    admin_emails = ["ann@shop.example,ben@shop.example"]
  }

  expect_failures = [var.admin_emails]
}

run "firebase_without_key" {
  command = plan

  variables {
    firebase_project_id = "shop"
  }

  expect_failures = [var.firebase_project_id]
}

run "firebase_without_project" {
  command = plan

  variables {
    firebase_api_key = "AIza"
  }

  expect_failures = [var.firebase_project_id]
}

run "alert_is_no_address" {
  command = plan

  variables {
    alert_emails = ["operations"]
  }

  expect_failures = [var.alert_emails]
}

run "ip_range" {
  command = plan

  variables {
    allowed_ips = ["203.0.113.0/24"]
  }

  expect_failures = [var.allowed_ips]
}

run "ip_private" {
  command = plan

  variables {
    allowed_ips = ["192.168.0.7"]
  }

  expect_failures = [var.allowed_ips]
}

run "ip_of_everybody" {
  command = plan

  variables {
    allowed_ips = ["0.0.0.0"]
  }

  expect_failures = [var.allowed_ips]
}

run "ip_nonsense" {
  command = plan

  variables {
    allowed_ips = ["203.0.113.999"]
  }

  expect_failures = [var.allowed_ips]
}

run "network_too_small" {
  command = plan

  variables {
    network_cidr = "10.20.0.0/26"
  }

  expect_failures = [var.network_cidr]
}

run "size_of_database" {
  command = plan

  variables {
    sizes = { sql_sku = "SERVERLESS" }
  }

  expect_failures = [var.sizes]
}

run "size_of_cache" {
  command = plan

  variables {
    sizes = { redis_sku = "C0" }
  }

  expect_failures = [var.sizes]
}

run "size_of_cache_sharded" {
  command = plan

  variables {
    sizes = { redis_sku = "Balanced_B50" }
  }

  expect_failures = [var.sizes]
}

run "size_of_storage" {
  command = plan

  variables {
    sizes = { storage_replication = "RAGRS" }
  }

  expect_failures = [var.sizes]
}

run "size_of_instance" {
  command = plan

  variables {
    sizes = { instance_memory_mb = 1024 }
  }

  expect_failures = [var.sizes]
}

run "more_ready_than_allowed" {
  command = plan

  variables {
    sizes = { instances_max = 2, instances_ready = 3 }
  }

  expect_failures = [var.sizes]
}

run "no_requests" {
  command = plan

  variables {
    sizes = { requests_an_instance = 0 }
  }

  expect_failures = [var.sizes]
}

run "size_of_container" {
  command = plan

  variables {
    sizes = { container_sku = "B1" }
  }

  expect_failures = [var.sizes]
}

run "logs_for_a_week" {
  command = plan

  variables {
    sizes = { log_days = 7 }
  }

  expect_failures = [var.sizes]
}

run "logs_for_a_number_between" {
  command = plan

  variables {
    sizes = { log_days = 45 }
  }

  expect_failures = [var.sizes]
}

run "size_of_cache_sharded_too" {
  command = plan

  variables {
    sizes = { redis_sku = "MemoryOptimized_M50" }
  }

  expect_failures = [var.sizes]
}

run "backups_for_ever" {
  command = plan

  variables {
    sizes = { backup_days = 36 }
  }

  expect_failures = [var.sizes]
}

run "alerts_every_minute" {
  command = plan

  variables {
    sizes = { alert_every_minutes = 1 }
  }

  expect_failures = [var.sizes]
}

# What looks much like it and is taken.
run "taken" {
  command = plan

  variables {
    name                = "v23456789012"
    location            = "eastus2euap"
    name_suffix         = "a1b2"
    container_image_tag = "v1.2.3_x-y"
    cors_origins        = ["https://shop.example:8443", "http://localhost:3000", "https://a.b.shop.example"]
    allowed_ips         = ["203.0.113.7", "172.32.0.1"]
    network_cidr        = "10.20.0.0/25"
    sizes               = { sql_sku = "HS_S_Gen5_2", redis_sku = "Balanced_B20", instance_memory_mb = 4096 }
  }

  assert {
    condition     = azurerm_mssql_database.catalogue.sku_name == "HS_S_Gen5_2"
    error_message = "inputs: a size can be replaced"
  }
}

run "a_region_that_got_flex_later" {
  command = plan

  variables {
    location            = "polandcentral"
    flex_locations_more = ["polandcentral"]
  }

  assert {
    condition     = azurerm_resource_group.main.location == "polandcentral"
    error_message = "inputs: a region can be added"
  }
}

run "a_container_is_everywhere" {
  command = plan

  variables {
    location  = "polandcentral"
    container = true
  }

  assert {
    condition     = azurerm_resource_group.main.location == "polandcentral"
    error_message = "inputs: an image needs no Flex Consumption"
  }
}
