"""What the tests promise, broken one by one, and what only a first plan shows."""

from . import Breakage


def _promise(file, before, after, *messages):
    return Breakage(file, before, after, {"assert": messages})


# Broken all together, as the tests go on and name each.
BREAKAGES = [
    _promise(
        "storage.tf",
        "shared_access_key_enabled         = false",
        "shared_access_key_enabled         = true",
        "storage: an account key must open nothing",
    ),
    _promise(
        "storage.tf",
        "default_to_oauth_authentication   = true",
        "default_to_oauth_authentication   = false",
        "storage: the portal must ask by login",
    ),
    _promise(
        "storage.tf",
        "local_user_enabled                = false",
        "local_user_enabled                = true",
        "storage: no local users",
    ),
    _promise(
        "storage.tf",
        "allow_nested_items_to_be_public   = false",
        "allow_nested_items_to_be_public   = true",
        "storage: no container may be made public",
    ),
    _promise(
        "storage.tf",
        'container_access_type = "private"',
        'container_access_type = "blob"',
        "storage: every container is private",
    ),
    _promise(
        "storage.tf",
        "cross_tenant_replication_enabled  = false",
        "cross_tenant_replication_enabled  = true",
        "storage: nothing is replicated to another tenant",
    ),
    _promise(
        "storage.tf",
        '"TLS1_2"',
        '"TLS1_0"',
        "storage: https and TLS 1.2",
    ),
    _promise(
        "storage.tf",
        "infrastructure_encryption_enabled = true",
        "infrastructure_encryption_enabled = false",
        "storage: encrypted twice",
    ),
    _promise(
        "storage.tf",
        "days = 7",
        "days = 1",
        "storage: what is deleted can be called back for a week",
    ),
    _promise(
        "storage.tf",
        "!var.private_network || length(var.allowed_ips) > 0",
        "true",
        "private storage: nobody from outside",
    ),
    _promise(
        "storage.tf",
        'bypass   = ["AzureServices"]',
        'bypass   = ["AzureServices", "Logging"]',
        "private storage: Event Grid comes in, nobody else does",
    ),
    _promise(
        "storage.tf",
        "var.private_network ? var.allowed_ips : []",
        '["198.51.100.1"]',
        "deployers: storage is open to their addresses alone",
    ),
    _promise(
        "key_vault.tf",
        "rbac_authorization_enabled = true",
        "rbac_authorization_enabled = false",
        "vault: by roles, not by access policies",
    ),
    _promise(
        "key_vault.tf",
        "purge_protection_enabled   = true",
        "purge_protection_enabled   = false",
        "vault: what is deleted can be called back for 90 days",
    ),
    _promise(
        "key_vault.tf",
        "  tags = local.tags",
        "  enabled_for_deployment = true\n  tags = local.tags",
        "vault: nobody but those with a role reads it",
    ),
    _promise(
        "key_vault.tf",
        'var.private_network ? "Deny" : "Allow"',
        '"Allow"',
        "private vault: nobody from outside",
        "deployers: the vault is open to their addresses alone",
    ),
    _promise(
        "sql.tf",
        "azuread_authentication_only = true",
        "azuread_authentication_only = false",
        "database: users of the directory only",
    ),
    _promise(
        "sql.tf",
        '  minimum_tls_version           = "1.2"',
        '  administrator_login = "sa1"\n  administrator_login_password = "Secret1!"\n'
        '  minimum_tls_version           = "1.0"',
        "database: no password",
        "database: TLS 1.2",
    ),
    _promise(
        "sql.tf",
        "transparent_data_encryption_enabled = true",
        "transparent_data_encryption_enabled = false",
        "database: encrypted at rest",
    ),
    _promise(
        "sizes.tf",
        "backup_days          = 14",
        "backup_days          = 3",
        "database: can be restored for a week",
    ),
    _promise(
        "sql.tf",
        '  end_ip_address   = "0.0.0.0"',
        '  end_ip_address   = "255.255.255.255"',
        "database: open to Azure's own addresses at most, not to the internet",
    ),
    _promise(
        "sql.tf",
        '    "FAILED_DATABASE_AUTHENTICATION_GROUP",\n',
        "",
        "database: who was refused is written down",
    ),
    _promise(
        "sql.tf",
        "count = var.private_network ? 0 : 1",
        "count = 1",
        "private database: nobody from outside",
        "deployers: the database is open to their addresses alone",
    ),
    _promise(
        "redis.tf",
        "access_keys_authentication_enabled = false",
        "access_keys_authentication_enabled = true",
        "cache: no keys",
    ),
    _promise("redis.tf", '"Encrypted"', '"Plaintext"', "cache: TLS"),
    _promise(
        "redis.tf",
        '"NoCluster"',
        '"OSSCluster"',
        "cache: the app's client follows no cluster",
    ),
    _promise("redis.tf", '"VolatileLRU"', '"AllKeysLRU"', "cache: versions are never evicted"),
    _promise(
        "redis.tf",
        "azurerm_user_assigned_identity.app.principal_id",
        "azurerm_user_assigned_identity.app.client_id",
        "cache: the app's principal, not its client id",
    ),
    _promise(
        "redis.tf",
        'var.private_network ? "Disabled" : "Enabled"',
        '"Enabled"',
        "private cache: nobody from outside",
    ),
    _promise(
        "function_app.tf",
        "httpsOnly                 = true",
        "httpsOnly                 = false",
        "app: https only",
    ),
    _promise(
        "function_app.tf",
        'scmMinTlsVersion       = "1.2"',
        'scmMinTlsVersion       = "1.0"',
        "app: TLS 1.2, the publishing site included",
    ),
    _promise("function_app.tf", '"Disabled"', '"AllAllowed"', "app: no FTP"),
    _promise(
        "function_app.tf",
        "    http20Enabled          = true",
        "    http20Enabled          = true\n    alwaysOn = false",
        "app: nothing that Flex Consumption refuses to be told",
    ),
    _promise(
        "function_app.tf",
        "remoteDebuggingEnabled = false",
        "remoteDebuggingEnabled = true",
        "app: no remote debugging",
    ),
    _promise(
        "function_app.tf",
        "allow = false",
        "allow = true",
        "app: published by login, not by password",
    ),
    _promise(
        "function_app.tf",
        '["https://portal.azure.com"], var.cors_origins',
        '["*"], var.cors_origins',
        "app: named origins only, and without cookies",
    ),
    _promise(
        "function_app.tf",
        '    type         = "UserAssigned"',
        '    type         = "SystemAssigned, UserAssigned"',
        "app: one identity, its own",
    ),
    _promise(
        "function_app.tf",
        'type                           = "UserAssignedIdentity"',
        'type                           = "StorageAccountConnectionString"',
        "app: the package is read by identity",
    ),
    _promise(
        "function_app.tf",
        "vnetImagePullEnabled = var.private_network",
        "vnetImagePullEnabled = false",
        "private app: everything goes through the network, the image too",
    ),
    _promise(
        "function_app.tf",
        "var.private_network ? { virtualNetworkSubnetId = azurerm_subnet.app[0].id } : {}",
        "{}",
        "private app: in the network",
    ),
    _promise(
        "function_app.tf",
        "acrUseManagedIdentityCreds = true",
        "acrUseManagedIdentityCreds = false",
        "registry: the image is pulled by identity",
    ),
    _promise(
        "container.tf",
        "!var.private_network || length(var.allowed_ips) > 0",
        "true",
        "private registry: nobody from outside",
    ),
    _promise(
        "container.tf",
        "admin_enabled                 = false",
        "admin_enabled                 = true",
        "registry: no password, nobody unnamed",
    ),
    _promise(
        "monitor.tf",
        "local_authentication_enabled = false",
        "local_authentication_enabled = true",
        "logs: the workspace takes no keys",
    ),
    _promise(
        "monitor.tf",
        "ip_masking_enabled  = true",
        "ip_masking_enabled  = false",
        "logs: no addresses of clients",
    ),
    _promise(
        "network.tf",
        'part = "sqlServer"',
        'part = "sql"',
        "private network: one endpoint each, and for the right part",
    ),
    _promise(
        "network.tf",
        '"privatelink.redis.azure.net"',
        '"privatelink.redis.cache.windows.net"',
        "private network: one zone each, under its right name",
    ),
    _promise(
        "network.tf",
        'resource "azurerm_private_dns_zone_virtual_network_link" "main" {\n'
        "  for_each = local.private_endpoints",
        'resource "azurerm_private_dns_zone_virtual_network_link" "main" {\n'
        '  for_each = { for key, value in local.private_endpoints : key => value if key != "sql" }',
        "private network: every zone is seen by the app",
    ),
    _promise(
        "network.tf",
        "source_address_prefix      = azurerm_subnet.app[0].address_prefixes[0]",
        'source_address_prefix      = "VirtualNetwork"',
        "private network: only the app's subnet reaches the endpoints",
    ),
    _promise(
        "network.tf",
        '"NetworkSecurityGroupEnabled"',
        '"Disabled"',
        "private network: rules count for endpoints too",
    ),
    # Roles.
    _promise(
        "identity.tf",
        "    var.container ? {\n",
        '    { more = { role = "Contributor", scope = azurerm_resource_group.main.id } },\n'
        "    var.container ? {\n",
        "roles: the app has its three, on single resources",
    ),
    _promise(
        "identity.tf",
        "  principal_id         = azurerm_user_assigned_identity.app.principal_id",
        "  principal_id         = data.azurerm_client_config.current.object_id",
        "roles: the app's are its identity's",
    ),
    _promise(
        "identity.tf",
        '"Key Vault Secrets Officer"',
        '"Key Vault Administrator"',
        "roles: whoever applies may set secrets and upload",
    ),
    _promise(
        "identity.tf",
        "  scope                = azurerm_storage_container.dead_letters.id",
        "  scope                = azurerm_storage_account.main.id",
        "roles: Event Grid may write down what was refused",
    ),
    _promise(
        "identity.tf",
        'count = var.import_trigger == "queue" ? 1 : 0',
        "count = 1",
        "roles: none for what is switched off",
    ),
    _promise(
        "identity.tf",
        '"AcrPull"',
        '"AcrPush"',
        "roles: the app may pull its image, not push it",
    ),
    _promise(
        "identity.tf",
        '"Storage Queue Data Message Sender"',
        '"Storage Queue Data Contributor"',
        "roles: Event Grid may send to the queue, and read nothing",
    ),
    _promise(
        "data_factory.tf",
        "  scope                = azurerm_storage_container.bulk[0].id",
        "  scope                = azurerm_storage_account.main.id",
        "roles: the factory has its own container",
    ),
    _promise(
        "identity.tf",
        "length(var.operator_object_ids) > 0 ? var.operator_object_ids",
        "length(var.operator_object_ids) > 99 ? var.operator_object_ids",
        "roles: named operators instead of whoever applies",
    ),
    # Settings and announcements.
    _promise(
        "function_app.tf",
        'AzureWebJobsStorage__credential  = "managedidentity"',
        'AzureWebJobsStorage = "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=;"',
        "settings: exactly these, and no AzureWebJobsStorage with a key",
        "settings: no value is a secret",
    ),
    _promise(
        "event_grid.tf",
        "          maxEventsPerBatch             = 1",
        '          endpointUrl = "https://func.azurewebsites.net/?code=mine"\n'
        "          maxEventsPerBatch             = 1",
        "second phase: the address with the key is in no plan",
    ),
    _promise(
        "event_grid.tf",
        "containers/${local.names.imports}/",
        "containers/",
        "second phase: uploads alone, and of one container",
        "plan B: uploads alone, and of one container",
    ),
]
# Whose every assertion has to be broken above.
COVERED = ("security.tftest.hcl", "roles.tftest.hcl")
ASKED = (*COVERED, "settings.tftest.hcl", "event_grid.tftest.hcl")

# Counted by what only an apply tells: found where no id is known yet.
COUNTED = Breakage(
    "network.tf",
    'resource "azurerm_private_endpoint" "main" {\n  for_each = local.private_endpoints',
    'resource "azurerm_private_endpoint" "main" {\n'
    "  for_each = { for value in local.private_endpoints : value.resource => value }",
    {"assert": ("Invalid for_each argument",)},
)
COUNTED_ASKED = "first_plan.tftest.hcl"
