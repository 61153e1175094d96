"""AWS clients, and AWS's errors as one line of text."""

import os
import re
import threading
from functools import cache
from typing import Any, TypeAlias, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from local.pulumi.provider import limits

CONNECT_SECONDS = 5
READ_SECONDS = 20
ATTEMPTS = 2
"""A Region that hangs is told after `READ_SECONDS * ATTEMPTS`, not after botocore's 5 minutes."""
UNREACHABLE = (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
GLOBAL = "global, with its control plane in us-east-1"
"""Where the services without a Region live; of those the catalog has IAM."""
MISSING = re.compile(r"NotFound|NoSuch|DoesNotExist|^404$")


Client: TypeAlias = Any
"""A boto3 client of whichever service."""


class LocalAwsMissingError(RuntimeError):
    """The provider was started without a local AWS to work on."""


def require_endpoint() -> str:
    """The local AWS. This provider must never reach the real one by accident."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if not endpoint:
        raise LocalAwsMissingError(
            "AWS_ENDPOINT_URL is not set: this `aws` provider only works on the local AWS. "
            "Run `make local-up`, then `eval $(make -s local-env)`"
        )
    return endpoint


class Clients:
    """One boto3 client per service and Region, shared by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session = cast("Any", boto3.session.Session())
        self._clients: dict[tuple[str, str], Any] = {}

    def get(self, service: str, region: str) -> Client:
        key = (service, region)
        # Making a client is not thread safe in boto3; using one is.
        with self._lock:
            if key not in self._clients:
                made = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=require_endpoint(),
                    config=Config(
                        connect_timeout=CONNECT_SECONDS,
                        read_timeout=READ_SECONDS,
                        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                        max_pool_connections=64,
                        s3={"addressing_style": "path"},
                    ),
                )
                made.meta.events.register("before-parameter-build", _within_limits)
                self._clients[key] = made
            return self._clients[key]

    @cache  # noqa: B019 - one per process
    def account(self, region: str) -> str:
        return self.get("sts", region).get_caller_identity()["Account"]


def _within_limits(params: Any, model: Any, **_: object) -> None:  # noqa: ANN401 - botocore's own
    limits.check(model.name, model.input_shape, params)


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that the thing does not exist."""
    return bool(MISSING.search(code_of(error)))


def explain(error: BaseException, region: str = "") -> str:
    """What went wrong, in AWS's own words where they exist."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message", "")
        where = f"{error.operation_name}, {region or GLOBAL}"
        return f"{code_of(error)}: {message} (calling {where})"
    if isinstance(error, UNREACHABLE):
        tried = f"{ATTEMPTS} attempts of {READ_SECONDS} s"
        return f"{region or GLOBAL} does not answer: {error} ({tried}); the Region may be down"
    if isinstance(error, BotoCoreError):
        return f"{type(error).__name__}: {error}"
    return str(error) or type(error).__name__
