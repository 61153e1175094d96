"""Step Functions runs real ASL in moto; these differences from AWS are put right:

- calls to other services go through the gateway, so that outages and MWAA apply to them;
- parameters and results of service integrations are spelt as AWS spells them, times as text;
- an execution without a name gets one of its own, and `$$.Execution.StartTime` is text;
- an execution whose interpreter breaks ends as FAILED instead of running for ever;
- StopDate is told for TIMED_OUT, an output that is text is JSON too, and the history can be
  paged and reversed;
- SendTaskFailure keeps its cause; definitions with missing states are refused;
- a second CreateStateMachine with another definition is refused.
"""

import contextlib
import datetime
import json
import logging
import os
import uuid
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from moto.core.config import default_user_config
from moto.core.exceptions import AWSError
from moto.core.responses import ActionResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service,
)
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.backend.execution import Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from local.gateway.asl_check import problems
from local.gateway.casing import from_response, operation_name, to_request
from local.gateway.patching import add, put, replace
from local.gateway.world import World

log = logging.getLogger(__name__)
FOREVER = 99_999_999.0
"""No client time-out: a task's own TimeoutSeconds ends it."""


class RefusedError(AWSError):
    """A refusal with the code that is asked for."""

    STATUS = 400

    def __init__(self, code: str, message: str) -> None:
        self.TYPE = code
        super().__init__(message)


def apply(world: World) -> None:
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    os.environ["MOTO_PORT"] = world.endpoint.rsplit(":", 1)[1]
    _calls(world)
    _executions()
    _responses()
    _definitions()


def _calls(world: World) -> None:
    def client(**arguments: Any) -> Any:  # noqa: ANN401
        return world.clients.get(
            arguments["service_name"],
            arguments["region_name"],
            read_seconds=FOREVER,
            validate=False,
        )

    class Boto3:
        """Stands in for the name `boto3` in the one module that makes clients."""

    Boto3.client = staticmethod(client)  # pyright: ignore[reportAttributeAccessIssue]
    put(boto_client, "boto3", Boto3)

    models: dict[str, ServiceModel] = {}

    def operation(service: str, action: str) -> Any:  # noqa: ANN401
        if service not in models:
            models[service] = ServiceModel(
                Loader().load_service_model(service, "service-2"), service
            )
        model = models[service]
        return model.operation_model(operation_name(model, action))

    def normalise_parameters(
        self: Any,  # noqa: ANN401
        parameters: dict[str, Any],
        boto_service_name: str | None = None,
        service_action_name: str | None = None,
    ) -> None:
        shape = operation(
            self._get_boto_service_name(boto_service_name),
            self._get_boto_service_action(service_action_name),
        ).input_shape
        if shape is not None:
            spelt = to_request(parameters, shape)
            parameters.clear()
            parameters.update(spelt)

    def normalise_response(
        self: Any,  # noqa: ANN401
        response: Any,  # noqa: ANN401
        boto_service_name: str | None = None,
        service_action_name: str | None = None,
    ) -> None:
        if isinstance(response, dict):
            shape = operation(
                self._get_boto_service_name(boto_service_name),
                self._get_boto_service_action(service_action_name),
            ).output_shape
            spelt = from_response(response, shape)
            response.clear()
            response.update(spelt)

    put(state_task_service.StateTaskService, "_normalise_parameters", normalise_parameters)
    put(state_task_service.StateTaskService, "_normalise_response", normalise_response)


def _executions() -> None:
    def named(original: Any) -> Any:  # noqa: ANN401
        def start_execution(self: Any, arn: str, name: str | None = None, *rest: Any) -> Any:  # noqa: ANN401
            return original(self, arn, name or str(uuid.uuid4()), *rest)

        return start_execution

    def guarded(original: Any) -> Any:  # noqa: ANN401
        def logic(self: Any) -> None:  # noqa: ANN401
            try:
                original(self)
            except Exception as error:
                log.exception("a state machine's interpreter broke")
                execution = self._execution_communication.execution
                if execution.exec_status != ExecutionStatus.RUNNING:
                    return  # it had ended; only telling others about it failed
                execution.exec_status = ExecutionStatus.FAILED
                execution.stop_date = datetime.datetime.now(tz=datetime.UTC)
                execution.error, execution.cause = "States.Runtime", str(error)

        return logic

    def with_text_time(original: Any) -> Any:  # noqa: ANN401
        def details(self: Any) -> Any:  # noqa: ANN401
            result = original(self)
            moment = result.start_time.astimezone(datetime.UTC)
            result.start_time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return result

        return details

    replace(Execution, "get_start_execution_details", with_text_time)
    replace(StepFunctionsParserBackend, "start_execution", named)
    replace(ExecutionWorker, "_execution_logic", guarded)


def _responses() -> None:
    def described(original: Any) -> Any:  # noqa: ANN401
        def describe_execution(self: Any) -> ActionResult:  # noqa: ANN401
            result = original(self)
            execution = self.stepfunction_backend.describe_execution(
                self._get_param("executionArn")
            )
            if execution.stop_date is not None:
                result.result["stopDate"] = execution.stop_date
            if "output" in result.result:
                result.result["output"] = json.dumps(execution.output, separators=(",", ":"))
            return result

        return describe_execution

    def listed(original: Any) -> Any:  # noqa: ANN401
        def list_executions(self: Any) -> ActionResult:  # noqa: ANN401
            result = original(self)
            for item in result.result["executions"]:
                execution = self.stepfunction_backend.describe_execution(item["executionArn"])
                if execution.stop_date is not None:
                    item["stopDate"] = execution.stop_date
            return result

        return list_executions

    def get_execution_history(self: Any) -> ActionResult:  # noqa: ANN401
        history = self.stepfunction_backend.get_execution_history(self._get_param("executionArn"))
        events = list(history["events"])
        if self._get_param("reverseOrder"):
            events.reverse()
        start = int(self._get_param("nextToken") or 0)
        size = int(self._get_param("maxResults") or 0) or 1000
        token = str(start + size) if start + size < len(events) else None
        return ActionResult({"events": events[start : start + size], "nextToken": token})

    def send_task_failure(self: Any) -> ActionResult:  # noqa: ANN401
        self.stepfunction_backend.send_task_failure(
            self._get_param("taskToken"),
            error=self._get_param("error"),
            cause=self._get_param("cause"),
        )
        return ActionResult({})

    def validate_state_machine_definition(self: Any) -> ActionResult:  # noqa: ANN401
        definition = self._get_param("definition")
        found = problems(definition)
        if not found:
            with contextlib.suppress(Exception):
                StepFunctionsParserBackend._validate_definition(definition)
                return ActionResult({"result": "OK", "diagnostics": [], "truncated": False})
            found = ["SCHEMA_VALIDATION_FAILED: the definition cannot be parsed"]
        diagnostics = [
            {"severity": "ERROR", "code": text.split(":", 1)[0], "message": text} for text in found
        ]
        return ActionResult({"result": "FAIL", "diagnostics": diagnostics, "truncated": False})

    replace(StepFunctionResponse, "describe_execution", described)
    replace(StepFunctionResponse, "list_executions", listed)
    put(StepFunctionResponse, "get_execution_history", get_execution_history)
    put(StepFunctionResponse, "send_task_failure", send_task_failure)
    add(
        StepFunctionResponse, "validate_state_machine_definition", validate_state_machine_definition
    )


def _definitions() -> None:
    def checked(original: Any) -> Any:  # noqa: ANN401
        def validate(definition: str) -> None:
            original(definition=definition)
            found = problems(definition)
            if found:
                raise RefusedError(
                    "InvalidDefinition", f"Invalid State Machine Definition: {found}"
                )

        return staticmethod(validate)

    def refusing(original: Any) -> Any:  # noqa: ANN401
        def create_state_machine(self: Any, **arguments: Any) -> Any:  # noqa: ANN401
            known = self._revision_by_name(arguments["name"])
            if known is not None and _canonical(known.definition) != _canonical(
                arguments["definition"]
            ):
                raise RefusedError(
                    "StateMachineAlreadyExists", f"State Machine Already Exists: '{known.arn}'"
                )
            return original(self, **arguments)

        return create_state_machine

    replace(StepFunctionsParserBackend, "_validate_definition", checked)
    replace(StepFunctionsParserBackend, "create_state_machine", refusing)


def _canonical(definition: str) -> str:
    return json.dumps(json.loads(definition), sort_keys=True)
