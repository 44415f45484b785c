"""Runs checkov and holds what it finds against the one table of reasons.

The table stands in handler/docs/infrastructure.md: a check and a kind of resource a row, and why
it is left as it is. What fails beside the table is a failure, and so is a row that nothing needs.
"""

import json
import os
import re
import subprocess
from dataclasses import dataclass

SKIPS_MAX = 25
_ROW = re.compile(r"^\| `(CKV2?_AZURE_\d+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@dataclass
class Skip:
    """A row of the table."""

    check: str
    resources: list
    reason: str


class TableError(Exception):
    """The table is not as it has to be."""


def read_table(text):
    """The rows of the table, by check."""
    rows = {}
    for check, resources, reason in _ROW.findall(text):
        if check in rows:
            raise TableError(f"{check} stands there twice")
        if len(reason.split()) < 5:
            raise TableError(f"{check} has no reason to speak of: {reason.strip()!r}")
        rows[check] = Skip(check, re.findall(r"`(\w+)`", resources), reason.strip())
    if not rows:
        raise TableError("there is no table of checks")
    if len(rows) > SKIPS_MAX:
        raise TableError(f"{len(rows)} checks are left out, {SKIPS_MAX} are allowed")
    return rows


def start(program, folder, var_file=None):
    """Starts a run, which takes the better part of a minute."""
    command = [str(program), "-d", str(folder), "--framework", "terraform", "--skip-download"]
    command += ["--compact", "--quiet", "-o", "json"]
    if var_file:
        command += ["--var-file", str(var_file)]
    environment = dict(os.environ, LOG_LEVEL="ERROR")
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def finish(process):
    """`(checks passed, {(check, kind of resource)} failed)` of a run."""
    text, _ = process.communicate()
    try:
        found = json.loads(text)
        summary = found["summary"]
        failed = found["results"]["failed_checks"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise TableError(f"checkov answered what cannot be read: {error}") from error
    if summary["parsing_errors"] or not summary["passed"]:
        raise TableError(f"checkov read nothing, or not everything: {summary}")
    return summary["passed"], {(one["check_id"], one["resource"].split(".")[0]) for one in failed}


def compare(failed, rows):
    """What fails without a row, and rows that nothing needs, one line each."""
    allowed = {(skip.check, kind) for skip in rows.values() for kind in skip.resources}
    problems = [f"{check} fails on {kind}" for check, kind in sorted(failed - allowed)]
    problems += [f"{check} does not fail on {kind}" for check, kind in sorted(allowed - failed)]
    return problems
