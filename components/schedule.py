"""What begins by the clock: the monitor, once a minute, and drills, where they are asked for."""

import json
from dataclasses import dataclass

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
    """A schedule in a group of its own."""

    def __init__(
        self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        group = aws.scheduler.ScheduleGroup(
            f"{name}-group",
            region=place.region,
            name=place.names.schedule,
            tags=place.tags(ObjectRole.MONITOR),
            opts=self.child(),
        )
        machine = place.names.state_machine_arn(MONITOR, place.region)
        role = ServiceRole(
            f"{name}-access",
            RoleArgs(
                place=place,
                purpose="monitor-schedule",
                role=ObjectRole.MONITOR,
                services=("scheduler.amazonaws.com",),
                policies={"access": [Statement(("states:StartExecution",), (machine,))]},
            ),
            opts=self.child(),
        )
        aws.scheduler.Schedule(
            f"{name}-schedule",
            region=place.region,
            name=place.names.schedule,
            group_name=group.name,
            description=f"{place.settings.name}: takes the readings of each minute",
            schedule_expression="rate(1 minute)",
            flexible_time_window={"mode": "OFF"},
            state="ENABLED",
            target={
                "arn": args.machine_arn,
                "role_arn": role.arn,
                "input": "{}",
                # The next minute is the retry.
                "retry_policy": {"maximum_retry_attempts": 0, "maximum_event_age_in_seconds": 60},
            },
            opts=self.child(depends_on=[role]),
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
    """Drills by the clock, in a group of its own. Each call says for when it was due."""

    def __init__(
        self, name: str, args: DrillArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        group = aws.scheduler.ScheduleGroup(
            f"{name}-group",
            region=place.region,
            name=place.names.drill_schedule,
            tags=place.tags(ObjectRole.RECOVERY),
            opts=self.child(),
        )
        function = place.names.arn(
            "lambda", place.region, f"function:{place.names.function(REHEARSE)}"
        )
        role = ServiceRole(
            f"{name}-access",
            RoleArgs(
                place=place,
                purpose="drill-schedule",
                role=ObjectRole.RECOVERY,
                services=("scheduler.amazonaws.com",),
                policies={"access": [Statement(("lambda:InvokeFunction",), (function,))]},
            ),
            opts=self.child(),
        )
        aws.scheduler.Schedule(
            f"{name}-schedule",
            region=place.region,
            name=place.names.drill_schedule,
            group_name=group.name,
            description=f"{place.settings.name}: starts a drill",
            schedule_expression=args.expression,
            schedule_expression_timezone=args.timezone,
            flexible_time_window={"mode": "OFF"},
            state="ENABLED",
            target={
                "arn": args.function_arn,
                "role_arn": role.arn,
                # The same text each time a call is repeated, which makes it one drill.
                "input": json.dumps({"scheduled_at": "<aws.scheduler.scheduled-time>"}),
                "retry_policy": {"maximum_retry_attempts": 3, "maximum_event_age_in_seconds": 900},
            },
            opts=self.child(depends_on=[role]),
        )
        self.register_outputs({})
