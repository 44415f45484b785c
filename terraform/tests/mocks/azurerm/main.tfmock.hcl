# What Azure would answer. Ids have the shape of real ones, since other resources take them apart.

mock_data "azurerm_client_config" {
  defaults = {
    subscription_id = "00000000-0000-4000-8000-00000000aaaa"
    tenant_id       = "00000000-0000-4000-8000-00000000bbbb"
    object_id       = "00000000-0000-4000-8000-00000000cccc"
    client_id       = "00000000-0000-4000-8000-00000000dddd"
  }
}

mock_resource "azurerm_resource_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg"
  }
}

mock_resource "azurerm_user_assigned_identity" {
  defaults = {
    id           = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-app"
    client_id    = "00000000-0000-4000-8000-000000000c11"
    principal_id = "00000000-0000-4000-8000-000000000a99"
    tenant_id    = "00000000-0000-4000-8000-00000000bbbb"
  }
}

mock_resource "azurerm_storage_account" {
  defaults = {
    id                    = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stmock"
    primary_blob_endpoint = "https://stmock.blob.core.windows.net/"
  }
}

mock_resource "azurerm_storage_container" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stmock/blobServices/default/containers/some"
  }
}

mock_resource "azurerm_storage_queue" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/stmock/queueServices/default/queues/imports"
  }
}

mock_resource "azurerm_key_vault" {
  defaults = {
    id        = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kvmock"
    vault_uri = "https://kvmock.vault.azure.net/"
  }
}

mock_resource "azurerm_mssql_server" {
  defaults = {
    id                          = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Sql/servers/sqlmock"
    fully_qualified_domain_name = "sqlmock.database.windows.net"
  }
}

mock_resource "azurerm_mssql_database" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Sql/servers/sqlmock/databases/catalogue"
  }
}

mock_resource "azurerm_managed_redis" {
  defaults = {
    id       = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Cache/redisEnterprise/redismock"
    hostname = "redismock.swedencentral.redis.azure.net"
    default_database = {
      port = 10000
    }
  }
}

mock_resource "azurerm_eventgrid_system_topic" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/topic"
    identity = {
      principal_id = "00000000-0000-4000-8000-0000000007e9"
      tenant_id    = "00000000-0000-4000-8000-00000000bbbb"
    }
  }
}

mock_resource "azurerm_data_factory" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.DataFactory/factories/adfmock"
    identity = {
      principal_id = "00000000-0000-4000-8000-000000000adf"
      tenant_id    = "00000000-0000-4000-8000-00000000bbbb"
    }
  }
}

mock_resource "azurerm_container_registry" {
  defaults = {
    id           = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/crmock"
    login_server = "crmock.azurecr.io"
  }
}

mock_resource "azurerm_service_plan" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Web/serverFarms/plan"
  }
}

mock_resource "azurerm_application_insights" {
  defaults = {
    id                = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Insights/components/appi"
    connection_string = "InstrumentationKey=00000000-0000-4000-8000-00000000eeee;IngestionEndpoint=https://swedencentral-0.in.applicationinsights.azure.com/"
  }
}

mock_resource "azurerm_log_analytics_workspace" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.OperationalInsights/workspaces/log"
  }
}

mock_resource "azurerm_monitor_action_group" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Insights/actionGroups/ag"
  }
}

mock_resource "azurerm_virtual_network" {
  defaults = {
    id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
  }
}

mock_resource "azurerm_subnet" {
  defaults = {
    id                        = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/some"
    network_security_group_id = "/subscriptions/00000000-0000-4000-8000-00000000aaaa/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/nsg"
  }
}
