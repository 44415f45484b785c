# The app and its plan: a package on Flex Consumption, or an image on Elastic Premium.
#
# The app is written as Azure's own API has it, since the provider's resource adds a connection
# string with an account key to it (handler/docs/decisions/0009).

resource "azurerm_service_plan" "main" {
  name                         = local.names.plan
  resource_group_name          = azurerm_resource_group.main.name
  location                     = azurerm_resource_group.main.location
  os_type                      = "Linux"
  sku_name                     = var.container ? local.size.container_sku : "FC1"
  maximum_elastic_worker_count = var.container ? min(local.size.instances_max, 20) : null

  tags = local.tags
}

locals {
  hostname = azapi_resource.function_app.output.hostname

  app_settings = merge(
    {
      # The host's own storage, by identity: all three are needed.
      AzureWebJobsStorage__accountName = azurerm_storage_account.main.name
      AzureWebJobsStorage__credential  = "managedidentity"
      AzureWebJobsStorage__clientId    = azurerm_user_assigned_identity.app.client_id
      AzureWebJobsDisableHomepage      = "true"

      APPLICATIONINSIGHTS_CONNECTION_STRING = azurerm_application_insights.main.connection_string

      AZURE_CLIENT_ID    = azurerm_user_assigned_identity.app.client_id
      KEY_VAULT_URL      = azurerm_key_vault.main.vault_uri
      SQL_SERVER         = azurerm_mssql_server.main.fully_qualified_domain_name
      SQL_DATABASE       = azurerm_mssql_database.catalogue.name
      SQL_AUTHENTICATION = "managed-identity"
      SQL_MIGRATE        = "never"
      SQL_POOL_MAX       = tostring(local.size.sql_pool_max)

      IMPORT_CONTAINER            = azurerm_storage_container.imports.name
      IMPORT_STORAGE__accountName = azurerm_storage_account.main.name
      IMPORT_STORAGE__credential  = "managedidentity"
      IMPORT_STORAGE__clientId    = azurerm_user_assigned_identity.app.client_id

      # One of the two imports.
      "AzureWebJobs.ImportBlob.Disabled"  = tostring(var.import_trigger != "blob")
      "AzureWebJobs.ImportQueue.Disabled" = tostring(var.import_trigger != "queue")
    },
    local.redis ? {
      REDIS_HOST           = local.redis_host
      REDIS_AUTHENTICATION = "entra"
    } : {},
    length(var.admin_emails) > 0 ? { ADMIN_EMAILS = join(",", var.admin_emails) } : {},
    var.firebase_project_id != null ? {
      FIREBASE_PROJECT_ID = var.firebase_project_id
      FIREBASE_API_KEY    = var.firebase_api_key
    } : {},
    # Without Firebase the users are in the database, and the app wants to hear that this is meant.
    var.firebase_project_id == null ? { VITRINE_EMBEDDED = "true" } : {},
    # Flex Consumption knows these from functionAppConfig and refuses them as settings.
    var.container ? {
      FUNCTIONS_EXTENSION_VERSION         = "~4"
      FUNCTIONS_WORKER_RUNTIME            = "custom"
      WEBSITES_ENABLE_APP_SERVICE_STORAGE = "false"
      # A name with dots may be lost on its way into a container; the host takes this form too.
      "AzureWebJobs_ImportBlob_Disabled"  = tostring(var.import_trigger != "blob")
      "AzureWebJobs_ImportQueue_Disabled" = tostring(var.import_trigger != "queue")
    } : {},
  )

  redis_host = local.redis ? "${azurerm_managed_redis.main[0].hostname}:${azurerm_managed_redis.main[0].default_database[0].port}" : null

  site_config = {
    appSettings = [for key in sort(keys(local.app_settings)) : { name = key, value = local.app_settings[key] }]
    cors = {
      # The portal's own Test/Run page asks from the browser.
      allowedOrigins     = distinct(concat(["https://portal.azure.com"], var.cors_origins))
      supportCredentials = false
    }
    http20Enabled          = true
    minTlsVersion          = "1.2"
    scmMinTlsVersion       = "1.2"
    remoteDebuggingEnabled = false
  }

  site = merge(
    {
      serverFarmId              = azurerm_service_plan.main.id
      reserved                  = true
      httpsOnly                 = true
      clientAffinityEnabled     = false
      publicNetworkAccess       = "Enabled"
      keyVaultReferenceIdentity = azurerm_user_assigned_identity.app.id
    },
    var.private_network ? { virtualNetworkSubnetId = azurerm_subnet.app[0].id } : {},
  )

  flex = {
    functionAppConfig = {
      runtime = {
        name    = "custom"
        version = "1.0"
      }
      deployment = {
        storage = {
          type  = "blobContainer"
          value = "${azurerm_storage_account.main.primary_blob_endpoint}${azurerm_storage_container.deployment.name}"
          authentication = {
            type                           = "UserAssignedIdentity"
            userAssignedIdentityResourceId = azurerm_user_assigned_identity.app.id
          }
        }
      }
      scaleAndConcurrency = {
        instanceMemoryMB     = local.size.instance_memory_mb
        maximumInstanceCount = local.size.instances_max
        alwaysReady          = local.size.instances_ready > 0 ? [{ name = "http", instanceCount = local.size.instances_ready }] : []
        triggers             = { http = { perInstanceConcurrency = local.size.requests_an_instance } }
      }
    }
    siteConfig = local.site_config
  }

  premium = {
    vnetRouteAllEnabled  = var.private_network
    vnetImagePullEnabled = var.private_network
    siteConfig = merge(local.site_config, {
      linuxFxVersion             = var.container ? "DOCKER|${local.image}" : null
      acrUseManagedIdentityCreds = true
      acrUserManagedIdentityID   = azurerm_user_assigned_identity.app.client_id
      healthCheckPath            = "/health"
      # Flex Consumption has no FTP, and refuses to be told so.
      ftpsState = "Disabled"
      # At least one, so that a request never waits for an image.
      minimumElasticInstanceCount            = max(1, local.size.instances_ready)
      functionAppScaleLimit                  = min(local.size.instances_max, 20)
      functionsRuntimeScaleMonitoringEnabled = var.private_network
    })
  }
}

resource "azapi_resource" "function_app" {
  type      = "Microsoft.Web/sites@2024-04-01"
  name      = local.names.function_app
  parent_id = azurerm_resource_group.main.id
  location  = azurerm_resource_group.main.location
  tags      = local.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.app.id]
  }

  body = {
    kind = var.container ? "functionapp,linux,container" : "functionapp,linux"
    # By index, since the two differ in shape and a condition wants one shape on both sides.
    properties = merge(local.site, [local.flex, local.premium][var.container ? 1 : 0])
  }

  response_export_values = { hostname = "properties.defaultHostName" }

  # An app cannot be moved between the two kinds of plan.
  replace_triggers_external_values = [var.container]

  # It starts at once, and reads package, secrets and queues when it does.
  depends_on = [
    azurerm_role_assignment.app,
    azurerm_managed_redis_access_policy_assignment.app,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

# Code is published with a token of the directory; user and password of the site are no way in.
resource "azapi_update_resource" "no_publishing_password" {
  for_each = toset(["ftp", "scm"])

  type      = "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01"
  name      = each.value
  parent_id = azapi_resource.function_app.id
  body      = { properties = { allow = false } }
}
