"""Pulumi's gRPC messages without the rest of its SDK.

The host and the provider start once per command. Importing `pulumi` costs each of them 0.4 s, and
all they need of it are the generated messages: an empty package that only knows where the real one
lies lets Python find those and nothing else.
"""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any, TypeAlias

import grpc


def _messages_only() -> None:
    found = importlib.util.find_spec("pulumi")
    if found is None or found.origin is None:
        raise ImportError("the Pulumi SDK is not installed in this interpreter; run `make setup`")
    root = Path(found.origin).parent
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        package = types.ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package


if "pulumi" not in sys.modules:
    _messages_only()

from pulumi.runtime.proto import (  # noqa: E402
    language_pb2,
    language_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

MESSAGE_LIMIT = 400 << 20
"""Bytes; what Pulumi's own servers accept."""
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
    ("grpc.max_send_message_length", MESSAGE_LIMIT),
)

Message: TypeAlias = Any
"""One of Pulumi's messages; the generated classes say little to a type checker."""
Context: TypeAlias = grpc.ServicerContext

__all__ = [
    "OPTIONS",
    "Context",
    "Message",
    "language_pb2",
    "language_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "status_pb2",
]
