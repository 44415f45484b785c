# Who may do what. The app is one identity of its own, which outlives the app, so that its user in
# the database and its roles stay when the app is replaced. No role is wider than a service's data,
# and none is given on the group or the subscription.

resource "azurerm_user_assigned_identity" "app" {
  name                = local.names.identity
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tags                = local.tags
}

locals {
  operators = length(var.operator_object_ids) > 0 ? var.operator_object_ids : toset([data.azurerm_client_config.current.object_id])

  # Where an operator may put files.
  drop_containers = merge(
    { imports = azurerm_storage_container.imports.id },
    var.data_factory ? { bulk = azurerm_storage_container.bulk[0].id } : {},
  )

  app_roles = merge(
    {
      # The host keeps its locks, receipts and keys in containers that it makes itself, and the
      # blob trigger hands its work through a queue of its own: both want the whole account.
      host_blobs  = { role = "Storage Blob Data Owner", scope = azurerm_storage_account.main.id }
      host_queues = { role = "Storage Queue Data Contributor", scope = azurerm_storage_account.main.id }
      secrets     = { role = "Key Vault Secrets User", scope = azurerm_key_vault.main.id }
    },
    var.container ? {
      image = { role = "AcrPull", scope = azurerm_container_registry.main[0].id }
    } : {},
  )
}

resource "azurerm_role_assignment" "app" {
  for_each = local.app_roles

  scope                = each.value.scope
  role_definition_name = each.value.role
  principal_id         = azurerm_user_assigned_identity.app.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "operator_secrets" {
  for_each = local.operators

  scope                = azurerm_key_vault.main.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = each.value
}

resource "azurerm_role_assignment" "operator_uploads" {
  for_each = {
    for pair in setproduct(local.operators, keys(local.drop_containers)) :
    "${pair[0]}/${pair[1]}" => { principal = pair[0], container = pair[1] }
  }

  scope                = local.drop_containers[each.value.container]
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = each.value.principal
}

# A refused announcement is kept, and one that goes through a queue is put there, by the topic.
resource "azurerm_role_assignment" "event_grid_dead_letters" {
  scope                = azurerm_storage_container.dead_letters.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_eventgrid_system_topic.uploads.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "event_grid_queue" {
  count = var.import_trigger == "queue" ? 1 : 0

  scope                = azurerm_storage_queue.imports.id
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = azurerm_eventgrid_system_topic.uploads.identity[0].principal_id
  principal_type       = "ServicePrincipal"
}
