"""Runs Terraform itself, with providers that are schemas alone (plugin.py)."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

VERSION_LEAST = (1, 11)
_VERSION = re.compile(r'"terraform_version": "(\d+)\.(\d+)')


@dataclass
class Tests:
    """What `terraform test` came to."""

    passed: int = 0
    failed: list = field(default_factory=list)
    messages: list = field(default_factory=list)
    plans: dict = field(default_factory=dict)


class Terraform:
    """The program, in a folder of configuration."""

    def __init__(self, folder, reattach, scratch):
        self.folder = folder
        scratch.mkdir(parents=True, exist_ok=True)
        # A configured file that is not there is an error to Terraform: one of ours is.
        settings = scratch / "terraform.rc"
        settings.touch()
        self.environment = dict(
            os.environ,
            CHECKPOINT_DISABLE="1",
            TF_CLI_CONFIG_FILE=str(settings),
            TF_DATA_DIR=str(scratch / "data"),
            TF_IN_AUTOMATION="1",
            TF_REATTACH_PROVIDERS=reattach,
        )
        for name in [n for n in self.environment if n.startswith(("TF_VAR_", "TF_CLI_ARGS"))]:
            del self.environment[name]

    def run(self, *arguments):
        """`(exit code, what it printed)`."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.folder}", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def badly_formatted(self):
        """Files that `terraform fmt` would change."""
        code, text = self.run("fmt", "-check", "-recursive", "-no-color")
        return text.split() if code else []

    def init(self):
        return self.run("init", "-backend=false", "-input=false", "-no-color")

    def validate(self):
        return self.run("validate", "-no-color")

    def test(self, *only):
        """Runs the test files, all of them or those named."""
        filters = [f"-filter=tests/{name}" for name in only]
        _, text = self.run("test", "-json", "-verbose", *filters)
        tests = Tests()
        for line in text.splitlines():
            try:
                _take(tests, json.loads(line))
            except json.JSONDecodeError:
                tests.messages.append(line)
        return tests


def _take(tests, event):
    kind = event.get("type")
    name = f"{event.get('@testfile', '')} {event.get('@testrun', '')}"
    if kind == "test_plan":
        tests.plans[name] = event["test_plan"]
    elif kind == "test_run" and event["test_run"].get("progress") == "complete":
        if event["test_run"]["status"] == "pass":
            tests.passed += 1
        else:
            tests.failed.append(f"{name}: {event['test_run']['status']}")
    elif kind == "diagnostic":
        found = event["diagnostic"]
        tests.messages.append(f"{name}: {found['summary']}: {found.get('detail', '')}")


def usable():
    """Whether there is a Terraform that is new enough, and if not, why."""
    if not shutil.which("terraform"):
        return False, "there is no terraform on the PATH"
    environment = dict(os.environ, CHECKPOINT_DISABLE="1", TF_CLI_CONFIG_FILE=os.devnull)
    text = subprocess.run(
        ["terraform", "version", "-json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = _VERSION.search(text)
    version = tuple(map(int, found.groups())) if found else (0, 0)
    if version < VERSION_LEAST:
        return False, f"terraform {version[0]}.{version[1]} is older than 1.11"
    return True, f"terraform {version[0]}.{version[1]}"


# What whoever deploys from here has beside the rest, and Terraform would read.
_OF_SOMEBODY = (".terraform*", "*.tfstate*", "terraform.tfvars*", "*.auto.tfvars*", "backend.tf")


def copy_of(folder, target):
    """A copy of a configuration, without anybody's own variables, that may be broken."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*_OF_SOMEBODY))
    return Path(target)
