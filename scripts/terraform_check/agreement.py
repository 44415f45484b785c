"""Holds what Terraform tells the app against what the app knows: settings, functions, columns.

A misspelt setting would be taken by Azure and by nobody else.
"""

import json
import re

# Settings of the platform's, not of the handler's.
_PLATFORM = re.compile(r"^(AzureWebJobs|FUNCTIONS_|WEBSITES_)|__credential$")
_DISABLED = re.compile(r"^AzureWebJobs[._](\w+?)[._]Disabled$")
_STAGE = re.compile(r"CREATE TABLE amazon\.import_stage \((.*?)\n\);", re.DOTALL)
_COLUMN = re.compile(r"^    (\w+) +[A-Z]", re.MULTILINE)
_HOOK = re.compile(r"Host\.Functions\.(\w+)")


def problems(plans, root):
    """What does not agree in any of the plans, one line each."""
    found = set()
    settings, pipelines, imports, queues = _planned(plans)
    known = "\n".join(p.read_text() for p in (root / "handler/src").glob("settings*/**/*.rs"))
    known += (root / "handler/src/settings.rs").read_text()
    for name in settings:
        if not _PLATFORM.search(name) and f'"{name}"' not in known:
            found.add(f"the handler knows no setting {name}")
    functions = [match[1] for match in map(_DISABLED.match, settings) if match]
    functions += _HOOK.findall((root / "terraform/event_grid.tf").read_text())
    for name in functions:
        if not (root / "functions" / name / "function.json").exists():
            found.add(f"there is no function {name}")
    for folder, key, planned in (
        ("ImportBlob", "path", imports),
        ("ImportQueue", "queueName", queues),
    ):
        declared = _binding(root, folder)[key].split("/")[0]
        if planned != {declared}:
            found.add(f"{folder} waits at {declared}, and {sorted(planned)} is made")
    staged = _columns(root)
    if not pipelines:
        found.add("no plan has a pipeline")
    for pipeline in pipelines:
        copied = _copied(pipeline)
        if copied != staged:
            found.add(f"the pipeline copies {copied}, the stage has {staged}")
    return sorted(found)


def _planned(plans):
    """Names of settings, pipelines, and where uploads and their announcements go."""
    settings, pipelines, imports, queues = set(), set(), set(), set()
    for plan in plans.values():
        for change in plan.get("resource_changes", []):
            after = change["change"].get("after") or {}
            if change["address"] == "azapi_resource.function_app":
                listed = after["body"]["properties"]["siteConfig"].get("appSettings", [])
                settings |= {setting["name"] for setting in listed}
            elif change["type"] == "azurerm_data_factory_pipeline":
                pipelines.add(after["activities_json"])
            elif change["address"] == "azurerm_storage_container.imports":
                imports.add(after["name"])
            elif change["type"] == "azurerm_storage_queue":
                queues.add(after["name"])
    return settings, pipelines, imports, queues


def _binding(root, folder):
    return json.loads((root / "functions" / folder / "function.json").read_text())["bindings"][0]


def _columns(root):
    for path in sorted((root / "handler/migrations/sqlserver").glob("*.sql")):
        if table := _STAGE.search(path.read_text()):
            return sorted(_COLUMN.findall(table[1]))
    raise ValueError("no migration makes amazon.import_stage")


def _copied(pipeline):
    copies = [one for one in json.loads(pipeline) if one["type"] == "Copy"]
    mappings = [m for one in copies for m in one["typeProperties"]["translator"]["mappings"]]
    return sorted(mapping["sink"]["name"] for mapping in mappings)
