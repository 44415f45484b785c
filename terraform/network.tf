# With `private_network` storage, database, vault, cache and registry have addresses in a network of
# their own, and the app is in it. The API stays public: it is for everybody.

locals {
  private_endpoints = var.private_network ? merge(
    {
      blob = {
        resource = azurerm_storage_account.main.id, part = "blob", zone = "privatelink.blob.core.windows.net"
      }
      queue = {
        resource = azurerm_storage_account.main.id, part = "queue", zone = "privatelink.queue.core.windows.net"
      }
      sql = {
        resource = azurerm_mssql_server.main.id, part = "sqlServer", zone = "privatelink.database.windows.net"
      }
      vault = {
        resource = azurerm_key_vault.main.id, part = "vault", zone = "privatelink.vaultcore.azure.net"
      }
    },
    local.redis ? {
      redis = {
        resource = azurerm_managed_redis.main[0].id, part = "redisEnterprise", zone = "privatelink.redis.azure.net"
      }
    } : {},
    var.container ? {
      registry = {
        resource = azurerm_container_registry.main[0].id, part = "registry", zone = "privatelink.azurecr.io"
      }
    } : {},
  ) : {}
}

resource "azurerm_virtual_network" "main" {
  count = var.private_network ? 1 : 0

  name                = local.names.network
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  address_space       = [var.network_cidr]
  tags                = local.tags
}

resource "azurerm_subnet" "app" {
  count = var.private_network ? 1 : 0

  # A subnet is given to one kind of plan.
  name                 = var.container ? "app-premium" : "app-flex"
  resource_group_name  = azurerm_resource_group.main.name
  virtual_network_name = azurerm_virtual_network.main[0].name
  address_prefixes     = [cidrsubnet(var.network_cidr, 2, var.container ? 1 : 0)]

  delegation {
    name = "app"
    service_delegation {
      name    = var.container ? "Microsoft.Web/serverFarms" : "Microsoft.App/environments"
      actions = [var.container ? "Microsoft.Network/virtualNetworks/subnets/action" : "Microsoft.Network/virtualNetworks/subnets/join/action"]
    }
  }
}

resource "azurerm_subnet" "endpoints" {
  count = var.private_network ? 1 : 0

  name                              = "endpoints"
  resource_group_name               = azurerm_resource_group.main.name
  virtual_network_name              = azurerm_virtual_network.main[0].name
  address_prefixes                  = [cidrsubnet(var.network_cidr, 2, 2)]
  private_endpoint_network_policies = "NetworkSecurityGroupEnabled"
}

resource "azurerm_network_security_group" "app" {
  count = var.private_network ? 1 : 0

  name                = "nsg-app"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location

  security_rule {
    name                       = "nothing-comes-in"
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "Internet"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }

  tags = local.tags
}

resource "azurerm_network_security_group" "endpoints" {
  count = var.private_network ? 1 : 0

  name                = "nsg-endpoints"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location

  security_rule {
    name                       = "the-app"
    priority                   = 100
    direction                  = "Inbound"
    access                     = "Allow"
    protocol                   = "Tcp"
    source_address_prefix      = azurerm_subnet.app[0].address_prefixes[0]
    source_port_range          = "*"
    destination_address_prefix = azurerm_subnet.endpoints[0].address_prefixes[0]
    # https, SQL Server and the ports that it redirects to, Redis.
    destination_port_ranges = ["443", "1433", "10000", "11000-11999"]
  }

  security_rule {
    name                       = "nobody-else"
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }

  tags = local.tags
}

resource "azurerm_subnet_network_security_group_association" "app" {
  count = var.private_network ? 1 : 0

  subnet_id                 = azurerm_subnet.app[0].id
  network_security_group_id = azurerm_network_security_group.app[0].id
}

resource "azurerm_subnet_network_security_group_association" "endpoints" {
  count = var.private_network ? 1 : 0

  subnet_id                 = azurerm_subnet.endpoints[0].id
  network_security_group_id = azurerm_network_security_group.endpoints[0].id
}

resource "azurerm_private_dns_zone" "main" {
  for_each = local.private_endpoints

  name                = each.value.zone
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "main" {
  for_each = local.private_endpoints

  name                 = each.key
  private_dns_zone_id  = azurerm_private_dns_zone.main[each.key].id
  virtual_network_id   = azurerm_virtual_network.main[0].id
  registration_enabled = false
  tags                 = local.tags
}

resource "azurerm_private_endpoint" "main" {
  for_each = local.private_endpoints

  name                = "pe-${local.stem}-${each.key}"
  resource_group_name = azurerm_resource_group.main.name
  location            = azurerm_resource_group.main.location
  subnet_id           = azurerm_subnet.endpoints[0].id

  private_service_connection {
    name                           = each.key
    is_manual_connection           = false
    private_connection_resource_id = each.value.resource
    subresource_names              = [each.value.part]
  }

  private_dns_zone_group {
    name                 = each.key
    private_dns_zone_ids = [azurerm_private_dns_zone.main[each.key].id]
  }

  tags = local.tags
}
