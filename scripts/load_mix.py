"""The requests of scripts/load, and what a right answer to each is."""

import http.client
import json
import random
import time
import uuid

# Of a hundred requests.
KINDS = {"hot": 70, "miss": 18, "search": 4, "write": 8}
TIMEOUT_SECONDS = 30
HOT = [
    "/products", "/products?limit=20&sort=-stars", "/products?sort=price&limit=50", "/categories",
    "/category/count", "/products?min_stars=4.5&limit=20",
]
WORDS = ["steel", "lamp", "set", "kids", "black", "case", "light"]


class Mix:
    """What the workers have in common."""

    def __init__(self, target):
        self.target = target
        with Connection(target) as connection:
            self.categories = [c["id"] for c in connection.json("/categories")]
            self.asins = [p["asin"] for p in connection.json("/products?limit=200")]
        if not self.categories or not self.asins:
            raise SystemExit("load: the catalogue is empty, there is nothing to ask for")
        # The sample of an empty server goes when a file is imported.
        lasting = [asin for asin in self.asins if not (target.imports and asin.startswith("SAMPLE"))]
        self.hot = HOT + [f"/products/{asin}" for asin in lasting[:20]]
        self.written = set()
        self.eye = Connection(target)

    def worker(self, number):
        return Worker(self, number)

    def stats(self):
        return self.eye.json("/stats")["totals"]["cache"]

    def bring_in(self, rows, seconds_max):
        """Puts a file into the watched folder and waits for its end; gives what is wrong."""
        name = f"load-{uuid.uuid4().hex[:8]}.csv"
        lines = ["asin,title,category_id,price"]
        lines += [f"LOADED-{n},Loaded lamp {n},{self.categories[n % len(self.categories)]},{n % 90}.50"
                  for n in range(rows)]
        partial = self.target.imports / f".{name}.part"
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.rename(self.target.imports / name)
        deadline = time.monotonic() + seconds_max
        with Connection(self.target) as connection:
            while time.monotonic() < deadline:
                for run in connection.json("/imports?limit=5"):
                    if run["source"].endswith(name) and run["ended_at"]:
                        whole = (run["state"], run["rows_read"], run["rows_rejected"]) == ("done", rows, 0)
                        return None if whole else json.dumps(run)
                time.sleep(0.25)
        return f"it has not ended after {seconds_max} s"

    def clean_up(self):
        with Connection(self.target) as connection:
            for asin in self.written:
                connection.ask("DELETE", f"/products/{asin}")
        self.eye.close()


class Worker:
    """One client with one connection."""

    def __init__(self, mix, number):
        self.mix = mix
        self.dice = random.Random(number)
        self.connection = Connection(mix.target)
        self.asin = f"LOAD-{number}"
        can = [kind for kind in KINDS if kind != "write" or mix.target.token]
        self.kinds, self.weights = can, [KINDS[kind] for kind in can]

    def one(self):
        """Sends a request; gives its kind, what is wrong with its answer, and its milliseconds,
        which one that got no answer has none of."""
        kind = self.dice.choices(self.kinds, self.weights)[0]
        try:
            return kind, *getattr(self, kind)()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.connection.close()
            return kind, f"no answer: {error!r}", None

    def hot(self):
        return self.read(self.dice.choice(self.mix.hot))

    def miss(self):
        # A price to the cent that hardly anybody has asked for.
        most = self.dice.randint(1, 9_999_999) / 100
        return self.read(f"/products?max_price={most:.2f}&limit=20")

    def search(self):
        return self.read(f"/products?q={self.dice.choice(WORDS)}+{self.dice.choice(WORDS)}&limit=20")

    def read(self, path):
        status, body, ms = self.connection.ask("GET", path)
        return (None if status == 200 and body is not None else f"{path} {status}"), ms

    def write(self):
        """A product gets another price, and whoever reads it next must see that."""
        price = self.dice.randint(1, 99_999) / 100
        product = {"title": "A lamp under load", "category_id": self.mix.categories[0], "price": price}
        status, _, ms = self.connection.ask("PUT", f"/products/{self.asin}", product)
        self.mix.written.add(self.asin)
        if status not in (200, 201):
            return f"PUT {self.asin} {status}", ms
        status, read, _ = self.connection.ask("GET", f"/products/{self.asin}")
        if status != 200 or read["price"] != price:
            return f"{self.asin} has {status} {read}, {price} was written", ms
        return None, ms

    def close(self):
        self.connection.close()


class Connection:
    """A connection that is kept, and made anew if it must be."""

    def __init__(self, target):
        self.target = target
        self.connection = http.client.HTTPConnection(*target.address, timeout=TIMEOUT_SECONDS)

    def ask(self, method, path, body=None):
        """The status, the JSON of the body, and the milliseconds until its last byte."""
        headers = {"Accept": "application/json"}
        if self.target.token and (method != "GET" or path.startswith(("/stats", "/imports"))):
            headers["Authorization"] = f"Bearer {self.target.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body)
        began = time.perf_counter()
        self.connection.request(method, path, data, headers)
        response = self.connection.getresponse()
        text = response.read()
        ms = (time.perf_counter() - began) * 1_000
        return response.status, json.loads(text) if text else None, ms

    def json(self, path):
        status, body, _ = self.ask("GET", path)
        if status != 200:
            raise SystemExit(f"load: {path} answers {status}")
        return body

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
