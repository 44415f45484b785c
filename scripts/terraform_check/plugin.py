"""Answers for providers over Terraform's plugin protocol, version 6, from their schemas alone.

Terraform takes a provider that already runs from `TF_REATTACH_PROVIDERS` and then asks no registry.
Nothing is planned or made here: `terraform validate` needs the schemas, `terraform test` puts
its mocks in front. The few messages are encoded by hand, which spares a compiler for them.
"""

import json
import os
from concurrent import futures
from contextlib import contextmanager

import grpc

# The address that Terraform itself puts in front of a provider's short name.
_ADDRESS = "registry.terraform.io/{}"
_NESTING = {"single": 1, "list": 2, "set": 3, "map": 4, "group": 5}
# Those that may be answered by "nothing to object": an empty message.
_NO_OBJECTION = (
    "ValidateProviderConfig",
    "ValidateResourceConfig",
    "ValidateDataResourceConfig",
    "ValidateEphemeralResourceConfig",
    "ConfigureProvider",
    "GetFunctions",
    "GetResourceIdentitySchemas",
    "CloseEphemeralResource",
    "StopProvider",
)

# The host's key, which an ephemeral resource tells in the tests: mocks know none, so it is asked
# for here.
HOST_KEY = "key-of-the-host=="


def varint(number):
    """A whole number, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(number, data):
    """A field that holds bytes, a text or another message."""
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def scalar(number, value):
    """A field that holds a number or a flag; zero is left out, as the format wants it."""
    return varint(number << 3) + varint(int(value)) if value else b""


def attribute(name, made):
    return (
        message(1, name)
        + message(2, json.dumps(made["type"]))
        + scalar(4, made.get("required"))
        + scalar(5, made.get("optional"))
        + scalar(6, made.get("computed"))
        + scalar(11, made.get("write_only"))
    )


def block(made):
    out = [message(2, attribute(name, a)) for name, a in sorted(made["attributes"].items())]
    for name, nested in sorted(made["block_types"].items()):
        out.append(
            message(
                3,
                message(1, name)
                + message(2, block(nested["block"]))
                + scalar(3, _NESTING[nested["nesting_mode"]])
                + scalar(4, nested.get("min_items"))
                + scalar(5, nested.get("max_items")),
            )
        )
    return b"".join(out)


def _schema(made):
    return message(2, block(made["block"]))


def fields(data):
    """The fields of a message that holds only bytes, texts and messages: `(number, bytes)`."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 != 2:
            raise ValueError(f"field {key >> 3} is no text, bytes or message")
        size, at = _read_varint(data, at)
        yield key >> 3, data[at : at + size]
        at += size


def _read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at


def _packed_text(text):
    """MessagePack of a text of up to 31 bytes."""
    data = text.encode()
    assert len(data) < 32
    return bytes([0xA0 | len(data)]) + data


def opened(request, key=HOST_KEY):
    """What OpenEphemeralResource answers: the configuration, as Terraform insists on that, with
    the key in `output`."""
    config = dict(fields(dict(fields(request))[2]))[1]
    unset = _packed_text("output") + b"\xc0"
    if config.count(unset) != 1:
        raise ValueError("an ephemeral resource without an attribute `output`")
    # A value of a type that the schema leaves open is a pair: its type as JSON, and itself.
    kind = json.dumps(["object", {"blobs_extension": "string"}]).encode()
    assert len(kind) < 256
    value = b"\x81" + _packed_text("blobs_extension") + _packed_text(key)
    output = _packed_text("output") + b"\x92\xc4" + bytes([len(kind)]) + kind + value
    return message(3, message(1, config.replace(unset, output)))


def schema_response(schema):
    """What GetProviderSchema answers."""
    out = [message(1, _schema(schema["provider"]))]
    kinds = ((2, "resource_schemas"), (3, "data_source_schemas"), (8, "ephemeral_resource_schemas"))
    for number, kind in kinds:
        for name, made in schema[kind].items():
            out.append(message(number, message(1, name) + message(2, _schema(made))))
    return b"".join(out)


class _Provider(grpc.GenericRpcHandler):
    def __init__(self, schema, key):
        self.schema = schema_response(schema)
        self.key = key

    def service(self, details):
        method = details.method.rsplit("/", 1)[-1]
        if method == "GetProviderSchema":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: self.schema)
        if method == "OpenEphemeralResource":
            return grpc.unary_unary_rpc_method_handler(
                lambda request, context: opened(request, self.key)
            )
        if method in _NO_OBJECTION:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
        # Everything else is refused as unimplemented, so a test that would leave the mocks fails.
        return None


@contextmanager
def serving(schemas, key=HOST_KEY):
    """Serves each provider of `{"owner/name": schema}` on a free port of this machine, and gives
    the value of TF_REATTACH_PROVIDERS. `key` is what the host's key is said to be."""
    servers, reattach = [], {}
    try:
        for name, schema in schemas.items():
            server = grpc.server(
                futures.ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)]
            )
            server.add_generic_rpc_handlers((_Provider(schema, key),))
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            servers.append(server)
            reattach[_ADDRESS.format(name)] = {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"},
            }
        yield json.dumps(reattach)
    finally:
        for server in servers:
            server.stop(None)
