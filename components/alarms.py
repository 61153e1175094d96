"""Alarms as rows. An alarm reads and notifies only in its own Region."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.replication import bucket, routes
from contract import metrics
from contract.functions import FUNCTIONS
from contract.machines import MACHINES
from contract.objects import ObjectRole
from contract.sites import Strategy
from contract.verdict import METRIC_VALUE, Verdict

MINUTE = 60
HOUR = 3600
DRILL_DAYS = 90
"""A quarter. The AWS Well-Architected Framework (REL13-BP03) asks for regular tests and names no
interval."""
FIVE = 300
"""The period of the alarms that AWS recommends for MWAA (CloudWatch user guide)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """One alarm.

    Args:
        subject: the end of its name.
        meaning: what it means and what to do, for the one who gets it.
        missing: `breaching` where silence is bad news, else `notBreaching`.
        needed, window: so many of the last `window` periods must break the threshold.
    """

    subject: str
    meaning: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    comparison: str
    threshold: float
    missing: str
    period: int = MINUTE
    needed: int = 1
    window: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmsArgs:
    """Which alarms, and who is told."""

    place: Place
    rows: Sequence[Alarm]
    topic_arn: pulumi.Input[str]


class Alarms(Component):
    """Every row as an alarm that tells the site's topic when it starts and when it ends."""

    def __init__(
        self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        for row in args.rows:
            aws.cloudwatch.MetricAlarm(
                f"{name}-{row.subject}",
                region=place.region,
                name=place.names.alarm(place.site, row.subject),
                alarm_description=row.meaning,
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
                alarm_actions=[args.topic_arn],
                # Whoever was woken wants to know that it is over.
                ok_actions=[args.topic_arn],
                tags=place.tags(ObjectRole.ALERTS),
                opts=self.child(),
            )
        self.register_outputs({})


BELOW, ABOVE, AT_LEAST = (
    "LessThanThreshold",
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
)
SILENCE_IS_BAD, SILENCE_IS_FINE = "breaching", "notBreaching"


def primary_rows(place: Place) -> list[Alarm]:
    """What is watched in the primary Region."""
    return [
        _heartbeat(place, "The scheduler of the primary environment sends no heartbeat."),
        Alarm(
            subject="dr-monitor-silent",
            meaning="The monitor in the DR Region takes no readings: an outage of the primary "
            "Region would go unnoticed. Look at the monitor state machine there.",
            namespace=metrics.NAMESPACE,
            metric=metrics.MONITOR_HEARTBEAT,
            dimensions=_ours(place),
            statistic="Sum",
            comparison=BELOW,
            threshold=1,
            missing=SILENCE_IS_BAD,
            needed=5,
            window=5,
        ),
        *_replication(place),
    ]


def dr_rows(place: Place) -> list[Alarm]:
    """What is watched in the DR Region, where it survives the loss of the other."""
    backup_seconds = place.settings.detection.backup_seconds
    return [
        Alarm(
            subject="primary-heartbeat",
            meaning="No reading of three minutes saw the owner's scheduler or agent alive, or the "
            "monitor itself is silent.",
            namespace=metrics.NAMESPACE,
            metric=metrics.PRIMARY_HEARTBEAT,
            dimensions=_ours(place),
            statistic="Maximum",
            comparison=BELOW,
            threshold=1,
            missing=SILENCE_IS_BAD,
            needed=3,
            window=3,
        ),
        Alarm(
            subject="verdict",
            meaning="The verdict is DOWN (recovery starts by itself unless recovery.automatic is "
            "false) or BLIND (the monitor cannot tell: look yourself).",
            namespace=metrics.NAMESPACE,
            metric=metrics.VERDICT,
            dimensions=_ours(place),
            statistic="Maximum",
            comparison=AT_LEAST,
            threshold=METRIC_VALUE[Verdict.BLIND],
            missing=SILENCE_IS_BAD,
            needed=2,
            window=2,
        ),
        Alarm(
            subject="degraded",
            meaning="The owner runs, but not every signal is good; see the verdict's reasons.",
            namespace=metrics.NAMESPACE,
            metric=metrics.VERDICT,
            dimensions=_ours(place),
            statistic="Maximum",
            comparison=AT_LEAST,
            threshold=METRIC_VALUE[Verdict.DEGRADED],
            missing=SILENCE_IS_FINE,
            needed=10,
            window=15,
        ),
        Alarm(
            subject="backup-age",
            meaning=f"The newest complete backup in the DR Region is older than {backup_seconds} s "
            "or there is none: the recovery point objective is at risk. Look at the export DAG.",
            namespace=metrics.NAMESPACE,
            metric=metrics.BACKUP_AGE_SECONDS,
            dimensions=_ours(place),
            statistic="Maximum",
            comparison=ABOVE,
            threshold=backup_seconds,
            missing=SILENCE_IS_BAD,
            needed=3,
            window=3,
        ),
        Alarm(
            subject="unprotected",
            meaning="If the owner were lost now, the objectives would not be kept; `mwaa-dr status`"
            " says what is missing.",
            namespace=metrics.NAMESPACE,
            metric=metrics.PROTECTED,
            dimensions=_ours(place),
            statistic="Minimum",
            comparison=BELOW,
            threshold=1,
            missing=SILENCE_IS_BAD,
            needed=10,
            window=15,
        ),
        Alarm(
            subject="drill-age",
            meaning=f"No drill has succeeded for {DRILL_DAYS} days: what was never rehearsed "
            "does not work on the day. Start one with `mwaa-dr drill`.",
            namespace=metrics.NAMESPACE,
            metric=metrics.DRILL_AGE_DAYS,
            dimensions=_ours(place),
            statistic="Maximum",
            comparison=ABOVE,
            threshold=DRILL_DAYS,
            missing=SILENCE_IS_FINE,
            period=HOUR,
        ),
        *(_standby(place) if place.settings.strategy is Strategy.ACTIVE_PASSIVE else ()),
        *_machines(place),
        *_functions(place),
        *_replication(place),
    ]


def _heartbeat(place: Place, meaning: str) -> Alarm:
    """MWAA publishes an environment's heartbeat in its own Region."""
    return Alarm(
        subject="scheduler-heartbeat",
        meaning=meaning,
        namespace=metrics.AIRFLOW_NAMESPACE,
        metric="SchedulerHeartbeat",
        dimensions={"Function": "Scheduler", "Environment": place.environment},
        statistic="Sum",
        comparison=BELOW,
        threshold=1,
        missing=SILENCE_IS_BAD,
        period=FIVE,
        needed=2,
        window=2,
    )


def _standby(place: Place) -> Iterator[Alarm]:
    yield _heartbeat(
        place,
        "The scheduler of the standby sends no heartbeat: it follows nobody, and a failover "
        "to it would fail.",
    )
    rpo = place.settings.objectives.rpo_minutes * 60
    yield Alarm(
        subject="standby-age",
        meaning=f"The standby holds a state older than {rpo:g} s: a failover would have to catch "
        "up first. Look at the runs of the sync DAG there.",
        namespace=metrics.NAMESPACE,
        metric=metrics.STANDBY_AGE_SECONDS,
        dimensions=_ours(place),
        statistic="Maximum",
        comparison=ABOVE,
        threshold=rpo,
        missing=SILENCE_IS_BAD,
        needed=5,
        window=5,
    )
    yield Alarm(
        subject="standby-drift",
        meaning="The standby's configuration or code differs from the owner's; `mwaa-dr status` "
        "says in what.",
        namespace=metrics.NAMESPACE,
        metric=metrics.STANDBY_DRIFT,
        dimensions=_ours(place),
        statistic="Minimum",
        comparison=AT_LEAST,
        threshold=1,
        missing=SILENCE_IS_FINE,
        needed=10,
        window=10,
    )


def _ours(place: Place) -> dict[str, str]:
    return {metrics.INSTALLATION: place.settings.name}


def _machines(place: Place) -> Iterator[Alarm]:
    for machine in MACHINES:
        for metric, event in (
            ("ExecutionsFailed", "failed"),
            ("ExecutionsTimedOut", "timed-out"),
            ("ExecutionsAborted", "aborted"),
        ):
            yield Alarm(
                subject=f"{machine}-{event}",
                meaning=f"An execution of the {machine} state machine {event.replace('-', ' ')}; "
                "its log and the incident's timeline say why.",
                namespace="AWS/States",
                metric=metric,
                dimensions={
                    "StateMachineArn": place.names.state_machine_arn(machine, place.region)
                },
                statistic="Sum",
                comparison=AT_LEAST,
                threshold=1,
                missing=SILENCE_IS_FINE,
            )


def _functions(place: Place) -> Iterator[Alarm]:
    for spec in FUNCTIONS:
        yield Alarm(
            subject=f"{spec.step}-errors",
            meaning=f"The function {spec.step} failed three times in five minutes.",
            namespace="AWS/Lambda",
            metric="Errors",
            dimensions={"FunctionName": place.names.function(spec.step)},
            statistic="Sum",
            comparison=AT_LEAST,
            threshold=3,
            missing=SILENCE_IS_FINE,
            period=FIVE,
        )


def _replication(place: Place) -> Iterator[Alarm]:
    """S3 publishes failed operations in the source's Region."""
    settings = place.settings
    for route in routes(settings):
        if route.source is place.site:
            yield Alarm(
                subject=f"replication-{route.kind}",
                meaning=f"S3 could not copy {route.kind} to the other Region; look at the objects "
                "with replication status FAILED and at the replication role.",
                namespace="AWS/S3",
                metric="OperationsFailedReplication",
                dimensions={
                    "SourceBucket": bucket(settings, route.source, route.kind),
                    "DestinationBucket": bucket(settings, route.source.other, route.kind),
                    "RuleId": route.rule,
                },
                statistic="Sum",
                comparison=AT_LEAST,
                threshold=1,
                missing=SILENCE_IS_FINE,
                period=FIVE,
            )
