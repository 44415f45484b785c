# One account without keys: uploads, refused rows, the package, and what the Functions host keeps.

resource "azurerm_storage_account" "main" {
  name                     = local.names.storage
  resource_group_name      = azurerm_resource_group.main.name
  location                 = azurerm_resource_group.main.location
  account_kind             = "StorageV2" # Event Grid takes no other
  account_tier             = "Standard"
  account_replication_type = local.size.storage_replication

  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  local_user_enabled                = false
  allow_nested_items_to_be_public   = false
  cross_tenant_replication_enabled  = false
  https_traffic_only_enabled        = true
  min_tls_version                   = "TLS1_2"
  infrastructure_encryption_enabled = true
  public_network_access_enabled     = !var.private_network || length(var.allowed_ips) > 0

  network_rules {
    # Flex Consumption outside a network has no addresses that could be named.
    default_action = var.private_network ? "Deny" : "Allow"
    # Event Grid comes in by this, with its identity.
    bypass   = ["AzureServices"]
    ip_rules = var.private_network ? var.allowed_ips : []
  }

  blob_properties {
    delete_retention_policy {
      days = 7
    }
    container_delete_retention_policy {
      days = 7
    }
  }

  tags = local.tags
}

# By the resource manager, not by the data plane: no right to data is needed, and no address.
resource "azurerm_storage_container" "imports" {
  name                  = local.names.imports
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "rejects" {
  name                  = local.names.rejects
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "deployment" {
  name                  = local.names.deployment
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

resource "azurerm_storage_container" "dead_letters" {
  name                  = local.names.dead_letters
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

# Not imports: what a pipeline takes must not be imported by the app as well.
resource "azurerm_storage_container" "bulk" {
  count = var.data_factory ? 1 : 0

  name                  = local.names.bulk
  storage_account_id    = azurerm_storage_account.main.id
  container_access_type = "private"
}

# There also while import_trigger is blob, as ImportQueue may be tried by hand.
resource "azurerm_storage_queue" "imports" {
  name               = local.names.imports_queue
  storage_account_id = azurerm_storage_account.main.id
}

resource "azurerm_storage_management_policy" "main" {
  storage_account_id = azurerm_storage_account.main.id

  # Refused rows are promised for 30 days.
  rule {
    name    = "rejects-and-dead-letters"
    enabled = true
    filters {
      blob_types   = ["blockBlob", "appendBlob"]
      prefix_match = ["${local.names.rejects}/", "${local.names.dead_letters}/"]
    }
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = 30
      }
    }
  }

  # Kept longer than a run may be tried again.
  rule {
    name    = "uploads"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${local.names.imports}/", "${local.names.bulk}/"]
    }
    actions {
      base_blob {
        delete_after_days_since_modification_greater_than = 90
      }
    }
  }
}
