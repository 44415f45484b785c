"""Looks into the plans that the tests make, for what neither schema nor assertion tells.

The bindings lose which values an argument takes; those that are used here stand below, as the
provider's manual has them (hashicorp/terraform-provider-azurerm 5.2.0, website/docs/r).
"""

import json
import re

from . import arm, plugin

# By resource and argument, a block's behind its name: what the whole value must match.
ALLOWED = {
    "azurerm_application_insights": {
        "retention_in_days": r"30|60|90|120|180|270|365|550|730",
        "application_type": r"ios|java|MobileCenter|Node\.JS|other|phone|store|web",
    },
    "azurerm_application_insights_workbook": {
        "category": r"workbook|sentinel|TSG|usage",
        "name": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    },
    "azurerm_container_registry": {
        "network_rule_bypass_option": r"None|AzureServices",
        "network_rule_set.default_action": r"Allow|Deny",
        "network_rule_set.ip_rule.action": r"Allow",
        "sku": r"Basic|Standard|Premium",
    },
    "azurerm_data_factory": {
        "identity.type": r"SystemAssigned|UserAssigned|SystemAssigned, UserAssigned",
    },
    "azurerm_data_factory_linked_service_azure_blob_storage": {
        "storage_kind": r"Storage|StorageV2|BlobStorage|BlockBlobStorage",
    },
    "azurerm_eventgrid_system_topic": {
        "identity.type": r"SystemAssigned|UserAssigned",
        "topic_type": r"Microsoft\.Storage\.StorageAccounts",
    },
    "azurerm_eventgrid_system_topic_event_subscription": {
        "dead_letter_identity.type": r"SystemAssigned|UserAssigned",
        "delivery_identity.type": r"SystemAssigned|UserAssigned",
        "event_delivery_schema": r"EventGridSchema|CloudEventSchemaV1_0|CustomInputSchema",
        "retry_policy.event_time_to_live": r"[1-9]\d{0,2}|1[0-3]\d\d|14[0-3]\d|1440",
        "retry_policy.max_delivery_attempts": r"[1-9]|[12]\d|30",
    },
    "azurerm_key_vault": {
        "network_acls.bypass": r"AzureServices|None",
        "network_acls.default_action": r"Allow|Deny",
        "sku_name": r"standard|premium",
        "soft_delete_retention_days": r"[7-9]|[1-8]\d|90",
    },
    "azurerm_log_analytics_workspace": {
        "retention_in_days": r"[3-9]\d|[1-6]\d\d|7[0-2]\d|730",
        "sku": r"PerGB2018|CapacityReservation|LACluster",
    },
    "azurerm_managed_redis": {
        "default_database.client_protocol": r"Encrypted|Plaintext",
        "default_database.clustering_policy": r"EnterpriseCluster|OSSCluster|NoCluster",
        "default_database.eviction_policy": (
            r"(AllKeys|Volatile)(LFU|LRU|Random)|VolatileTTL|NoEviction"
        ),
        "public_network_access": r"Enabled|Disabled",
        "sku_name": (
            r"Balanced_B(0|1|3|5|10|20|50|100|150|250|350|500|700|1000)|(MemoryOptimized_M"
            r"|ComputeOptimized_X)\d+"
        ),
    },
    "azurerm_monitor_metric_alert": {
        "criteria.aggregation": r"Average|Count|Minimum|Maximum|Total",
        "criteria.operator": r"Equals|GreaterThan|GreaterThanOrEqual|LessThan|LessThanOrEqual",
        "frequency": r"PT1M|PT5M|PT15M|PT30M|PT1H",
        "window_size": r"PT1M|PT5M|PT15M|PT30M|PT1H|PT6H|PT12H|P1D",
    },
    "azurerm_monitor_scheduled_query_rules_alert_v2": {
        "criteria.operator": r"Equal|GreaterThan|GreaterThanOrEqual|LessThan|LessThanOrEqual",
        "criteria.time_aggregation_method": r"Average|Count|Maximum|Minimum|Total",
        "evaluation_frequency": r"PT(1|5|10|15|30|45)M|PT[1-6]H|P1D",
        "severity": r"[0-4]",
        "window_duration": r"PT(1|5|10|15|30|45)M|PT[1-6]H|P[12]D",
    },
    "azurerm_mssql_database": {
        "short_term_retention_policy.retention_days": r"[1-9]|[12]\d|3[0-5]",
        "storage_account_type": r"Geo|GeoZone|Local|Zone",
    },
    "azurerm_mssql_server": {
        "minimum_tls_version": r"1\.2",
        "version": r"12\.0|2\.0",
    },
    "azurerm_network_security_group": {
        "security_rule.access": r"Allow|Deny",
        "security_rule.direction": r"Inbound|Outbound",
        "security_rule.protocol": r"Tcp|Udp|Icmp|Esp|Ah|\*",
    },
    "azurerm_role_assignment": {
        "principal_type": r"User|Group|ServicePrincipal",
        "role_definition_name": (
            r"AcrPull|Key Vault Secrets (User|Officer)|Storage Blob Data (Owner|Contributor)"
            r"|Storage Queue Data (Contributor|Message Sender)"
        ),
    },
    "azurerm_service_plan": {
        "os_type": r"Windows|Linux|WindowsContainer",
        "sku_name": r"FC1|EP[123]",
    },
    "azurerm_storage_account": {
        "account_kind": r"BlobStorage|BlockBlobStorage|FileStorage|Storage|StorageV2",
        "account_replication_type": r"(RA)?(G|GZ)RS|LRS|ZRS",
        "account_tier": r"Standard|Premium",
        "min_tls_version": r"TLS1_2",
        "network_rules.bypass": r"Logging|Metrics|AzureServices|None",
        "network_rules.default_action": r"Allow|Deny",
    },
    "azurerm_storage_container": {
        "container_access_type": r"private",
    },
    "azurerm_storage_management_policy": {
        "rule.filters.blob_types": r"blockBlob|appendBlob",
    },
    "azurerm_subnet": {
        "private_endpoint_network_policies": (
            r"Disabled|Enabled|NetworkSecurityGroupEnabled|RouteTableEnabled"
        ),
    },
}
# Ids of Azure's resources, by argument: all others that end so are UUIDs or names.
_RESOURCE_ID = re.compile(
    r"(server|key_vault|storage_account|subnet|virtual_network|network_security_group|managed_redis"
    r"|private_dns_zone|data_factory|service_plan|action_group|source_resource|target_resource"
    r"|log_analytics_workspace|linked_service|private_connection_resource)_id$"
)
# Roles are given on single resources, so the id goes on behind the group's.
_WIDE = re.compile(r"(/subscriptions/[^/]+)?(/resourceGroups/[^/]+)?/?", re.IGNORECASE)
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
        _look_at_doors(after, change["type"], where, looked)


def _look_at_doors(after, kind, where, looked):
    """Whatever it is called: asserts know the resources that there are."""
    if kind == "azurerm_mssql_firewall_rule":
        if after.get("start_ip_address") != after.get("end_ip_address"):
            looked.problems.append(f"{where}: lets in more than one address")
    elif kind == "azurerm_role_assignment":
        scope = after.get("scope")  # a first plan does not know it yet
        if scope and _WIDE.fullmatch(scope):
            looked.problems.append(f"{where}: a role on more than a resource, {scope}")


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
    kind, _, argument = path.partition(".")
    allowed = ALLOWED.get(kind, {}).get(argument)
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
