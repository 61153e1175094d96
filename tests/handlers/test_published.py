"""The monitor publishes every metric that alarms and dashboard count on, where they look for it."""

import dataclasses

from contract import keys, metrics, state
from contract.pulse import Pulse
from contract.sites import Site, Strategy
from handlers.assess import assess
from handlers.oversee import oversee
from tests.handlers.installation import NAMES, Installation
from tests.handlers.test_assess import environments, heartbeat

MONITOR = {
    *(metrics.PRIMARY_HEARTBEAT, metrics.VERDICT, metrics.BACKUP_AGE_SECONDS, metrics.CODE_SOUND),
    *(metrics.DAGS, metrics.IMPORT_ERRORS, metrics.PROTECTED, metrics.DRILL_AGE_DAYS),
    *(metrics.STANDBY_AGE_SECONDS, metrics.STANDBY_DRIFT, metrics.INCIDENT_OPEN),
    *metrics.PULSE_AGE_SECONDS.values(),
}


def published(installation: Installation, region: str) -> set[str]:
    client = installation.runtime.clients.cloudwatch(region)
    found = client.list_metrics(Namespace=metrics.NAMESPACE)["Metrics"]
    dimensions = {tuple(pair.values()) for one in found for pair in one["Dimensions"]}
    assert dimensions == {(metrics.INSTALLATION, "etl")}
    return {one["MetricName"] for one in found}


def test_every_metric_is_published_in_the_region_where_it_is_looked_for(
    installation: Installation,
) -> None:
    environments(installation)
    heartbeat(installation)
    installation.pulse(10)
    at = installation.clock.at.isoformat()
    standby = Pulse(Site.DR, NAMES.environment(Site.DR), at, 1, 30, 0, 0, holds=at)
    installation.put(keys.pulse(Site.DR), standby.to_json())
    installation.backup(60)
    installation.runtime.state.put(
        state.LAST_DRILL,
        {"incident_id": "drill-e0001-01", "closed_at": "2026-11-01T00:00:00+00:00"},
        expected=None,
    )
    config = dataclasses.replace(installation.runtime.config, strategy=Strategy.ACTIVE_PASSIVE)
    runtime = dataclasses.replace(installation.runtime, config=config)
    assess({"index": 0, "started_at": installation.clock.at.isoformat()}, runtime)
    oversee({}, runtime)
    assert published(installation, "us-west-2") == MONITOR
    assert published(installation, "us-east-1") == {metrics.MONITOR_HEARTBEAT}
