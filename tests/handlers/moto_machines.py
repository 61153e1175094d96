"""moto's Step Functions in this process: with the test's time, functions and MWAA."""

import threading
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, Protocol

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from moto.awslambda.models import LambdaBackend
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_lambda,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.parse import asl_parser

from local.gateway.moto_patches import stepfunctions, stepfunctions_errors
from tests.handlers.installation import REGIONS
from tests.handlers.mwaa_double import MwaaDouble


class Host(Protocol):
    """What the machines run against."""

    mwaa: MwaaDouble

    def pass_time(self, seconds: float) -> None:
        """A wait, or the pause before a retry."""
        ...

    def answer(self, name: str, body: str | bytes, headers: dict[str, str]) -> bytes:
        """A call of a function."""
        ...


HOSTS: list[Host] = []
"""The last one counts: executions of an earlier test may still be on their way out."""
_here = threading.local()


def state_now() -> str:
    """The state whose function is being called in this thread; empty outside the machines."""
    return getattr(_here, "state", "")


class _Clients:
    """What moto's Step Functions calls other services with."""

    def get(self, service: str, region: str, **_patience: Any) -> Any:
        return made(service, region)


@cache
def made(service: str, region: str) -> Any:
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    return boto3.client(service, region_name=region, config=config)


class _World:
    endpoint = "http://localhost:0"
    clients = _Clients()


class _Time:
    """Stands in for the module `time` where a retrier sleeps."""

    @staticmethod
    def sleep(seconds: float) -> None:
        HOSTS[-1].pass_time(seconds)


@cache
def patch_moto() -> None:
    """Change moto, once per process; nothing but Step Functions and calls of functions."""
    stepfunctions.apply(_World())
    stepfunctions_errors.apply()
    parse = cache(asl_parser.AmazonStateLanguageParser.parse)
    # Parsing takes half a second; an execution changes what it was given.
    fresh = staticmethod(lambda definition: (deepcopy(parse(definition)[0]), None))
    asl_parser.AmazonStateLanguageParser.parse = fresh
    retrier_decl.time = _Time
    task = state_task_service_lambda.StateTaskServiceLambda
    original = task._eval_service_task

    def wait(_self: Any, env: Any, wait_seconds: int) -> None:
        del env
        HOSTS[-1].pass_time(wait_seconds)

    def named(self: Any, env: Any, *rest: Any, **more: Any) -> Any:
        _here.state = env.states.context_object.context_object_data["State"]["Name"]
        return original(self, env, *rest, **more)

    def invoke(
        _self: Any, function_name: str, _qualifier: Any, body: Any, _headers: Any, response: Any
    ) -> bytes:
        payload = HOSTS[-1].answer(function_name, body, response)
        response["Content-Length"] = str(len(payload))
        return payload

    wait_function.WaitFunction._wait_interval = wait
    task._eval_service_task = named
    LambdaBackend.invoke = invoke


def to_double(request: Any, **_more: Any) -> AWSResponse:
    host, _, path = request.url.split("//", 1)[1].partition("/")
    region = next(one for one in REGIONS.values() if one in host)
    path, _, query = f"/{path}".partition("?")
    status, headers, answer = HOSTS[-1].mwaa.handle(
        region, request.method, path, query, request.body or b""
    )
    return AWSResponse(request.url, status, headers, Raw(answer))


class Raw:
    """The stream that botocore reads an answer from."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_options: Any) -> Iterator[bytes]:
        yield self._body

    def read(self, *_size: Any) -> bytes:
        body, self._body = self._body, b""
        return body
