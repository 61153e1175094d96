"""The state machines, from the files in handlers/state_machines."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.files import PROJECT
from components.functions import LOG_DAYS
from components.iam import RoleArgs, ServiceRole, Statement
from contract.machines import MONITOR, RECOVERY, render
from contract.objects import ObjectRole

FOLDER = PROJECT / "handlers" / "state_machines"
ROLES = {MONITOR: ObjectRole.MONITOR, RECOVERY: ObjectRole.RECOVERY}
_LOG_DELIVERY = (
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery"),
    *("logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    *("logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
)
_TRACING = (
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
)
_RESOURCE_ARN = re.compile(r"arn:[a-z-]+:(lambda|states):[a-z0-9-]+:\d{12}:[a-zA-Z0-9:_-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineArgs:
    """A state machine.

    Args:
        place: the DR site.
        machine: one of `contract.machines.MACHINES`.
        values: what the file's placeholders stand for.
        key_arn: encrypts its log.
        after: the functions that it calls.
    """

    place: Place
    machine: str
    values: Mapping[str, str | int | bool]
    key_arn: pulumi.Input[str]
    after: Sequence[pulumi.Resource] = ()


class StateMachine(Component):
    """Logged and traced, with a role that calls what its own definition names.

    Produces these resources: cloudwatch.LogGroup, iam.Role, iam.RolePolicy, sfn.StateMachine.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: MachineArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place, role_of = args.place, ROLES[args.machine]
        definition = load(args.machine, args.values)
        log = aws.cloudwatch.LogGroup(
            f"{name}-log",
            region=place.region,
            name=place.names.machine_log(args.machine),
            retention_in_days=LOG_DAYS,
            kms_key_id=args.key_arn,
            tags=place.tags(role_of),
            opts=self.child(),
        )
        role = ServiceRole(
            f"{name}-access",
            RoleArgs(
                place=place,
                purpose=f"{args.machine}-machine",
                role=role_of,
                services=("states.amazonaws.com",),
                policies={"access": statements(definition)},
            ),
            opts=self.child(),
        )
        machine = aws.sfn.StateMachine(
            f"{name}-machine",
            region=place.region,
            name=place.names.state_machine(args.machine),
            type="STANDARD",
            definition=json.dumps(definition, sort_keys=True),
            role_arn=role.arn,
            logging_configuration={
                "level": "ALL",
                "include_execution_data": True,
                "log_destination": pulumi.Output.concat(log.arn, ":*"),
            },
            tracing_configuration={"enabled": True},
            tags=place.tags(role_of),
            opts=self.child(depends_on=[role, *args.after]),
        )
        self.arn = machine.arn
        self.register_outputs({"arn": self.arn})


def load(machine: str, values: Mapping[str, str | int | bool]) -> dict[str, Any]:
    """The definition of `machine` as it is deployed."""
    return render((FOLDER / f"{machine}.asl.json").read_text(), dict(values))


def statements(definition: dict[str, Any]) -> list[Statement]:
    """What a machine's role may do: call the functions and start the machines it names."""
    actions = {"lambda": "lambda:InvokeFunction", "states": "states:StartExecution"}
    found: dict[str, set[str]] = {service: set() for service in actions}
    for match in _RESOURCE_ARN.finditer(json.dumps(definition)):
        found[match[1]].add(match[0])
    return [
        *(
            Statement((actions[service],), tuple(sorted(arns)))
            for service, arns in found.items()
            if arns
        ),
        Statement(_LOG_DELIVERY),
        Statement(_TRACING),
    ]
