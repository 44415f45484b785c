"""Which Terraform is taken, and what is read of its answers."""

import json
import os
import stat
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from terraform_check import broken, terraform


class Usable(unittest.TestCase):
    def on_path(self, version):
        with tempfile.TemporaryDirectory() as folder:
            if version:
                program = Path(folder) / "terraform"
                answer = json.dumps({"terraform_version": version}, indent=1)
                program.write_text(f"#!/bin/sh\necho '{answer}'\n")
                program.chmod(program.stat().st_mode | stat.S_IXUSR)
            with mock.patch.dict(os.environ, PATH=folder):
                return terraform.usable()

    def test_a_version_that_is_new_enough(self):
        self.assertEqual(self.on_path("1.11.0"), (True, "terraform 1.11"))
        self.assertTrue(self.on_path("2.0.1")[0])

    def test_one_that_is_not(self):
        self.assertEqual(self.on_path("1.9.8"), (False, "terraform 1.9 is older than 1.11"))

    def test_none(self):
        self.assertEqual(self.on_path(None), (False, "there is no terraform on the PATH"))


class Events(unittest.TestCase):
    def test_runs_messages_and_plans_are_taken(self):
        tests = terraform.Tests()
        at = {"@testfile": "a", "@testrun": "b"}
        for event in (
            at | {"type": "test_run", "test_run": {"progress": "complete", "status": "pass"}},
            at | {"type": "test_run", "test_run": {"progress": "starting"}},
            at | {"type": "test_run", "test_run": {"progress": "complete", "status": "skip"}},
            at | {"type": "diagnostic", "diagnostic": {"summary": "no", "detail": "good"}},
            at | {"type": "test_plan", "test_plan": {"x": 1}},
        ):
            terraform._take(tests, event)
        self.assertEqual((tests.passed, tests.failed), (1, ["a b: skip"]))
        self.assertEqual(tests.messages, ["a b: no: good"])
        self.assertEqual(tests.plans, {"a b": {"x": 1}})


class Copy(unittest.TestCase):
    def test_variables_of_whoever_deploys_stay_out(self):
        with tempfile.TemporaryDirectory() as folder:
            ours = Path(folder) / "ours"
            (ours / ".terraform").mkdir(parents=True)
            for name in (
                "main.tf",
                "terraform.tfvars",
                "mine.auto.tfvars",
                "backend.tf",
                "x.tfstate",
            ):
                (ours / name).touch()
            copy = terraform.copy_of(ours, Path(folder) / "copy")
            self.assertEqual([path.name for path in copy.iterdir()], ["main.tf"])


class Breaking(unittest.TestCase):
    def test_a_breakage_that_breaks_nothing_is_an_error(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.tf"
            path.write_text("on = true\non = true\n")
            broken.Breakage("a.tf", "on = true", "on = false").apply(Path(folder))
            self.assertEqual(path.read_text(), "on = false\non = true\n")
            with self.assertRaises(broken.BreakageError):
                broken.Breakage("a.tf", "off", "on").apply(Path(folder))


if __name__ == "__main__":
    unittest.main()
