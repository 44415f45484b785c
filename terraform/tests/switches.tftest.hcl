# What is made by which switch, and how large.

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

run "dev" {
  command = plan

  assert {
    condition     = azurerm_mssql_database.catalogue.sku_name == "S0" && azurerm_mssql_database.catalogue.max_size_gb == 10 && azurerm_mssql_database.catalogue.storage_account_type == "Local"
    error_message = "dev: a small database"
  }
  assert {
    condition     = length(azurerm_managed_redis.main) == 0 && output.redis_host == null
    error_message = "dev: no cache to share"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB == 512 && length(azapi_resource.function_app.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady) == 0
    error_message = "dev: nothing waits that would cost"
  }
  assert {
    condition     = azurerm_storage_account.main.account_replication_type == "LRS" && azurerm_log_analytics_workspace.main.daily_quota_gb == 0.5
    error_message = "dev: one copy, and logs end at half a GB a day"
  }
  assert {
    condition = length(concat(
      azurerm_container_registry.main, azurerm_data_factory.main, azurerm_virtual_network.main,
      azapi_resource.announce_to_function, azurerm_eventgrid_system_topic_event_subscription.announce_to_queue,
      azurerm_storage_container.bulk, azurerm_monitor_action_group.main, values(azurerm_private_endpoint.main),
    )) == 0
    error_message = "dev: nothing that was not asked for"
  }
  assert {
    condition     = output.container_registry_login_server == null && output.container_image == null && output.data_factory_name == null
    error_message = "outputs: null for what is not there"
  }
  assert {
    condition = output.resource_group_name == azurerm_resource_group.main.name && output.function_app_name == azapi_resource.function_app.name && (
      output.function_app_hostname == "func.azurewebsites.net" && output.storage_account_name == azurerm_storage_account.main.name &&
      output.deployment_container_name == "deployment" && output.sql_server_fqdn == "sqlmock.database.windows.net" &&
      output.sql_server_name == azurerm_mssql_server.main.name && output.sql_database_name == "catalogue" &&
      output.key_vault_name == azurerm_key_vault.main.name && output.key_vault_url == "https://kvmock.vault.azure.net/" &&
      output.identity_name == "id-vitrine-dev" && output.identity_client_id == "00000000-0000-4000-8000-000000000c11" &&
      output.identity_principal_id == "00000000-0000-4000-8000-000000000a99" &&
      output.application_insights_name == azurerm_application_insights.main.name &&
      output.event_grid_system_topic_name == azurerm_eventgrid_system_topic.uploads.name
    )
    error_message = "outputs: what scripts/deploy asks for"
  }
}

run "prod" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = azurerm_mssql_database.catalogue.sku_name == "GP_S_Gen5_2" && azurerm_mssql_database.catalogue.min_capacity == 0.5 && azurerm_mssql_database.catalogue.auto_pause_delay_in_minutes == -1
    error_message = "prod: a database that grows by itself and never pauses"
  }
  assert {
    condition     = azurerm_managed_redis.main[0].sku_name == "Balanced_B1" && azurerm_managed_redis.main[0].high_availability_enabled
    error_message = "prod: a cache with a replica"
  }
  assert {
    condition     = azurerm_storage_account.main.account_replication_type == "ZRS" && azurerm_mssql_database.catalogue.storage_account_type == "Zone"
    error_message = "prod: copies in three places"
  }
}

run "prod_without_a_cache_and_provisioned" {
  command = plan

  variables {
    environment = "prod"
    redis       = false
    sizes       = { sql_sku = "GP_Gen5_4", sql_zone_redundant = true }
  }

  assert {
    condition     = length(azurerm_managed_redis.main) == 0 && length(azurerm_managed_redis_access_policy_assignment.app) == 0
    error_message = "redis: can be switched off"
  }
  assert {
    condition     = azurerm_mssql_database.catalogue.sku_name == "GP_Gen5_4" && azurerm_mssql_database.catalogue.zone_redundant
    error_message = "sizes: what is named replaces, the rest stays"
  }
}

run "private_flex" {
  command = plan

  variables {
    private_network = true
  }

  assert {
    condition     = azurerm_subnet.app[0].delegation[0].service_delegation[0].name == "Microsoft.App/environments" && tolist(azurerm_subnet.app[0].address_prefixes) == tolist(["10.20.0.0/26"])
    error_message = "private network: a subnet for Flex Consumption"
  }
  assert {
    condition     = toset(keys(azurerm_private_endpoint.main)) == toset(["blob", "queue", "sql", "vault"])
    error_message = "private network: an endpoint for each part that is there"
  }
  assert {
    condition     = tolist(azurerm_subnet.endpoints[0].address_prefixes) == tolist(["10.20.0.128/26"])
    error_message = "private network: endpoints apart from the app"
  }
}

run "private_container" {
  command = plan

  variables {
    private_network = true
    container       = true
  }

  assert {
    condition     = azurerm_subnet.app[0].delegation[0].service_delegation[0].name == "Microsoft.Web/serverFarms" && azurerm_subnet.app[0].name == "app-premium"
    error_message = "private network: another subnet for Elastic Premium"
  }
}
