"""Telemetry's part of scripts/bench: what a cached request pays for it."""

import gzip
import http.server
import json
import statistics
import threading

RATE_MIN = 0.95
KEY = "00000000-0000-0000-0000-000000000001"


class Ingestion:
    """A place that takes everything, in this process, and counts it by its kind."""

    def __init__(self):
        kinds = self.kinds = {}

        class Post(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                items = json.loads(gzip.decompress(body))
                for item in items:
                    kind = item["data"]["baseType"]
                    kinds[kind] = kinds.get(kind, 0) + 1
                answer = json.dumps({"itemsReceived": len(items), "itemsAccepted": len(items),
                                     "errors": []}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Post)
        port = self.server.server_port
        self.connection_string = f"InstrumentationKey={KEY};IngestionEndpoint=http://127.0.0.1:{port}/;"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def bench(folder, options, table, common):
    print(f"telemetry on and off, cached pages, wrk with 16 connections, {common.SECONDS} s each")
    common.have_wrk(folder)
    data = common.fresh(folder / "telemetry")
    common.handler(data, "import", common.generate(folder, min(options.rows, 200_000)))
    (folder / "hot").write_text("/products\n")
    ratios = []
    with Ingestion() as ingestion:
        place = {"APPLICATIONINSIGHTS_CONNECTION_STRING": ingestion.connection_string}
        with common.Serving(data, **place) as on, common.Serving(data) as off:
            for server in (on, off):
                server.get("/products")
            # In turn, and each first as often as second: the machine is not the same all along.
            for number in range(2 * options.rounds):
                order = [("on", on), ("off", off)]
                rates = {name: common.load(folder, server.url, "hot")["rate"]
                         for name, server in (order if number % 2 else order[::-1])}
                ratios.append(rates["on"] / rates["off"])
                print(f"  on {rates['on']:.0f}/s, off {rates['off']:.0f}/s", flush=True)
    print(f"  received: {ingestion.kinds}")
    if not ingestion.kinds.get("RequestData") or not ingestion.kinds.get("MetricData"):
        raise SystemExit("telemetry was on and nothing was received")
    ratio = statistics.median(ratios)
    table.add("a cached page with telemetry on, rate", f"{ratio:.2f} x", RATE_MIN / ratio,
              f"floor {RATE_MIN} x the rate without", 1.0)
