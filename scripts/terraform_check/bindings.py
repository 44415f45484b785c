"""Rebuilds a provider's schema from the generated bindings that a Python package carries.

No registry of Python packages has a provider itself, but the bindings for CDK Terrain are made from
its schema, and say of every argument whether it is computed, optional or required, and how it is
written as HCL. What they lose: which values are sensitive, how many blocks there may be beyond one,
and every check of a value.

The shape that comes out is that of `terraform providers schema -json`.
"""

import io
import re
import tarfile
import zipfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(?=(?:class|function) )", re.MULTILINE)
_CLASS = re.compile(r"class (\w+) extends cdktn\.(\w+)")
_TYPE_NAME = re.compile(r'static tfResourceType = "(\w+)"')
_MEMBER = re.compile(
    r"^ +// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)$",
    re.MULTILINE,
)
_NESTED = re.compile(r"= new (\w+?)(List|Map|OutputReference)\(this, \"\w+\"(?:, (true|false))?\)")
_COLLECTION = re.compile(r"= new cdktn\.(\w+?)\(this, \"\w+\"")
_GETTER = re.compile(r"(cdktn\.Fn\.tolist\()?this\.get(\w+)Attribute\(")
_MAPPER = re.compile(r"function (\w+)ToHclTerraform\(")
_MAPPER_OF_ROOT = "synthesizeHclAttributes() {"
_MAPPING = re.compile(
    r"^ +(\w+): \{\n"
    r" +value: (.*),\n"
    r" +isBlock: (true|false),\n"
    r' +type: "(\w+)",\n'
    r' +storageClassType: "(\w+)",$',
    re.MULTILINE,
)
_MAPPER_USED = re.compile(r"(\w+)ToHclTerraform")
_SOURCE_MAP = "//# sourceMappingURL"
_VERSION = re.compile(r"provider version ([\d.]+)")

_SIMPLE = {"string": "string", "boolean": "bool", "number": "number"}
_GETTERS = {
    "String": "string",
    "Boolean": "bool",
    "Number": "number",
    "List": ["list", "string"],
    "NumberList": ["list", "number"],
    "StringMap": ["map", "string"],
    "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"],
    "AnyMap": "dynamic",
}
_KINDS = {
    "TerraformResource": "resource_schemas",
    "TerraformDataSource": "data_source_schemas",
    "TerraformEphemeralResource": "ephemeral_resource_schemas",
    "TerraformProvider": "provider",
}
# Arguments that a state never holds. The bindings do not tell, the providers' manuals do.
_WRITE_ONLY = re.compile(r"_wo$|^sensitive_body$")


@dataclass
class Member:
    """What the class of a resource or block says of one argument."""

    computed: bool
    optional: bool
    required: bool
    nested: str | None = None
    container: str | None = None
    is_set: bool = False
    type: object = "string"


@dataclass
class Mapping:
    """What the mapper to HCL says of one argument."""

    is_block: bool
    nesting: str
    storage: str
    target: str | None


@dataclass
class Module:
    """One file of the bindings, which holds one resource and its blocks."""

    members: dict = field(default_factory=dict)
    mappings: dict = field(default_factory=dict)
    root: str | None = None
    kind: str | None = None
    type_name: str | None = None


class BindingsError(Exception):
    """The package is not made as this module knows it."""


def read_module(source):
    """The classes and mappers of one file."""
    module = Module()
    for section in _SECTION.split(source.split(_SOURCE_MAP, 1)[0]):
        if found := _CLASS.match(section):
            _read_class(module, section, *found.groups())
        elif found := _MAPPER.match(section):
            module.mappings[_capital(found[1])] = _mappings(section)
    return module


def _read_class(module, section, name, base):
    body, _, of_root = section.partition(_MAPPER_OF_ROOT)
    module.members[name] = _members(body)
    if base in _KINDS:
        module.root, module.kind = name, _KINDS[base]
        found = _TYPE_NAME.search(body)
        if not found:
            raise BindingsError(f"{name} does not tell its type")
        module.type_name = found[1]
        module.mappings[name] = _mappings(of_root)


def _members(body):
    heads = list(_MEMBER.finditer(body))
    ends = [head.start() for head in heads[1:]] + [len(body)]
    return {head[1]: _member(head, body[head.end() : end]) for head, end in zip(heads, ends)}


def _member(head, text):
    member = Member(*(flag == "true" for flag in head.groups()[1:]))
    if found := _NESTED.search(text):
        member.nested, member.container = found[1], found[2]
        member.is_set = found[3] == "true"
    elif found := _COLLECTION.search(text):
        member.type = _GETTERS.get(found[1], "string")
    elif found := _GETTER.search(text):
        member.type = _GETTERS.get(found[2], "string")
        if found[1] and isinstance(member.type, list):
            member.type = ["set", member.type[1]]
    return member


def _mappings(text):
    found = {}
    for name, value, is_block, nesting, storage in _MAPPING.findall(text):
        # The last one named is the element's own; those before it map lists.
        used = _MAPPER_USED.findall(value)
        target = _capital(used[-1]) if used else None
        found[name] = Mapping(is_block == "true", nesting, storage, target)
    return found


def _capital(name):
    return name[0].upper() + name[1:]


def schema_of(module):
    """The schema of the resource in a file, or None if there is none."""
    if module.root is None:
        return None
    if module.kind == "provider":
        return {"block": _block_of_provider(module, module.root)}
    return {"block": _block(module, module.root, module.root)}


def _block(module, class_name, owner):
    block = {"attributes": {}, "block_types": {}}
    for name, member in module.members.get(class_name, {}).items():
        mapping = module.mappings.get(owner, {}).get(name)
        if member.nested and mapping and mapping.is_block:
            block["block_types"][name] = _block_type(module, member, mapping)
        else:
            block["attributes"][name] = _attribute(module, name, member, mapping)
    return block


def _block_type(module, member, mapping):
    nesting = "single" if mapping.nesting == "struct" else mapping.nesting
    made = {
        "nesting_mode": nesting,
        "block": _block(module, member.nested + "OutputReference", member.nested),
    }
    if member.container == "OutputReference" and nesting != "single":
        made["max_items"] = 1
    if member.required:
        made["min_items"] = 1
    return made


def _attribute(module, name, member, mapping):
    made = {"type": _type(module, member, mapping)}
    for flag in ("computed", "optional", "required"):
        if getattr(member, flag):
            made[flag] = True
    if _WRITE_ONLY.search(name) and not member.computed:
        made["write_only"] = True
    return made


def _type(module, member, mapping):
    if member.nested:
        inner = module.members.get(member.nested + "OutputReference", {})
        mappings = module.mappings.get(member.nested, {})
        fields = {n: _type(module, m, mappings.get(n)) for n, m in inner.items()}
        if member.container == "OutputReference":
            return ["object", fields]
        return ["set" if member.is_set else "list", ["object", fields]]
    if mapping:
        return _stored_type(mapping) or member.type
    return member.type


def _stored_type(mapping):
    if mapping.storage in _SIMPLE:
        return _SIMPLE[mapping.storage]
    if mapping.storage in ("any", "anyMap"):
        return "dynamic"
    for suffix in ("List", "Map"):
        element = _SIMPLE.get(mapping.storage.removesuffix(suffix))
        if mapping.storage.endswith(suffix) and element:
            kind = "set" if mapping.nesting == "set" else suffix.lower()
            return [kind, element]
    return None


def _block_of_provider(module, owner):
    """A provider is only configured and never read, so there is the mapper alone."""
    block = {"attributes": {}, "block_types": {}}
    for name, mapping in module.mappings.get(owner, {}).items():
        if mapping.is_block:
            block["block_types"][name] = {
                "nesting_mode": "single" if mapping.nesting == "struct" else mapping.nesting,
                "block": _block_of_provider(module, mapping.target),
            }
        else:
            block["attributes"][name] = {
                "type": _stored_type(mapping) or "string",
                "optional": True,
            }
    return block


def _rebuilt(source):
    module = read_module(source)
    return module.kind, module.type_name, schema_of(module)


def read_wheel(path, workers=2):
    """The schema of the provider whose bindings are in the wheel at `path`."""
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        metadata = wheel.read(_only(names, "/METADATA")).decode()
        archive = wheel.read(_only(names, ".jsii.tgz"))
    version = _VERSION.search(metadata)
    if not version:
        raise BindingsError(f"{path} does not tell the provider's version")
    schema = {"provider_version": version[1], "provider": None}
    schema |= {kind: {} for kind in _KINDS.values() if kind != "provider"}
    with ProcessPoolExecutor(workers) as pool:
        for kind, name, block in pool.map(_rebuilt, _sources(archive), chunksize=20):
            if kind == "provider":
                schema["provider"] = block
            elif kind:
                schema[kind][name] = block
    if schema["provider"] is None or not schema["resource_schemas"]:
        raise BindingsError(f"{path} has no provider or no resource")
    return schema


def _only(names, suffix):
    found = [name for name in names if name.endswith(suffix)]
    if len(found) != 1:
        raise BindingsError(f"one file that ends with {suffix} was expected, not {len(found)}")
    return found[0]


def _sources(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for entry in tar:
            parts = entry.name.split("/")
            if len(parts) == 4 and parts[1] == "lib" and parts[3] == "index.js":
                yield tar.extractfile(entry).read().decode()
