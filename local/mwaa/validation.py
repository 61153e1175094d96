"""What MWAA refuses with a ValidationException before it does anything.

Shapes (required members, lengths, ranges, enumerations, patterns) come from botocore's own `mwaa`
model, so that they are right for whatever botocore is installed; the rules that the model cannot
say are below, with the words of the user guide.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from local.mwaa.errors import validation
from local.mwaa.family import numbers
from local.mwaa.install import RELEASES

QUOTA = 10
"""Environments per account and Region (user guide, service quotas)."""
CLASSES = ("mw1.micro", *(f"mw1.{size}" for size in ("small", "medium", "large")))
CLASSES += ("mw1.xlarge", "mw1.2xlarge")
MOST_WORKERS, MOST_WEBSERVERS = 25, 5
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "structure": dict,
    "map": dict,
    "list": list,
}


@functools.cache
def model() -> ServiceModel:
    return botocore.session.get_session().get_service_model("mwaa")


def input_shape(operation: str) -> StructureShape:
    shape = model().operation_model(operation).input_shape
    if shape is None:
        raise KeyError(f"{operation} takes no input")
    return shape


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _shown(shape: Shape, value: object) -> str:
    """MWAA never repeats a sensitive value in an error."""
    return "at" if shape.metadata.get("sensitive") else f"'{value}' at"


def _constraints(shape: Shape, value: Any, path: str) -> Iterator[str]:  # noqa: ANN401
    limits = shape.metadata
    fault = f"Value {_shown(shape, value)} '{path}' failed to satisfy constraint: Member must "
    if shape.type_name == "integer":
        if value < limits.get("min", value):
            yield f"{fault}have value greater than or equal to {limits['min']}"
        if value > limits.get("max", value):
            yield f"{fault}have value less than or equal to {limits['max']}"
        return
    if shape.type_name in ("string", "list", "map"):
        if len(value) < limits.get("min", 0):
            yield f"{fault}have length greater than or equal to {limits['min']}"
        if len(value) > limits.get("max", len(value)):
            yield f"{fault}have length less than or equal to {limits['max']}"
    if shape.type_name == "string":
        pattern = limits.get("pattern", "")
        # `\p{L}` and the like are not in Python's `re`; only tags use them.
        if pattern and "\\p{" not in pattern and not re.fullmatch(pattern, value):
            yield f"{fault}satisfy regular expression pattern: {pattern}"
        if getattr(shape, "enum", None) and value not in shape.enum:  # pyright: ignore
            yield f"{fault}satisfy enum value set: [{', '.join(shape.enum)}]"  # pyright: ignore


def faults(shape: Shape, value: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401
    """What is wrong with a value of the model, in the API's words."""
    if shape.metadata.get("document") or getattr(shape, "is_document_type", False):
        return
    expected = _TYPES.get(shape.type_name)
    wrong = expected is not None and not isinstance(value, expected)
    if wrong or (shape.type_name == "integer" and isinstance(value, bool)):
        yield f"Value {_shown(shape, value)} '{path}' is not a {shape.type_name}"
        return
    yield from _constraints(shape, value, path)
    prefix = f"{path}." if path else ""
    if isinstance(shape, StructureShape):
        for name in shape.required_members:
            if value.get(name) is None:
                yield (
                    f"Value null at '{prefix}{_lower(name)}' failed to satisfy constraint: "
                    "Member must not be null"
                )
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from faults(member, value[name], prefix + _lower(name))
    elif isinstance(shape, ListShape):
        for index, item in enumerate(value):
            yield from faults(shape.member, item, f"{path}.{index + 1}.member")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from faults(shape.key, key, f"{path}.key")
            yield from faults(shape.value, item, f"{path}.{key}")


def check_shape(operation: str, request: Mapping[str, Any]) -> None:
    """Raises ValidationException with every fault of a request, as the API words them."""
    found = list(faults(input_shape(operation), dict(request)))
    if found:
        plural = "error" if len(found) == 1 else "errors"
        raise validation(f"{len(found)} validation {plural} detected: {'; '.join(found)}")


def supported_versions() -> list[str]:
    return list(RELEASES)


def check_rules(environment: Mapping[str, Any]) -> None:
    """The rules between members. `environment` has its defaults filled in.

    Raises:
        ApiError: ValidationException naming the key, the value and what is allowed.
    """
    for fault in _rule_faults(environment):
        raise validation(fault)


def _rule_faults(environment: Mapping[str, Any]) -> Iterator[str]:
    version = environment["AirflowVersion"]
    if version not in RELEASES:
        yield (
            f"AirflowVersion {version!r} is not supported; "
            f"use one of {', '.join(supported_versions())}"
        )
    elif environment["WebserverAccessMode"] == "PUBLIC_AND_PRIVATE" and numbers(version) < (3, 2):
        yield "WebserverAccessMode PUBLIC_AND_PRIVATE needs AirflowVersion 3.2 or newer"
    if environment["EndpointManagement"] == "CUSTOMER":
        yield "EndpointManagement CUSTOMER is not emulated: there are no VPC endpoints; use SERVICE"
    for option in environment.get("AirflowConfigurationOptions", {}):
        if not all(option.partition(".")):
            yield f"AirflowConfigurationOptions: {option!r} is not of the form section.key"
    for kind in ("Plugins", "Requirements", "StartupScript"):
        if environment.get(f"{kind}S3ObjectVersion") and not environment.get(f"{kind}S3Path"):
            yield f"{kind}S3ObjectVersion is given without {kind}S3Path"
    yield from _size_faults(environment)
    yield from tag_faults(environment.get("Tags", {}))


def _size_faults(environment: Mapping[str, Any]) -> Iterator[str]:
    size = environment["EnvironmentClass"]
    if size not in CLASSES:
        yield f"EnvironmentClass {size!r} is not valid; use one of {', '.join(CLASSES)}"
    micro = size == CLASSES[0]
    for noun, most in (("Workers", MOST_WORKERS), ("Webservers", MOST_WEBSERVERS)):
        low, high = environment[f"Min{noun}"], environment[f"Max{noun}"]
        if low > high:
            yield f"Min{noun} {low} is greater than Max{noun} {high}"
        if high > most:
            yield f"Max{noun} {high} is more than the quota of {most}"
        if not micro and noun == "Webservers" and low < 2:  # noqa: PLR2004
            yield f"MinWebservers {low} is not valid for {size}; use 2 to {most}"
    schedulers = environment["Schedulers"]
    if schedulers not in ((1,) if micro else range(2, 6)):
        yield f"Schedulers {schedulers} is not valid for {size}; use {'1' if micro else '2 to 5'}"


def tag_faults(tags: Mapping[str, str]) -> Iterator[str]:
    for key in tags:
        if key.lower().startswith("aws:"):
            yield f"Tags: {key!r} is not allowed: keys that start with aws: are reserved"
