"""How the provider answers the engine when something is wrong."""

from collections.abc import Callable
from functools import wraps

import grpc
from google.protobuf import any_pb2

from local.pulumi.protocol import Context, Message, provider_pb2, status_pb2
from local.pulumi.provider.check import Failure
from local.pulumi.provider.clients import explain
from local.pulumi.provider.lifecycle import IncompleteError
from local.pulumi.provider.wire import Secrets, decode, encode

DETAILS = "grpc-status-details-bin"
"""Where gRPC carries a status with details."""


def explained(method: Callable[..., Message]) -> Callable[..., Message]:
    """Turn an exception into a gRPC status whose text is the reason alone."""

    @wraps(method)
    def call(self: object, request: Message, context: Context) -> Message:
        try:
            return method(self, request)
        except IncompleteError as error:
            _abort_incomplete(request, context, error)
        except Exception as error:
            context.abort(grpc.StatusCode.UNKNOWN, explain(error, _region_of(request)))

    return call


def _abort_incomplete(request: Message, context: Context, error: IncompleteError) -> None:
    """The resource exists but is not ready: the engine keeps it and tries again next time."""
    reason = explain(error.cause, _region_of(request))
    sent = request.properties if hasattr(request, "properties") else request.news
    failed = provider_pb2.ErrorResourceInitFailed(
        id=error.id,
        properties=encode(error.properties, with_tags(decode(sent)[1])),
        reasons=[reason],
        inputs=sent,
    )
    detail = any_pb2.Any()
    detail.Pack(failed)
    code = grpc.StatusCode.UNKNOWN
    status = status_pb2.Status(code=code.value[0], message=reason, details=[detail])
    context.set_trailing_metadata(((DETAILS, status.SerializeToString()),))
    context.abort(code, reason)


def _region_of(request: Message) -> str:
    for name in ("news", "properties", "args"):
        struct = getattr(request, name, None)
        if struct is not None and "region" in struct.fields:
            return struct.fields["region"].string_value
    return ""


def with_tags(secrets: dict[str, Secrets]) -> dict[str, Secrets]:
    """`tagsAll` repeats `tags`, so it is as secret."""
    return {**secrets, "tagsAll": secrets["tags"]} if "tags" in secrets else secrets


def checked(inputs: Message, failures: list[Failure]) -> Message:
    """The inputs as they are, with what is wrong with them."""
    return provider_pb2.CheckResponse(
        inputs=inputs,
        failures=[
            provider_pb2.CheckFailure(property=f.property, reason=f.reason) for f in failures
        ],
    )
