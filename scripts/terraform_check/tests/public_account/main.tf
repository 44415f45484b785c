# What must not pass: an account that anybody may read.
resource "azurerm_storage_account" "open" {
  name                            = "open"
  resource_group_name             = "rg"
  location                        = "swedencentral"
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  allow_nested_items_to_be_public = true
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
}
