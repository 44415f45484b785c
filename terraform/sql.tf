# Nobody has a password here: users of the directory alone log in. The app's own user is made by
# scripts/deploy, as no resource can.

resource "azurerm_mssql_server" "main" {
  name                = local.names.sql_server
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  version             = "12.0"

  azuread_administrator {
    login_username              = var.sql_administrator.login
    object_id                   = var.sql_administrator.object_id
    tenant_id                   = data.azurerm_client_config.current.tenant_id
    azuread_authentication_only = true
  }

  minimum_tls_version           = "1.2"
  public_network_access_enabled = !var.private_network || length(var.allowed_ips) > 0

  tags = local.tags
}

resource "azurerm_mssql_database" "catalogue" {
  name                 = local.names.sql_database
  server_id            = azurerm_mssql_server.main.id
  sku_name             = local.size.sql_sku
  max_size_gb          = local.size.sql_max_gb
  zone_redundant       = local.size.sql_zone_redundant
  storage_account_type = { LRS = "Local", ZRS = "Zone", GRS = "Geo", GZRS = "GeoZone" }[local.size.storage_replication]

  # The timer asks every five minutes, so a database that pauses would do so never, and a first
  # login after a pause costs a minute.
  min_capacity                = local.sql_is_serverless ? local.size.sql_min_vcores : null
  auto_pause_delay_in_minutes = local.sql_is_serverless ? -1 : null

  transparent_data_encryption_enabled = true

  short_term_retention_policy {
    retention_days = local.size.backup_days
  }

  tags = local.tags

  # The only thing that cannot be made again. `terraform state rm` takes it out of the way of a
  # destroy that is meant (handler/docs/infrastructure.md).
  lifecycle {
    prevent_destroy = true
  }
}

# Flex Consumption outside a network has no addresses of its own. This rule stands for "any
# address of Azure's"; whoever comes in by it still needs a token of the directory and a user here.
resource "azurerm_mssql_firewall_rule" "azure" {
  count = var.private_network ? 0 : 1

  name             = "azure-services"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = "0.0.0.0"
  end_ip_address   = "0.0.0.0"
}

resource "azurerm_mssql_firewall_rule" "deployer" {
  for_each = var.allowed_ips

  name             = "deployer-${replace(each.value, ".", "-")}"
  server_id        = azurerm_mssql_server.main.id
  start_ip_address = each.value
  end_ip_address   = each.value
}

# Who was refused and who changed users, rights and tables. Not each statement: the default set of
# groups writes one log line a statement, which costs more than the database.
resource "azurerm_mssql_server_extended_auditing_policy" "main" {
  server_id              = azurerm_mssql_server.main.id
  enabled                = true
  log_monitoring_enabled = true

  audit_actions_and_groups = [
    "FAILED_DATABASE_AUTHENTICATION_GROUP",
    "DATABASE_PERMISSION_CHANGE_GROUP",
    "DATABASE_PRINCIPAL_CHANGE_GROUP",
    "DATABASE_ROLE_MEMBER_CHANGE_GROUP",
    "SCHEMA_OBJECT_CHANGE_GROUP",
    "SCHEMA_OBJECT_PERMISSION_CHANGE_GROUP",
  ]

  depends_on = [azurerm_monitor_diagnostic_setting.sql_audit]
}
