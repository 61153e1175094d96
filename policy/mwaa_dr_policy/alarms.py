"""Alarms: each failure is noticed in a Region that survives it, and somebody is told."""

from collections.abc import Iterator
from typing import Any

from contract import metrics
from contract.objects import ObjectRole
from contract.sites import Site
from contract.verdict import METRIC_VALUE, Verdict
from mwaa_dr_policy.copies import refuse_without_other_stack, rules_from
from mwaa_dr_policy.facts import objective_minutes
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import (
    BUCKET,
    ENVIRONMENT,
    FUNCTION,
    STATE_MACHINE,
    TABLE,
)
from mwaa_dr_policy.machines import is_machine
from mwaa_dr_policy.options import (
    BACKUP_BUCKETS,
    BUCKETS,
    FUNCTIONS,
    MACHINES,
    OTHER_STACK,
    RPO_MINUTES,
)
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import (
    is_at,
    is_backup_bucket,
    is_for,
    is_precious,
    is_recovery_function,
)
from mwaa_dr_policy.values import both, peek, read
from mwaa_dr_policy.watch import Watch, faults

_WITHIN = Option(
    key="withinSeconds",
    default=900,
    description="How soon the alarm must fire after the last heartbeat: period times periods.",
    schema={"type": "number", "minimum": 60},
)
_FEW = 10
"""So many errors in a period are the most that an alarm may wait for."""
_MEND = (
    "Add a MetricAlarm in that Region with treatMissingData breaching, alarmActions with a topic "
    "of that Region, and "
)


def _no_heartbeat_alarm(environment: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    def is_about(alarm: Resource, dimensions: Any) -> bool:  # noqa: ANN401
        name = peek(dimensions, "Environment")
        return both(
            lambda: stack.mentions(alarm, "dimensions", name, environment),
            lambda: read(dimensions, "Function") in (None, "Scheduler"),
        )

    yield from faults(
        Watch(
            namespace=metrics.AIRFLOW_NAMESPACE,
            metric="SchedulerHeartbeat",
            region=environment.region,
            is_about=is_about,
            falls=True,
            within_seconds=settings[_WITHIN.key],
        ),
        stack,
    )


ENVIRONMENT_HEARTBEAT_ALARM = StackRule(
    name="mwaa-dr-environment-heartbeat-alarm",
    description="Each environment has an alarm on its SchedulerHeartbeat that silence fires.",
    why=(
        "A dead scheduler or a lost Region publishes no zeros but nothing at all, so an alarm "
        "that ignores missing data stays green while no DAG runs."
    ),
    remedy=f"{_MEND}SchedulerHeartbeat of this environment (Sum less than 1).",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    options=(_WITHIN, OTHER_STACK),
    check=_no_heartbeat_alarm,
)


def _own_metric(metric: str, region: str, **wants: Any) -> Watch:  # noqa: ANN401
    return Watch(namespace=metrics.NAMESPACE, metric=metric, region=region, **wants)


def _is_dr_backup(bucket: Resource, _: Stack, settings: Settings) -> bool:
    return is_backup_bucket(bucket, settings) and is_at(bucket, Site.DR)


def _is_primary_backup(bucket: Resource, _: Stack, settings: Settings) -> bool:
    return is_backup_bucket(bucket, settings) and is_at(bucket, Site.PRIMARY)


def _no_backup_age_alarm(bucket: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    up_to = objective_minutes(stack, settings) * 60
    watch = _own_metric(metrics.BACKUP_AGE_SECONDS, bucket.region, falls=False, up_to=up_to)
    return faults(watch, stack)


BACKUP_AGE_ALARM = StackRule(
    name="mwaa-dr-backup-age-alarm",
    description="The DR Region has an alarm on the age of the newest backup that silence fires.",
    why=(
        "Exports that fail for days cost nothing until the day of the failover: then the newest "
        "backup is days old. The alarm must live where the backups are, and survive the primary."
    ),
    remedy=f"{_MEND}{metrics.NAMESPACE} {metrics.BACKUP_AGE_SECONDS} above the objective.",
    severity=Severity.CRITICAL,
    types=(BUCKET,),
    options=(RPO_MINUTES, BACKUP_BUCKETS),
    applies=_is_dr_backup,
    check=_no_backup_age_alarm,
)


def _no_verdict_alarm(table: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    up_to = METRIC_VALUE[Verdict.DOWN]
    return faults(_own_metric(metrics.VERDICT, table.region, falls=False, up_to=up_to), stack)


def _is_monitor_home(table: Resource, _: Stack, __: Settings) -> bool:
    return is_for(table, ObjectRole.STATE)


def _no_dead_man_alarm(table: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    watch = _own_metric(
        metrics.PRIMARY_HEARTBEAT,
        table.region,
        falls=True,
        within_seconds=settings[_WITHIN.key],
    )
    return faults(watch, stack)


DEAD_MAN_ALARM = StackRule(
    name="mwaa-dr-dead-man-alarm",
    description="The DR Region has a dead-man alarm on PrimaryHeartbeat that silence fires.",
    why=(
        "An alarm in the primary Region dies with it; and if the monitor in the DR Region stops, "
        "only an alarm that takes silence for bad news tells anybody."
    ),
    remedy=f"{_MEND}{metrics.NAMESPACE} {metrics.PRIMARY_HEARTBEAT} less than 1.",
    severity=Severity.CRITICAL,
    types=(TABLE,),
    options=(_WITHIN,),
    applies=_is_monitor_home,
    check=_no_dead_man_alarm,
)


VERDICT_ALARM = StackRule(
    name="mwaa-dr-verdict-alarm",
    description="The DR Region has an alarm on the verdict DOWN that silence fires.",
    why="A recovery starts, or waits for a person, and nobody is told that the primary is down.",
    remedy=f"{_MEND}{metrics.NAMESPACE} {metrics.VERDICT} at least {METRIC_VALUE[Verdict.DOWN]}.",
    severity=Severity.HIGH,
    types=(TABLE,),
    applies=_is_monitor_home,
    check=_no_verdict_alarm,
)


def _no_reverse_alarm(bucket: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    watch = _own_metric(
        metrics.MONITOR_HEARTBEAT,
        bucket.region,
        falls=True,
        within_seconds=settings[_WITHIN.key],
    )
    return faults(watch, stack)


REVERSE_DEAD_MAN_ALARM = StackRule(
    name="mwaa-dr-reverse-dead-man-alarm",
    description="The primary Region has a dead-man alarm on the monitor that silence fires.",
    why="If the DR Region is lost, nothing in it can say that nobody watches any more.",
    remedy=f"{_MEND}{metrics.NAMESPACE} {metrics.MONITOR_HEARTBEAT} less than 1.",
    severity=Severity.HIGH,
    types=(BUCKET,),
    options=(_WITHIN, BACKUP_BUCKETS),
    applies=_is_primary_backup,
    check=_no_reverse_alarm,
)

_METRICS = Option(
    key="metrics",
    default=["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"],
    description="Metrics of AWS/States that must each have an alarm.",
    schema={"type": "array", "items": {"type": "string"}, "minItems": 1},
)


def _no_failure_alarm(machine: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    def is_about(alarm: Resource, dimensions: Any) -> bool:  # noqa: ANN401
        arn = peek(dimensions, "StateMachineArn")
        return stack.mentions(alarm, "dimensions", arn, machine)

    for metric in settings[_METRICS.key]:
        yield from faults(
            Watch(
                namespace="AWS/States",
                metric=metric,
                region=machine.region,
                is_about=is_about,
                falls=False,
                # No execution, no data: silence is the good state here.
                breaches_without_data=False,
                up_to=1,
            ),
            stack,
        )


STATE_MACHINE_FAILURE_ALARM = StackRule(
    name="mwaa-dr-state-machine-failure-alarm",
    description="The state machines of a recovery have alarms on executions that fail.",
    why="A recovery that stops half-way, or a monitor that fails each minute, needs a person now.",
    remedy=(
        "Add a MetricAlarm in that Region on AWS/States with the dimension StateMachineArn, "
        "GreaterThanThreshold 0 and alarmActions with a topic of that Region."
    ),
    severity=Severity.CRITICAL,
    types=(STATE_MACHINE,),
    options=(_METRICS, MACHINES),
    applies=is_machine,
    check=_no_failure_alarm,
)


def _no_error_alarm(function: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    def is_about(alarm: Resource, dimensions: Any) -> bool:  # noqa: ANN401
        return stack.mentions(alarm, "dimensions", peek(dimensions, "FunctionName"), function)

    yield from faults(
        Watch(
            namespace="AWS/Lambda",
            metric="Errors",
            region=function.region,
            is_about=is_about,
            falls=False,
            # A function that nobody calls has no data.
            breaches_without_data=False,
            up_to=_FEW,
        ),
        stack,
    )


FUNCTION_ERROR_ALARM = StackRule(
    name="mwaa-dr-function-error-alarm",
    description="The functions of a recovery have an alarm on their errors.",
    why=(
        "A step that fails and is tried again hides in the machine's retries until it fails for "
        "good; a monitor that cannot read a signal is half blind."
    ),
    remedy=(
        "Add a MetricAlarm in that Region on AWS/Lambda Errors with the dimension FunctionName and "
        "alarmActions with a topic of that Region."
    ),
    severity=Severity.MEDIUM,
    types=(FUNCTION,),
    options=(FUNCTIONS,),
    applies=lambda function, _, settings: is_recovery_function(function, settings),
    check=_no_error_alarm,
)


def _no_replication_alarm(bucket: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    rules = list(rules_from(bucket, stack))
    if not rules:
        refuse_without_other_stack(bucket, stack)
    for rule in rules:

        def is_about(alarm: Resource, dimensions: Any, rule: Any = rule) -> bool:  # noqa: ANN401
            source = peek(dimensions, "SourceBucket")
            return both(
                lambda: stack.mentions(alarm, "dimensions", source, bucket),
                lambda: read(dimensions, "RuleId") in (None, read(rule, "id")),
            )

        yield from faults(
            Watch(
                namespace="AWS/S3",
                metric="OperationsFailedReplication",
                region=bucket.region,
                is_about=is_about,
                falls=False,
                # S3 publishes it only while it replicates.
                breaches_without_data=False,
                up_to=_FEW,
            ),
            stack,
        )


REPLICATION_FAILURE_ALARM = StackRule(
    name="mwaa-dr-replication-failure-alarm",
    description="Each replication rule of a bucket has an alarm on what S3 could not copy.",
    why=(
        "An object that S3 could not copy is not tried again: the DR Region lacks that DAG or that "
        "backup until somebody copies it. The metric exists in the source's Region only."
    ),
    remedy=(
        "Add a MetricAlarm in that Region on AWS/S3 OperationsFailedReplication with the "
        "dimensions SourceBucket, DestinationBucket and RuleId, and alarmActions with a topic of "
        "that Region."
    ),
    severity=Severity.HIGH,
    types=(BUCKET,),
    options=BUCKETS,
    applies=is_precious,
    check=_no_replication_alarm,
)

RULES = (
    ENVIRONMENT_HEARTBEAT_ALARM,
    BACKUP_AGE_ALARM,
    DEAD_MAN_ALARM,
    VERDICT_ALARM,
    REVERSE_DEAD_MAN_ALARM,
    STATE_MACHINE_FAILURE_ALARM,
    FUNCTION_ERROR_ALARM,
    REPLICATION_FAILURE_ALARM,
)
