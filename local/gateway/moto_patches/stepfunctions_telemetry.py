"""Step Functions tells EventBridge and CloudWatch about every execution; moto tells nobody.

Source: Step Functions developer guide, "Step Functions event payloads" and "CloudWatch metrics".
"""

import json
import threading
import time
from typing import Any

from moto.stepfunctions.parser.backend.execution import (
    BaseExecutionWorkerCommunication,
    Execution,
)
from moto.stepfunctions.parser.utils import TMP_THREADS

from local.gateway.patching import replace
from local.gateway.telemetry import Telemetry

_METRICS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def apply(telemetry: Telemetry) -> None:
    def tell(execution: Any, status: str) -> None:  # noqa: ANN401
        machine = execution.state_machine.arn
        region = execution.region_name
        dimensions = {"StateMachineArn": machine}
        telemetry.metric(region, "AWS/States", {_METRICS[status]: 1}, dimensions)
        over = status != "RUNNING"
        if over:
            took = execution.stop_date.timestamp() - execution.start_date.timestamp()
            telemetry.metric(
                region,
                "AWS/States",
                {"ExecutionTime": took * 1000},
                dimensions,
                unit="Milliseconds",
            )
        telemetry.event(
            region,
            "aws.states",
            "Step Functions Execution Status Change",
            {
                "executionArn": execution.exec_arn,
                "stateMachineArn": machine,
                "name": execution.name,
                "status": status,
                "startDate": _millis(execution.start_date),
                "stopDate": _millis(execution.stop_date) if over else None,
                "input": execution.execution_input,
                "output": json.dumps(execution.output) if status == "SUCCEEDED" else None,
                "error": execution.error,
                "cause": execution.cause,
            },
            execution.exec_arn,
        )

    def started(original: Any) -> Any:  # noqa: ANN401
        def start(self: Any) -> None:  # noqa: ANN401
            original(self)
            tell(self, "RUNNING")  # whatever it is by now: a short one may have ended
            # moto keeps every thread it ever started.
            TMP_THREADS[:] = [t for t in TMP_THREADS if not _ended(t)]

        return start

    def ended(original: Any) -> Any:  # noqa: ANN401
        def terminated(self: Any) -> None:  # noqa: ANN401
            original(self)
            tell(self.execution, str(self.execution.status))

        return terminated

    replace(Execution, "start", started)
    replace(BaseExecutionWorkerCommunication, "terminated", ended)


def _ended(thread: Any) -> bool:  # noqa: ANN401
    return isinstance(thread, threading.Thread) and not thread.is_alive() and bool(thread.ident)


def _millis(moment: Any) -> int:  # noqa: ANN401
    return int(moment.timestamp() * 1000) if moment else int(time.time() * 1000)
