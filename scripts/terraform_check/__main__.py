"""Checks the Terraform of this repository, with no network but for Python packages.

    python -m terraform_check --root FOLDER --work FOLDER --checkov PROGRAM

Run by scripts/terraform-check, which installs what is needed.
"""

import argparse
import hashlib
import json
import re
import sys
import tempfile
import time
import unittest
from pathlib import Path

from . import agreement, bindings, biting, checkov, hcl, plans, plugin, terraform
from .broken import BreakageError
from .outcome import CheckError, Step, need

PROVIDERS = {
    "hashicorp/azurerm": "cdktn_provider_azurerm-*.whl",
    "azure/azapi": "cdktn_provider_azapi-*.whl",
}
# Who reads the wheels otherwise makes other schemas of them.
READER = hashlib.sha256(Path(bindings.__file__).read_bytes()).hexdigest()[:12]
_INPUTS = "inputs.tftest.hcl"
_ASSERT = re.compile(r"^\s+assert \{", re.MULTILINE)
_RUN = re.compile(r'^run "', re.MULTILINE)


def schemas(work):
    made = {}
    for name, pattern in PROVIDERS.items():
        wheels = sorted((work / "wheels").glob(pattern))
        if len(wheels) != 1:
            raise CheckError(f"one {pattern} was expected in {work / 'wheels'}, not {len(wheels)}")
        kept = work / "schemas" / f"{wheels[0].stem}.{READER}.json"
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            unfinished = kept.with_suffix(".part")
            unfinished.write_text(json.dumps(bindings.read_wheel(wheels[0])))
            unfinished.rename(kept)
        made[name] = json.loads(kept.read_text())
    return made


def unit_tests():
    found = unittest.defaultTestLoader.discover(
        str(Path(__file__).with_name("tests")), top_level_dir=str(Path(__file__).parents[1])
    )
    count = found.countTestCases()
    done = unittest.TextTestRunner(verbosity=0, stream=sys.stderr).run(found)
    if not done.wasSuccessful() or not count:
        raise CheckError("the checks' own tests fail")
    return count


def by_terraform(folder, made, scratch, step):
    with plugin.serving(hcl.only_used(folder, made)) as reattach:
        ours = terraform.copy_of(folder, scratch / "ours")
        program = terraform.Terraform(ours, reattach, scratch / "terraform")
        need(program.badly_formatted(), "terraform fmt would change")
        for name in ("init", "validate"):
            code, text = getattr(program, name)()
            need([text] if code else [], f"terraform {name}")
        step.done("terraform: format, init, validate")
        _tests(program, folder, step)


def _tests(program, folder, step):
    done = program.test()
    need(done.failed + (done.messages if done.failed else []), "terraform test")
    texts = [path.read_text() for path in (folder / "tests").glob("*.tftest.hcl")]
    runs = sum(len(_RUN.findall(text)) for text in texts)
    asserts = sum(len(_ASSERT.findall(text)) for text in texts)
    need([] if done.passed == runs else [f"{done.passed} of {runs} ran"], "terraform test")
    step.done(
        f"terraform test: {done.passed} runs passed, {asserts} asserts, of {len(texts)} files"
    )
    # Those of what is refused hold what is refused.
    planned = {run: plan for run, plan in done.plans.items() if _INPUTS not in run}
    looked = plans.look(planned)
    need(looked.problems, "the plans")
    need(agreement.problems(planned, folder.parent), "the plans and the app")
    step.done(
        f"plans: {looked.plans} with {looked.resources} resources of {len(looked.types)} types; "
        f"{looked.bodies} bodies against Azure's shapes, {looked.values} values; no secret in any, "
        "and settings, functions and columns as the app has them"
    )


def by_checkov(processes, root):
    rows = checkov.read_table((root / "handler/docs/infrastructure.md").read_text())
    passed, failed = 0, set()
    *ours, broken = processes
    for process in ours:
        more_passed, more_failed = checkov.finish(process)
        passed += more_passed
        failed |= more_failed
    need(checkov.compare(failed, rows), "checkov and the table of handler/docs/infrastructure.md")
    _, found = checkov.finish(broken)
    beside = {check for check, _ in found} - set(rows)
    need([] if "CKV_AZURE_190" in beside else [str(found)], "checkov did not find a public account")
    return passed, rows, failed


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--root", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--checkov", type=Path, required=True)
    given = arguments.parse_args()
    folder = given.root / "terraform"
    began, step = time.monotonic(), Step()
    runs = [
        checkov.start(given.checkov, folder, folder / "example.tfvars"),
        checkov.start(given.checkov, folder, folder / "tests/full.tfvars"),
        checkov.start(given.checkov, Path(__file__).with_name("tests") / "public_account"),
    ]
    try:
        with tempfile.TemporaryDirectory(dir=given.work) as scratch:
            _check(given, folder, runs, Path(scratch), step)
    except (
        CheckError,
        bindings.BindingsError,
        BreakageError,
        checkov.TableError,
    ) as error:
        print(f"terraform-check: {error}", file=sys.stderr)
        return 1
    finally:
        for process in runs:
            process.kill()
    print(f"terraform-check: all green in {time.monotonic() - began:.0f} s")
    return 0


def _check(given, folder, runs, scratch, step):
    step.done(f"own tests: {unit_tests()} passed")
    made = schemas(given.work)
    versions = ", ".join(f"{name} {schema['provider_version']}" for name, schema in made.items())
    step.done(
        f"schemas: {versions}; {sum(len(s['resource_schemas']) for s in made.values())} resources"
    )
    report = hcl.check(folder, made)
    need(report.problems, "the text is not what the schema has")
    found = biting.text(folder, made, scratch)
    step.done(
        f"text against schema: {report.resources} resources, {report.arguments} arguments, "
        f"{report.references} references; {found} breakages found"
    )
    usable, why = terraform.usable()
    if usable:
        by_terraform(folder, made, scratch, step)
        biting.by_terraform(folder, made, scratch, step)
    else:
        print(
            f"NOT CHECKED, as {why} (1.11 is needed): format, types of expressions, validations of "
            "variables, all asserts, bodies and values in plans"
        )
    passed, rows, failed = by_checkov(runs, given.root)
    step.done(
        f"checkov: {passed} passed in two environments; {len(failed)} findings, all of them in the "
        f"table of {len(rows)} reasons ({checkov.SKIPS_MAX} allowed)"
    )


if __name__ == "__main__":
    sys.exit(main())
