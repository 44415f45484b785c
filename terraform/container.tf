# The registry of the image that the app is with `container = true`. The image is pushed by
# scripts/deploy; an app whose image is not there yet waits for it.

resource "azurerm_container_registry" "main" {
  count = var.container ? 1 : 0

  name                = local.names.registry
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  # Private endpoints are a thing of Premium alone.
  sku = var.private_network ? "Premium" : "Basic"

  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = !var.private_network || length(var.allowed_ips) > 0
  network_rule_bypass_option    = "AzureServices"
  data_endpoint_enabled         = var.private_network
  retention_policy_in_days      = var.private_network ? 30 : null # of images without a tag

  dynamic "network_rule_set" {
    for_each = var.private_network ? [1] : []
    content {
      default_action = "Deny"

      dynamic "ip_rule" {
        for_each = var.allowed_ips
        content {
          action   = "Allow"
          ip_range = "${ip_rule.value}/32"
        }
      }
    }
  }

  tags = local.tags
}

locals {
  image = var.container ? "${azurerm_container_registry.main[0].login_server}/${local.names.image}:${var.container_image_tag}" : null
}
