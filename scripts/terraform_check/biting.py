"""Breaks the configuration and looks whether the checks notice."""

import re

from . import hcl, plans, plugin, terraform
from .broken import promises, spelling, values
from .outcome import need

_MESSAGE = re.compile(r'^\s+error_message = "((?:[^"\\]|\\.)*)"', re.MULTILINE)
_REQUIRED = ("environment", "location", "sql_administrator")
_EARLY = "event_grid.tftest.hcl"


def text(folder, made, scratch):
    """The check of the text finds each breakage of spelling; how many."""
    meant = [one for one in spelling.BREAKAGES if "hcl" in one.checks]
    for breakage in meant:
        copy = terraform.copy_of(folder, scratch / "spelling")
        breakage.apply(copy)
        found = "\n".join(hcl.check(copy, made).problems)
        need([] if breakage.checks["hcl"] in found else [found], f"not found: {breakage}")
    return len(meant)


def by_terraform(folder, made, scratch, step):
    """Terraform, the asserts and the look into plans find theirs."""
    with plugin.serving(hcl.only_used(folder, made)) as reattach:

        def on_copy(name, *breakages):
            copy = terraform.copy_of(folder, scratch / name)
            for breakage in breakages:
                breakage.apply(copy)
            return terraform.Terraform(copy, reattach, scratch / "terraform-broken")

        _spelling(on_copy, step)
        _promises(folder, on_copy, step)
        _counted(on_copy, step)
        _values(on_copy, step)
        _missing(on_copy, step)
    _too_early(folder, made, scratch, step)


def _spelling(on_copy, step):
    meant = [one for one in spelling.BREAKAGES if "validate" in one.checks]
    for breakage in meant:
        program = on_copy("validate", breakage)
        program.init()
        code, said = program.validate()
        found = code and breakage.checks["validate"] in _one_line(said)
        need([] if found else [said], f"terraform validate did not find: {breakage}")
    step.done(f"broken on purpose: {len(meant)} times, each found by terraform validate")


def _promises(folder, on_copy, step):
    expected = [m for one in promises.BREAKAGES for m in one.checks["assert"]]
    promised = {
        message
        for name in promises.COVERED
        for message in _MESSAGE.findall((folder / "tests" / name).read_text())
    }
    need(sorted(promised - set(expected)), "promises that nothing breaks")
    # All at once: a run goes on behind an assert that fails, and each has words of its own.
    said = _one_line(
        "\n".join(on_copy("promises", *promises.BREAKAGES).test(*promises.ASKED).messages)
    )
    need([m for m in expected if m not in said], f"promises whose breach no assert told\n{said}\n")
    step.done(f"broken on purpose: {len(expected)} promises, each told by its assert")


def _counted(on_copy, step):
    said = "\n".join(on_copy("counted", promises.COUNTED).test(promises.COUNTED_ASKED).messages)
    need([m for m in promises.COUNTED.checks["assert"] if m not in said], f"not told\n{said}\n")
    step.done("broken on purpose: one count by an id, found in the first plan")


def _values(on_copy, step):
    tests = on_copy("values", *values.BREAKAGES).test(*values.ASKED)
    said = "\n".join(plans.look(tests.plans).problems)
    expected = [one.checks["plans"] for one in values.BREAKAGES]
    need([m for m in expected if m not in said], f"values that nobody found\n{said}\n")
    step.done(f"broken on purpose: {len(expected)} values, each found in the plans")


def _missing(on_copy, step):
    """No variables at all, and nobody to be asked for them."""
    program = on_copy("missing")
    program.init()
    code, said = program.run("plan", "-input=false", "-no-color")
    missed = [
        n for n in _REQUIRED if f'The root module input variable "{n}" is not set' not in said
    ]
    need(missed if code else [said], "variables that nobody missed")
    step.done(f"no variables: refused, and told the {len(_REQUIRED)} that are needed")


def _too_early(folder, made, scratch, step):
    """A host without a key, as it is before the code runs."""
    with plugin.serving(hcl.only_used(folder, made), key="") as reattach:
        copy = terraform.copy_of(folder, scratch / "early")
        program = terraform.Terraform(copy, reattach, scratch / "terraform-early")
        program.init()
        said = _one_line("\n".join(program.test(_EARLY).messages))
    told = "has made no key for announcements yet" in said
    need([] if told else [said], "the second phase before the code is not told")
    step.done("second phase too early: refused, and told what to do")


def _one_line(said):
    return " ".join(said.split())
