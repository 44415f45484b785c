# The bulk path.

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

run "pipeline" {
  command = plan

  variables {
    data_factory = true
  }

  assert {
    condition     = azurerm_data_factory.main[0].identity[0].type == "SystemAssigned" && azurerm_data_factory.main[0].public_network_enabled == false
    error_message = "factory: by identity, and closed"
  }
  assert {
    condition     = azurerm_data_factory_linked_service_azure_blob_storage.main[0].use_managed_identity && azurerm_data_factory_linked_service_azure_sql_database.main[0].use_managed_identity
    error_message = "factory: by identity on both sides"
  }
  assert {
    condition     = !can(regex("(?i)(password|user id|uid|pwd)", azurerm_data_factory_linked_service_azure_sql_database.main[0].connection_string)) && strcontains(azurerm_data_factory_linked_service_azure_sql_database.main[0].connection_string, "Encrypt=True")
    error_message = "factory: no password, and encrypted"
  }
  assert {
    condition     = [for activity in jsondecode(azurerm_data_factory_pipeline.products[0].activities_json) : "${activity.type} ${activity.name}"] == ["SqlServerStoredProcedure apply_left_overs", "Copy stage", "SqlServerStoredProcedure apply"]
    error_message = "factory: apply what was left, stage, apply"
  }
  assert {
    condition     = [for activity in jsondecode(azurerm_data_factory_pipeline.products[0].activities_json) : try(activity.dependsOn[0].activity, null)] == [null, "apply_left_overs", "stage"]
    error_message = "factory: one after the other"
  }
  assert {
    condition     = toset([for activity in jsondecode(azurerm_data_factory_pipeline.products[0].activities_json) : activity.typeProperties.storedProcedureName if activity.type == "SqlServerStoredProcedure"]) == toset(["[amazon].[import_staged]"])
    error_message = "factory: by the procedure that is meant for it"
  }
  assert {
    condition     = azurerm_data_factory_dataset_azure_sql_table.stage[0].schema == "amazon" && azurerm_data_factory_dataset_azure_sql_table.stage[0].table == "import_stage"
    error_message = "factory: into the stage"
  }
  assert {
    condition     = azurerm_data_factory_pipeline.products[0].concurrency == 1
    error_message = "factory: one run at a time, as there is one stage"
  }
  assert {
    condition     = azurerm_data_factory_dataset_delimited_text.products[0].azure_blob_storage_location[0].container == "bulk"
    error_message = "factory: from a container that triggers nothing"
  }
}
