"""The shared cache's part of scripts/bench: what it costs, and how soon others see a write."""

import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

LOCAL_HIT_MIN = 0.95
SHARED_HIT_MIN = 0.5
SEEN_MAX_MS = 20
CONNECTIONS = 64
# The other one is counted before and after each second of ours: a machine that others share has
# another speed in the next ten. Single turns scatter by a tenth, so the median of 45 (three rounds)
# is right within two hundredths.
TURNS = 15
GETS = 40_000
WRITES = 500
BOSS = {"email": "boss@shop.example", "password": "Secret1!", "firstName": "B", "lastName": "Oss"}


class Redis:
    """A server of its own, on a port of its own, gone with the bench."""

    def __init__(self):
        if shutil.which("redis-server") is None or shutil.which("redis-benchmark") is None:
            subprocess.run(["apt-get", "install", "-y", "-q", "--no-install-recommends",
                            "redis-server", "redis-tools"], check=True)
        self.folder = tempfile.TemporaryDirectory(prefix="vitrine-redis-")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--save", "",
             "--appendonly", "no", "--dir", self.folder.name], stdout=subprocess.DEVNULL)
        while self.command("PING") != "PONG":
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def command(self, *words):
        answer = subprocess.run(["redis-cli", "-p", str(self.port), *words], text=True,
                                capture_output=True)
        return answer.stdout.strip()

    def number(self, keys, name):
        """Copies what lies at the keys to where `gets_per_second` draws from."""
        commands = "".join(f"COPY {key} {name}:{number:012}\n" for number, key in enumerate(keys))
        copied = subprocess.run(["redis-cli", "-p", str(self.port)], input=commands, text=True,
                                capture_output=True, check=True).stdout.split()
        if copied != ["1"] * len(keys):
            sys.exit("a page is not there any more")

    def gets_per_second(self, name, count):
        output = subprocess.run(
            ["redis-benchmark", "-p", str(self.port), "-c", str(CONNECTIONS), "-n", str(GETS),
             "-r", str(count), "-q", "GET", f"{name}:__rand_int__"], text=True,
            capture_output=True, check=True).stdout
        return float(re.findall(r"([\d.]+) requests per second", output)[-1])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def bench(folder, options, table, tools):
    """`tools` is the module of scripts/bench."""
    data = tools.fresh(folder / "shared")
    tools.handler(data, "import", tools.generate(folder, min(options.rows, 200_000)))
    tools.have_wrk(folder)
    with Redis() as redis:
        shared = {"REDIS_CONNECTION_STRING": redis.url}
        bench_hits(folder, options, table, tools, data, shared)
        bench_shared_hits(folder, options, table, tools, data, redis, shared)
        bench_seen(table, tools, data, shared)


def bench_hits(folder, options, table, tools, data, shared):
    print("a local hit, with a shared cache and without, in turn")
    with tools.Serving(data) as alone, tools.Serving(data, **shared) as beside:
        paths = alone.paths_of_pages(tools.PAGES)
        (folder / "paths").write_text("\n".join(paths) + "\n")
        for server in (alone, beside):
            for path in paths:
                server.get(path)
        def rate_of(server):
            return tools.load(folder, server.url, "paths", seconds=1)["rate"]

        ratio = in_turns(options, lambda: rate_of(beside), lambda: rate_of(alone), "without")
    table.add("a local hit beside Redis, rate", f"{ratio:.2f} x", LOCAL_HIT_MIN / ratio,
              f"floor {LOCAL_HIT_MIN} x without", 1.0)


def bench_shared_hits(folder, options, table, tools, data, redis, shared):
    print(f"pages that only Redis has, {CONNECTIONS} connections, against its raw GETs of the bytes "
          "that go out: those that lie there to whoever takes zstd, and the plain body")
    with tools.Serving(data, CACHE_LOCAL_BYTES="0", **shared) as server:
        # Filled by the part before; and none of them is kept in the process.
        pages = redis.command("--scan", "--pattern", "*:{0}:*").split()
        redis.number(pages, "page")
        _, body = server.get("/products")
        redis.command("SET", "plain:000000000000", body.decode())
        packed = against_gets(folder, options, tools, server, redis, "zstd", ("page", len(pages)))
        table.add("a page that only Redis has, rate", f"{packed:.2f} x", SHARED_HIT_MIN / packed,
                  f"floor {SHARED_HIT_MIN} x GETs of the same bytes", 1.0)
        # It is unpacked for each: so it is with pages that are asked for once.
        plain = against_gets(folder, options, tools, server, redis, "", ("plain", 1))
        print(f"  to a client that takes nothing packed: {plain:.2f} x GETs of the plain body")


def against_gets(folder, options, tools, server, redis, encodings, stored):
    """Our rate to clients that take these encodings, over that of GETs of what is stored by a name
    and so many numbers. Both draw at random."""
    def ours():
        return tools.load(folder, server.url, "paths", connections=CONNECTIONS,
                          encodings=encodings, uniform=True, seconds=1)["rate"]

    return in_turns(options, ours, lambda: redis.gets_per_second(*stored), "raw GETs")


def in_turns(options, ours, other, name):
    """The median of our rate over the mean of the other one before and after it."""
    ratios = []
    after = other()
    for _ in range(TURNS * options.rounds):
        before, rate = after, ours()
        after = other()
        ratios.append(2 * rate / (before + after))
        print(f"  ours {rate:.0f}/s, {name} {(before + after) / 2:.0f}/s", flush=True)
    return statistics.median(ratios)


def bench_seen(table, tools, data, shared):
    print(f"{WRITES} writes at one instance, until another one shows each")
    shared = dict(shared, ADMIN_EMAILS=BOSS["email"])
    with tools.Serving(data, **shared) as writer, tools.Serving(data, **shared) as reader:
        ask(writer, "POST", "/signup", BOSS)
        credentials = {name: BOSS[name] for name in ("email", "password")}
        token = ask(writer, "POST", "/login", credentials)["idToken"]
        header = {"authorization": f"Bearer {token}"}
        times = []
        for price in range(1, WRITES + 1):
            product = {"title": "A lamp", "category_id": 1, "price": price}
            ask(writer, "PUT", "/products/SEEN-1", product, header)
            begin = time.perf_counter()
            while True:
                _, body = reader.get("/products/SEEN-1")
                if json.loads(body)["price"] == price:
                    break
                if time.perf_counter() - begin > 5:
                    sys.exit("a write is not seen by the other instance")
            times.append((time.perf_counter() - begin) * 1e3)
    times.sort()
    p99 = times[len(times) * 99 // 100]
    print(f"  median {statistics.median(times):.2f} ms, p99 {p99:.2f} ms, most {times[-1]:.2f} ms")
    table.add("seen by another instance, p99", f"{p99:.1f} ms", p99 / SEEN_MAX_MS,
              f"of {SEEN_MAX_MS} ms", 1.0)


def ask(server, method, path, body, headers=None):
    server.connection.request(method, path, json.dumps(body),
                              {"content-type": "application/json", **(headers or {})})
    response = server.connection.getresponse()
    answer = response.read()
    if response.status >= 300:
        sys.exit(f"{method} {path}: {response.status} {answer[:200]}")
    return json.loads(answer) if answer else None
