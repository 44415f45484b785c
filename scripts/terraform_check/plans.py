"""Looks into the plans that the tests make, for what neither schema nor assertion tells.

The bindings lose which values an argument takes; those that are used here stand below, as the
provider's manual has them (hashicorp/terraform-provider-azurerm 5.2.0, website/docs/r).
"""

import json
import re

from . import arm, plugin

_ANY_DURATION = r"PT(\d+M|\d+H)|P\d+D"
_ALLOW_DENY = r"Allow|Deny"
_IDENTITY = r"SystemAssigned|UserAssigned|SystemAssigned, UserAssigned"
# `resource.argument` or `resource.block.argument`: what the whole value must match.
ALLOWED = {
    "azurerm_application_insights.application_type": r"ios|java|MobileCenter|Node\.JS|other|phone|store|web",
    "azurerm_application_insights_workbook.name": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "azurerm_application_insights_workbook.category": r"workbook|sentinel|TSG|usage",
    "azurerm_container_registry.sku": r"Basic|Standard|Premium",
    "azurerm_container_registry.network_rule_bypass_option": r"None|AzureServices",
    "azurerm_container_registry.network_rule_set.default_action": _ALLOW_DENY,
    "azurerm_container_registry.network_rule_set.ip_rule.action": r"Allow",
    "azurerm_data_factory.identity.type": _IDENTITY,
    "azurerm_data_factory_linked_service_azure_blob_storage.storage_kind": r"Storage|StorageV2|BlobStorage|BlockBlobStorage",
    "azurerm_eventgrid_system_topic.identity.type": r"SystemAssigned|UserAssigned",
    "azurerm_eventgrid_system_topic.topic_type": r"Microsoft\.Storage\.StorageAccounts",
    "azurerm_eventgrid_system_topic_event_subscription.event_delivery_schema": r"EventGridSchema|CloudEventSchemaV1_0|CustomInputSchema",
    "azurerm_eventgrid_system_topic_event_subscription.delivery_identity.type": r"SystemAssigned|UserAssigned",
    "azurerm_eventgrid_system_topic_event_subscription.dead_letter_identity.type": r"SystemAssigned|UserAssigned",
    "azurerm_eventgrid_system_topic_event_subscription.retry_policy.event_time_to_live": r"[1-9]\d{0,2}|1[0-3]\d\d|14[0-3]\d|1440",
    "azurerm_eventgrid_system_topic_event_subscription.retry_policy.max_delivery_attempts": r"[1-9]|[12]\d|30",
    "azurerm_key_vault.sku_name": r"standard|premium",
    "azurerm_key_vault.soft_delete_retention_days": r"[7-9]|[1-8]\d|90",
    "azurerm_key_vault.network_acls.bypass": r"AzureServices|None",
    "azurerm_key_vault.network_acls.default_action": _ALLOW_DENY,
    "azurerm_log_analytics_workspace.sku": r"PerGB2018|CapacityReservation|LACluster",
    "azurerm_log_analytics_workspace.retention_in_days": r"[3-9]\d|[1-6]\d\d|7[0-2]\d|730",
    "azurerm_managed_redis.public_network_access": r"Enabled|Disabled",
    "azurerm_managed_redis.sku_name": r"Balanced_B(0|1|3|5|10|20|50|100|150|250|350|500|700|1000)|(MemoryOptimized_M|ComputeOptimized_X)\d+",
    "azurerm_managed_redis.default_database.client_protocol": r"Encrypted|Plaintext",
    "azurerm_managed_redis.default_database.clustering_policy": r"EnterpriseCluster|OSSCluster|NoCluster",
    "azurerm_managed_redis.default_database.eviction_policy": r"(AllKeys|Volatile)(LFU|LRU|Random)|VolatileTTL|NoEviction",
    "azurerm_monitor_metric_alert.frequency": r"PT1M|PT5M|PT15M|PT30M|PT1H",
    "azurerm_monitor_metric_alert.window_size": r"PT1M|PT5M|PT15M|PT30M|PT1H|PT6H|PT12H|P1D",
    "azurerm_monitor_metric_alert.criteria.aggregation": r"Average|Count|Minimum|Maximum|Total",
    "azurerm_monitor_metric_alert.criteria.operator": r"Equals|GreaterThan|GreaterThanOrEqual|LessThan|LessThanOrEqual",
    "azurerm_monitor_scheduled_query_rules_alert_v2.severity": r"[0-4]",
    "azurerm_monitor_scheduled_query_rules_alert_v2.evaluation_frequency": r"PT(1|5|10|15|30|45)M|PT[1-6]H|P1D",
    "azurerm_monitor_scheduled_query_rules_alert_v2.window_duration": r"PT(1|5|10|15|30|45)M|PT[1-6]H|P[12]D",
    "azurerm_monitor_scheduled_query_rules_alert_v2.criteria.operator": r"Equal|GreaterThan|GreaterThanOrEqual|LessThan|LessThanOrEqual",
    "azurerm_monitor_scheduled_query_rules_alert_v2.criteria.time_aggregation_method": r"Average|Count|Maximum|Minimum|Total",
    "azurerm_mssql_database.storage_account_type": r"Geo|GeoZone|Local|Zone",
    "azurerm_mssql_database.short_term_retention_policy.retention_days": r"[1-9]|[12]\d|3[0-5]",
    "azurerm_mssql_server.minimum_tls_version": r"1\.2",
    "azurerm_mssql_server.version": r"12\.0|2\.0",
    "azurerm_network_security_group.security_rule.access": _ALLOW_DENY,
    "azurerm_network_security_group.security_rule.direction": r"Inbound|Outbound",
    "azurerm_network_security_group.security_rule.protocol": r"Tcp|Udp|Icmp|Esp|Ah|\*",
    "azurerm_role_assignment.principal_type": r"User|Group|ServicePrincipal",
    "azurerm_service_plan.os_type": r"Windows|Linux|WindowsContainer",
    "azurerm_service_plan.sku_name": r"FC1|EP[123]",
    "azurerm_storage_account.account_kind": r"BlobStorage|BlockBlobStorage|FileStorage|Storage|StorageV2",
    "azurerm_storage_account.account_replication_type": r"(RA)?(G|GZ)RS|LRS|ZRS",
    "azurerm_storage_account.account_tier": r"Standard|Premium",
    "azurerm_storage_account.min_tls_version": r"TLS1_[23]",
    "azurerm_storage_account.network_rules.bypass": r"Logging|Metrics|AzureServices|None",
    "azurerm_storage_account.network_rules.default_action": _ALLOW_DENY,
    "azurerm_storage_container.container_access_type": r"blob|container|private",
    "azurerm_storage_management_policy.rule.filters.blob_types": r"blockBlob|appendBlob",
    "azurerm_subnet.private_endpoint_network_policies": r"Disabled|Enabled|NetworkSecurityGroupEnabled|RouteTableEnabled",
}
# The built-in roles that are used; one that is misspelt would be found by Azure alone.
ALLOWED["azurerm_role_assignment.role_definition_name"] = (
    r"AcrPull|Key Vault Secrets (User|Officer)|Storage Blob Data (Owner|Contributor)"
    r"|Storage Queue Data (Contributor|Message Sender)"
)
# Ids of Azure's resources, by argument: all others that end so are UUIDs or names.
_RESOURCE_ID = re.compile(
    r"(server|key_vault|storage_account|subnet|virtual_network|network_security_group|managed_redis"
    r"|private_dns_zone|data_factory|service_plan|action_group|source_resource|target_resource"
    r"|log_analytics_workspace|linked_service|private_connection_resource)_id$"
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SECRETS = re.compile(r"AccountKey=|SharedAccessKey|Password=|[?&]sig=|[?&]code=", re.IGNORECASE)


class Looked:
    """What was looked at and what is wrong."""

    def __init__(self):
        self.problems = []
        self.plans = self.bodies = self.values = self.resources = 0
        self.types = set()


def look(plans):
    """All plans, by the run that made them."""
    looked, shapes = Looked(), arm.known_shapes()
    for run, plan in plans.items():
        changes = plan.get("resource_changes", [])
        looked.plans += 1
        text = json.dumps(changes) + json.dumps(plan.get("output_changes"))
        for secret in [plugin.HOST_KEY, *_SECRETS.findall(text)]:
            if secret in text:
                looked.problems.append(f"{run}: the plan holds a secret ({secret})")
        for change in changes:
            after = change["change"].get("after")
            if change["mode"] == "managed" and after:
                looked.resources += 1
                looked.types.add(change["type"])
                _look_at(change, after, f"{run}: {change['address']}", shapes, looked)
    return looked


def _look_at(change, after, where, shapes, looked):
    if change["type"].startswith("azapi_"):
        _look_at_body(after, where, shapes, looked)
    else:
        _look_at_values(after, change["type"], where, looked)


def _look_at_body(after, where, shapes, looked):
    shape = shapes.get(after["type"])
    if shape is None:
        looked.problems.append(f"{where}: the shape of {after['type']} is not known here")
        return
    looked.bodies += 1
    # Where a field decides about the others it may be the name, which stands beside the body.
    body = dict(after["body"] or {})
    if shape.get("by") == "name":
        body["name"] = after["name"]
        shape = shape | {"fields": shape["fields"] | {"name": "string"}}
    looked.values += arm.count(body)
    looked.problems += [f"{where}: {problem}" for problem in arm.problems(body, shape)]


def _look_at_values(value, path, where, looked):
    if isinstance(value, dict):
        for name, inner in value.items():
            _look_at_values(inner, f"{path}.{name}", where, looked)
    elif isinstance(value, list):
        for inner in value:
            _look_at_values(inner, path, where, looked)
    elif value is not None:
        _look_at_value(value, path, where, looked)


def _look_at_value(value, path, where, looked):
    allowed = ALLOWED.get(path)
    if allowed:
        looked.values += 1
        if not re.fullmatch(allowed, str(value)):
            looked.problems.append(f"{where}: {path} takes {allowed}, not {value}")
    name = path.rsplit(".", 1)[-1]
    if _RESOURCE_ID.search(name) or name == "scope":
        looked.values += 1
        if not str(value).startswith("/"):
            looked.problems.append(f"{where}: {path} wants a resource's id, not {value}")
    elif name in ("principal_id", "object_id", "tenant_id"):
        looked.values += 1
        if not _UUID.fullmatch(str(value)):
            looked.problems.append(f"{where}: {path} wants a UUID, not {value}")
