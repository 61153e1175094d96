"""What begins by the clock: the monitor, once a minute, and drills, where they are asked for."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import RoleArgs, ServiceRole, Statement
from contract.machines import MONITOR
from contract.objects import ObjectRole

REHEARSE = "rehearse"
"""The function that starts a drill."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleArgs:
    """Where the schedule belongs and the machine that it starts."""

    place: Place
    machine_arn: pulumi.Input[str]


class MonitorSchedule(Component):
    """A schedule in a group of its own.

    Produces these resources: iam.Role, iam.RolePolicy, scheduler.Schedule, scheduler.ScheduleGroup.
    """

    def __init__(
        self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        machine = place.names.state_machine_arn(MONITOR, place.region)
        _schedule(
            self,
            place,
            name=name,
            schedule=place.names.schedule,
            purpose="monitor-schedule",
            object_role=ObjectRole.MONITOR,
            calls=Statement(("states:StartExecution",), (machine,)),
            description=f"{place.settings.name}: takes the readings of each minute",
            schedule_expression="rate(1 minute)",
            target={
                "arn": args.machine_arn,
                "input": "{}",
                # The next minute is the retry.
                "retry_policy": {"maximum_retry_attempts": 0, "maximum_event_age_in_seconds": 60},
            },
        )
        self.register_outputs({})


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillArgs:
    """Where the schedule belongs, when it is due and the function that it calls."""

    place: Place
    expression: str
    timezone: str
    function_arn: pulumi.Input[str]


class DrillSchedule(Component):
    """Drills by the clock, in a group of its own. Each call says for when it was due.

    Produces these resources: iam.Role, iam.RolePolicy, scheduler.Schedule, scheduler.ScheduleGroup.
    """

    def __init__(
        self, name: str, args: DrillArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        function = place.names.function_arn(REHEARSE, place.region)
        _schedule(
            self,
            place,
            name=name,
            schedule=place.names.drill_schedule,
            purpose="drill-schedule",
            object_role=ObjectRole.RECOVERY,
            calls=Statement(("lambda:InvokeFunction",), (function,)),
            description=f"{place.settings.name}: starts a drill",
            schedule_expression=args.expression,
            schedule_expression_timezone=args.timezone,
            target={
                "arn": args.function_arn,
                # The same text each time a call is repeated, which makes it one drill.
                "input": json.dumps({"scheduled_at": "<aws.scheduler.scheduled-time>"}),
                "retry_policy": {"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 900},
            },
        )
        self.register_outputs({})


def _schedule(
    owner: Component,
    place: Place,
    *,
    name: str,
    schedule: str,
    purpose: str,
    object_role: ObjectRole,
    calls: Statement,
    target: Any,  # noqa: ANN401 - pulumi-aws's own dictionaries
    **when: Any,  # noqa: ANN401
) -> None:
    """Make a schedule with its group and the role that it calls with.

    Args:
        name: of the component.
        schedule: the physical name of both schedule and group.
        purpose: the end of the role's name.
        calls: what the role may do.
        target: what is called, without the role.
        when: what else the schedule takes.
    """
    group = aws.scheduler.ScheduleGroup(
        f"{name}-group",
        region=place.region,
        name=schedule,
        tags=place.tags(object_role),
        opts=owner.child(),
    )
    role = ServiceRole(
        f"{name}-access",
        RoleArgs(
            place=place,
            purpose=purpose,
            role=object_role,
            services=("scheduler.amazonaws.com",),
            policies={"access": [calls]},
        ),
        opts=owner.child(),
    )
    whole: Any = {**target, "role_arn": role.arn}
    aws.scheduler.Schedule(
        f"{name}-schedule",
        region=place.region,
        name=schedule,
        group_name=group.name,
        flexible_time_window={"mode": "OFF"},
        state="ENABLED",
        target=whole,
        opts=owner.child(depends_on=[role]),
        **when,
    )
