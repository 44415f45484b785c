"""The part of scripts/bench that needs a server: an import against FreeTDS's `freebcp`.

The server is the one that TEST_SQL_CONNECTION_STRING names, an ADO.NET string of a login that
may make databases; it must be on this machine or near, for both sides meet its network.
"""

import csv
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANDLER = ROOT / "target/release/handler"
ROWS = 200_000
MEMORY_MAX_MIB = 96
RATE_MIN = 0.8
# The limit of an encrypted connection; ours asks for as much.
PACKET_BYTES = 16_383
BATCH_ROWS = 10_000
COLUMNS = ["asin", "title", "imgUrl", "productURL", "stars", "reviews", "price", "listPrice",
           "category_id", "isBestSeller", "boughtInLastMonth"]


def bench(folder, options, table, generate, timed):
    server = Server(os.environ["TEST_SQL_CONNECTION_STRING"])
    if shutil.which("freebcp") is None:
        subprocess.run(["apt-get", "install", "-y", "-q", "freetds-bin"], check=True)
    print(f"import of {ROWS} rows into {server.host} against freebcp, {options.rounds} rounds")
    file = generate(folder, ROWS)
    raw = as_raw(file, folder / "raw.txt")
    with Database(server) as database:
        has_decimals = takes_decimals(database, folder)
    amounts = "the decimals that ours has" if has_decimals else "floats, for it corrupts decimals"
    print(f"  the peer's amounts are {amounts}")
    ours, peers, memory = [], [], []
    # Taken in turn, so that whatever else the machine does meets both of them.
    for _ in range(options.rounds):
        with Database(server) as database:
            seconds, peak = import_ours(database, file, folder, timed)
            ours.append(seconds)
            memory.append(peak)
        with Database(server) as database:
            peers.append(import_peer(database, raw, folder, has_decimals))
        print(f"  ours {ours[-1]:.2f} s, freebcp {peers[-1]:.2f} s", flush=True)
    mine, theirs = statistics.median(ours), statistics.median(peers)
    table.add("SQL Server: import", f"{ROWS / mine:,.0f} rows/s", mine / theirs,
              f"freebcp's seconds, {ROWS / theirs:,.0f} rows/s", 1 / RATE_MIN)
    peak = max(memory)
    table.add("its peak memory", f"{peak:.0f} MiB", peak / MEMORY_MAX_MIB,
              f"of {MEMORY_MAX_MIB} MiB", 1.0)
    with Database(server) as database, Counting(server) as between:
        database.port = between.port
        import_ours(database, file, folder, timed)
        sent = between.sent
    size = file.stat().st_size
    table.add("bytes sent for a byte of the file", f"{sent / 1e6:.1f} MB", sent / size,
              f"the file, {size / 1e6:.1f} MB", 2.5)


class Server:
    """What an ADO.NET string says."""

    def __init__(self, string):
        given = dict(pair.split("=", 1) for pair in string.split(";") if "=" in pair)
        given = {name.strip().lower().replace(" ", ""): value for name, value in given.items()}
        address = (given.get("server") or given["datasource"]).removeprefix("tcp:")
        self.host, _, port = address.partition(",")
        self.port = int(port or 1433)
        self.user = given.get("userid") or given["uid"]
        self.password = given.get("password") or given["pwd"]
        self.rest = {name: given[name] for name in ("encrypt", "trustservercertificate")
                     if name in given}

    def run(self, sql, database="master"):
        command = ["tsql", "-H", self.host, "-p", str(self.port), "-U", self.user,
                   "-P", self.password, "-D", database]
        done = subprocess.run(command, input=sql + "\nGO\nexit\n", text=True, timeout=600,
                              capture_output=True, env={**os.environ, "TDSVER": "7.4"})
        if re.search(r"^Msg \d+ .*Level 1[1-9]", done.stdout + done.stderr, re.MULTILINE):
            sys.exit(f"{sql}\n{done.stdout}{done.stderr}")
        return done.stdout


class Database:
    """An empty database of its own."""

    def __init__(self, server):
        self.server, self.port = server, server.port
        self.name = f"vitrine_bench_{uuid.uuid4().hex[:8]}"

    def __enter__(self):
        self.server.run(f"CREATE DATABASE {self.name}")
        return self

    def __exit__(self, *_):
        self.server.run(f"DROP DATABASE {self.name}")

    def environment(self, data):
        login = {"server": f"{self.server.host},{self.port}", "database": self.name,
                 "user id": self.server.user, "password": self.server.password,
                 **self.server.rest}
        environment = {"VITRINE_DATA_DIR": str(data), "PATH": os.environ["PATH"],
                       "SQL_CONNECTION_STRING": ";".join(f"{k}={v}" for k, v in login.items())}
        if self.server.rest.get("encrypt", "").lower() == "false":
            environment["SQL_ENCRYPT"] = "false"
        return environment


def import_ours(database, file, folder, timed):
    """`handler import` into a schema that is there: reads, cleans, checks and upserts."""
    environment = database.environment(folder / "server")
    timed([str(HANDLER), "migrate"], environment, folder)
    return timed([str(HANDLER), "import", str(file)], environment, folder)


def import_peer(database, raw, folder, has_decimals):
    """`freebcp` into an equal table with equal indexes, no triggers, nothing checked."""
    for statement in peer_schema(has_decimals):
        database.server.run(statement, database.name)
    begin = time.monotonic()
    bulk_copy(database, "products", raw, folder, ROWS)
    return time.monotonic() - begin


def bulk_copy(database, table, raw, folder, rows):
    server = database.server
    command = ["freebcp", f"dbo.{table}", "in", str(raw), "-c", "-t", "\\t", "-r", "\\n",
               "-b", str(BATCH_ROWS), "-A", str(PACKET_BYTES), "-S", f"{server.host}:{server.port}",
               "-U", server.user, "-P", server.password, "-D", database.name]
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=900,
                          env={**os.environ, "TDSVER": "7.4"})
    if f"{rows} rows copied" not in done.stdout:
        sys.exit(f"freebcp: {done.stdout[-500:]}{done.stderr[-500:]}")


def takes_decimals(database, folder):
    """Whether what FreeTDS sends as a decimal arrives as it was. It writes as few bytes as the
    precision needs, and Babelfish as it is published reads more of them, without a word."""
    amounts = ["0.05", "12.34", "1.00", "99999999.99"]
    raw = folder / "amounts.txt"
    raw.write_text("".join(f"{amount}\n" for amount in amounts))
    database.server.run("CREATE TABLE dbo.amounts (amount DECIMAL(10, 2) NULL)", database.name)
    try:
        bulk_copy(database, "amounts", raw, folder, len(amounts))
    except SystemExit:
        return False
    same = " OR ".join(f"amount = {amount}" for amount in amounts)
    told = database.server.run(
        f"SELECT 'arrived', COUNT(DISTINCT amount) FROM dbo.amounts WHERE {same}", database.name)
    return re.search(rf"arrived\s+{len(amounts)}\b", told) is not None


def peer_schema(has_decimals):
    """Our table and its indexes, read from the migration."""
    text = (ROOT / "handler/migrations/sqlserver/0001_catalogue.sql").read_text()
    table = re.search(r"CREATE TABLE amazon\.products \((.*?)\n\);", text, re.DOTALL)[1]
    table = re.sub(r"--[^\n]*", "", table)
    if not has_decimals:
        # The peer has it the easier for it: an index of floats is compared faster.
        table = re.sub(r"DECIMAL\(\d+, \d+\)", "FLOAT", table)
    # The peer fills every column that there is.
    table = re.sub(r",\s*import_run\s+BIGINT\s+NULL", "", table)
    yield f"CREATE TABLE dbo.products ({table})"
    for name, columns in re.findall(r"CREATE INDEX (\w+) ON amazon\.products \((.*?)\);", text):
        yield f"CREATE INDEX {name} ON dbo.products ({columns})"


def as_raw(file, raw):
    """The same rows as `freebcp` wants them: tabs, no quotes, bits as digits."""
    with open(file, newline="", encoding="utf-8") as rows, open(raw, "w", encoding="utf-8") as out:
        for row in csv.DictReader(rows):
            row["isBestSeller"] = {"True": "1", "False": "0"}.get(row["isBestSeller"], "")
            out.write("\t".join(row[name] for name in COLUMNS) + "\n")
    return raw


class Counting:
    """Passes connections on to the server and counts what goes there."""

    def __init__(self, server):
        self.server, self.sent = server, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection((self.server.host, self.server.port))
            for one, other, counts in [(client, server, True), (server, client, False)]:
                threading.Thread(target=self.pass_on, args=(one, other, counts),
                                 daemon=True).start()

    def pass_on(self, one, other, counts):
        try:
            while piece := one.recv(64 * 1024):
                if counts:
                    self.sent += len(piece)
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass
