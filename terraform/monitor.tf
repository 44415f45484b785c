# Where logs and metrics go, and what sends them there.

resource "azurerm_log_analytics_workspace" "main" {
  name                = local.names.workspace
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  sku                 = "PerGB2018"
  retention_in_days   = local.size.log_days
  # A loop that logs costs a day's worth of this, not a month's pay.
  daily_quota_gb = local.size.log_daily_gb

  # Its own keys are for machines that send to it directly, and there is none.
  local_authentication_enabled = false

  tags = local.tags
}

resource "azurerm_application_insights" "main" {
  name                = local.names.insights
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  workspace_id        = azurerm_log_analytics_workspace.main.id
  application_type    = "other"
  retention_in_days   = local.size.log_days
  ip_masking_enabled  = true

  # The host and the handler send by the connection string. It says where to, lets nobody read, and
  # is no secret: what it allows is to send.
  local_authentication_enabled = true

  tags = local.tags
}

resource "azurerm_application_insights_workbook" "main" {
  name                = local.names.workbook
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  display_name        = "Vitrine (${local.stem})"
  source_id           = lower(azurerm_application_insights.main.id)
  category            = "workbook"
  data_json = jsonencode(merge(
    jsondecode(file("${path.module}/workbook.json")),
    { fallbackResourceIds = [azurerm_application_insights.main.id] },
  ))
  tags = local.tags
}

locals {
  # What each part logs. The app's own lines are in Application Insights and not sent twice; of
  # storage only what is deleted, as the host renews its locks all day long.
  logged = merge(
    {
      key_vault  = { target = azurerm_key_vault.main.id, logs = ["AuditEvent"] }
      storage    = { target = "${azurerm_storage_account.main.id}/blobServices/default", logs = ["StorageDelete"] }
      database   = { target = azurerm_mssql_database.catalogue.id, logs = ["Errors", "Timeouts", "Blocks", "Deadlocks"] }
      event_grid = { target = azurerm_eventgrid_system_topic.uploads.id, logs = ["DeliveryFailures"] }
    },
    var.container ? {
      registry = { target = azurerm_container_registry.main[0].id, logs = ["ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"] }
    } : {},
    var.data_factory ? {
      data_factory = { target = azurerm_data_factory.main[0].id, logs = ["PipelineRuns", "ActivityRuns"] }
    } : {},
  )
}

resource "azurerm_monitor_diagnostic_setting" "main" {
  for_each = local.logged

  name                       = "to-workspace"
  target_resource_id         = each.value.target
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id
  # A factory's logs have tables of their own; Azure says so whether it was asked for or not.
  log_analytics_destination_type = each.key == "data_factory" ? "Dedicated" : null

  dynamic "enabled_log" {
    for_each = each.value.logs
    content {
      category = enabled_log.value
    }
  }
}

# The server's audit goes through its database `master`.
resource "azurerm_monitor_diagnostic_setting" "sql_audit" {
  name                       = "audit-to-workspace"
  target_resource_id         = "${azurerm_mssql_server.main.id}/databases/master"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.main.id

  enabled_log {
    category = "SQLSecurityAuditEvents"
  }
}
