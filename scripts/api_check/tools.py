"""newman and schemathesis, installed under target/services if they are not there."""

import shutil
import subprocess
import sys
from pathlib import Path

NEWMAN = "6.2.2"
SCHEMATHESIS = "4.32.5"

HERE = Path(__file__).resolve().parent.parent.parent / "target/services"


def newman():
    """The program. Nothing that comes with a package is run at its installation."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            packages("nodejs", "npm")
    manifest = HERE / "node_modules/newman/package.json"
    if not (manifest.exists() and f'"version": "{NEWMAN}"' in manifest.read_text()):
        HERE.mkdir(parents=True, exist_ok=True)
        run(["npm", "install", "--prefix", HERE, "--ignore-scripts", "--no-audit", "--no-fund",
             "--loglevel=error", f"newman@{NEWMAN}"])
    return HERE / "node_modules/.bin/newman"


def schemathesis():
    """The program, in an environment of its own."""
    folder = HERE / f"schemathesis-{SCHEMATHESIS}"
    program = folder / "bin/schemathesis"
    if not program.exists():
        if subprocess.run([sys.executable, "-c", "import ensurepip, venv"]).returncode != 0:
            packages("python3-venv")
        run([sys.executable, "-m", "venv", "--clear", folder])
        run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check",
             f"schemathesis=={SCHEMATHESIS}"])
    return program


def packages(*names):
    run(["apt-get", "update", "-qq"])
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names])


def run(command):
    subprocess.run(command, check=True)
