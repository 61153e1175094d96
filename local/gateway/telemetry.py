"""Metrics and events that AWS services emit about themselves."""

import json
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.events.models import events_backends

from local.gateway.world import World


class Telemetry:
    """Emits in a Region unless the receiving service is lost there."""

    def __init__(self, world: World) -> None:
        self._world = world

    def metric(
        self,
        region: str,
        namespace: str,
        values: dict[str, float],
        dimensions: dict[str, str],
        *,
        unit: str = "Count",
    ) -> None:
        """Put one sample per metric name, now."""
        if self._world.outages.suspended(region, "monitoring"):
            return
        pairs = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        cloudwatch_backends[self._world.account][region].put_metric_data(
            namespace,
            [
                {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": pairs}
                for name, value in values.items()
            ],
        )

    def event(
        self, region: str, source: str, detail_type: str, detail: dict[str, Any], resource: str
    ) -> None:
        """Put an event on the default bus, as a service does (`aws.` sources included)."""
        if self._world.outages.suspended(region, "events"):
            return
        events_backends[self._world.account][region].put_events(
            [
                {
                    "Source": source,
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail, default=str),
                    "Resources": [resource],
                }
            ]
        )
