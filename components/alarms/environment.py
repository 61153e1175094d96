"""The alarms that AWS recommends for an MWAA environment, in the environment's own Region.

Metrics, thresholds and numbers of periods are those that AWS recommends for MWAA ("Create
recommended alarms"); which statistic is compared is our choice where it is not said. Except for the
heartbeat, silence is fine: it means that the environment is not there (yet), and the heartbeat or
the monitor says so where that is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from components.alarms.row import (
    ABOVE,
    BELOW,
    FIVE,
    SILENCE_IS_BAD,
    SILENCE_IS_FINE,
    Alarm,
    Runbook,
)
from components.base import Place
from contract import mwaa_metrics as mwaa
from contract.severity import Severity

BUSY_PERCENT = 95
WAITING_SECONDS = 1800
FREE_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Cluster:
    """One kind of container.

    Args:
        periods: so many in a row must be busy; workers are meant to be used up for a while.
    """

    name: mwaa.Cluster
    subject: str
    periods: int


_CLUSTERS = (
    _Cluster(mwaa.Cluster.SCHEDULER, "scheduler", 3),
    _Cluster(mwaa.Cluster.WEB_SERVER, "webserver", 3),
    _Cluster(mwaa.Cluster.BASE_WORKER, "worker", 6),
    _Cluster(mwaa.Cluster.ADDITIONAL_WORKER, "more-workers", 6),
)


def heartbeat(place: Place, reason: str) -> Alarm:
    """The scheduler's heartbeat: a dead one sends no zeros, it sends nothing."""
    metric = mwaa.SCHEDULER_HEARTBEAT
    return Alarm(
        subject="scheduler-heartbeat",
        severity=Severity.PAGE,
        reason=reason,
        runbook=Runbook.SCHEDULER,
        namespace=metric.namespace,
        metric=metric.name,
        dimensions=metric.of(place.environment),
        statistic="Sum",
        comparison=BELOW,
        threshold=1,
        missing=SILENCE_IS_BAD,
        period=FIVE,
        needed=2,
        window=2,
    )


def environment_rows(place: Place) -> Iterator[Alarm]:
    """Shortage of capacity, before it becomes silence."""
    yield _short(
        place,
        mwaa.OLDEST_TASK_AGE,
        subject="task-waiting",
        reason=f"A task has waited for a worker for more than {WAITING_SECONDS // 60} minutes: "
        "runs are late, and so would be the agent's pulse and the backups.",
        threshold=WAITING_SECONDS,
        statistic="Maximum",
    )
    for cluster in _CLUSTERS:
        for measure, part in ((mwaa.cpu, "cpu"), (mwaa.memory, "memory")):
            yield _short(
                place,
                measure(cluster.name),
                subject=f"{cluster.subject}-{part}",
                reason=f"{cluster.name} containers use more than {BUSY_PERCENT} % of their {part} "
                f"for {cluster.periods * FIVE // 60} minutes: the next thing to fail is a "
                "heartbeat or a task.",
                threshold=BUSY_PERCENT,
                periods=cluster.periods,
            )
    yield _short(
        place,
        mwaa.DATABASE_FREE_MEMORY,
        subject="database-memory",
        reason="The metadata database has less than 512 MiB of free memory: schedulers and "
        "exports get slow, then fail.",
        comparison=BELOW,
        threshold=FREE_BYTES,
        statistic="Minimum",
    )


def _short(
    place: Place,
    metric: mwaa.Metric,
    *,
    subject: str,
    reason: str,
    threshold: float,
    comparison: str = ABOVE,
    statistic: str = "Average",
    periods: int = 3,
) -> Alarm:
    return Alarm(
        subject=subject,
        severity=Severity.TICKET,
        reason=reason,
        runbook=Runbook.CAPACITY,
        namespace=metric.namespace,
        metric=metric.name,
        dimensions=metric.of(place.environment),
        statistic=statistic,
        comparison=comparison,
        threshold=threshold,
        missing=SILENCE_IS_FINE,
        period=FIVE,
        needed=periods,
        window=periods,
    )
