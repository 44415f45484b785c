#!/usr/bin/env python3
"""Stands in for az, terraform, sqlcmd, curl and git: called by one of these names it does what
scripts/deploy relies on, remembers what it was asked in $HOME/calls, and keeps in $HOME/state.json
what there would be on Azure by now. `breaks` in there names a call that fails, and how often."""

import json
import os
import pathlib
import sys

HOME = pathlib.Path(os.environ["HOME"])
STATE = HOME / "state.json"
OUTPUTS = {
    "resource_group_name": "rg-shop-dev-1",
    "function_app_name": "func-shop-dev-1",
    "function_app_hostname": "func-shop-dev-1.azurewebsites.net",
    "sql_server_fqdn": "sql-shop-dev-1.database.windows.net",
    "sql_server_name": "sql-shop-dev-1",
    "sql_database_name": "catalogue",
    "key_vault_name": "kvshopdev1",
    "identity_name": "id-shop-dev",
    "identity_client_id": "11111111-2222-3333-4444-555555555555",
    "container_registry_login_server": None,
    "data_factory_name": None,
}


def load():
    return json.loads(STATE.read_text())


def save(state):
    STATE.write_text(json.dumps(state))


def option(argv, name):
    for at, word in enumerate(argv):
        if word == name:
            return argv[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def variables(argv):
    given = [argv[at + 1] for at, word in enumerate(argv) if word == "-var"]
    return dict(one.split("=", 1) for one in given)


def plan(state):
    """As `terraform show -json` tells it."""
    actions = ["no-op"] if state["applied"] else ["create"]
    kinds = [("azurerm_storage_account", "main", {"name": "stshopdev1"}),
             ("azurerm_key_vault", "main", {"name": "kvshopdev1"}),
             ("azurerm_mssql_server", "main", {"name": "sql-shop-dev-1"}),
             ("azurerm_mssql_database", "catalogue", {"name": "catalogue"}),
             ("azapi_resource", "function_app",
              {"name": "func-shop-dev-1", "type": "Microsoft.Web/sites@2024-04-01"}),
             ("azurerm_service_plan", "main", {"sku_name": "FC1", "location": state["region"]})]
    changes = []
    for kind, name, after in kinds:
        address = f"{kind}.{name}"
        replaced = ["delete", "create"] if address in state["replaced"] else actions
        changes.append({"address": address, "mode": "managed", "type": kind, "name": name,
                        "change": {"actions": replaced, "after": after}})
    return {"resource_changes": changes}


def terraform(argv, state):
    argv = [word for word in argv if not word.startswith("-chdir=")]
    match argv:
        case ["version", "-json"]:
            print(json.dumps({"terraform_version": state["terraform"]}))
        case ["init", *_]:
            pass
        case ["plan", *_]:
            pathlib.Path(option(argv, "-out")).write_text(json.dumps(variables(argv)))
        case ["show", "-json", _]:
            print(json.dumps(plan(state)))
        case ["apply", _, file]:
            wanted = json.loads(pathlib.Path(file).read_text())
            if wanted["event_grid"] == "true" and not state["published"]:
                sys.exit("the key of ImportBlob is not there")
            state["applied"] = True
            state["event_grid"] = wanted["event_grid"] == "true"
            state["tag"] = wanted.get("container_image_tag")
        case ["output", "-json"]:
            known = OUTPUTS | state["outputs"] if state["applied"] else {}
            print(json.dumps({name: {"value": value} for name, value in known.items()}))
        case ["state", "list"]:
            print("azurerm_mssql_database.catalogue" if state["applied"] else "")
            print("azapi_resource.announce_to_function[0]" if state["event_grid"] else "")
        case ["state", "rm", _]:
            pass
        case ["destroy", *_]:
            state["applied"] = False
        case _:
            sys.exit(f"terraform: {argv}")


def az(argv, state):
    match argv:
        case ["account", "show", *_]:
            if not state["signed_in"]:
                sys.exit("Please run 'az login' to setup account.")
            print("00000000-0000-0000-0000-000000000001")
        case ["account", "get-access-token", *_]:
            print("1790000000")
        case ["storage", "account", "check-name", *_] | ["acr", "check-name", *_] | \
                ["keyvault", "check-name", *_]:
            print("false" if option(argv, "--name") in state["taken"] else "true")
        case ["keyvault", "list-deleted", *_]:
            print("true" if "deleted vault" in state["taken"] else "false")
        case ["rest", *_]:
            name = json.loads(option(argv, "--body"))["name"]
            print("false" if name in state["taken"] else "true")
        case ["functionapp", "list-flexconsumption-locations", *_]:
            print("Sweden Central\nwesteurope")
        case ["keyvault", "secret", "list", *_]:
            for name, secret in state["secrets"].items():
                print(f"{name}\t{secret['sha256']}")
        case ["keyvault", "secret", "set", *_]:
            text = pathlib.Path(option(argv, "--file")).read_text()
            tag = option(argv, "--tags")
            state["secrets"][option(argv, "--name")] = {
                "value": text, "sha256": tag.partition("=")[2] if tag else "None"}
        case ["functionapp", "deployment", "source", "config-zip", *_]:
            state["published"] = True
        case ["functionapp", "restart", *_]:
            state["published"] = state["tag"] in state["images"]
        case ["functionapp", "function", "list", *_]:
            if state["published"]:
                for name in sorted(os.listdir(os.environ["FUNCTIONS"])):
                    print(f"func-shop-dev-1/{name}")
        case ["acr", "repository", "show-tags", *_]:
            print("\n".join(state["images"]))
        case ["acr", "build", *_]:
            state["images"].append(option(argv, "--image").partition(":")[2])
        case ["sql", "server", "firewall-rule", "create", *_]:
            state["rules"].append(option(argv, "--name"))
        case ["sql", "server", "firewall-rule", "delete", *_]:
            state["rules"].remove(option(argv, "--name"))
        case _:
            sys.exit(f"az: {argv}")


def sqlcmd(argv, state):
    if argv == ["--help"]:
        print(state["sqlcmd"])
        return
    state["users"].append(pathlib.Path(option(argv, "-i")).name)


def curl(argv, state):
    if not state["published"]:
        sys.exit("curl: (22) The requested URL returned error: 503")
    pathlib.Path(option(argv, "--output")).write_text('{"status": "healthy", "version": "0.1.0"}')


def git(argv, state):
    match argv[2:]:
        case ["rev-parse", *_]:
            print("c0ffee123456")
        case ["status", *_]:
            print("\n".join(state["uncommitted"]))


def main():
    name, argv = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
    with (HOME / "calls").open("a") as calls:
        calls.write(json.dumps([name, *argv]) + "\n")
    state = load()
    line = " ".join([name, *argv])
    for words, times in state["breaks"].items():
        if words in line and times > 0:
            state["breaks"][words] -= 1
            save(state)
            sys.exit(f"{name}: broken here")
    {"terraform": terraform, "az": az, "sqlcmd": sqlcmd, "curl": curl, "git": git}[name](argv, state)
    save(state)


if __name__ == "__main__":
    main()
