# The cache that instances share. Off for dev: nothing depends on it but speed.

resource "azurerm_managed_redis" "main" {
  count = local.redis ? 1 : 0

  name                      = local.names.redis
  resource_group_name       = azurerm_resource_group.main.name
  location                  = azurerm_resource_group.main.location
  sku_name                  = local.size.redis_sku
  high_availability_enabled = local.size.redis_replicated
  public_network_access     = var.private_network ? "Disabled" : "Enabled"

  default_database {
    access_keys_authentication_enabled = false
    client_protocol                    = "Encrypted"
    # One endpoint, no shards: the app's client follows no cluster.
    clustering_policy = "NoCluster"
    # Pages have a life and may go, versions have none and must stay.
    eviction_policy = "VolatileLRU"
  }

  tags = local.tags
}

# By the principal: the user name at login is the token's object id.
resource "azurerm_managed_redis_access_policy_assignment" "app" {
  count = local.redis ? 1 : 0

  managed_redis_id = azurerm_managed_redis.main[0].id
  object_id        = azurerm_user_assigned_identity.app.principal_id
}
