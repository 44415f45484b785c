"""Values that the schema takes and Azure would not."""

from . import Breakage

# What no assertion says, but the look into the plans does.
BREAKAGES = [
    Breakage(
        "redis.tf", '"VolatileLRU"', '"Volatile-LRU"', {"plans": "default_database.eviction_policy"}
    ),
    Breakage(
        "identity.tf",
        '"Key Vault Secrets User"',
        '"Key Vault Secret User"',
        {"plans": "role_definition_name takes"},
    ),
    Breakage(
        "sql.tf",
        "# Who was refused and who",
        'resource "azurerm_mssql_firewall_rule" "more" {\n  name = "more"\n'
        "  server_id = azurerm_mssql_server.main.id\n"
        '  start_ip_address = "0.0.0.1"\n  end_ip_address = "255.255.255.254"\n}\n'
        "# Who was refused and who",
        {"plans": "azurerm_mssql_firewall_rule.more: lets in more than one address"},
    ),
    Breakage(
        "identity.tf",
        'resource "azurerm_role_assignment" "app" {',
        'resource "azurerm_role_assignment" "more" {\n'
        "  scope = azurerm_resource_group.main.id\n"
        '  role_definition_name = "Storage Blob Data Owner"\n'
        "  principal_id = azurerm_user_assigned_identity.app.principal_id\n}\n"
        'resource "azurerm_role_assignment" "app" {',
        {"plans": "azurerm_role_assignment.more: a role on more than a resource"},
    ),
    Breakage(
        "storage.tf",
        'name                  = local.names.bulk\n'
        "  storage_account_id    = azurerm_storage_account.main.id\n"
        '  container_access_type = "private"',
        'name                  = local.names.bulk\n'
        "  storage_account_id    = azurerm_storage_account.main.id\n"
        '  container_access_type = "blob"',
        {"plans": "azurerm_storage_container.container_access_type takes private"},
    ),
    Breakage(
        "sql.tf",
        "  server_id            = azurerm_mssql_server.main.id",
        "  server_id            = local.names.sql_server",
        {"plans": "azurerm_mssql_database.server_id wants a resource's id"},
    ),
    Breakage(
        "function_app.tf",
        "    httpsOnly ",
        "    httpsOnlyy ",
        {"plans": "httpsOnlyy: there is no such property"},
    ),
    Breakage(
        "function_app.tf",
        'type  = "blobContainer"',
        'type  = "blob"',
        {"plans": "deployment.storage.type: 'blob' is none of"},
    ),
    Breakage(
        "function_app.tf",
        "instanceMemoryMB     = local.size.instance_memory_mb",
        "instanceMemoryMB     = tostring(local.size.instance_memory_mb)",
        {"plans": "instanceMemoryMB: integer wanted"},
    ),
    Breakage(
        "event_grid.tf",
        '        endpointType = "WebHook"',
        '        endpointType = "Webhook"',
        {"plans": "endpointType: 'Webhook' is none of its kinds"},
    ),
    Breakage(
        "data_factory.tf",
        "Encrypt=True;",
        "Encrypt=True;Password=Secret1;",
        {"plans": "the plan holds a secret (Password=)"},
    ),
]
ASKED = (
    "security.tftest.hcl",
    "roles.tftest.hcl",
    "event_grid.tftest.hcl",
    "data_factory.tftest.hcl",
)
