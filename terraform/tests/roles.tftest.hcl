# Who may do what, exactly: one role more is a failure as well as one less.

mock_provider "azurerm" {
  source          = "./tests/mocks/azurerm"
  override_during = plan
}

mock_provider "azapi" {
  source          = "./tests/mocks/azapi"
  override_during = plan
}

override_resource {
  target          = azurerm_storage_container.imports
  override_during = plan
  values          = { id = "/containers/imports" }
}

override_resource {
  target          = azurerm_storage_container.dead_letters
  override_during = plan
  values          = { id = "/containers/dead-letters" }
}

override_resource {
  target          = azurerm_storage_container.bulk
  override_during = plan
  values          = { id = "/containers/bulk" }
}

variables {
  environment = "dev"
  location    = "swedencentral"
  sql_administrator = {
    login     = "administrators"
    object_id = "00000000-0000-4000-8000-000000000001"
  }
}

run "app" {
  command = plan

  assert {
    condition = toset([for role in azurerm_role_assignment.app : "${role.role_definition_name} on ${role.scope}"]) == toset([
      "Storage Blob Data Owner on ${azurerm_storage_account.main.id}",
      "Storage Queue Data Contributor on ${azurerm_storage_account.main.id}",
      "Key Vault Secrets User on ${azurerm_key_vault.main.id}",
    ])
    error_message = "roles: the app has its three, on single resources"
  }
  assert {
    condition     = alltrue([for role in azurerm_role_assignment.app : role.principal_id == azurerm_user_assigned_identity.app.principal_id])
    error_message = "roles: the app's are its identity's"
  }
  assert {
    condition = toset(concat(
      [for role in azurerm_role_assignment.operator_secrets : "${role.principal_id}: ${role.role_definition_name} on ${role.scope}"],
      [for role in azurerm_role_assignment.operator_uploads : "${role.principal_id}: ${role.role_definition_name} on ${role.scope}"],
      )) == toset([
      "00000000-0000-4000-8000-00000000cccc: Key Vault Secrets Officer on ${azurerm_key_vault.main.id}",
      "00000000-0000-4000-8000-00000000cccc: Storage Blob Data Contributor on /containers/imports",
    ])
    error_message = "roles: whoever applies may set secrets and upload"
  }
  assert {
    condition     = "${azurerm_role_assignment.event_grid_dead_letters.role_definition_name} on ${azurerm_role_assignment.event_grid_dead_letters.scope}" == "Storage Blob Data Contributor on /containers/dead-letters"
    error_message = "roles: Event Grid may write down what was refused"
  }
  assert {
    condition     = length(azurerm_role_assignment.event_grid_queue) == 0 && length(azurerm_role_assignment.data_factory_bulk) == 0
    error_message = "roles: none for what is switched off"
  }
}

run "container_adds_one" {
  command = plan

  variables {
    container = true
  }

  assert {
    condition = toset([for role in azurerm_role_assignment.app : "${role.role_definition_name} on ${role.scope}"]) == toset([
      "Storage Blob Data Owner on ${azurerm_storage_account.main.id}",
      "Storage Queue Data Contributor on ${azurerm_storage_account.main.id}",
      "Key Vault Secrets User on ${azurerm_key_vault.main.id}",
      "AcrPull on ${azurerm_container_registry.main[0].id}",
    ])
    error_message = "roles: the app may pull its image, not push it"
  }
}

run "queue_adds_one" {
  command = plan

  variables {
    import_trigger = "queue"
  }

  assert {
    condition     = "${azurerm_role_assignment.event_grid_queue[0].role_definition_name} on ${azurerm_role_assignment.event_grid_queue[0].scope}" == "Storage Queue Data Message Sender on ${azurerm_storage_queue.imports.id}"
    error_message = "roles: Event Grid may send to the queue, and read nothing"
  }
}

run "data_factory_adds_one" {
  command = plan

  variables {
    data_factory        = true
    operator_object_ids = ["00000000-0000-4000-8000-000000000002"]
  }

  assert {
    condition     = "${azurerm_role_assignment.data_factory_bulk[0].role_definition_name} on ${azurerm_role_assignment.data_factory_bulk[0].scope}" == "Storage Blob Data Contributor on /containers/bulk"
    error_message = "roles: the factory has its own container"
  }
  assert {
    condition = toset([for role in azurerm_role_assignment.operator_uploads : "${role.principal_id} on ${role.scope}"]) == toset([
      "00000000-0000-4000-8000-000000000002 on /containers/imports",
      "00000000-0000-4000-8000-000000000002 on /containers/bulk",
    ])
    error_message = "roles: named operators instead of whoever applies"
  }
}
