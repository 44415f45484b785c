# What the app is told: the names of the README, and no key but the telemetry's, which is none.

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
    condition = { for setting in azapi_resource.function_app.body.properties.siteConfig.appSettings : setting.name => setting.value } == {
      AZURE_CLIENT_ID                       = "00000000-0000-4000-8000-000000000c11"
      APPLICATIONINSIGHTS_CONNECTION_STRING = azurerm_application_insights.main.connection_string
      "AzureWebJobs.ImportBlob.Disabled"    = "false"
      "AzureWebJobs.ImportQueue.Disabled"   = "true"
      AzureWebJobsDisableHomepage           = "true"
      AzureWebJobsStorage__accountName      = azurerm_storage_account.main.name
      AzureWebJobsStorage__clientId         = "00000000-0000-4000-8000-000000000c11"
      AzureWebJobsStorage__credential       = "managedidentity"
      IMPORT_CONTAINER                      = "imports"
      IMPORT_STORAGE__accountName           = azurerm_storage_account.main.name
      IMPORT_STORAGE__clientId              = "00000000-0000-4000-8000-000000000c11"
      IMPORT_STORAGE__credential            = "managedidentity"
      KEY_VAULT_URL                         = "https://kvmock.vault.azure.net/"
      SQL_AUTHENTICATION                    = "managed-identity"
      SQL_DATABASE                          = "catalogue"
      SQL_MIGRATE                           = "never"
      SQL_POOL_MAX                          = "8"
      SQL_SERVER                            = "sqlmock.database.windows.net"
      VITRINE_EMBEDDED                      = "true"
    }
    error_message = "settings: exactly these, and no AzureWebJobsStorage with a key"
  }
  assert {
    condition = alltrue([for setting in azapi_resource.function_app.body.properties.siteConfig.appSettings :
      !can(regex("(?i)(accountkey|password|sharedaccess|sig=|secret)", setting.value)) || setting.name == "APPLICATIONINSIGHTS_CONNECTION_STRING"
    ])
    error_message = "settings: no value is a secret"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.functionAppConfig.runtime == { name = "custom", version = "1.0" }
    error_message = "app: a custom handler"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.functionAppConfig.deployment.storage.value == "https://stmock.blob.core.windows.net/deployment"
    error_message = "app: the package lies in the container for it"
  }
  # Azure answers with error 51021 where one of these is named, whatever its value.
  assert {
    condition = length(setintersection(keys(azapi_resource.function_app.body.properties.siteConfig), [
      "alwaysOn", "ftpsState", "functionAppScaleLimit", "functionsRuntimeScaleMonitoringEnabled", "linuxFxVersion",
      "minimumElasticInstanceCount", "netFrameworkVersion", "preWarmedInstanceCount", "use32BitWorkerProcess", "windowsFxVersion",
    ])) == 0
    error_message = "app: nothing that Flex Consumption refuses to be told"
  }
  assert {
    condition     = azurerm_service_plan.main.sku_name == "FC1" && azapi_resource.function_app.body.kind == "functionapp,linux"
    error_message = "app: on Flex Consumption"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.cors.allowedOrigins == tolist(["https://portal.azure.com"])
    error_message = "app: the portal may ask"
  }
  assert {
    condition     = !contains(keys(azapi_resource.function_app.body.properties), "virtualNetworkSubnetId")
    error_message = "app: in no network"
  }
}

run "prod" {
  command = plan

  variables {
    environment         = "prod"
    cors_origins        = ["https://shop.example", "https://portal.azure.com"]
    admin_emails        = ["ann@shop.example", "ben@shop.example"]
    firebase_project_id = "shop"
    firebase_api_key    = "AIza-name-of-a-project"
  }

  assert {
    condition = {
      for setting in azapi_resource.function_app.body.properties.siteConfig.appSettings : setting.name => setting.value
      if can(regex("^(REDIS|ADMIN|FIREBASE|SQL_POOL|VITRINE)", setting.name))
      } == {
      ADMIN_EMAILS         = "ann@shop.example,ben@shop.example"
      FIREBASE_API_KEY     = "AIza-name-of-a-project"
      FIREBASE_PROJECT_ID  = "shop"
      REDIS_AUTHENTICATION = "entra"
      REDIS_HOST           = "redismock.swedencentral.redis.azure.net:10000"
      SQL_POOL_MAX         = "16"
    }
    error_message = "settings: cache, administrators and Firebase where there are any"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.cors.allowedOrigins == tolist(["https://portal.azure.com", "https://shop.example"])
    error_message = "app: the named origins may ask, each once"
  }
  assert {
    condition     = azapi_resource.function_app.body.properties.functionAppConfig.scaleAndConcurrency.alwaysReady == tolist([{ name = "http", instanceCount = 1 }])
    error_message = "app: one instance is always ready"
  }
  assert {
    condition     = output.redis_host == "redismock.swedencentral.redis.azure.net:10000"
    error_message = "output: the cache with its port"
  }
}

run "container" {
  command = plan

  variables {
    container           = true
    container_image_tag = "0.1.0"
  }

  assert {
    condition     = azapi_resource.function_app.body.properties.siteConfig.linuxFxVersion == "DOCKER|crmock.azurecr.io/vitrine:0.1.0" && azapi_resource.function_app.body.kind == "functionapp,linux,container"
    error_message = "container: the app is the image"
  }
  assert {
    condition     = azurerm_service_plan.main.sku_name == "EP1" && !contains(keys(azapi_resource.function_app.body.properties), "functionAppConfig")
    error_message = "container: on a plan that takes an image"
  }
  assert {
    condition = {
      for setting in azapi_resource.function_app.body.properties.siteConfig.appSettings : setting.name => setting.value
      if can(regex("^(FUNCTIONS|WEBSITES|AzureWebJobs_)", setting.name))
      } == {
      AzureWebJobs_ImportBlob_Disabled    = "false"
      AzureWebJobs_ImportQueue_Disabled   = "true"
      FUNCTIONS_EXTENSION_VERSION         = "~4"
      FUNCTIONS_WORKER_RUNTIME            = "custom"
      WEBSITES_ENABLE_APP_SERVICE_STORAGE = "false"
    }
    error_message = "container: what Flex knows by itself is told"
  }
  assert {
    condition     = output.container_image == "crmock.azurecr.io/vitrine:0.1.0" && output.container_registry_login_server == "crmock.azurecr.io"
    error_message = "output: where the image is pushed to"
  }
}

run "queue" {
  command = plan

  variables {
    import_trigger = "queue"
  }

  assert {
    condition = {
      for setting in azapi_resource.function_app.body.properties.siteConfig.appSettings : setting.name => setting.value
      if can(regex("Disabled$", setting.name))
    } == { "AzureWebJobs.ImportBlob.Disabled" = "true", "AzureWebJobs.ImportQueue.Disabled" = "false" }
    error_message = "plan B: one of the two imports"
  }
}
