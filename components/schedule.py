"""What starts the monitor: once a minute, the shortest period of EventBridge Scheduler."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import RoleArgs, ServiceRole, Statement
from contract.machines import MONITOR
from contract.objects import ObjectRole


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
