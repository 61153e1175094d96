"""A state machine acts as its role; moto gives every machine the same credentials.

- calls to other services carry the credentials of the machine's role, so that its policies apply;
- a machine that logs is refused unless its role may set up the delivery of logs;
- a machine that is traced needs a role that may send traces.
"""

import sys
from typing import Any

from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.models import StepFunctionsParserBackend

from local.gateway.access import duties
from local.gateway.access.callers import Caller
from local.gateway.access.guard import Guard
from local.gateway.moto_patches.stepfunctions import FOREVER, RefusedError
from local.gateway.patching import put, replace
from local.gateway.world import World

SERVICE = "states.amazonaws.com"


def apply(world: World, guard: Guard) -> None:
    _clients(world, guard)
    _logged(guard)
    _traced(guard)


def _clients(world: World, guard: Guard) -> None:
    def client_for(region: str, service: str, state_credentials: Any) -> Any:  # noqa: ANN401
        return world.clients.get(
            service,
            region,
            read_seconds=FOREVER,
            validate=False,
            credentials=guard.acting(state_credentials.role_arn, SERVICE, session="states"),
        )

    original = boto_client.boto_client_for
    for module in list(sys.modules.values()):  # each that calls it has a name of its own for it
        if vars(module).get("boto_client_for") is original:
            put(module, "boto_client_for", client_for)


def _logged(guard: Guard) -> None:
    def refuse(region: str, role: str, logging: dict[str, Any] | None) -> None:
        if (logging or {}).get("level", "OFF") == "OFF":
            return
        refusal = guard.judged(Caller(role=role), region, duties.MACHINE_LOGGED)
        if refusal:
            raise RefusedError(
                "AccessDeniedException",
                f"The state machine IAM Role is not authorized to access the Log Destination: "
                f"{refusal}",
            )

    def created(original: Any) -> Any:  # noqa: ANN401
        def create_state_machine(self: Any, **arguments: Any) -> Any:  # noqa: ANN401
            refuse(self.region_name, arguments["roleArn"], arguments.get("loggingConfiguration"))
            return original(self, **arguments)

        return create_state_machine

    def updated(original: Any) -> Any:  # noqa: ANN401
        def update_state_machine(self: Any, arn: str, **arguments: Any) -> Any:  # noqa: ANN401
            role = arguments.get("role_arn") or self.describe_state_machine(arn).roleArn
            refuse(self.region_name, role, arguments.get("logging_configuration"))
            return original(self, arn=arn, **arguments)

        return update_state_machine

    replace(StepFunctionsParserBackend, "create_state_machine", created)
    replace(StepFunctionsParserBackend, "update_state_machine", updated)


def _traced(guard: Guard) -> None:
    def started(original: Any) -> Any:  # noqa: ANN401
        def start_execution(self: Any, arn: str, *rest: Any) -> Any:  # noqa: ANN401
            execution = original(self, arn, *rest)
            machine = self.describe_state_machine(arn)
            if machine.tracingConfiguration.get("enabled"):
                guard.judged(Caller(role=machine.roleArn), self.region_name, duties.MACHINE_TRACED)
            return execution

        return start_execution

    replace(StepFunctionsParserBackend, "start_execution", started)
