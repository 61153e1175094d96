"""Alarms as rows. An alarm reads and notifies only in its own Region."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.alarms.environment import environment_rows
from components.alarms.installation import dr_rows, primary_rows
from components.alarms.row import Alarm, Runbook
from components.base import Component, Place
from contract.objects import ObjectRole
from contract.severity import Severity

__all__ = [
    "Alarm",
    "Alarms",
    "AlarmsArgs",
    "Runbook",
    "dr_rows",
    "environment_rows",
    "primary_rows",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmsArgs:
    """Which alarms, and who is told.

    Args:
        topic_arns: by severity.
    """

    place: Place
    rows: Sequence[Alarm]
    topic_arns: dict[Severity, pulumi.Output[str]]


class Alarms(Component):
    """Every row as an alarm that tells its severity's topic when it starts and when it ends.

    Produces these resources: cloudwatch.MetricAlarm.
    """

    def __init__(
        self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        for row in args.rows:
            topic = args.topic_arns[row.severity]
            aws.cloudwatch.MetricAlarm(
                f"{name}-{row.subject}",
                region=place.region,
                name=place.names.alarm(place.site, row.subject),
                alarm_description=description(place, row),
                namespace=row.namespace,
                metric_name=row.metric,
                dimensions=row.dimensions,
                statistic=row.statistic,
                period=row.period,
                comparison_operator=row.comparison,
                threshold=row.threshold,
                evaluation_periods=row.window,
                datapoints_to_alarm=row.needed,
                treat_missing_data=row.missing,
                alarm_actions=[topic],
                # Whoever was woken wants to know that it is over.
                ok_actions=[topic],
                tags=place.tags(ObjectRole.ALERTS),
                opts=self.child(),
            )
        self.register_outputs({})


def description(place: Place, row: Alarm) -> str:
    """What the one who is told reads: how urgent it is, what has happened, what to do."""
    link = f"{place.settings.runbook_url}#{row.runbook}"
    return f"[{row.severity}] {row.reason} What to do: {link}"
