"""The part of scripts/bench that needs Blob Storage: an import out of Azurite, posted as the
Functions host does it, against the same file from the disk.

Azurite is installed by npm under target/services, and asked over https by an identity.
"""

import base64
import http.server
import json
import os
import socket
import ssl
import statistics
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "target/services"
RATE_MIN = 0.7
MEMORY_MAX_MIB = 96
ENVELOPE_MAX = 4096
HEADER = "header-of-the-endpoint"


def bench(folder, options, table, tools):
    print(f"import of {options.rows} rows out of Azurite against the same file from the disk")
    package = tools.packed(folder)
    file = tools.generate(folder, options.rows)
    whole, direct, peaks = [], [], []
    with Azurite(folder) as azurite:
        for round_ in range(options.rounds):
            name = f"{round_}.csv"
            size = azurite.put(f"imports/{name}", file)
            data = tools.fresh(folder / "blob")
            # Beside a server indexes are kept, and a load is slower: both have one.
            with tools.UnderHost(package, data, **azurite.settings()) as server:
                body = reference(azurite.url, name, size)
                begin = time.monotonic()
                server.invoke("/ImportBlob", body)
                whole.append(time.monotonic() - begin)
                peaks.append(server.memory("VmHWM"))
            data = tools.fresh(folder / "disk")
            with tools.UnderHost(package, data):
                direct.append(tools.handler(data, "import", file)[0])
            print(f"  from Azurite {whole[-1]:.1f} s, from the disk {direct[-1]:.1f} s", flush=True)
    mine, theirs = statistics.median(whole), statistics.median(direct)
    table.add("import out of Azurite", f"{options.rows / mine:,.0f} rows/s", mine / theirs,
              f"the seconds from the disk beside a server, {theirs:.1f}", 1 / RATE_MIN)
    table.add("its peak memory", f"{max(peaks):.0f} MiB", max(peaks) / MEMORY_MAX_MIB,
              f"of {MEMORY_MAX_MIB} MiB", 1.0)
    table.add("its envelope", f"{len(body)} bytes", len(body) / ENVELOPE_MAX,
              f"of {ENVELOPE_MAX}", 1.0)


def reference(url, name, size):
    """What the host posts for a blob that it hands over as a reference."""
    descriptor = {"Version": "1.0", "Source": "AzureStorageBlobs",
                  "ContentType": "application/json",
                  "Content": {"Length": 95, "IsEmpty": False, "MediaType": "application/json"}}
    metadata = {"Uri": json.dumps(f"{url}/imports/{name}"), "name": json.dumps(name),
                "Properties": {"ContentLength": size}, "Metadata": {}}
    return json.dumps({"Data": {"blob": descriptor}, "Metadata": metadata}).encode()


class Azurite:
    """A server of its own over https, gone with the bench, and an identity that it lets in."""

    def __init__(self, folder):
        self.folder = folder / "azurite"
        self.folder.mkdir()
        program = SERVICES / "node_modules/.bin/azurite-blob"
        if not program.exists():
            subprocess.run([ROOT / "scripts/services", "true"], check=True)
        self.make_certificates()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent",
             "--disableTelemetry", "--skipApiVersionCheck", "--oauth", "basic",
             "--location", self.folder / "data", "--cert", self.folder / "server.crt",
             "--key", self.folder / "server.key"], stdout=subprocess.DEVNULL)
        self.url = f"https://localhost:{port}/devstoreaccount1"
        self.token = token()
        self.endpoint = http.server.ThreadingHTTPServer(("127.0.0.1", 0), endpoint(self.token))
        threading.Thread(target=self.endpoint.serve_forever, daemon=True).start()
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            time.sleep(0.05)
        self.ask("PUT", "imports?restype=container", b"")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.endpoint.shutdown()
        self.process.terminate()
        self.process.wait()

    def settings(self):
        return {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{self.endpoint.server_port}/token",
                "IDENTITY_HEADER": HEADER, "SSL_CERT_FILE": str(self.folder / "ca.crt"),
                "IMPORT_STORAGE__blobServiceUri": self.url}

    def put(self, path, file):
        self.ask("PUT", path, file.read_bytes())
        return file.stat().st_size

    def ask(self, method, path, body):
        request = urllib.request.Request(f"{self.url}/{path}", body, method=method, headers={
            "Authorization": f"Bearer {self.token}", "x-ms-version": "2021-12-02",
            "x-ms-blob-type": "BlockBlob", "Content-Type": "text/csv"})
        trust = ssl.create_default_context(cafile=self.folder / "ca.crt")
        urllib.request.urlopen(request, context=trust).read()

    def make_certificates(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2",
                "-subj", "/CN=bench")
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
        (self.folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt")


def token():
    """As Azurite looks at it: whose it is it does not check."""
    def part(claims):
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    now = int(time.time())
    claims = {"iss": "https://sts.windows.net/tenant/", "aud": "https://storage.azure.com",
              "iat": now - 60, "nbf": now - 60, "exp": now + 86_400}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}.c2lnbg"


def endpoint(text):
    """Where the process asks for tokens of its identity."""
    class Endpoint(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"access_token": text, "expires_on": str(int(time.time()) + 3_600),
                               "resource": "https://storage.azure.com",
                               "token_type": "Bearer"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    return Endpoint
