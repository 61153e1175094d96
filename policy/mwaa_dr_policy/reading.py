"""Reads each resource once: the SDK reads all of a stack again for every rule of a stack.

On stacks whose functions list every file of their archive that took seconds for some fifty rules.
The engine sends the same bytes each time, so what was made of them is kept by those bytes.
"""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi_policy import policy as sdk

_KEPT = 4096
"""So many resources; a stack has some hundreds."""
_sdk: Any = sdk  # it keeps to itself what is replaced here
_deserialize = _sdk.deserialize_properties


class _Kept(dict[str, Any]):
    """What was made of `content`; it is shared, so nobody may change it."""

    content: bytes = b""


@lru_cache(maxsize=_KEPT)
def _dict(content: bytes) -> _Kept:
    kept = _Kept(json_format.MessageToDict(struct_pb2.Struct.FromString(content)))
    kept.content = content
    return kept


@lru_cache(maxsize=_KEPT)
def _properties(content: bytes) -> Any:  # noqa: ANN401
    return _deserialize(_dict(content))


def _deserialize_properties(read: Any, *more: Any) -> Any:  # noqa: ANN401
    # A remediation may change what it gets.
    if more or not isinstance(read, _Kept):
        return _deserialize(read, *more)
    return _properties(read.content)


def _message_to_dict(message: Any) -> Any:  # noqa: ANN401
    if isinstance(message, struct_pb2.Struct):
        return _dict(message.SerializeToString(deterministic=True))
    return json_format.MessageToDict(message)


def read_once() -> None:
    """Make the SDK of this process do so."""
    _sdk.json_format = SimpleNamespace(MessageToDict=_message_to_dict)
    _sdk.deserialize_properties = _deserialize_properties
