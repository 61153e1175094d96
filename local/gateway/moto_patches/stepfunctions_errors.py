"""Error names of Step Functions, so that Retry and Catch by name do here what they do in AWS.

Source: Step Functions developer guide, "Handling errors" and "AWS SDK service integrations".

- SDK integrations: `Mwaa.ResourceNotFoundException`; a call that gets no answer ends as
  `<Service>.SdkClientException`, for Lambda too;
- an expired heartbeat is `States.HeartbeatTimeout`;
- `States.ALL` catches neither `States.Runtime` nor `States.DataLimitExceeded`.
"""

from typing import Any

from botocore.exceptions import BotoCoreError
from moto.stepfunctions.parser.api import HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import (
    ErrorEqualsDecl,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk as aws_sdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_callback as callback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_lambda as lambda_task,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import HeartbeatTimeoutError

from local.gateway.patching import replace

SERVICE_NAMES = {
    "cloudwatch": "CloudWatch",
    "cloudwatchlogs": "CloudWatchLogs",
    "ec2": "Ec2",
    "eventbridge": "EventBridge",
    "iam": "Iam",
    "kms": "Kms",
    "lambda": "Lambda",
    "mwaa": "Mwaa",
    "s3": "S3",
    "scheduler": "Scheduler",
    "secretsmanager": "SecretsManager",
    "sns": "Sns",
    "sqs": "Sqs",
    "ssm": "Ssm",
    "sts": "Sts",
}
"""What AWS puts before an SDK integration's error, by the service in the task's ARN."""


def apply() -> None:
    aws_sdk._SERVICE_ERROR_NAMES.update(SERVICE_NAMES)
    replace(aws_sdk.StateTaskServiceAwsSdk, "_from_error", _no_answer(None))
    replace(lambda_task.StateTaskServiceLambda, "_from_error", _no_answer("Lambda"))
    replace(callback.StateTaskServiceCallback, "_from_error", _heartbeat)
    replace(ErrorEqualsDecl, "_eval_body", _uncatchable)


def _no_answer(prefix: str | None) -> Any:  # noqa: ANN401
    def make(original: Any) -> Any:  # noqa: ANN401
        def from_error(self: Any, env: Any, ex: Exception) -> FailureEvent:  # noqa: ANN401
            if not isinstance(ex, BotoCoreError):
                return original(self, env=env, ex=ex)
            service = prefix or self._normalise_service_error_name(self.resource.api_name)
            name = f"{service}.SdkClientException"
            details: Any = {
                "taskFailedEventDetails": {
                    "error": name,
                    "cause": str(ex),
                    "resource": self._get_sfn_resource(),
                    "resourceType": self._get_sfn_resource_type(),
                }
            }
            return FailureEvent(
                env=env,
                error_name=CustomErrorName(name),
                event_type=HistoryEventType.TaskFailed,
                event_details=details,
            )

        return from_error

    return make


def _heartbeat(original: Any) -> Any:  # noqa: ANN401
    def from_error(self: Any, env: Any, ex: Exception) -> FailureEvent:  # noqa: ANN401
        if not isinstance(ex, HeartbeatTimeoutError):
            return original(self, env=env, ex=ex)
        kind = StatesErrorNameType.StatesHeartbeatTimeout
        details: Any = {
            "taskTimedOutEventDetails": {
                "resourceType": self._get_sfn_resource_type(),
                "resource": self._get_sfn_resource(),
                "error": kind.to_name(),
            }
        }
        return FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=kind),
            event_type=HistoryEventType.TaskTimedOut,
            event_details=details,
        )

    return from_error


_UNCATCHABLE = (
    StatesErrorName(typ=StatesErrorNameType.StatesRuntime),
    StatesErrorName(typ=StatesErrorNameType.StatesStatesDataLimitExceeded),
)


def _uncatchable(original: Any) -> Any:  # noqa: ANN401
    def eval_body(self: Any, env: Any) -> None:  # noqa: ANN401
        error = env.stack[-1]
        original(self, env)
        if ErrorEqualsDecl._STATE_ALL_ERROR in self.error_names and error in _UNCATCHABLE:
            env.stack[-1] = False

    return eval_body
