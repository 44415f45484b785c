# The secrets that remain: the key of tokens and Firebase's service account. Their values are set by
# scripts/deploy or by an operator, so that no state ever holds one.

resource "azurerm_key_vault" "main" {
  name                = local.names.key_vault
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  tenant_id           = data.azurerm_client_config.current.tenant_id
  sku_name            = "standard"

  rbac_authorization_enabled = true
  soft_delete_retention_days = 90
  purge_protection_enabled   = true

  public_network_access_enabled = !var.private_network || length(var.allowed_ips) > 0

  network_acls {
    default_action = var.private_network ? "Deny" : "Allow"
    bypass         = "AzureServices"
    ip_rules       = var.private_network ? [for ip in var.allowed_ips : "${ip}/32"] : []
  }

  tags = local.tags
}
