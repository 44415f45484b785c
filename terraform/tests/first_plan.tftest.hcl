# The first plan of all, where no id is known yet: everything that is counted must be known by the
# variables alone. The other tests know ids and would not notice.

mock_provider "azurerm" {
  source = "./tests/mocks/azurerm"
}

mock_provider "azapi" {
  source = "./tests/mocks/azapi"
}

variables {
  environment = "dev"
  location    = "swedencentral"
  sql_administrator = {
    login     = "administrators"
    object_id = "00000000-0000-4000-8000-000000000001"
  }
}

run "least" {
  command = plan

  assert {
    condition     = length(azurerm_role_assignment.app) == 3 && length(azurerm_role_assignment.operator_uploads) == 1
    error_message = "first plan: roles are counted before there are ids"
  }
  # Without it a first plan would say of the app only that it is known after apply.
  assert {
    condition     = azapi_resource.function_app.body.properties.httpsOnly && azapi_resource.function_app.body.properties.functionAppConfig.runtime.name == "custom"
    error_message = "first plan: shows what the app will be"
  }
}

run "most" {
  command = plan

  variables {
    environment     = "prod"
    private_network = true
    container       = true
    event_grid      = true
    alert_emails    = ["operations@shop.example"]
    allowed_ips     = ["203.0.113.7"]
  }

  assert {
    condition     = length(azurerm_private_endpoint.main) == 6 && length(azurerm_monitor_diagnostic_setting.main) == 5
    error_message = "first plan: endpoints and logs are counted before there are ids"
  }
  assert {
    condition     = length(azapi_resource.announce_to_function) == 1
    error_message = "first plan: the announcement waits for the app"
  }
}

run "the_other_way" {
  command = plan

  variables {
    data_factory   = true
    redis          = true
    import_trigger = "queue"
  }

  assert {
    condition     = length(azurerm_role_assignment.operator_uploads) == 2 && length(azurerm_role_assignment.event_grid_queue) == 1
    error_message = "first plan: roles of the other way are counted too"
  }
}
