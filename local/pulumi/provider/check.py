"""Whether a program's inputs are right, and what they become: defaults, names and tags."""

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.pulumi.provider.model import Naming, Resource
from local.pulumi.provider.schema import Properties, ResourceSchema, Schema, element
from local.pulumi.provider.wire import UNKNOWN, Value, Values, is_asset

SUFFIX_DIGITS = 7
"""Pulumi's own number of random digits in a made-up name."""
PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "[": (list,),
    "{": (dict,),
    "#": (dict,),
}
WANTED: Mapping[str, str] = {"[": "a list", "{": "a map", "#": "an object"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the provider itself was configured with."""

    region: str = ""
    default_tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failure:
    """A property and what is wrong with it."""

    property: str
    reason: str


def failures(
    resource: Resource, described: ResourceSchema, schema: Schema, inputs: Values
) -> Iterator[Failure]:
    """Everything that is wrong with the inputs."""
    yield from misfits(schema, described.inputs, inputs, resource.type)
    for name in inputs:
        if name in described.inputs.types and name not in resource.supported:
            yield Failure(
                name,
                f"the local provider does not support {name!r} of {resource.type}; it supports "
                f"{', '.join(sorted(resource.supported - {'tagsAll'}))}",
            )
    for path in resource.refused:
        if _given(inputs, path.split(".")):
            yield Failure(path, f"the local provider cannot carry {path} of {resource.type} to AWS")


def misfits(
    schema: Schema, properties: Properties, inputs: Values, where: str
) -> Iterator[Failure]:
    """Every name, type and missing property that does not fit `pulumi_aws`."""
    yield from _object(schema, properties, inputs, "", where)


def _given(value: Value, path: list[str]) -> bool:
    if not path:
        return True
    if isinstance(value, list):
        return any(_given(item, path) for item in value)
    return isinstance(value, dict) and path[0] in value and _given(value[path[0]], path[1:])


def _object(
    schema: Schema, properties: Properties, value: Values, path: str, where: str
) -> Iterator[Failure]:
    prefix = f"{path}." if path else ""
    for name, item in value.items():
        kind = properties.types.get(name)
        if kind is None:
            yield Failure(f"{prefix}{name}", _no_such(name, properties, where))
        else:
            yield from _value(schema, kind, item, f"{prefix}{name}")
    for name in properties.required:
        if name not in value:
            yield Failure(f"{prefix}{name}", f"missing required property {name!r} of {where}")


def _no_such(name: str, properties: Properties, where: str) -> str:
    close = difflib.get_close_matches(name, properties.types, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{where} has no property {name!r}; {hint}it has {', '.join(sorted(properties.types))}"


def _value(schema: Schema, kind: str, value: Value, path: str) -> Iterator[Failure]:
    if value is UNKNOWN or kind == "any":
        return
    if not _fits(kind, value):
        wanted = WANTED.get(kind[0], f"of type {kind}")
        yield Failure(path, f"must be {wanted}, given {value!r}")
    elif kind.startswith("["):
        for position, item in enumerate(value):
            yield from _value(schema, element(kind), item, f"{path}[{position}]")
    elif kind.startswith("{"):
        for name, item in value.items():
            yield from _value(schema, element(kind), item, f"{path}.{name}")
    elif kind.startswith("#"):
        yield from _object(schema, schema.objects[kind[1:]], value, path, path)


def _fits(kind: str, value: Value) -> bool:
    if kind == "asset":
        return is_asset(value)
    if isinstance(value, bool):
        return kind == "bool"
    return isinstance(value, PYTHON_TYPES[kind if kind in PYTHON_TYPES else kind[0]])


def complete(
    resource: Resource,
    described: ResourceSchema,
    inputs: Values,
    old: Values,
    *,
    name: str,
    seed: bytes,
    settings: Settings,
) -> Values:
    """The inputs with everything filled in that AWS or pulumi-aws would assume.

    Args:
        old: the inputs as last kept: a made-up name stays.
        name: the Pulumi name, from which a missing name is made.
        seed: the engine's randomness, the same in preview and update.
    """
    result = _with_defaults(resource.defaults, inputs)
    if "region" in described.inputs.types and "region" not in result:
        result["region"] = settings.region
    if resource.naming and resource.naming.property not in result:
        prefix = result.get(f"{resource.naming.property}Prefix")
        kept = old.get(resource.naming.property)
        result[resource.naming.property] = kept or _make_up(resource.naming, prefix, name, seed)
    if resource.has_tags:
        result.pop("tagsAll", None)
        tags = result.get("tags", {})
        result["tagsAll"] = UNKNOWN if tags is UNKNOWN else {**settings.default_tags, **tags}
    return result


def _with_defaults(defaults: Mapping[str, Any], inputs: Values) -> Values:
    result = dict(inputs)
    for path, value in defaults.items():
        *parents, last = path.split(".")
        place = result
        for depth, parent in enumerate(parents):
            if depth == 0 and not isinstance(place.get(parent), dict):
                break
            place[parent] = place = {**place.get(parent, {})}
        else:
            place.setdefault(last, value)
    return result


def _make_up(naming: Naming, prefix: Value, name: str, seed: bytes) -> str:
    digits = hashlib.sha256(seed + name.encode()).hexdigest()[:SUFFIX_DIGITS]
    start = prefix if isinstance(prefix, str) else f"{naming.prefix}{name}-"
    made = f"{start[: naming.limit - SUFFIX_DIGITS]}{digits}"
    return made.lower() if naming.lower else made
