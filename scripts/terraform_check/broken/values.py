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
