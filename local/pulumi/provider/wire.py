"""Values between the engine's messages and plain Python.

The engine marks secrets, unknowns, assets and archives by objects with a signature. Inside the
provider a value is plain; which paths were secret is kept beside it, and an asset stays the map it
arrived as, since its text or path is only sent once and its hash is what identifies it.
"""

from typing import Any, TypeAlias

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker of the protocol
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """A value that a preview cannot know yet."""

    def __repr__(self) -> str:
        return "(unknown)"


UNKNOWN = Unknown()

Value: TypeAlias = Any
"""None, a bool, a number, a text, a list, a map or `UNKNOWN`."""
Values: TypeAlias = dict[str, Any]
Secrets: TypeAlias = bool | dict[str, Any]
"""`True`: all of the value; a map: those of its members; `False`: nothing."""


def is_asset(value: Value) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) in (ASSET, ARCHIVE)


def has_unknown(value: Value) -> bool:
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def decode(struct: struct_pb2.Struct) -> tuple[Values, dict[str, Secrets]]:
    """The plain values of a message and where its secrets were. Members without a value drop."""
    values: Values = {}
    secrets: dict[str, Secrets] = {}
    for name, wire in struct.fields.items():
        value, secret = _decode(wire)
        if value is not None:
            values[name] = value
            if secret:
                secrets[name] = secret
    return values, secrets


def _decode(wire: struct_pb2.Value) -> tuple[Any, Secrets]:
    kind = wire.WhichOneof("kind")
    if kind == "struct_value":
        fields = wire.struct_value.fields
        if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
            return _decode(fields["value"])[0], True
        return decode(wire.struct_value)
    if kind == "list_value":
        items = [_decode(item) for item in wire.list_value.values]
        return [item for item, _ in items], any(secret for _, secret in items)
    if kind == "string_value":
        text = wire.string_value
        return (UNKNOWN if text == UNKNOWN_TEXT else text), False
    if kind == "number_value":
        number = wire.number_value
        return (int(number) if number.is_integer() else number), False
    return (wire.bool_value if kind == "bool_value" else None), False


def encode(values: Values, secrets: dict[str, Secrets] | None = None) -> struct_pb2.Struct:
    """The message of these values; those under `secrets` are marked for encryption."""
    marked = secrets or {}
    return struct_pb2.Struct(
        fields={
            name: _encode(value, marked.get(name, False))
            for name, value in values.items()
            if value is not None
        }
    )


def _encode(value: Value, secret: Secrets) -> struct_pb2.Value:
    if secret is True or (secret and not isinstance(value, dict)):
        marked = {
            SIGNATURE: struct_pb2.Value(string_value=SECRET),
            "value": _encode(value, False),
        }
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=marked))
    if isinstance(value, dict):
        inner = secret if isinstance(secret, dict) else {}
        return struct_pb2.Value(struct_value=encode(value, inner))
    if isinstance(value, list):
        items = struct_pb2.ListValue(values=[_encode(item, False) for item in value])
        return struct_pb2.Value(list_value=items)
    return _encode_scalar(value)


def _encode_scalar(value: Value) -> struct_pb2.Value:
    if value is None:
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    return struct_pb2.Value(string_value=UNKNOWN_TEXT if value is UNKNOWN else str(value))
