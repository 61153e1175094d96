"""Step Functions and Scheduler spell parameters in PascalCase; each API has its own spelling.

The API's model says how a member is really spelt, at every depth.
"""

import datetime
import json
from typing import Any

from botocore import xform_name
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.response import StreamingBody


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def operation_name(service_model: Any, action: str) -> str:  # noqa: ANN401
    """The operation that an action such as `startExecution` means.

    Raises:
        ValueError: the service has no such operation.
    """
    for name in service_model.operation_names:
        if _plain(name) == _plain(action):
            return name
    raise ValueError(f"{service_model.service_name} has no operation {action!r}")


def to_boto_parameters(
    meta: Any,  # noqa: ANN401 -- ClientMeta
    action: str,
    parameters: dict[str, Any],
) -> tuple[str, dict[str, Any]]:
    """The client's method for `action`, and the parameters in the API's own spelling."""
    name = operation_name(meta.service_model, action)
    shape = meta.service_model.operation_model(name).input_shape
    return xform_name(name), to_request(parameters, shape) if shape else {}


def to_request(value: Any, shape: Shape) -> Any:  # noqa: ANN401
    """`value` in the spelling of `shape`; objects in text members become JSON text."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = {_plain(name): (name, member) for name, member in shape.members.items()}
        result = {}
        for key, item in value.items():
            name, member = members.get(_plain(key), (key, None))
            result[name] = to_request(item, member) if member is not None else item
        return result
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [to_request(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: to_request(item, shape.value) for key, item in value.items()}
    if shape.type_name == "string" and not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    if shape.type_name == "blob" and not isinstance(value, bytes):
        text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        return text.encode()
    return value


def from_response(value: Any, shape: Shape | None) -> Any:  # noqa: ANN401, PLR0911 -- a case each
    """A response as Step Functions shows it: PascalCase members, times as ISO 8601 text."""
    if isinstance(value, StreamingBody):
        return value.read().decode("utf-8", "replace")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        if isinstance(shape, StructureShape):
            return {
                key[:1].upper() + key[1:]: from_response(item, shape.members.get(key))
                for key, item in value.items()
            }
        inner = shape.value if isinstance(shape, MapShape) else None
        return {key: from_response(item, inner) for key, item in value.items()}
    if isinstance(value, list):
        inner = shape.member if isinstance(shape, ListShape) else None
        return [from_response(item, inner) for item in value]
    return value
