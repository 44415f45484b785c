"""Holds what goes to Azure's own API as it is (azapi) against the shapes that Azure publishes.

A provider's schema says of such a body that it may be anything. The shapes here are extracts of
Azure/bicep-types-az, the types that Azure makes from its API's specification:

    python -m terraform_check.arm FOLDER_OF_BICEP_TYPES > arm_shapes.json

A shape is "any", "string", "integer" or "boolean"; `{"enum": […]}`; `{"items": shape}`;
`{"values": shape}` of a map; or `{"fields": {name: shape}, "required": […]}`, with `"by"` and
`"cases"` where a field decides about the others.
"""

import json
import sys
from pathlib import Path

SHAPES = Path(__file__).with_name("arm_shapes.json")
# Resource with version, and where its types stand.
_RESOURCES = {
    "Microsoft.Web/sites@2024-04-01": "web/microsoft.web/2024-04-01",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01": (
        "web/microsoft.web/2024-04-01"
    ),
    "Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15": (
        "eventgrid/microsoft.eventgrid/2022-06-15"
    ),
}
# Given beside the body, or by Azure.
_BESIDE = ("id", "name", "type", "apiVersion", "location", "tags", "identity", "extendedLocation")
_REQUIRED, _READ_ONLY = 1, 2
_PLAIN = {"StringType": "string", "IntegerType": "integer", "BooleanType": "boolean"}


class Types:
    """The types of one version of one service."""

    def __init__(self, types):
        self.types = types

    def resource(self, name):
        for made in self.types:
            if made["$type"] == "ResourceType" and made["name"].lower() == name.lower():
                shape = self.shape(made["body"], ())
                for part in (shape, *shape.get("cases", {}).values()):
                    for field in _BESIDE:
                        part["fields"].pop(field, None)
                    part["required"] = [n for n in part["required"] if n not in _BESIDE]
                return shape
        raise KeyError(name)

    def shape(self, reference, seen):
        number = int(reference["$ref"].rsplit("/", 1)[-1])
        if number in seen:
            return "any"
        made, seen = self.types[number], (*seen, number)
        kind = made["$type"]
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind == "StringLiteralType":
            return {"enum": [made["value"]]}
        if kind == "UnionType":
            return self._union(made, seen)
        if kind == "ArrayType":
            return {"items": self.shape(made["itemType"], seen)}
        if kind == "ObjectType":
            return self._object(made.get("properties", {}), made.get("additionalProperties"), seen)
        if kind == "DiscriminatedObjectType":
            shape = self._object(made["baseProperties"], None, seen)
            shape["by"] = made["discriminator"]
            shape["cases"] = {n: self.shape(r, seen) for n, r in made["elements"].items()}
            return shape
        return "any"

    def _union(self, made, seen):
        shapes = [self.shape(element, seen) for element in made["elements"]]
        if all(isinstance(shape, dict) and "enum" in shape for shape in shapes):
            return {"enum": [value for shape in shapes for value in shape["enum"]]}
        # Azure's lists of values that may grow: what is listed is all that is known.
        listed = [v for shape in shapes if isinstance(shape, dict) for v in shape.get("enum", [])]
        return {"enum": listed} if listed and "string" in shapes else "any"

    def _object(self, properties, additional, seen):
        kept = {n: p for n, p in properties.items() if not p["flags"] & _READ_ONLY}
        if not kept and additional:
            return {"values": self.shape(additional, seen)}
        return {
            "fields": {n: self.shape(p["type"], seen) for n, p in kept.items()},
            "required": [n for n, p in kept.items() if p["flags"] & _REQUIRED],
        }


def problems(value, shape, path="body"):
    """What is wrong with a body, one line each; and `len()` of what was looked at is no concern."""
    if shape == "any" or value is None:
        return []
    if isinstance(shape, str):
        kinds = {"string": str, "integer": int, "boolean": bool}
        fits = isinstance(value, kinds[shape]) and (
            shape == "boolean" or not isinstance(value, bool)
        )
        return [] if fits else [f"{path}: {shape} wanted, not {value!r}"]
    if "enum" in shape:
        return [] if value in shape["enum"] else [f"{path}: {value!r} is none of {shape['enum']}"]
    if "items" in shape:
        if not isinstance(value, list):
            return [f"{path}: a list wanted"]
        return [p for i, v in enumerate(value) for p in problems(v, shape["items"], f"{path}[{i}]")]
    if not isinstance(value, dict):
        return [f"{path}: an object wanted"]
    if "values" in shape:
        return [p for n, v in value.items() for p in problems(v, shape["values"], f"{path}.{n}")]
    return _problems_of_object(value, shape, path)


def _problems_of_object(value, shape, path):
    fields, required = dict(shape["fields"]), list(shape["required"])
    if "by" in shape:
        case = shape["cases"].get(value.get(shape["by"]))
        if case is None:
            return [f"{path}.{shape['by']}: {value.get(shape['by'])!r} is none of its kinds"]
        fields |= case["fields"]
        required += case["required"]
    found = [f"{path}: {n} is missing" for n in required if value.get(n) is None]
    for name, inner in value.items():
        if name in fields:
            found += problems(inner, fields[name], f"{path}.{name}")
        else:
            found.append(f"{path}.{name}: there is no such property")
    return found


def known_shapes():
    return json.loads(SHAPES.read_text())["shapes"]


def count(value):
    """How many values a body has."""
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    if isinstance(value, list):
        return sum(map(count, value))
    return 1


def main(folder):
    shapes = {}
    for name, place in _RESOURCES.items():
        types = Types(json.loads((Path(folder) / place / "types.json").read_text()))
        shapes[name] = types.resource(name)
    source = "Azure/bicep-types-az (MIT), generated/, without what is only read"
    json.dump({"source": source, "shapes": shapes}, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main(sys.argv[1])
