"""scripts/deploy, on a machine whose az, terraform, sqlcmd and curl are stand-ins (azure.py)."""

import json
import os
import pathlib
import re
import shlex
import stat
import subprocess
import sys
import tempfile
import unittest
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
STEPS = ["check", "package", "image", "apply", "secrets", "migrate", "user", "publish", "events", "smoke"]
TOOLS = ["az", "terraform", "sqlcmd", "curl", "git"]
# What changes something, by the words it begins with.
CHANGES = ["init", "plan", "apply", "destroy", "state rm", "keyvault secret set", "acr build",
           "functionapp deployment", "functionapp restart", "sql server firewall-rule"]
KEY = "-----BEGIN PRIVATE KEY-----abcdef"
# It is as old as the first that will do.
HANDLER = """#!/bin/sh
[ "$1" = --version ] && echo 'vitrine 0.1.0' && exit
printf '%s' "$*" >>"$HOME/migrated"
env >"$HOME/environment"
ls >"$HOME/folder"
printf '["handler", "%s"]\\n' "$1" >>"$HOME/calls"
[ ! -e "$HOME/no-migration" ] || { echo 'the database refuses the login' >&2; exit 2; }
"""


class Machine:
    """A home with the stand-ins on its PATH, and what Azure would have."""

    def __init__(self, **state):
        self.folder = tempfile.TemporaryDirectory()
        self.more = {}
        self.home = pathlib.Path(self.folder.name)
        tools = self.home / "bin"
        tools.mkdir()
        for name in TOOLS:
            (tools / name).write_text(f"#!{sys.executable} -IS\n" + (HERE / "azure.py").read_text())
            (tools / name).chmod(0o755)
        self.state = self.home / "state.json"
        self.state.write_text(json.dumps({
            "applied": False, "published": False, "event_grid": False, "signed_in": True,
            "terraform": "1.11.4", "sqlcmd": "--authentication-method", "region": "swedencentral",
            "secrets": {}, "taken": [], "replaced": [], "images": [], "rules": [], "breaks": {},
            "outputs": {}, "users": [], "tag": None, "uncommitted": []} | state))
        self.vars = self.home / "shop.tfvars"
        self.vars.write_text('name = "shop"\n')
        self.zip = self.home / "vitrine.zip"
        self.pack(sorted(path.name for path in (ROOT / "functions").iterdir()))

    def pack(self, functions):
        """A package with these functions."""
        info = zipfile.ZipInfo("handler")
        info.external_attr = (stat.S_IFREG | 0o755) << 16
        with zipfile.ZipFile(self.zip, "w") as package:
            package.writestr(info, HANDLER)
            for name in functions:
                package.writestr(f"{name}/function.json", "{}")

    def change(self, **state):
        self.state.write_text(json.dumps(self.now() | state))

    def now(self):
        return json.loads(self.state.read_text())

    def deploy(self, *options, bare=False):
        usual = [] if bare else ["--vars", self.vars, "--package", self.zip, "--yes"]
        env = {"PATH": f"{self.home / 'bin'}:{os.environ['PATH']}", "HOME": str(self.home),
               "FUNCTIONS": str(ROOT / "functions"), "TMPDIR": str(self.home),
               "DEPLOY_PAUSE_SECONDS": "0.01", "DEPLOY_WAIT_SECONDS": "0"} | self.more
        return subprocess.run([ROOT / "scripts/deploy", *usual, *options], env=env, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, check=False)

    def calls(self):
        file = self.home / "calls"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def forget_calls(self):
        (self.home / "calls").unlink(missing_ok=True)

    def changes(self):
        """What was called that changes something, each by its first words."""
        return [word for word in map(changing, self.calls()) if word]


def changing(argv):
    """The first words of a call that changes something, None of another."""
    tool, *words = argv
    line = " ".join(word for word in words if not word.startswith("-"))
    if tool in ("az", "terraform"):
        return next((change for change in CHANGES if f"{line} ".startswith(f"{change} ")), None)
    if argv[-1] == "migrate":
        return "migrate"
    return tool if tool == "sqlcmd" and argv != ["sqlcmd", "--help"] else None


def service_account(machine, key=KEY):
    file = machine.home / "firebase.json"
    file.write_text(json.dumps({"type": "service_account", "project_id": "shop", "private_key": key}))
    return file


FIRST = ["init", "plan", "apply", "keyvault secret set", "migrate", "sqlcmd",
         "functionapp deployment", "plan", "apply"]


class Deploy(unittest.TestCase):
    def setUp(self):
        self.begin()

    def begin(self, **state):
        """Another machine, with this on Azure."""
        self.machine = Machine(**state)
        self.addCleanup(self.machine.folder.cleanup)

    def succeeds(self, *options):
        done = self.machine.deploy(*options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done

    def refused(self, why, *options, **more):
        """One line says why, and none is a trace."""
        done = self.machine.deploy(*options, **more)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        line = next((line for line in done.stderr.splitlines() if line.startswith("scripts/deploy: ")), "")
        self.assertIn(why, line, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        return done

    def test_the_first_time_everything_is_made_in_order(self):
        done = self.succeeds()
        self.assertEqual(self.machine.changes(), FIRST)
        self.assertEqual(re.findall(r"^== (\w+)$", done.stdout, re.M), STEPS)
        plans = [call for call in self.machine.calls() if "plan" in call]
        self.assertEqual(["event_grid=false" in call for call in plans], [True, False])
        state = self.machine.now()
        self.assertTrue(state["event_grid"] and state["published"])
        self.assertIn("serves version 0.1.0", done.stdout)

    def test_the_second_time_nothing_is_made_anew(self):
        self.succeeds()
        key = self.machine.now()["secrets"]["jwt-secret-key"]
        self.machine.forget_calls()
        self.succeeds()
        self.assertNotIn("keyvault secret set", self.machine.changes())
        plans = [call for call in self.machine.calls() if "plan" in call]
        # Without it the first of the two would take the announcement away.
        self.assertEqual(["event_grid=true" in call for call in plans], [True, True])
        self.assertEqual(self.machine.now()["secrets"]["jwt-secret-key"], key)

    def test_no_secret_is_printed_or_an_argument(self):
        done = self.succeeds("--firebase-secret", service_account(self.machine))
        secrets = self.machine.now()["secrets"]
        key = secrets["jwt-secret-key"]["value"]
        self.assertRegex(key, r"^[A-Za-z0-9+/=]{64}$")
        self.assertIn(KEY, secrets["firebase-secret"]["value"])
        told = done.stdout + done.stderr + (self.machine.home / "calls").read_text()
        for secret in (key, KEY):
            self.assertNotIn(secret, told)
        left = [path.name for path in self.machine.home.iterdir() if path.name.startswith("tmp.")]
        self.assertEqual(left, [])

    def test_a_firebase_secret_is_set_again_only_if_it_is_another(self):
        file = service_account(self.machine)
        self.succeeds("--firebase-secret", file)
        self.machine.forget_calls()
        self.succeeds("--firebase-secret", file)
        self.assertNotIn("keyvault secret set", self.machine.changes())
        file = service_account(self.machine, "another")
        self.succeeds("--firebase-secret", file)
        self.assertEqual(self.machine.changes().count("keyvault secret set"), 1)

    def test_a_step_that_fails_is_named_and_gone_on_from(self):
        breaks = {"check": "init", "apply": "apply", "secrets": "keyvault secret set", "user": "sqlcmd -S",
                  "publish": "config-zip", "events": "event_grid=true", "smoke": "/health/ready"}
        for step, words in breaks.items():
            with self.subTest(step):
                self.begin(breaks={words: 1})
                failed = self.machine.deploy()
                self.assertNotEqual(failed.returncode, 0)
                line = failed.stderr.splitlines()[-1]
                self.assertIn(f"the step {step} failed", line)
                again = shlex.split(line.partition("Go on with: ")[2])
                self.assertEqual(again[0], "scripts/deploy")
                self.assertEqual(again[-2:], ["--from", step])
                self.machine.forget_calls()
                done = self.machine.deploy(*again[1:], bare=True)
                self.assertEqual(done.returncode, 0, done.stderr)
                steps = ["check"] + STEPS[max(STEPS.index(step), 1):]
                self.assertEqual(re.findall(r"^== (\w+)$", done.stdout, re.M), steps)
        # And all of it once more, as whoever does not read the line would.
        self.succeeds()

    def test_a_migration_that_fails_closes_the_firewall(self):
        (self.machine.home / "no-migration").touch()
        done = self.refused("the database is not migrated", "--from-address", "203.0.113.7")
        self.assertIn("the database refuses the login", done.stderr)
        self.assertEqual(self.machine.now()["rules"], [])
        opened = [call for call in self.machine.calls() if "create" in call]
        self.assertIn("203.0.113.7", opened[0])
        self.assertNotIn("sqlcmd", self.machine.changes())

    def test_the_migration_sees_nothing_of_the_shell(self):
        self.succeeds()
        lines = (self.machine.home / "environment").read_text().splitlines()
        names = {line.partition("=")[0] for line in lines} - {"PWD", "_", "SHLVL", "OLDPWD", "LC_CTYPE"}
        self.assertEqual(names, {"PATH", "HOME", "SQL_SERVER", "SQL_DATABASE", "SQL_AUTHENTICATION"})
        self.assertNotIn("local.settings.json", (self.machine.home / "folder").read_text())

    def test_a_right_that_takes_its_time_is_waited_for(self):
        self.machine.change(breaks={"keyvault secret list": 2})
        self.machine.more = {"DEPLOY_WAIT_SECONDS": "20"}
        done = self.succeeds()
        self.assertEqual(done.stdout.count("not yet: az: broken here"), 2)

    def test_a_dry_run_calls_nothing_and_shows_what_a_run_calls(self):
        before = sorted(self.machine.home.iterdir())
        done = self.machine.deploy("--dry-run")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.machine.calls(), [])
        self.assertEqual(sorted(self.machine.home.iterdir()), before)
        self.assertEqual(re.findall(r"^== (\w+)$", done.stdout, re.M), STEPS)
        lines = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith("  ")]
        shown = [words for words in map(changing, lines) if words]
        self.succeeds()
        self.assertEqual(shown, self.machine.changes())

    def test_a_pipeline_gets_a_user_of_its_own(self):
        self.succeeds()
        self.assertEqual(self.machine.now()["users"], ["deploy_user.sql"])
        self.machine.change(outputs={"data_factory_name": "adf-shop-dev-1"})
        self.succeeds("--only", "user")
        self.assertEqual(self.machine.now()["users"][1:], ["deploy_user.sql", "deploy_pipeline.sql"])

    def test_the_state_may_be_kept_in_azure(self):
        override = ROOT / "terraform" / "backend_override.tf"
        self.addCleanup(override.unlink, missing_ok=True)
        backend = self.machine.home / "backend.hcl"
        backend.write_text('container_name = "state"\n')
        override.parent.mkdir(exist_ok=True)
        self.succeeds("--backend", backend, "--only", "check")
        self.assertIn('backend "azurerm"', override.read_text())
        # A block within a block may not stand on its line.
        self.assertRegex(override.read_text(), r'^terraform \{\n +backend "azurerm" \{\n')
        init = next(call for call in self.machine.calls() if "init" in call)
        self.assertIn(f"-backend-config={backend}", init)
        ignored = subprocess.run(["git", "-C", ROOT, "check-ignore", override], capture_output=True)
        self.assertEqual(ignored.returncode, 0)

    def test_what_is_announced_stays_so_while_the_host_is_away(self):
        self.succeeds()
        self.machine.forget_calls()
        self.machine.change(breaks={"functionapp function list": 1})
        self.succeeds("--only", "apply")
        self.assertTrue(self.machine.now()["event_grid"])
        self.begin(breaks={"functionapp function list": 9})
        self.machine.deploy("--only", "apply")
        self.assertFalse(self.machine.now()["event_grid"])

    def test_a_package_of_before_may_have_fewer_functions(self):
        self.succeeds()
        older = self.machine.home / "older"
        for name in ("Health", "ImportBlob"):
            (older / name).mkdir(parents=True)
        self.machine.more = {"FUNCTIONS": str(older)}
        self.refused("not every function is listed", "--only", "publish")
        self.machine.pack(["Health", "ImportBlob"])
        self.succeeds("--only", "publish")

    def test_one_step_alone(self):
        self.succeeds()
        self.machine.forget_calls()
        self.succeeds("--only", "publish")
        self.assertEqual(self.machine.changes(), ["init", "functionapp deployment"])

    def test_an_image_is_built_before_the_app_is_told_of_it(self):
        self.machine.change(outputs={"container_registry_login_server": "crshopdev1.azurecr.io"})
        self.succeeds("--image-tag", "one")
        first = self.machine.changes()
        self.assertLess(first.index("apply"), first.index("acr build"))
        self.assertNotIn("functionapp deployment", first)
        self.machine.forget_calls()
        self.succeeds("--image-tag", "two")
        again = self.machine.changes()
        self.assertLess(again.index("acr build"), again.index("plan"))
        self.assertEqual(again.count("acr build"), 1)
        self.assertEqual(self.machine.now()["images"], ["one", "two"])
        self.assertEqual(self.machine.now()["tag"], "two")

    def test_an_image_has_its_commit_for_a_tag_from_the_first(self):
        self.machine.change(outputs={"container_registry_login_server": "crshopdev1.azurecr.io"})
        self.machine.vars.write_text('name      = "shop"\ncontainer = true\n')
        shown = self.machine.deploy("--dry-run").stdout
        self.succeeds()
        self.assertEqual(self.machine.now()["images"], ["c0ffee123456"])
        self.assertEqual(self.machine.now()["tag"], "c0ffee123456")
        self.assertIn("az acr build", shown)
        self.machine.change(uncommitted=[" M handler/src/lib.rs"], images=[])
        self.refused("there are changes that no commit has")

    def test_two_subscriptions_are_one_too_many(self):
        self.machine.more = {"ARM_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000002"}
        self.refused("az is set to the subscription 00000000-0000-0000-0000-000000000001")
        self.assertEqual(self.machine.changes(), [])

    def test_what_cannot_be_used_is_refused_before_anything_is_changed(self):
        cases = [
            ("there are no variables at", {}, ["--vars", "/nowhere.tfvars"]),
            ("az is not signed in", {"signed_in": False}, []),
            ("terraform 1.10.5 is too old", {"terraform": "1.10.5"}, []),
            ("cannot log in by the Azure CLI", {"sqlcmd": "Microsoft (R) ODBC"}, []),
            ("there is no package at", {}, ["--package", "/nowhere.zip"]),
            ("--from-address must be an IPv4", {}, ["--from-address", "everywhere"]),
            ("is not the JSON of a service account", {}, ["--firebase-secret", __file__]),
            ("no step nothing", {}, ["--only", "nothing"]),
            ("unknown option --frmo", {}, ["--frmo", "apply"]),
            ("--vars needs a value", {}, ["--vars"]),
            ("there is no file /nowhere", {}, ["--backend", "/nowhere"]),
        ]
        for why, state, options in cases:
            with self.subTest(why):
                self.begin(**state)
                self.refused(why, *options)
                self.assertEqual(self.machine.changes(), [])

    def test_a_plan_that_must_not_be_applied_is_not(self):
        replaced = "azurerm_mssql_database.catalogue"
        cases = [
            ("Flex Consumption is not in polandcentral; it is in: swedencentral westeurope",
             {"region": "polandcentral"}, []),
            ("the name stshopdev1 (storage) is taken", {"taken": ["stshopdev1"]}, []),
            ("the name func-shop-dev-1 (app) is taken", {"taken": ["func-shop-dev-1"]}, []),
            ("the name sql-shop-dev-1 (sql) is taken", {"taken": ["sql-shop-dev-1"]}, []),
            ("the name kvshopdev1 (vault) is taken", {"taken": ["kvshopdev1"]}, []),
            (f"the plan deletes what holds data: {replaced}", {"replaced": [replaced]}, []),
            ("az does not tell whether the name", {"breaks": {"acr check": 1, "check-name": 9}}, []),
        ]
        for why, state, options in cases:
            with self.subTest(why):
                self.begin(**state)
                self.refused(why, *options)
                self.assertNotIn("apply", self.machine.changes())
        self.begin(replaced=[replaced])
        self.succeeds("--allow-replace")
        # A vault that was destroyed is called back under its name.
        self.begin(taken=["kvshopdev1", "deleted vault"])
        self.succeeds()

    def test_nobody_agrees_where_nobody_is(self):
        done = self.machine.deploy("--vars", self.machine.vars, "--package", self.machine.zip, bare=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("nobody is there to agree to the plan: give --yes", done.stderr)
        self.assertNotIn("apply", self.machine.changes())

    def test_everything_is_taken_away_only_by_its_name(self):
        self.succeeds()
        self.machine.forget_calls()
        self.refused("nobody is there to agree", "--destroy")
        self.refused("not destroyed: other is not rg-shop-dev-1", "--destroy", "--yes", "other")
        self.assertNotIn("destroy", self.machine.changes())
        self.succeeds("--destroy", "--yes", "rg-shop-dev-1")
        self.assertEqual(self.machine.changes()[-2:], ["state rm", "destroy"])


class Interface(unittest.TestCase):
    """The script against the Terraform that it runs."""

    def scripts(self):
        return "".join((ROOT / "scripts" / name).read_text()
                       for name in ("deploy", "deploy_azure", "deploy_steps"))

    def terraform(self, kind):
        text = "".join(file.read_text() for file in (ROOT / "terraform").glob("*.tf"))
        return set(re.findall(rf'^{kind} "([^"]+)"', text, re.M)), text

    def test_every_output_exists(self):
        asked = set(re.findall(r"\$\((?:output|known) (\w+)\)", self.scripts()))
        self.assertGreaterEqual(len(asked), 10)
        self.assertEqual(asked - self.terraform("output")[0], set())

    def test_every_variable_exists(self):
        given = set(re.findall(r'-var "(\w+)=', self.scripts()))
        self.assertEqual(given, {"event_grid", "container_image_tag"})
        self.assertEqual(given - self.terraform("variable")[0], set())

    def test_every_alert_is_in_the_runbook(self):
        text = (ROOT / "terraform/alerts.tf").read_text()
        alerts = set(re.findall(r"^    ([a-z-]+) = \{$", text, re.M)) | set(
            re.findall(r'^  name += "([a-z-]+)-\$\{local\.stem\}"', text, re.M))
        self.assertGreaterEqual(len(alerts), 6)
        told = (ROOT / "handler/docs/runbook.md").read_text()
        self.assertEqual({alert for alert in alerts if f"`{alert}`" not in told}, set())

    def test_what_is_looked_at_in_a_plan_is_in_there(self):
        _, text = self.terraform("resource")
        self.assertIn('resource "azurerm_mssql_database" "catalogue"', text)
        sys.path.insert(0, str(ROOT / "scripts"))
        import deploy_plan
        kinds = set(re.findall(r'^resource "([^"]+)"', text, re.M))
        self.assertEqual(deploy_plan.HOLDS_DATA - kinds, set())
        self.assertEqual(set(deploy_plan.OF_THE_WORLD) - kinds, set())


if __name__ == "__main__":
    unittest.main()
