#!/usr/bin/env python3
"""Writes the Postman collection of the API document.

    handler openapi | scripts/api_check/collection.py > tests/postman/vitrine.postman_collection.json

What is asked, in which order and with which values stands in `story.py`; how it is asked and what
an answer must look like is taken from the document. An operation that the story leaves out is an
error.
"""

import json
import sys

import story

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
# What of a schema Postman's own validator reads as JSON Schema 2020-12 does.
BASICS = ("type", "required", "enum", "const", "minimum", "maximum", "minItems", "maxItems")


class Document:
    """The API document, its references looked through."""

    def __init__(self, document):
        self.document = document
        self.operations = {
            operation["operationId"]: (method, path, operation)
            for path, item in document["paths"].items()
            for method, operation in item.items()
        }

    def resolved(self, thing):
        while "$ref" in thing:
            found = self.document
            for key in thing["$ref"].removeprefix("#/").split("/"):
                found = found[key]
            thing = found
        return thing

    def basics(self, schema):
        """The schema with types, fields and bounds alone."""
        schema = self.resolved(schema)
        basics = {key: schema[key] for key in BASICS if key in schema}
        if "properties" in schema:
            fields = schema["properties"].items()
            basics["properties"] = {name: self.basics(field) for name, field in fields}
        if "items" in schema:
            basics["items"] = self.basics(schema["items"])
        if "anyOf" in schema:
            basics["anyOf"] = [self.basics(part) for part in schema["anyOf"]]
        return basics


def collection(document):
    document = Document(document)
    told = {step["operation"] for _, steps in story.STORY for step in steps}
    if told != set(document.operations):
        sys.exit(f"the story and the document differ: {told ^ set(document.operations)}")
    info = document.document["info"]
    return {
        "info": {
            "name": info["title"],
            "description": "Made from the API document by scripts/api_check/collection.py. Runs from "
            "top to bottom: the address in `email` must be one of ADMIN_EMAILS.",
            "version": info["version"],
            "schema": SCHEMA,
        },
        "auth": {"type": "noauth"},
        "variable": [{"key": key, "value": value} for key, value in story.VARIABLES.items()],
        "event": [script("test", EVERY_ANSWER)],
        "item": [
            {"name": name, "item": [item(document, step) for step in steps]}
            for name, steps in story.STORY
        ],
    }


EVERY_ANSWER = [
    "pm.test('it names the request', () => pm.response.to.have.header('X-Request-Id'));",
    "pm.test('it says whether it may be kept', () => pm.response.to.have.header('Cache-Control'));",
]


def item(document, step):
    method, path, operation = document.operations[step["operation"]]
    name = step.get("name", operation["summary"])
    events = [script("test", tests(document, operation, step))]
    return {"name": name, "event": events, "request": request(document, step), "response": []}


def request(document, step):
    method, path, operation = document.operations[step["operation"]]
    values = step.get("values", {})
    headers, query, segments = [], [], []
    for parameter in map(document.resolved, operation["parameters"]):
        key, place = parameter["name"], parameter["in"]
        if key not in values:
            if parameter.get("required"):
                sys.exit(f"{step['operation']}: the story has no {key}")
            continue
        entry = {"key": key, "value": values[key], "description": parameter["description"]}
        {"header": headers, "query": query, "path": segments}[place].append(entry)
    if "accept" in step:
        headers.append({"key": "Accept", "value": step["accept"]})
    made = {"method": method.upper(), "header": headers}
    if "body" in step or "requestBody" in operation:
        kind, media = next(iter(operation["requestBody"]["content"].items()))
        headers.append({"key": "Content-Type", "value": kind})
        raw = json.dumps(media["example"] | step.get("body", {}), indent=2, ensure_ascii=False)
        # A variable that stands for a number is none in quotes.
        raw = raw.replace('"{{categoryId}}"', "{{categoryId}}")
        made["body"] = {"mode": "raw", "raw": raw}
    if step.get("is_signed_in", "security" in operation and {} not in operation["security"]):
        made["auth"] = {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]}
    made["url"] = url(path, query, segments)
    made["description"] = operation.get("description", operation["summary"])
    return made


def url(path, query, segments):
    parts = [part for part in path.split("/") if part]
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in parts]
    made = {"raw": "{{baseUrl}}/" + "/".join(parts), "host": ["{{baseUrl}}"], "path": parts}
    if query:
        made["raw"] += "?" + "&".join(f"{entry['key']}={entry['value']}" for entry in query)
        made["query"] = query
    if segments:
        made["variable"] = segments
    return made


def tests(document, operation, step):
    expected = step.get("status") or [int(min(operation["responses"]))]
    lines = [f"pm.test('the status is as documented', () => pm.expect(pm.response.code).to.be.oneOf({expected}));"]
    for status in expected:
        response = document.resolved(operation["responses"][str(status)])
        lines += of_status(document, status, response, step.get("accept"))
    return lines + step.get("keep", [])


def of_status(document, status, response, accept):
    headers = {
        name: document.resolved(header) for name, header in response.get("headers", {}).items()
    }
    needed = [name for name, header in headers.items() if header.get("required")]
    lines = [f"  pm.test('it has {name}', () => pm.response.to.have.header('{name}'));" for name in needed]
    content = response.get("content", {})
    kind = accept if accept in content else next(iter(content), None)
    if kind is None:
        lines.append("  pm.test('it has no body', () => pm.expect(pm.response.text()).to.equal(''));")
    else:
        lines.append(f"  pm.test('it is {kind}', () => pm.expect(pm.response.headers.get('Content-Type')).to.include('{kind}'));")
    if kind and kind.endswith("json") and "ndjson" not in kind:
        schema = {"type": "object", "required": ["type", "title", "status", "detail"]} \
            if kind == "application/problem+json" else document.basics(content[kind]["schema"])
        lines.append(f"  pm.test('its body is as documented', () => pm.response.to.have.jsonSchema({json.dumps(schema)}));")
    if kind == "application/problem+json":
        types = content[kind]["schema"]["properties"]["type"]["enum"]
        lines.append(f"  pm.test('the problem is documented', () => pm.expect(pm.response.json().type).to.be.oneOf({json.dumps(types)}));")
    return [f"if (pm.response.code === {status}) {{", *lines, "}"]


def script(listen, lines):
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}


if __name__ == "__main__":
    print(json.dumps(collection(json.load(sys.stdin)), indent=2, ensure_ascii=False))
