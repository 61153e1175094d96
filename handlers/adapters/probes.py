"""The calls of one reading, all made at once, so that a Region that hangs costs one time-out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contract import keys, metrics
from contract.handler_config import HandlerConfig
from contract.sites import Site
from handlers.adapters import backups, declared
from handlers.adapters.answers import all_outcomes
from handlers.adapters.clients import Clients
from handlers.adapters.objects import Bucket
from handlers.core.signals import Answer, Outcome

HEARTBEAT = "SchedulerHeartbeat"
METRIC_PERIOD = 60
"""Seconds; the finest period of metrics that are not of high resolution."""

_AIRFLOW = metrics.AIRFLOW_NAMESPACE
_INFRASTRUCTURE = metrics.INFRASTRUCTURE_NAMESPACE
_METRICS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (_AIRFLOW, HEARTBEAT, {"Function": "Scheduler"}),
    (_AIRFLOW, "TriggererHeartbeat", {"Function": "Triggerer"}),
    (_INFRASTRUCTURE, "CPUUtilization", {"Cluster": "WebServer"}),
    (_INFRASTRUCTURE, "CPUUtilization", {"Cluster": "BaseWorker"}),
    (_INFRASTRUCTURE, "CPUUtilization", {"Cluster": "Scheduler"}),
)
"""The heartbeat, and what else an environment sends when its scheduler alone is dead."""


@dataclass(frozen=True, slots=True)
class Observation:
    """How every call of a reading ended.

    Args:
        services: by (Region, service).
        pulse_stored: for how long S3 has had the pulse; None if it did not say.
        mirrors: by site: the ownership mirror that lies in its backup bucket, or None.
        checks: by name: the user's own checks.
    """

    heartbeat: Outcome
    environment: Outcome
    pulse: Outcome
    backup: Outcome
    services: dict[tuple[str, str], Outcome]
    mirrors: dict[Site, Outcome]
    checks: dict[str, Outcome]
    pulse_stored: timedelta | None = None


def observe(config: HandlerConfig, clients: Clients, owner: Site, now: datetime) -> Observation:
    """Look at the owner's environment, and at our own eyes.

    The monitor's own heartbeat, for the dead-man alarm in the primary Region, goes out with the
    probes: it may hang as they do.
    """
    place = config.place(owner)
    dr_bucket = Bucket(clients.s3(config.dr.region, probe=True), config.dr.backup_bucket)
    recent = now - timedelta(seconds=2 * config.detection.backup_seconds)
    services = _services(config, clients)
    calls: dict[Any, Callable[[], Any]] = {
        "heartbeat": _heartbeat(config, clients, owner, now),
        "environment": _status(clients, place.region, place.environment),
        "pulse": lambda: dr_bucket.read(keys.pulse(owner)),
        "backup": lambda: backups.newest_complete_at(dr_bucket, owner, recent=recent),
        "monitor": _monitor_heartbeat(config, clients),
        **services,
        **{site: _mirror(config, clients, site) for site in Site},
        **{
            ("check", name): call
            for name, call in declared.calls(config.detection.checks, clients, now).items()
        },
    }
    # A call may use up both of its client's time-outs; after that the lack of time is our own.
    outcomes = all_outcomes(calls, deadline_seconds=2 * config.detection.probe_seconds + 1)
    return Observation(
        heartbeat=outcomes["heartbeat"],
        environment=outcomes["environment"],
        pulse=_content(outcomes["pulse"]),
        backup=outcomes["backup"],
        services={key: outcomes[key] for key in services},
        mirrors={site: outcomes[site] for site in Site},
        checks={check.name: outcomes["check", check.name] for check in config.detection.checks},
        pulse_stored=getattr(outcomes["pulse"].value, "age", None),
    )


def _content(outcome: Outcome) -> Outcome:
    """The pulse's text; an object that is not there was `OK` to look for."""
    if outcome.answer is not Answer.OK:
        return outcome
    if outcome.value is None:
        return Outcome(Answer.NOT_FOUND)
    return Outcome(Answer.OK, outcome.value.body)


def _heartbeat(
    config: HandlerConfig, clients: Clients, owner: Site, now: datetime
) -> Callable[[], dict[str, float | None]]:
    place = config.place(owner)
    client = clients.cloudwatch(place.region, probe=True)
    queries: list[Any] = [
        {
            "Id": f"m{index}",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": name,
                    "Dimensions": [
                        {"Name": key, "Value": value}
                        for key, value in {**dimensions, "Environment": place.environment}.items()
                    ],
                },
                "Period": METRIC_PERIOD,
                "Stat": "Sum",
            },
        }
        for index, (namespace, name, dimensions) in enumerate(_METRICS)
    ]

    def call() -> dict[str, float | None]:
        answer = client.get_metric_data(
            MetricDataQueries=queries,
            StartTime=now - timedelta(seconds=config.detection.heartbeat_seconds),
            EndTime=now,
        )
        values = {item.get("Id"): item.get("Values", []) for item in answer["MetricDataResults"]}
        found: dict[str, float | None] = {}
        for index, (_, name, dimensions) in enumerate(_METRICS):
            points = values.get(f"m{index}") or []
            label = name if name == HEARTBEAT else " ".join([name, *dimensions.values()])
            found[label] = sum(points) if points else None
        return found

    return call


def _status(clients: Clients, region: str, environment: str) -> Callable[[], str]:
    client = clients.mwaa(region, probe=True)
    return lambda: client.get_environment(Name=environment)["Environment"].get("Status", "")


def _services(config: HandlerConfig, clients: Clients) -> dict[tuple[str, str], Callable[[], Any]]:
    """The same cheap call to each service of each Region.

    S3 is asked for a bucket's head. In the witness Region that is one that does not exist: S3
    answers 404, which needs no permission and proves as much.
    """
    buckets = {
        config.witness_region: f"{config.name}-witness-{config.account}",
        config.primary.region: config.primary.backup_bucket,
        config.dr.region: config.dr.backup_bucket,
    }
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for region, bucket in buckets.items():
        cloudwatch = clients.cloudwatch(region, probe=True)
        mwaa = clients.mwaa(region, probe=True)
        s3 = clients.s3(region, probe=True)
        sts = clients.sts(region, probe=True)
        calls[region, "cloudwatch"] = lambda client=cloudwatch: client.list_metrics(
            Namespace=metrics.NAMESPACE, MetricName=metrics.MONITOR_HEARTBEAT
        )
        calls[region, "mwaa"] = lambda client=mwaa: client.list_environments(MaxResults=1)
        calls[region, "s3"] = lambda client=s3, name=bucket: client.head_bucket(Bucket=name)
        calls[region, "sts"] = lambda client=sts: client.get_caller_identity()
    return calls


def _mirror(config: HandlerConfig, clients: Clients, site: Site) -> Callable[[], Any]:
    place = config.place(site)
    bucket = Bucket(clients.s3(place.region, probe=True), place.backup_bucket)
    return lambda: bucket.read(keys.OWNERSHIP)


def _monitor_heartbeat(config: HandlerConfig, clients: Clients) -> Callable[[], Any]:
    client = clients.cloudwatch(config.primary.region, probe=True)
    return lambda: client.put_metric_data(
        Namespace=metrics.NAMESPACE,
        MetricData=[
            {
                "MetricName": metrics.MONITOR_HEARTBEAT,
                "Dimensions": [{"Name": metrics.INSTALLATION, "Value": config.name}],
                "Value": 1,
                "Unit": "Count",
            }
        ],
    )
