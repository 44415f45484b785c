# How an upload is announced, in two phases.

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

run "first_phase" {
  command = plan

  assert {
    condition     = length(azapi_resource.announce_to_function) == 0 && length(azurerm_eventgrid_system_topic_event_subscription.announce_to_queue) == 0
    error_message = "first phase: nobody is announced to before the code is there"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic.uploads.source_resource_id == azurerm_storage_account.main.id && azurerm_eventgrid_system_topic.uploads.topic_type == "Microsoft.Storage.StorageAccounts"
    error_message = "first phase: the topic is there"
  }
}

run "second_phase" {
  command = plan

  variables {
    event_grid = true
  }

  assert {
    condition     = azapi_resource.announce_to_function[0].body.properties.filter.subjectBeginsWith == "/blobServices/default/containers/imports/" && tolist(azapi_resource.announce_to_function[0].body.properties.filter.includedEventTypes) == tolist(["Microsoft.Storage.BlobCreated"])
    error_message = "second phase: uploads alone, and of one container"
  }
  assert {
    condition     = azapi_resource.announce_to_function[0].body.properties.destination.endpointType == "WebHook" && !can(azapi_resource.announce_to_function[0].body.properties.destination.properties.endpointUrl)
    error_message = "second phase: the address with the key is in no plan"
  }
  assert {
    condition     = azapi_resource.announce_to_function[0].body.properties.deadLetterWithResourceIdentity.deadLetterDestination.properties.blobContainerName == "dead-letters" && azapi_resource.announce_to_function[0].body.properties.deadLetterWithResourceIdentity.identity.type == "SystemAssigned"
    error_message = "second phase: what is refused is kept, by identity"
  }
  assert {
    condition     = azapi_resource.announce_to_function[0].body.properties.retryPolicy == { eventTimeToLiveInMinutes = 1440, maxDeliveryAttempts = 30 }
    error_message = "second phase: tried for a day"
  }
}

run "queue_needs_no_second_phase" {
  command = plan

  variables {
    import_trigger = "queue"
  }

  assert {
    condition     = length(azapi_resource.announce_to_function) == 0
    error_message = "plan B: one announcement"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.announce_to_queue[0].subject_filter[0].subject_begins_with == "/blobServices/default/containers/imports/" && tolist(azurerm_eventgrid_system_topic_event_subscription.announce_to_queue[0].included_event_types) == tolist(["Microsoft.Storage.BlobCreated"])
    error_message = "plan B: uploads alone, and of one container"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.announce_to_queue[0].storage_queue_endpoint[0].queue_name == "imports" && azurerm_eventgrid_system_topic_event_subscription.announce_to_queue[0].delivery_identity[0].type == "SystemAssigned"
    error_message = "plan B: through the queue, by identity"
  }
  assert {
    condition     = azurerm_eventgrid_system_topic_event_subscription.announce_to_queue[0].storage_blob_dead_letter_destination[0].storage_blob_container_name == "dead-letters" && azurerm_eventgrid_system_topic_event_subscription.announce_to_queue[0].dead_letter_identity[0].type == "SystemAssigned"
    error_message = "plan B: what is refused is kept, by identity"
  }
}
