"""Text that neither schema nor Terraform may let pass."""

from . import Breakage


def _spelt(file, before, after, hcl, validate):
    return Breakage(file, before, after, {"hcl": hcl, "validate": validate})


# Each is looked for by itself, as Terraform ends at the first few.
BREAKAGES = [
    # An argument that there is not.
    _spelt(
        "storage.tf",
        "  shared_access_key_enabled         = false",
        "  shared_access_key_enabled         = false\n  shared_keys_enabled = false",
        "azurerm_storage_account.main: there is no argument or block shared_keys_enabled",
        'An argument named "shared_keys_enabled" is not expected here',
    ),
    # A required one that is missing.
    _spelt(
        "key_vault.tf",
        '  sku_name            = "standard"',
        "",
        "azurerm_key_vault.main: sku_name is missing",
        'The argument "sku_name" is required',
    ),
    # Spelt as in 4.x.
    _spelt(
        "key_vault.tf",
        "  rbac_authorization_enabled = true",
        "  enable_rbac_authorization = true",
        "azurerm_key_vault.main: there is no argument or block enable_rbac_authorization",
        'An argument named "enable_rbac_authorization" is not expected here',
    ),
    _spelt(
        "network.tf",
        "  private_dns_zone_id  = azurerm_private_dns_zone.main[each.key].id",
        "  private_dns_zone_name = azurerm_private_dns_zone.main[each.key].name\n"
        "  resource_group_name = azurerm_resource_group.main.name",
        "there is no argument or block private_dns_zone_name",
        'An argument named "private_dns_zone_name" is not expected here',
    ),
    _spelt(
        "event_grid.tf",
        "  source_resource_id  = azurerm_storage_account.main.id",
        "  source_arm_resource_id = azurerm_storage_account.main.id",
        "azurerm_eventgrid_system_topic.uploads: source_resource_id is missing",
        'The argument "source_resource_id" is required',
    ),
    # A type that was removed.
    _spelt(
        "redis.tf",
        'resource "azurerm_managed_redis" "main"',
        'resource "azurerm_redis_enterprise_cluster" "main"',
        "azurerm_redis_enterprise_cluster.main: there is no such type",
        'does not support resource type "azurerm_redis_enterprise_cluster"',
    ),
    # A block within a block.
    _spelt(
        "storage.tf",
        "    container_delete_retention_policy {",
        "    container_retention_policy {",
        "there is no argument or block container_retention_policy",
        'Blocks of type "container_retention_policy" are not expected here',
    ),
    # In a block that is made for each.
    _spelt(
        "alerts.tf",
        "      use_common_alert_schema = true",
        "      common_alert_schema = true",
        "email_receiver: there is no argument or block common_alert_schema",
        'An argument named "common_alert_schema" is not expected here',
    ),
    # More blocks than there may be.
    _spelt(
        "storage.tf",
        "  blob_properties {",
        "  blob_properties {\n  }\n\n  blob_properties {",
        "the block blob_properties may be there 1 times at most",
        "Too many blob_properties blocks",
    ),
    # Of another type.
    _spelt(
        "storage.tf",
        "  local_user_enabled                = false",
        '  local_user_enabled                = "off"',
        "local_user_enabled wants bool",
        "a bool is required",
    ),
    # What only the provider tells. Terraform leaves that to the provider, which is none here.
    Breakage(
        "identity.tf",
        "  name                = local.names.identity",
        '  name                = local.names.identity\n  client_id = "mine"',
        {"hcl": "client_id is told by the provider and cannot be set"},
    ),
    # References.
    _spelt(
        "outputs.tf",
        "azurerm_key_vault.main.vault_uri",
        "azurerm_key_vault.main.vault_url",
        "azurerm_key_vault.main has no vault_url",
        'exported attribute named "vault_url"',
    ),
    _spelt(
        "sql.tf",
        "local.size.sql_max_gb",
        "local.sizing.sql_max_gb",
        "local.sizing is not declared",
        "Reference to undeclared local value",
    ),
    _spelt(
        "versions.tf",
        "disable_generated_rule = true",
        "generated_rule_enabled = false",
        "there is no argument or block generated_rule_enabled",
        'An argument named "generated_rule_enabled" is not expected here',
    ),
    # The key of the host, where a plan and a state would hold it.
    Breakage(
        "event_grid.tf",
        "          maxEventsPerBatch             = 1",
        "          endpointUrl = "
        "ephemeral.azapi_resource_action.host_keys[0].output.blobs_extension\n"
        "          maxEventsPerBatch             = 1",
        {"validate": "Ephemeral values are not valid"},
    ),
]
