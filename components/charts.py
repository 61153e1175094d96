"""The dashboard's charts as data: what is shown, from which Region, against which limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from components.alarms.row import ours
from components.base import Place
from components.replication import dimensions, routes
from contract import metrics
from contract import mwaa_metrics as mwaa
from contract.machines import MACHINES
from contract.sites import Site, Strategy
from contract.verdict import METRIC_VALUE


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One line: a metric of one Region, and what the legend calls it."""

    region: str
    namespace: str
    metric: str
    dimensions: dict[str, str]
    label: str
    stat: str = "Maximum"

    def to_row(self) -> list[Any]:
        """As CloudWatch's dashboards write it."""
        pairs = [text for pair in self.dimensions.items() for text in pair]
        options = {"region": self.region, "stat": self.stat, "label": self.label}
        return [self.namespace, self.metric, *pairs, options]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Lines over time, or the newest value of each.

    Args:
        limit: a name and a value, drawn as a line across.
        single: show the newest values as numbers.
    """

    title: str
    series: tuple[Series, ...]
    limit: tuple[str, float] | None = None
    single: bool = False


def charts(place: Place) -> Iterator[Chart]:
    """All charts, in order; `place` is the DR site."""
    yield from _owner(place)
    yield from _protection(place)
    yield from _work(place)
    yield from _replication(place)
    yield from _recovery(place)


def _owner(place: Place) -> Iterator[Chart]:
    detection = place.settings.detection
    meaning = ", ".join(f"{value} {verdict}" for verdict, value in METRIC_VALUE.items())
    yield Chart(title=f"Verdict ({meaning})", series=(_ours(place, metrics.VERDICT, "verdict"),))
    yield Chart(
        title="Owner alive, incident open (1 is yes)",
        series=(
            _ours(place, metrics.PRIMARY_HEARTBEAT, "owner alive", "Minimum"),
            _ours(place, metrics.INCIDENT_OPEN, "incident open"),
        ),
    )
    yield Chart(
        title="Scheduler heartbeats",
        series=tuple(
            _mwaa(one, mwaa.SCHEDULER_HEARTBEAT, f"{one.site}", "Sum") for one in _sites(place)
        ),
    )
    yield Chart(
        title="Age of the agents' pulses (s)",
        series=tuple(
            _ours(place, metrics.PULSE_AGE_SECONDS[one.site], f"{one.site}")
            for one in _sites(place)
        ),
        limit=("stale", detection.pulse_seconds),
    )


def _protection(place: Place) -> Iterator[Chart]:
    rpo = place.settings.objectives.rpo_minutes * 60
    yield Chart(
        title="Age of the newest complete backup (s)",
        series=(_ours(place, metrics.BACKUP_AGE_SECONDS, "backup age"),),
        limit=("recovery point objective", rpo),
    )
    yield Chart(
        title="Protected (1 is yes), days since the last drill",
        series=(
            _ours(place, metrics.PROTECTED, "protected", "Minimum"),
            _ours(place, metrics.DRILL_AGE_DAYS, "days since a drill"),
        ),
        single=True,
    )
    if place.settings.strategy is Strategy.ACTIVE_PASSIVE:
        yield Chart(
            title="Age of what the standby holds (s)",
            series=(_ours(place, metrics.STANDBY_AGE_SECONDS, "standby age"),),
            limit=("recovery point objective", rpo),
        )
        yield Chart(
            title="Differences between standby and owner",
            series=(_ours(place, metrics.STANDBY_DRIFT, "differences"),),
        )
    yield Chart(
        title="Duration of exports (s)",
        series=tuple(_ours(one, metrics.EXPORT_SECONDS, f"{one.site}") for one in _sites(place)),
    )
    yield Chart(
        title="The owner's DAGs, and files that cannot be loaded",
        series=(
            _ours(place, metrics.DAGS, "DAGs", "Minimum"),
            _ours(place, metrics.IMPORT_ERRORS, "cannot be loaded"),
        ),
    )


def _work(place: Place) -> Iterator[Chart]:
    for one in _sites(place):
        yield Chart(
            title=f"Tasks at {one.site}",
            series=(
                _mwaa(one, mwaa.RUNNING_TASKS, "running"),
                _mwaa(one, mwaa.QUEUED_TASKS, "queued"),
            ),
        )
    yield Chart(
        title="Age of the oldest waiting task (s)",
        series=tuple(_mwaa(one, mwaa.OLDEST_TASK_AGE, f"{one.site}") for one in _sites(place)),
    )
    yield Chart(
        title="Processor use of the schedulers (%)",
        series=tuple(
            _mwaa(one, mwaa.cpu(mwaa.Cluster.SCHEDULER), f"{one.site}", "Average")
            for one in _sites(place)
        ),
    )


def _replication(place: Place) -> Iterator[Chart]:
    """S3 measures the lag in the destination's Region and counts failures in the source's."""
    settings = place.settings
    lags, failures = [], []
    for route in routes(settings):
        label = f"{route.kind} to {route.source.other}"
        for found, region, metric, stat in (
            (lags, settings.region(route.source.other), "ReplicationLatency", "Maximum"),
            (failures, settings.region(route.source), "OperationsFailedReplication", "Sum"),
        ):
            found.append(
                Series(
                    region=region,
                    namespace="AWS/S3",
                    metric=metric,
                    dimensions=dimensions(settings, route),
                    label=label,
                    stat=stat,
                )
            )
    yield Chart(title="Replication lag (s)", series=tuple(lags))
    yield Chart(title="Objects that S3 could not copy", series=tuple(failures))


def _recovery(place: Place) -> Iterator[Chart]:
    yield Chart(
        title="Executions",
        series=tuple(
            Series(
                region=place.region,
                namespace="AWS/States",
                metric=f"Executions{end}",
                dimensions={
                    "StateMachineArn": place.names.state_machine_arn(machine, place.region)
                },
                label=f"{machine} {end.lower()}",
                stat="Sum",
            )
            for machine in MACHINES
            for end in ("Succeeded", "Failed")
        ),
    )
    yield Chart(
        title="Readings, as the primary Region sees them",
        series=(_ours(place.other, metrics.MONITOR_HEARTBEAT, "readings", "Sum"),),
    )


def _sites(place: Place) -> list[Place]:
    return [Place(place.settings, site) for site in Site]


def _ours(place: Place, metric: str, label: str, stat: str = "Maximum") -> Series:
    return Series(
        region=place.region,
        namespace=metrics.NAMESPACE,
        metric=metric,
        dimensions=ours(place),
        label=label,
        stat=stat,
    )


def _mwaa(place: Place, metric: mwaa.Metric, label: str, stat: str = "Maximum") -> Series:
    return Series(
        region=place.region,
        namespace=metric.namespace,
        metric=metric.name,
        dimensions=metric.of(place.environment),
        label=label,
        stat=stat,
    )
