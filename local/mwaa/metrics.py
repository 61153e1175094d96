"""Airflow's own statsd metrics, as the CloudWatch data points that MWAA makes of them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

AIRFLOW_NAMESPACE = "AmazonMWAA"
INFRASTRUCTURE_NAMESPACE = "AWS/MWAA"
PREFIX = "airflow."


@dataclass(frozen=True, slots=True)
class Metric:
    """What a statsd name is called in CloudWatch; counters are summed over a period."""

    name: str
    function: str


METRICS: dict[str, Metric] = {
    "scheduler_heartbeat": Metric("SchedulerHeartbeat", "Scheduler"),
    "triggerer_heartbeat": Metric("TriggererHeartbeat", "Triggerer"),
    "dagbag_size": Metric("DagBagSize", "DAG Processing"),
    "dag_processing.import_errors": Metric("ImportErrors", "DAG Processing"),
    "dag_processing.total_parse_time": Metric("TotalParseTime", "DAG Processing"),
    "executor.running_tasks": Metric("RunningTasks", "Executor"),
    "executor.queued_tasks": Metric("QueuedTasks", "Executor"),
    "executor.open_slots": Metric("OpenSlots", "Executor"),
}
ALLOWED = tuple(METRICS)
"""Airflow sends only these, unless the customer's own lists say otherwise."""


class Aggregator:
    """Sums counters and keeps the last gauge of a period; a silent metric gives no data point."""

    def __init__(self) -> None:
        self._counters: dict[str, float] = {}
        self._gauges: dict[str, float] = {}

    def add(self, packet: bytes) -> None:
        """Take one statsd packet; lines that are not ours or not well formed are ignored."""
        for line in packet.decode(errors="replace").splitlines():
            name, _, rest = line.removeprefix(PREFIX).partition(":")
            parts = rest.split("|")
            kind = "".join(parts[1:2])
            take: Callable[[str, str], None] | None = {"c": self._count, "g": self._gauge}.get(kind)
            if name in METRICS and take is not None:
                try:
                    take(name, parts[0])
                except ValueError:
                    continue

    def _count(self, name: str, value: str) -> None:
        self._counters[name] = self._counters.get(name, 0.0) + float(value)

    def _gauge(self, name: str, value: str) -> None:
        relative = value.startswith(("+", "-"))
        self._gauges[name] = float(value) + (self._gauges.get(name, 0.0) if relative else 0.0)

    def flush(self, environment: str, at: datetime) -> list[dict[str, Any]]:
        """The data points of the period that ends now, for PutMetricData."""
        values = {**self._gauges, **self._counters}
        self._counters.clear()
        self._gauges.clear()
        return [
            {
                "MetricName": METRICS[name].name,
                "Dimensions": [
                    {"Name": "Function", "Value": METRICS[name].function},
                    {"Name": "Environment", "Value": environment},
                ],
                "Timestamp": at,
                "Value": value,
                "Unit": "Count",
            }
            for name, value in values.items()
        ]


def infrastructure(environment: str, at: datetime, cpu_percent: float) -> list[dict[str, Any]]:
    """Data points of the containers themselves; they go on when Airflow is dead."""
    return [
        {
            "MetricName": "CPUUtilization",
            "Dimensions": [
                {"Name": "Environment", "Value": environment},
                {"Name": "Cluster", "Value": "Scheduler"},
            ],
            "Timestamp": at,
            "Value": cpu_percent,
            "Unit": "Percent",
        }
    ]
