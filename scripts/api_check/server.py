"""A server of the check's own: the real binary, a data folder, a small catalogue."""

import contextlib
import json
import os
import re
import subprocess
import threading
import time
import urllib.request

EMAIL = "boss@shop.example"
PASSWORD = "Secret1!"
ROWS = 400
START_SECONDS_MAX = 60


class Running:
    """Where a server is, and its administrator."""

    def __init__(self, url):
        self.url = url
        self.email = EMAIL

    def ask(self, path, body=None, token=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def sign_in(self):
        """A token of the administrator, who is signed up at the first call."""
        whose = {"email": self.email, "password": PASSWORD}
        status, said = self.ask("/signup", whose | {"firstName": "B", "lastName": "Oss"})
        if status not in (201, 409):
            raise SystemExit(f"nobody can sign up: {said}")
        status, said = self.ask("/login", whose)
        if status != 200:
            raise SystemExit(f"the administrator cannot sign in: {said}")
        return said["idToken"]


@contextlib.contextmanager
def started(handler, folder):
    """The server, until the block ends."""
    data = folder / "data"
    imports = data / "blobs/imports"
    imports.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "VITRINE_DATA_DIR": str(data),
        "VITRINE_LISTEN": "127.0.0.1:0",
        "ADMIN_EMAILS": EMAIL,
        "RATE_LIMITS": "off",
        "RUST_LOG": "warn",
    }
    generate = [handler, "generate", "--rows", str(ROWS), "--dirty", "20", "--out", imports]
    subprocess.run(generate, check=True, env=environment, stdout=subprocess.DEVNULL)
    process = subprocess.Popen(
        [handler, "serve"], env=environment, cwd=folder, stdout=subprocess.PIPE, text=True
    )
    try:
        running = Running(address(process))
        # Its lines must go somewhere, or it would wait for a full pipe.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        until_imported(running)
        yield running
        if process.poll() is not None:
            raise SystemExit(f"the server has ended with {process.returncode}")
    finally:
        process.terminate()
        process.wait(30)


def address(process):
    for line in process.stdout:
        if told := re.match(r"\s+(http://127\.0\.0\.1:\d+)/\s*$", line):
            return told[1]
    raise SystemExit("the server has not told its address")


def until_imported(running):
    token = running.sign_in()
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        _, runs = running.ask("/imports", token=token)
        done = [run for run in runs if run["state"] == "done" and "/imports/" in run["source"]]
        if len(done) >= 2:
            return
        time.sleep(0.2)
    raise SystemExit(f"the catalogue is not imported after {START_SECONDS_MAX} s: {runs}")
