"""What the document says in words and JSON Schema cannot: rules between two parameters, and what the
catalogue must hold. A request that is meant to be right and breaks one is mended before it is sent;
one that is meant to be wrong goes out as it is.

Loaded by schemathesis.
"""

import itertools
import json
import os
import re
import urllib.request

import schemathesis

URL = os.environ["API_CHECK_URL"]
TOKEN = os.environ["API_CHECK_TOKEN"]
# Of each run the first is 1.
NUMBERS = itertools.count(1)


def ask(path):
    request = urllib.request.Request(URL + path, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


CATEGORIES = [category["id"] for category in ask("/categories")]
OURSELVES = ask("/me")["user_id"]


@schemathesis.hook
def before_call(context, case, kwargs):
    # Whoever is asked not to administer any more cannot ask on. Nobody else is spared.
    if case.operation.label == "PATCH /users/{id}" and case.path_parameters.get("id") == OURSELVES:
        case.path_parameters["id"] = "00000000-0000-4000-8000-000000000000"
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    query = case.query or {}
    # A cursor is opaque: none can be made, only handed on.
    query.pop("cursor", None)
    mend_list(case, query)
    # A key is used for one body; schemathesis likes to use the simplest one for many.
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = f"key-{next(NUMBERS)}"
    # No state that a client makes up is one that a product is in: 412 is all that would be seen.
    for name in ("If-Match", "If-None-Match"):
        if case.headers and name in case.headers and case.method != "GET":
            case.headers[name] = "*" if name == "If-Match" else '"none"'
    if isinstance(case.body, dict) and "/products" in case.operation.label:
        mend_product(case, case.body)


def mend_list(case, query):
    if case.operation.label != "GET /products":
        return
    # A search goes by relevance. Of the letters of Unicode schemathesis knows some: it takes the
    # others for what stands between two words, and makes too many.
    if "q" in query:
        query.pop("sort", None)
        query["q"] = " ".join(re.findall(r"[^\W_]+", query["q"])[:12]) or "lamp"
    if "min_price" in query and "max_price" in query:
        prices = sorted(float(query[name]) for name in ("min_price", "max_price"))
        query["min_price"], query["max_price"] = prices
    # Binary fractions are no multiples of 0.01; and zero has no sign in a query.
    for name in ("min_price", "max_price", "min_stars"):
        if name in query:
            query[name] = f"{abs(float(query[name])):.2f}"
    # The category must exist; 404 says that it does not, and is what most numbers would get.
    if "category_id" in query and int(query["category_id"]) % 2:
        query["category_id"] = CATEGORIES[int(query["category_id"]) % len(CATEGORIES)]


def mend_product(case, body):
    # The asin of the body is that of the path, or is left out.
    if "asin" in (case.path_parameters or {}) and "asin" in body:
        body["asin"] = case.path_parameters["asin"]
    # A product has a category that there is; 7.0 is a whole number, too.
    if isinstance(body.get("category_id"), (int, float)):
        body["category_id"] = CATEGORIES[int(body["category_id"]) % len(CATEGORIES)]
    for name in ("stars", "price", "listPrice"):
        if isinstance(body.get(name), (int, float)):
            # Binary fractions are no multiples of 0.01 where JSON numbers are.
            body[name] = round(body[name], 2)
