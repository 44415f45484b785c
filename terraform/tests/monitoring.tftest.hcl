# What is watched, and who is told.

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

run "nobody_is_told" {
  command = plan

  assert {
    condition     = toset(keys(azurerm_monitor_scheduled_query_rules_alert_v2.main)) == toset(["failed-requests", "latency", "stale-reads", "failed-imports", "poison-messages"])
    error_message = "alerts: these five"
  }
  assert {
    condition     = alltrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.main : length(alert.action) == 0 && alert.evaluation_frequency == "PT15M" && alert.window_duration == "PT30M"])
    error_message = "alerts: looked for every 15 minutes in dev, and twice as far back"
  }
  assert {
    condition     = alltrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.main : alert.scopes[0] == azurerm_application_insights.main.id && alert.criteria[0].time_aggregation_method == "Count" && alert.criteria[0].threshold == 0])
    error_message = "alerts: any row of a query's answer is one"
  }
  assert {
    condition = alltrue([for name, metric in {
      failed-requests = "vitrine.request.duration"
      latency         = "vitrine.request.duration"
      stale-reads     = "vitrine.cache.stale_reads"
      failed-imports  = "vitrine.import.runs"
    } : strcontains(azurerm_monitor_scheduled_query_rules_alert_v2.main[name].criteria[0].query, "name == \"${metric}\"")])
    error_message = "alerts: on the names that are sent"
  }
  assert {
    condition     = azurerm_monitor_metric_alert.failed_invocations.criteria[0].metric_name == "requests/failed" && azurerm_monitor_metric_alert.failed_invocations.criteria[0].metric_namespace == "microsoft.insights/components"
    error_message = "alerts: a handler that does not live is seen by the host"
  }
}

run "somebody_is_told" {
  command = plan

  variables {
    environment  = "prod"
    alert_emails = ["operations@shop.example", "ann@shop.example"]
  }

  assert {
    condition     = toset([for to in azurerm_monitor_action_group.main[0].email_receiver : to.email_address]) == toset(["operations@shop.example", "ann@shop.example"])
    error_message = "alerts: everybody named is told"
  }
  assert {
    condition     = alltrue([for alert in azurerm_monitor_scheduled_query_rules_alert_v2.main : tolist(alert.action[0].action_groups) == tolist([azurerm_monitor_action_group.main[0].id]) && alert.evaluation_frequency == "PT5M"])
    error_message = "alerts: every query tells them, every 5 minutes in prod"
  }
  assert {
    condition     = [for action in azurerm_monitor_metric_alert.failed_invocations.action : action.action_group_id] == [azurerm_monitor_action_group.main[0].id]
    error_message = "alerts: the host's too"
  }
  assert {
    condition     = length(azurerm_monitor_action_group.main[0].short_name) <= 12
    error_message = "alerts: a group's short name has at most 12 characters"
  }
}

run "logs" {
  command = plan

  variables {
    container    = true
    data_factory = true
  }

  assert {
    condition     = toset(keys(azurerm_monitor_diagnostic_setting.main)) == toset(["key_vault", "storage", "database", "event_grid", "registry", "data_factory"])
    error_message = "logs: of every part that is there"
  }
  assert {
    condition     = alltrue([for setting in azurerm_monitor_diagnostic_setting.main : setting.log_analytics_workspace_id == azurerm_log_analytics_workspace.main.id && length(setting.enabled_log) > 0])
    error_message = "logs: into the workspace"
  }
  assert {
    condition     = [for log in azurerm_monitor_diagnostic_setting.main["key_vault"].enabled_log : log.category] == ["AuditEvent"]
    error_message = "logs: who read which secret"
  }
  assert {
    condition     = endswith(azurerm_monitor_diagnostic_setting.sql_audit.target_resource_id, "/databases/master") && [for log in azurerm_monitor_diagnostic_setting.sql_audit.enabled_log : log.category] == ["SQLSecurityAuditEvents"]
    error_message = "logs: the server's audit"
  }
}

run "workbook" {
  command = plan

  assert {
    condition     = azurerm_application_insights_workbook.main.source_id == lower(azurerm_application_insights.main.id) && jsondecode(azurerm_application_insights_workbook.main.data_json).fallbackResourceIds[0] == azurerm_application_insights.main.id
    error_message = "workbook: asks this component"
  }
  assert {
    condition = toset([for item in jsondecode(azurerm_application_insights_workbook.main.data_json).items : item.name if item.type == 3]) == toset([
      "requests", "routes", "latency-p50", "latency-p99", "hits", "stale", "reconciliations", "waits",
      "store", "pool", "breakers", "import-rows", "import-runs", "auth",
    ])
    error_message = "workbook: the charts of the dashboard"
  }
  assert {
    condition     = alltrue([for item in jsondecode(azurerm_application_insights_workbook.main.data_json).items : strcontains(item.content.query, "name == \"vitrine.") if item.type == 3])
    error_message = "workbook: every chart on a name that is sent"
  }
}
