#!/usr/bin/env python3
"""What scripts/deploy has to know of Terraform's JSON.

    deploy_plan.py changes PLAN        yes or no: whether the plan changes something
    deploy_plan.py lost PLAN           what holds data and would be deleted, one address a line
    deploy_plan.py names PLAN          names that must be free in the world: kind and name
    deploy_plan.py flex-region PLAN    the region of a Flex Consumption plan that would be made
    deploy_plan.py outputs FILE        those of `terraform output -json`: name, tab, value
"""

import json
import sys

# What cannot be made again from the sources.
HOLDS_DATA = {
    "azurerm_key_vault",
    "azurerm_mssql_database",
    "azurerm_mssql_server",
    "azurerm_resource_group",
    "azurerm_storage_account",
    "azurerm_storage_container",
}
# Known to the whole world, and by which word scripts/deploy asks for them.
OF_THE_WORLD = {
    "azurerm_container_registry": "registry",
    "azurerm_key_vault": "vault",
    "azurerm_mssql_server": "sql",
    "azurerm_storage_account": "storage",
}


def changes(plan):
    for change in plan.get("resource_changes", []):
        if change.get("mode", "managed") == "managed":
            yield change, change["change"]


def is_changed(plan):
    resources = any(change["actions"] not in (["no-op"], ["read"]) for _, change in changes(plan))
    outputs = plan.get("output_changes", {}).values()
    return resources or any(output["actions"] != ["no-op"] for output in outputs)


def lost(plan):
    return [resource["address"] for resource, change in changes(plan)
            if "delete" in change["actions"] and resource["type"] in HOLDS_DATA]


def names(plan):
    """Those that are made; a name that is replaced by itself is ours already."""
    for resource, change in changes(plan):
        kind, name = OF_THE_WORLD.get(resource["type"]), (change["after"] or {}).get("name")
        # The app is made by azapi, which says what it makes.
        if resource["type"] == "azapi_resource":
            made = (change["after"] or {}).get("type", "")
            kind = "app" if made.startswith("Microsoft.Web/sites@") else None
        if kind and name and change["actions"] == ["create"]:
            yield f"{kind} {name}"


def flex_region(plan):
    for resource, change in changes(plan):
        after = change["after"] or {}
        if (resource["type"] == "azurerm_service_plan" and "create" in change["actions"]
                and after.get("sku_name") == "FC1"):
            return after["location"].replace(" ", "").lower()
    return ""


def outputs(told):
    """Null is one that is not there."""
    for name, output in told.items():
        value = output["value"]
        if value is not None:
            yield f"{name}\t{value if isinstance(value, str) else json.dumps(value)}"


def main():
    match sys.argv[1:]:
        case [what, file]:
            with open(file, encoding="utf-8") as text:
                told = json.load(text)
        case _:
            sys.exit(__doc__)
    match what:
        case "changes":
            lines = ["yes" if is_changed(told) else "no"]
        case "lost":
            lines = lost(told)
        case "names":
            lines = names(told)
        case "flex-region":
            lines = [flex_region(told)]
        case "outputs":
            lines = outputs(told)
        case _:
            sys.exit(__doc__)
    for line in filter(None, lines):
        print(line)


if __name__ == "__main__":
    main()
