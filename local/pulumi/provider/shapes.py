"""Values between Pulumi's spelling and AWS's own models.

A property and an AWS member are the same when they differ in case only; a table entry names the
others. AWS's model then says the rest: a map is written as a list of pairs where AWS has pairs, one
object as a list of one where AWS has a list, and a number as text where AWS has text.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, TypeAlias

from local.pulumi.provider.schema import Properties, Schema, element
from local.pulumi.provider.wire import Value, Values

Shape: TypeAlias = Any
"""A botocore shape."""
PAIRS = (("Key", "Value"), ("Name", "Value"), ("key", "value"), ("TagKey", "TagValue"))


class UnsupportedPropertyError(ValueError):
    """A property that pulumi-aws has and this provider cannot carry to AWS."""


def member_of(shape: Shape, name: str, names: Mapping[str, str]) -> str | None:
    """The member of an AWS structure that a property stands for."""
    renamed = names.get(name)
    if renamed in shape.members:
        return renamed
    lowered = name.lower()
    return next((member for member in shape.members if member.lower() == lowered), None)


def _pair(shape: Shape) -> tuple[str, str] | None:
    """How a list of name and value structures calls its two members."""
    if shape.type_name != "list" or shape.member.type_name != "structure":
        return None
    members = shape.member.members
    return next((pair for pair in PAIRS if set(pair) == set(members)), None)


def to_aws(shape: Shape, value: Value, names: Mapping[str, str]) -> Value:
    """The value as the AWS `shape` wants it.

    Raises:
        UnsupportedPropertyError: a nested property has no member in the shape.
    """
    kind = shape.type_name
    if kind == "structure":
        return _to_structure(shape, value, names)
    if kind == "list":
        pair = _pair(shape)
        if pair and isinstance(value, dict):
            return [{pair[0]: name, pair[1]: item} for name, item in value.items()]
        items = value if isinstance(value, list) else [value]
        return [to_aws(shape.member, item, names) for item in items]
    if kind == "map":
        return {name: to_aws(shape.value, item, names) for name, item in value.items()}
    return SCALARS.get(kind, _same)(value)


def _same(value: Value) -> Value:
    return value


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


SCALARS: Mapping[str, Callable[[Value], Value]] = {
    "double": float,
    "float": float,
    "integer": int,
    "long": int,
    "string": _text,
}


def _to_structure(shape: Shape, value: Value, names: Mapping[str, str]) -> Values:
    if not isinstance(value, dict):
        raise UnsupportedPropertyError(f"AWS wants an object ({shape.name}), given {value!r}")
    result = {}
    for name, item in value.items():
        member = member_of(shape, name, names)
        if member is None:
            raise UnsupportedPropertyError(
                f"the local provider cannot carry {name!r} to AWS: {shape.name} has "
                f"{', '.join(sorted(shape.members))}"
            )
        result[member] = to_aws(shape.members[member], item, names)
    return result


def parameters(shape: Shape, values: Mapping[str, Any], names: Mapping[str, str]) -> Values:
    """The call parameters that these properties give, without those the call does not take."""
    result = {}
    for name, value in values.items():
        member = member_of(shape, name, names)
        if member is not None and value is not None:
            result[member] = to_aws(shape.members[member], value, names)
    return result


def from_aws(
    schema: Schema, properties: Properties, answer: Mapping[str, Any], names: Mapping[str, str]
) -> Values:
    """The properties that an AWS structure holds, without members that Pulumi does not know."""
    lowered = {member.lower(): member for member in answer}
    result = {}
    for name, kind in properties.types.items():
        renamed = names.get(name, "")
        member = renamed if renamed in answer else lowered.get(name.lower())
        if member is not None and answer[member] is not None:
            result[name] = _from(schema, kind, answer[member], names)
    return result


def _from(schema: Schema, kind: str, value: Value, names: Mapping[str, str]) -> Value:
    if kind.startswith("["):
        items = value if isinstance(value, list) else [value]
        return [_from(schema, element(kind), item, names) for item in items]
    if isinstance(value, list) and not kind.startswith("{"):
        first: Value = next(iter(value), None)
        return None if first is None else _from(schema, kind, first, names)
    if kind.startswith("{"):
        return {name: str(item) for name, item in _pairs(value).items()}
    if kind.startswith("#") and isinstance(value, Mapping):
        return from_aws(schema, schema.objects[kind[1:]], value, names)
    return _scalar(kind, value)


def _pairs(value: Value) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    names = next((pair for pair in PAIRS if value and pair[0] in value[0]), None)
    return {item[names[0]]: item[names[1]] for item in value} if names else {}


def _scalar(kind: str, value: Value) -> Value:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if kind == "bool" and isinstance(value, str):
        return value.lower() == "true"
    if kind == "int":
        return int(value)
    if kind == "str":
        return _text(value)
    return value
