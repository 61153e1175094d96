"""AWS runs functions; moto needs Docker for it. Restored here:

- the deployed archive runs in a real process (`local.gateway.lambda_runtime`);
- a function's error is reported as `Unhandled`, and `Event` invocations do not wait and are tried
  three times (Lambda developer guide, "Asynchronous invocation");
- `DryRun` runs nothing; reserved concurrency is kept;
- a function acts as its role: with its credentials, and what Lambda does for it (decrypting its
  variables, logging, tracing) needs that role's permissions ("Lambda execution role");
- a function in a VPC is made only if its role lets Lambda make network interfaces, and calls from
  its subnets ("Giving Lambda functions access to resources in a VPC");
- START, END and REPORT lines reach CloudWatch Logs, and AWS/Lambda its metrics.
"""

import base64
import json
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.core.exceptions import JsonRESTError

from local.gateway.access import duties
from local.gateway.access.callers import Caller
from local.gateway.access.guard import DeniedError, Guard
from local.gateway.access.needs import Need
from local.gateway.lambda_runtime.runner import Function, Runner, TooManyRequestsError
from local.gateway.patching import put, replace
from local.gateway.telemetry import Telemetry
from local.gateway.world import World

log = logging.getLogger(__name__)
RETRY_SECONDS = (60.0, 120.0)
"""Waits before the second and third attempt of an asynchronous invocation."""


class ThrottledError(JsonRESTError):
    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


class RefusedError(JsonRESTError):
    code = 502


def apply(world: World, guard: Guard, runner: Runner, telemetry: Telemetry) -> None:
    def run(self: Any, event: Any) -> tuple[str, bool, str]:  # noqa: ANN401
        function = _function(self)
        dimensions = {"FunctionName": self.function_name}
        started = time.time()
        reserved = self.reserved_concurrency
        refusal = guard.judged(Caller(role=self.role), self.region, _to_start(self))
        if refusal:
            raise RefusedError("KMSAccessDeniedException", refusal)
        try:
            outcome, request_id = runner.invoke(
                function, event, reserved=None if reserved is None else int(reserved)
            )
        except TooManyRequestsError:
            telemetry.metric(self.region, "AWS/Lambda", {"Throttles": 1}, dimensions)
            raise ThrottledError from None
        except DeniedError as error:
            raise RefusedError("AccessDeniedException", str(error)) from None
        took = (time.time() - started) * 1000
        telemetry.metric(
            self.region, "AWS/Lambda", {"Invocations": 1, "Errors": int(outcome.failed)}, dimensions
        )
        telemetry.metric(
            self.region, "AWS/Lambda", {"Duration": took}, dimensions, unit="Milliseconds"
        )
        text = (
            f"START RequestId: {request_id} Version: {function.version}\n{outcome.log}"
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id} Duration: {took:.2f} ms "
            f"Memory Size: {function.memory} MB\n"
        )
        if _may_log(guard, self) and not world.outages.suspended(self.region, "logs"):
            self.logs_backend.ensure_log_group(self.logs_group_name)
            self.save_logs(text)
        return outcome.payload, outcome.failed, text

    def run_event(self: Any, event: Any) -> None:  # noqa: ANN401
        for wait in (*RETRY_SECONDS[: _retries(self)], None):
            try:
                _, failed, text = run(self, event)
            except ThrottledError:
                failed, text = True, "throttled"
            except Exception:
                log.exception("asynchronous invocation of %s", self.function_name)
                return
            if not failed or wait is None:
                break
            log.warning("%s failed and will be tried again: %s", self.function_name, text[-500:])
            if world.stopping.wait(wait):
                return

    def invoke(self: Any, body: Any, request_headers: Any, response_headers: Any) -> str | bytes:  # noqa: ANN401
        headers = {key.lower(): value for key, value in dict(request_headers).items()}
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        if kind == "DryRun":
            return ""
        event = json.loads(body) if body else {}
        if kind == "Event":
            threading.Thread(target=run_event, args=(self, event), daemon=True).start()
            return ""
        payload, failed, text = run(self, event)
        if failed:
            response_headers["x-amz-function-error"] = "Unhandled"
        response_headers["x-amz-executed-version"] = _function(self).version
        response_headers["x-amz-log-result"] = base64.b64encode(text[-4096:].encode()).decode()
        return payload.encode()

    def invoke_lambda(self: Any, event: Any = None) -> tuple[str, bool, str]:  # noqa: ANN401
        return run(self, json.loads(event) if isinstance(event, str) else event)

    put(LambdaFunction, "_invoke_lambda", invoke_lambda)
    put(LambdaFunction, "invoke", invoke)


def apply_networks(guard: Guard) -> None:
    replace(LambdaBackend, "create_function", partial(_checked, guard))


def _checked(guard: Guard, create: Callable[..., Any]) -> Callable[..., Any]:
    """Creation as moto has it, refused where the role does not let the function into its VPC."""

    def create_function(self: Any, spec: dict[str, Any]) -> Any:  # noqa: ANN401
        needed = duties.networked(spec["Role"], self.region_name, spec.get("VpcConfig") or {})
        if guard.judged(Caller(role=spec["Role"]), self.region_name, needed):
            raise JsonRESTError(
                "InvalidParameterValueException",
                "The provided execution role does not have permissions to call "
                "CreateNetworkInterface on EC2",
            )
        return create(self, spec)

    return create_function


def _to_start(function: Any) -> list[Need]:  # noqa: ANN401
    key = function.kms_key_arn if function.environment_vars else ""
    return duties.through("lambda", function.region, ("kms:Decrypt",), key)


def _to_log(function: Any) -> list[Need]:  # noqa: ANN401
    _, partition, _, region, account, *_ = function.function_arn.split(":")
    group = function.logs_group_name
    return duties.logged(f"arn:{partition}:logs:{region}:{account}:log-group:{group}")


def _may_log(guard: Guard, function: Any) -> bool:  # noqa: ANN401
    """Whether the role lets Lambda write its log; traces are asked for beside it."""
    caller = Caller(role=function.role)
    if function.tracing_config.get("Mode") == "Active":
        guard.judged(caller, function.region, duties.TRACED)
    return guard.judged(caller, function.region, _to_log(function)) is None


def _retries(function: Any) -> int:  # noqa: ANN401
    for entry in reversed(function.event_invoke_config):
        attempts = entry.response().get("MaximumRetryAttempts")
        if attempts is not None:
            return int(attempts)
    return len(RETRY_SECONDS)


def _function(source: Any) -> Function:  # noqa: ANN401
    if source.package_type != "Zip" or source.layers:
        raise JsonRESTError(
            "InvalidRuntimeException",
            f"{source.function_name}: the local AWS runs zip archives without layers only",
        )
    return Function(
        arn=source.function_arn,
        name=source.function_name,
        version="$LATEST" if str(source.version) in ("$LATEST", "0") else str(source.version),
        region=source.region,
        role=source.role,
        handler=source.handler,
        code=source.code_bytes,
        code_hash=base64.b64decode(source.code_sha_256).hex(),
        environment=dict(source.environment_vars),
        timeout=float(source.timeout),
        memory=int(source.memory_size),
        log_group=source.logs_group_name,
        subnets=tuple((source.vpc_config or {}).get("SubnetIds") or ()),
    )
