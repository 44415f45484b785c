"""Holds Terraform's text against the providers' schemas, without Terraform.

What `terraform validate` does beyond this: types of expressions, functions, conditions. What both
leave to the provider itself: values that are one of a list, or exclude each other.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import hcl2

# What Terraform itself knows in any resource.
_META_ARGUMENTS = {"count", "for_each", "provider", "depends_on"}
_META_BLOCKS = {"lifecycle", "provisioner", "connection"}
_META_OF_PROVIDER = {"alias", "version"}
_KINDS = {
    "resource": "resource_schemas",
    "data": "data_source_schemas",
    "ephemeral": "ephemeral_resource_schemas",
}
_REFERENCE = re.compile(
    r"(?<![\w.])(?:(data|ephemeral)\.)?([a-z]+_[a-z0-9_]+)\.([a-z_][\w-]*)"
    r"(?:\[[^\[\]]*\])?(?:\.(\w+))?"
)
_VARIABLE = re.compile(r"(?<![\w.])(var|local)\.([a-z_]\w*)")
_TEXT = re.compile(r'"(?:[^"\\$]|\\.|\$(?!\{))*"')


@dataclass
class Report:
    """What was looked at and what is wrong."""

    problems: list = field(default_factory=list)
    resources: int = 0
    arguments: int = 0
    references: int = 0

    def problem(self, where, what):
        self.problems.append(f"{where}: {what}")


@dataclass
class Configuration:
    """All files of a module, as one."""

    blocks: dict
    declared: dict

    @classmethod
    def read(cls, folder):
        blocks = {}
        for path in sorted(folder.glob("*.tf")):
            with path.open() as file:
                for name, found in hcl2.load(file).items():
                    if isinstance(found, list):
                        blocks.setdefault(name, []).extend((path.name, one) for one in found)
        return cls(blocks, _declared(blocks))

    def each(self, kind):
        """`(file, type, name, body)` of every block with two labels, of every resource say."""
        for file, found in self.blocks.get(kind, []):
            for type_name, named in _own(found).items():
                for name, body in _own(named).items():
                    yield file, _bare(type_name), _bare(name), body


def _bare(label):
    return label.strip('"')


def _own(block):
    """What is written in a block, without what the parser notes beside it."""
    return {name: value for name, value in block.items() if not name.startswith("__")}


def _is_block(value):
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and one.get("__is_block__") for one in value)
    )


def _declared(blocks):
    names = {"var": set(), "local": set()}
    for _, found in blocks.get("variable", []):
        names["var"] |= {_bare(name) for name in _own(found)}
    for _, found in blocks.get("locals", []):
        names["local"] |= set(_own(found))
    for kind, prefix in (("resource", ""), ("data", "data."), ("ephemeral", "ephemeral.")):
        for _, found in blocks.get(kind, []):
            for type_name, named in _own(found).items():
                for name in _own(named):
                    names[f"{prefix}{_bare(type_name)}.{_bare(name)}"] = (kind, _bare(type_name))
    return names


def check(folder, schemas):
    """Everything in the `*.tf` of a folder; `schemas` by provider, as bindings.py makes them."""
    configuration, report = Configuration.read(folder), Report()
    known = {kind: {} for kind in _KINDS.values()}
    for schema in schemas.values():
        for kind in known:
            known[kind] |= schema[kind]
    for kind, schema_kind in _KINDS.items():
        for file, type_name, name, body in configuration.each(kind):
            where = f"{file}: {kind} {type_name}.{name}"
            report.resources += 1
            if type_name not in known[schema_kind]:
                report.problem(where, "there is no such type")
                continue
            _check_block(body, known[schema_kind][type_name]["block"], where, report, top=True)
    _check_providers(configuration, schemas, report)
    _check_references(configuration, known, report)
    return report


def only_used(folder, schemas):
    """The same schemas with no types but those that a folder names: all that Terraform looks at,
    and a tenth of its time."""
    configuration = Configuration.read(folder)
    used = {kind: {t for _, t, _, _ in configuration.each(kind)} for kind in _KINDS}
    return {
        name: schema
        | {
            schema_kind: {t: made for t, made in schema[schema_kind].items() if t in used[kind]}
            for kind, schema_kind in _KINDS.items()
        }
        for name, schema in schemas.items()
    }


def _check_providers(configuration, schemas, report):
    of_provider = {name.rsplit("/", 1)[-1]: schema for name, schema in schemas.items()}
    for file, found in configuration.blocks.get("provider", []):
        for label, body in _own(found).items():
            where, schema = f"{file}: provider {_bare(label)}", of_provider.get(_bare(label))
            if schema is None:
                report.problem(where, "there is no such provider")
                continue
            body = {name: value for name, value in body.items() if name not in _META_OF_PROVIDER}
            _check_block(body, schema["provider"]["block"], where, report)


def _check_block(body, schema, where, report, top=False):
    given = Counter()
    for name, value in _own(body).items():
        if top and name in _META_ARGUMENTS | _META_BLOCKS:
            continue
        if name == "dynamic":
            for label, nested in _dynamic(value):
                # As often as there are elements, which nobody knows here.
                given[label] += 0
                _check_nested(label, nested, schema, where, report)
        elif name in schema["block_types"]:
            if not _is_block(value):
                report.problem(where, f"{name} is a block, not an argument")
                continue
            given[name] += len(value)
            for nested in value:
                _check_nested(name, nested, schema, where, report)
        elif name in schema["attributes"]:
            given[name] += 1
            _check_argument(name, value, schema["attributes"][name], where, report)
        else:
            report.problem(where, f"there is no argument or block {name}")
    _check_counts(given, schema, where, report)


def _dynamic(blocks):
    for one in blocks:
        for label, body in _own(one).items():
            for content in body.get("content", []):
                yield _bare(label), content


def _check_nested(name, body, schema, where, report):
    nested = schema["block_types"].get(name)
    if nested is None:
        report.problem(where, f"there is no block {name}")
        return
    _check_block(body, nested["block"], f"{where}.{name}", report)


def _check_argument(name, value, schema, where, report):
    report.arguments += 1
    if _is_block(value):
        report.problem(where, f"{name} is an argument, not a block")
    elif not (schema.get("optional") or schema.get("required")):
        report.problem(where, f"{name} is told by the provider and cannot be set")
    elif not _fits(value, schema["type"]):
        report.problem(where, f"{name} wants {schema['type']}, not {value!r}")


def _fits(value, kind):
    """Whether a value that stands there in full may be of a type. Terraform turns texts, numbers
    and flags into each other where they can be read so."""
    if value is None or isinstance(value, str) and value.startswith("${"):
        return True
    if kind == "string":
        return isinstance(value, (str, bool, int, float))
    if kind == "bool":
        return isinstance(value, bool) or value in ('"true"', '"false"')
    if kind == "number":
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number or isinstance(value, str) and bool(re.fullmatch(r'"-?[\d.]+"', value))
    if isinstance(kind, list) and kind[0] in ("list", "set"):
        return isinstance(value, list)
    if isinstance(kind, list) and kind[0] in ("map", "object"):
        return isinstance(value, dict)
    return True


def _check_counts(given, schema, where, report):
    for name, attribute in schema["attributes"].items():
        if attribute.get("required") and name not in given:
            report.problem(where, f"{name} is missing")
    for name, nested in schema["block_types"].items():
        if nested.get("min_items") and name not in given:
            report.problem(where, f"the block {name} is missing")
        if given[name] > nested.get("max_items", given[name]):
            report.problem(
                where, f"the block {name} may be there {nested['max_items']} times at most"
            )


def _check_references(configuration, known, report):
    for kind, found in configuration.blocks.items():
        for file, block in found:
            for expression in _expressions(block):
                where = f"{file}: in {kind}"
                for family, name in _VARIABLE.findall(expression):
                    report.references += 1
                    if name not in configuration.declared[family]:
                        report.problem(where, f"{family}.{name} is not declared")
                for reference in _REFERENCE.findall(expression):
                    _check_reference(reference, configuration, known, where, report)


def _expressions(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name != "__comments__" and name != "__inline_comments__":
                yield from _expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _expressions(inner)
    elif isinstance(value, str) and "${" in value:
        # Texts within an expression are no references; what is filled into a text is.
        yield _TEXT.sub('""', value) if value.startswith("${") else " ".join(_filled_in(value))


def _filled_in(text):
    return re.findall(r"\$\{([^{}]*)\}", text)


def _check_reference(reference, configuration, known, where, report):
    prefix, type_name, name, attribute = reference
    full = f"{prefix}.{type_name}.{name}" if prefix else f"{type_name}.{name}"
    if not prefix and not type_name.startswith(("azurerm_", "azapi_")):
        return
    report.references += 1
    declared = configuration.declared.get(full)
    if declared is None:
        report.problem(where, f"{full} is not declared")
        return
    schema = known[_KINDS[declared[0]]].get(type_name)
    if schema and attribute:
        block = schema["block"]
        if attribute not in block["attributes"] and attribute not in block["block_types"]:
            report.problem(where, f"{full} has no {attribute}")
