# Names: short enough, and the same after destroy and apply.

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

run "longest" {
  command = plan

  variables {
    name        = "abcdefghijkl"
    environment = "prod"
    container   = true
  }

  assert {
    condition     = can(regex("^[a-z][a-z0-9-]{2,23}$", azurerm_key_vault.main.name))
    error_message = "names: a vault's has 3 to 24 characters"
  }
  assert {
    condition     = can(regex("^[a-z0-9]{3,24}$", azurerm_storage_account.main.name))
    error_message = "names: a storage account's has 3 to 24 letters and digits"
  }
  assert {
    condition     = can(regex("^[a-z0-9]{5,50}$", azurerm_container_registry.main[0].name))
    error_message = "names: a registry's has 5 to 50 letters and digits"
  }
  # The host cuts its id there, and two apps of one id on one account stop each other.
  assert {
    condition     = length(azapi_resource.function_app.name) <= 32
    error_message = "names: the app's has at most 32 characters"
  }
  assert {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$", azurerm_mssql_server.main.name)) && can(regex("^[a-z0-9][a-z0-9-]{0,58}[a-z0-9]$", azurerm_managed_redis.main[0].name))
    error_message = "names: those of database and cache fit"
  }
  assert {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", azurerm_application_insights_workbook.main.name))
    error_message = "names: a workbook's is a UUID"
  }
}

run "first" {
  command = plan

  assert {
    condition     = azurerm_key_vault.main.name == "kvvitrinedev${local.suffix}" && local.suffix == "7605e3"
    error_message = "names: the same for the same subscription, name, environment and location, on every day"
  }
}

run "elsewhere" {
  command = plan

  variables {
    location = "westeurope"
  }

  assert {
    condition     = output.key_vault_name != run.first.key_vault_name
    error_message = "names: another region has other ones"
  }
}

run "taken_by_somebody_else" {
  command = plan

  variables {
    name_suffix = "mine1"
  }

  assert {
    condition     = azurerm_storage_account.main.name == "stvitrinedevmine1" && azurerm_key_vault.main.name == "kvvitrinedevmine1"
    error_message = "names: can be changed when one is taken"
  }
}

run "tags" {
  command = plan

  variables {
    tags = { owner = "shop" }
  }

  assert {
    condition = alltrue([for tags in [
      azurerm_resource_group.main.tags, azurerm_storage_account.main.tags, azurerm_mssql_server.main.tags,
      azurerm_mssql_database.catalogue.tags, azurerm_key_vault.main.tags, azapi_resource.function_app.tags,
      azurerm_service_plan.main.tags, azurerm_application_insights.main.tags,
    ] : tags == tomap({ application = "vitrine", environment = "dev", managed-by = "terraform", owner = "shop" })])
    error_message = "tags: on everything"
  }
}
