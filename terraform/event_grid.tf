# An upload is announced by Event Grid. Flex Consumption knows no other way: it looks into no
# container by itself.
#
# ImportBlob is announced to by a web hook whose address holds a key that the host makes when it
# first runs the code. So the subscription comes in a second apply (`event_grid = true`). The key is
# asked for anew each time and sent on: neither a plan nor a state holds it.

resource "azurerm_eventgrid_system_topic" "uploads" {
  name                = local.names.system_topic
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  source_resource_id  = azurerm_storage_account.main.id
  topic_type          = "Microsoft.Storage.StorageAccounts"

  identity {
    type = "SystemAssigned"
  }

  tags = local.tags
}

locals {
  announced         = ["Microsoft.Storage.BlobCreated"]
  announced_subject = "/blobServices/default/containers/${local.names.imports}/"
  # A day: longer than any outage that nobody would hear of by an alert.
  announced_for_minutes = 1440
  announced_times_max   = 30
}

ephemeral "azapi_resource_action" "host_keys" {
  count    = var.event_grid && var.import_trigger == "blob" ? 1 : 0
  provider = azapi.keys

  type                   = "Microsoft.Web/sites@2024-04-01"
  resource_id            = azapi_resource.function_app.id
  action                 = "host/default/listkeys"
  response_export_values = { blobs_extension = "systemKeys.blobs_extension" }

  lifecycle {
    postcondition {
      condition     = try(length(self.output.blobs_extension) > 0, false)
      error_message = "The app has made no key for announcements yet: it does when its code runs for the first time. Publish the code (scripts/deploy), open the app's /health once, and apply again; or set event_grid = false."
    }
  }
}

resource "azapi_resource" "announce_to_function" {
  count = var.event_grid && var.import_trigger == "blob" ? 1 : 0

  type      = "Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15"
  name      = "imports-to-function"
  parent_id = azurerm_eventgrid_system_topic.uploads.id

  body = {
    properties = {
      eventDeliverySchema = "EventGridSchema"
      filter = {
        includedEventTypes = local.announced
        subjectBeginsWith  = local.announced_subject
      }
      retryPolicy = {
        eventTimeToLiveInMinutes = local.announced_for_minutes
        maxDeliveryAttempts      = local.announced_times_max
      }
      destination = {
        endpointType = "WebHook"
        properties = {
          maxEventsPerBatch             = 1
          preferredBatchSizeInKilobytes = 64
        }
      }
      deadLetterWithResourceIdentity = {
        identity = { type = "SystemAssigned" }
        deadLetterDestination = {
          endpointType = "StorageBlob"
          properties = {
            resourceId        = azurerm_storage_account.main.id
            blobContainerName = azurerm_storage_container.dead_letters.name
          }
        }
      }
    }
  }

  sensitive_body = {
    properties = {
      destination = {
        properties = {
          endpointUrl = "https://${local.hostname}/runtime/webhooks/blobs?functionName=Host.Functions.ImportBlob&code=${urlencode(ephemeral.azapi_resource_action.host_keys[0].output.blobs_extension)}"
        }
      }
    }
  }

  depends_on = [azurerm_role_assignment.event_grid_dead_letters]
}

# Plan B. No key, so no second phase: what is announced before the code is there waits.
resource "azurerm_eventgrid_system_topic_event_subscription" "announce_to_queue" {
  count = var.import_trigger == "queue" ? 1 : 0

  name                  = "imports-to-queue"
  resource_group_name   = azurerm_resource_group.main.name
  system_topic          = azurerm_eventgrid_system_topic.uploads.name
  event_delivery_schema = "EventGridSchema"
  included_event_types  = local.announced

  subject_filter {
    subject_begins_with = local.announced_subject
  }

  storage_queue_endpoint {
    storage_account_id = azurerm_storage_account.main.id
    queue_name         = azurerm_storage_queue.imports.name
  }

  delivery_identity {
    type = "SystemAssigned"
  }

  retry_policy {
    event_time_to_live    = local.announced_for_minutes
    max_delivery_attempts = local.announced_times_max
  }

  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.main.id
    storage_blob_container_name = azurerm_storage_container.dead_letters.name
  }

  dead_letter_identity {
    type = "SystemAssigned"
  }

  depends_on = [
    azurerm_role_assignment.event_grid_dead_letters,
    azurerm_role_assignment.event_grid_queue,
  ]
}
