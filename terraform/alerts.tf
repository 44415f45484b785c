# What somebody should be told of. What each one means and what to do is in the runbook.

resource "azurerm_monitor_action_group" "main" {
  count = length(var.alert_emails) > 0 ? 1 : 0

  name                = local.names.action_group
  resource_group_name = azurerm_resource_group.main.name
  short_name          = substr("${var.name}${var.environment}", 0, 12)

  dynamic "email_receiver" {
    for_each = toset(var.alert_emails)
    content {
      name                    = email_receiver.value
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }

  tags = local.tags
}

locals {
  action_groups = azurerm_monitor_action_group.main[*].id
  alert_every   = local.size.alert_every_minutes == 60 ? "PT1H" : "PT${local.size.alert_every_minutes}M"
  # At least twice as far back, since what is measured arrives some minutes late.
  alert_window = { 5 = "PT10M", 10 = "PT30M", 15 = "PT30M", 30 = "PT1H", 45 = "PT2H", 60 = "PT2H" }[local.size.alert_every_minutes]

  # Each query answers with a row for every reason to tell somebody. Counters are sent as what was
  # added since the last time, so a sum over the window is what happened in it.
  query_alerts = {
    failed-requests = {
      severity = 1
      text     = "More than 1 % of the requests, and at least 10, ended with a 5xx."
      query    = <<-KQL
        customMetrics
        | where name == "vitrine.request.duration"
        | summarize failed = sumif(valueCount, tostring(customDimensions.status) startswith "5"), answered = sum(valueCount)
        | where failed >= 10 and failed * 100 > answered
      KQL
    }
    # Each value is one bucket of the latencies: its sum and count.
    latency = {
      severity = 2
      text     = "One in a hundred requests of a route that was asked at least 100 times took over a second."
      query    = <<-KQL
        customMetrics
        | where name == "vitrine.request.duration"
        | where tostring(customDimensions.status) startswith "2"
        | summarize answered = sum(valueCount), p99 = percentilew(valueSum / valueCount, valueCount, 99) by route = tostring(customDimensions.route)
        | where answered >= 100 and p99 > 1000
      KQL
    }
    stale-reads = {
      severity = 1
      text     = "An answer was older than is promised. It never should be: a fault of the service."
      query    = <<-KQL
        customMetrics
        | where name == "vitrine.cache.stale_reads"
        | summarize reads = sum(valueSum)
        | where reads > 0
      KQL
    }
    failed-imports = {
      severity = 2
      text     = "An import ended as failed: GET /imports tells which and why."
      query    = <<-KQL
        customMetrics
        | where name == "vitrine.import.runs" and tostring(customDimensions.state) == "failed"
        | summarize runs = sum(valueSum)
        | where runs > 0
      KQL
    }
    # Told by the host, since the handler is never asked again. By the whole sentence: each start
    # of a host lists its options, and a MaxDequeueCount is among them.
    poison-messages = {
      severity = 2
      text     = "An upload was tried five times and put aside, into webjobs-blobtrigger-poison or imports-poison."
      query    = <<-KQL
        traces
        | where message startswith "Message has reached MaxDequeueCount"
      KQL
    }
  }
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "main" {
  for_each = local.query_alerts

  name                = "${each.key}-${local.stem}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  description         = each.value.text
  severity            = each.value.severity
  scopes              = [azurerm_application_insights.main.id]

  evaluation_frequency    = local.alert_every
  window_duration         = local.alert_window
  auto_mitigation_enabled = true
  # A component that was made a moment ago has no tables that a query could be checked against.
  skip_query_validation = true

  criteria {
    query                   = each.value.query
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0

    failing_periods {
      number_of_evaluation_periods             = 1
      minimum_failing_periods_to_trigger_alert = 1
    }
  }

  dynamic "action" {
    for_each = length(local.action_groups) > 0 ? [1] : []
    content {
      action_groups = local.action_groups
    }
  }

  tags = local.tags
}

# The same from the host's side: a handler that does not live counts nothing.
resource "azurerm_monitor_metric_alert" "failed_invocations" {
  name                = "failed-invocations-${local.stem}"
  resource_group_name = azurerm_resource_group.main.name
  description         = "The Functions host counted more than 10 failed invocations in 15 minutes."
  severity            = 1
  scopes              = [azurerm_application_insights.main.id]
  frequency           = "PT5M"
  window_size         = "PT15M"

  criteria {
    metric_namespace = "microsoft.insights/components"
    metric_name      = "requests/failed"
    aggregation      = "Count"
    operator         = "GreaterThan"
    threshold        = 10
  }

  dynamic "action" {
    for_each = local.action_groups
    content {
      action_group_id = action.value
    }
  }

  tags = local.tags
}
