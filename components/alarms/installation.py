"""What is watched at each site: our own metrics, both ways, and the parts that the site has."""

from collections.abc import Iterator

from components.alarms.environment import environment_rows, heartbeat
from components.alarms.parts import (
    function_rows,
    machine_rows,
    replication_rows,
    rule_rows,
    topic_rows,
)
from components.alarms.row import (
    ABOVE,
    AT_LEAST,
    BELOW,
    HOUR,
    SILENCE_IS_BAD,
    SILENCE_IS_FINE,
    Alarm,
    Runbook,
    ours,
)
from components.base import Place
from contract import metrics
from contract.severity import Severity
from contract.sites import Strategy
from contract.verdict import METRIC_VALUE, Verdict

DRILL_DAYS = 90
"""A quarter. The AWS Well-Architected Framework (REL13-BP03) asks for regular tests and names no
interval."""


def primary_rows(place: Place) -> list[Alarm]:
    """What is watched in the primary Region."""
    return [
        heartbeat(place, "The scheduler of the primary environment sends no heartbeat."),
        *environment_rows(place),
        _ours(
            place,
            metrics.MONITOR_HEARTBEAT,
            subject="dr-monitor-silent",
            severity=Severity.PAGE,
            reason="The monitor in the DR Region takes no readings: an outage of the primary "
            "Region would go unnoticed.",
            runbook=Runbook.BLIND,
            statistic="Sum",
            comparison=BELOW,
            threshold=1,
            needed=5,
            window=5,
        ),
        *replication_rows(place),
        *rule_rows(place),
        *topic_rows(place),
    ]


def dr_rows(place: Place) -> list[Alarm]:
    """What is watched in the DR Region, where it survives the loss of the other."""
    active_passive = place.settings.strategy is Strategy.ACTIVE_PASSIVE
    return [
        *_owner(place),
        *_protection(place),
        *(_standby(place) if active_passive else ()),
        # They wait for the environment that a recovery makes, where none stands by.
        *environment_rows(place),
        *machine_rows(place),
        *function_rows(place),
        *replication_rows(place),
        *rule_rows(place),
        *topic_rows(place),
    ]


def _owner(place: Place) -> Iterator[Alarm]:
    yield _ours(
        place,
        metrics.PRIMARY_HEARTBEAT,
        subject="primary-heartbeat",
        severity=Severity.PAGE,
        reason="No reading of three minutes saw the owner's scheduler or agent alive, or the "
        "monitor itself is silent.",
        runbook=Runbook.DOWN,
        comparison=BELOW,
        threshold=1,
        needed=3,
        window=3,
    )
    yield _ours(
        place,
        metrics.VERDICT,
        subject="verdict",
        severity=Severity.PAGE,
        reason="The verdict is DOWN (recovery starts by itself unless recovery.automatic is "
        "false) or BLIND (the monitor cannot tell: look yourself).",
        runbook=Runbook.DOWN,
        comparison=AT_LEAST,
        threshold=METRIC_VALUE[Verdict.BLIND],
        needed=2,
        window=2,
    )
    yield _ours(
        place,
        metrics.VERDICT,
        subject="degraded",
        severity=Severity.TICKET,
        reason="The owner runs, but not every signal is good; the verdict's reasons say which.",
        runbook=Runbook.DEGRADED,
        comparison=AT_LEAST,
        threshold=METRIC_VALUE[Verdict.DEGRADED],
        missing=SILENCE_IS_FINE,
        needed=10,
        window=15,
    )
    yield _ours(
        place,
        metrics.CODE_SOUND,
        subject="code",
        severity=Severity.PAGE,
        reason="The owner's DAGs have become fewer, or many of them cannot be loaded any more: "
        "the DAG source is lost or spoilt, or a deployment went wrong. What is not loaded does "
        "not run.",
        runbook=Runbook.CODE,
        statistic="Minimum",
        comparison=BELOW,
        threshold=1,
        missing=SILENCE_IS_FINE,
        needed=3,
        window=5,
    )


def _protection(place: Place) -> Iterator[Alarm]:
    backup_seconds = place.settings.detection.backup_seconds
    yield _ours(
        place,
        metrics.BACKUP_AGE_SECONDS,
        subject="backup-age",
        severity=Severity.PAGE,
        reason=f"The newest complete backup in the DR Region is older than {backup_seconds} s or "
        "there is none: the recovery point objective is at risk.",
        runbook=Runbook.BACKUPS,
        comparison=ABOVE,
        threshold=backup_seconds,
        needed=3,
        window=3,
    )
    yield _ours(
        place,
        metrics.PROTECTED,
        subject="unprotected",
        severity=Severity.PAGE,
        reason="If the owner were lost now, the objectives would not be kept.",
        runbook=Runbook.UNPROTECTED,
        statistic="Minimum",
        comparison=BELOW,
        threshold=1,
        needed=10,
        window=15,
    )
    yield _ours(
        place,
        metrics.DRILL_AGE_DAYS,
        subject="drill-age",
        severity=Severity.TICKET,
        reason=f"No drill has succeeded for {DRILL_DAYS} days: what was never rehearsed does not "
        "work on the day.",
        runbook=Runbook.REHEARSAL,
        comparison=ABOVE,
        threshold=DRILL_DAYS,
        missing=SILENCE_IS_FINE,
        period=HOUR,
    )


def _standby(place: Place) -> Iterator[Alarm]:
    yield heartbeat(
        place,
        "The scheduler of the standby sends no heartbeat: it follows nobody, and a failover "
        "to it would fail.",
    )
    rpo = place.settings.objectives.rpo_minutes * 60
    yield _ours(
        place,
        metrics.STANDBY_AGE_SECONDS,
        subject="standby-age",
        severity=Severity.TICKET,
        reason=f"The standby holds a state older than {rpo:g} s: a failover would have to catch "
        "up first.",
        runbook=Runbook.STANDBY,
        comparison=ABOVE,
        threshold=rpo,
        needed=5,
        window=5,
    )
    yield _ours(
        place,
        metrics.STANDBY_DRIFT,
        subject="standby-drift",
        severity=Severity.TICKET,
        reason="The standby's configuration or code differs from the owner's.",
        runbook=Runbook.STANDBY,
        statistic="Minimum",
        comparison=AT_LEAST,
        threshold=1,
        missing=SILENCE_IS_FINE,
        needed=10,
        window=10,
    )


def _ours(
    place: Place,
    metric: str,
    *,
    subject: str,
    severity: Severity,
    reason: str,
    runbook: Runbook,
    comparison: str,
    threshold: float,
    statistic: str = "Maximum",
    missing: str = SILENCE_IS_BAD,
    period: int = 60,
    needed: int = 1,
    window: int = 1,
) -> Alarm:
    """An alarm on a metric of ours: silence is bad news unless the row says otherwise."""
    return Alarm(
        subject=subject,
        severity=severity,
        reason=reason,
        runbook=runbook,
        namespace=metrics.NAMESPACE,
        metric=metric,
        dimensions=ours(place),
        statistic=statistic,
        comparison=comparison,
        threshold=threshold,
        missing=missing,
        period=period,
        needed=needed,
        window=window,
    )
