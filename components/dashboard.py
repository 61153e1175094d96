"""One dashboard in the DR Region that shows both."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from contract import metrics
from contract.machines import MACHINES
from contract.verdict import METRIC_VALUE

HALF, HEIGHT = 12, 6
"""CloudWatch's grid is 24 wide."""
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-cn": "console.amazonaws.cn",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DashboardArgs:
    """Where the dashboard belongs."""

    place: Place


class Dashboard(Component):
    """Verdict, proof of life, backup age, both schedulers, executions."""

    url: str

    def __init__(
        self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        aws.cloudwatch.Dashboard(
            f"{name}-dashboard",
            region=place.region,
            dashboard_name=place.names.dashboard,
            dashboard_body=json.dumps(body(place), sort_keys=True),
            opts=self.child(),
        )
        console = CONSOLES[place.names.partition]
        self.url = (
            f"https://{place.region}.{console}/cloudwatch/home?region={place.region}"
            f"#dashboards/dashboard/{place.names.dashboard}"
        )
        self.register_outputs({"url": self.url})


def body(place: Place) -> dict[str, Any]:
    """The dashboard: `place` is the DR site."""
    ours = [metrics.INSTALLATION, place.settings.name]
    meaning = ", ".join(f"{value} {verdict}" for verdict, value in METRIC_VALUE.items())
    charts = [
        _chart(place, f"Verdict ({meaning})", [[metrics.NAMESPACE, metrics.VERDICT, *ours]]),
        _chart(place, "Owner alive", [[metrics.NAMESPACE, metrics.PRIMARY_HEARTBEAT, *ours]]),
        _chart(
            place,
            "Age of the newest complete backup (s)",
            [[metrics.NAMESPACE, metrics.BACKUP_AGE_SECONDS, *ours]],
            limit=("objective", place.settings.objectives.rpo_minutes * 60),
        ),
        _chart(
            place,
            "Scheduler heartbeats",
            [
                [
                    metrics.AIRFLOW_NAMESPACE,
                    "SchedulerHeartbeat",
                    *("Function", "Scheduler", "Environment", one.environment),
                    {"region": one.region, "label": f"{one.site}", "stat": "Sum"},
                ]
                for one in (place.other, place)
            ],
        ),
        _chart(
            place,
            "Executions",
            [
                [
                    *("AWS/States", metric, "StateMachineArn"),
                    place.names.state_machine_arn(machine, place.region),
                    {"stat": "Sum", "label": f"{machine} {metric.removeprefix('Executions')}"},
                ]
                for machine in MACHINES
                for metric in ("ExecutionsSucceeded", "ExecutionsFailed")
            ],
        ),
        _chart(
            place,
            "Readings seen from the primary Region",
            [
                [
                    *(metrics.NAMESPACE, metrics.MONITOR_HEARTBEAT, *ours),
                    {"region": place.other.region, "stat": "Sum"},
                ]
            ],
        ),
    ]
    for index, chart in enumerate(charts):
        row, column = divmod(index, 2)
        chart |= {"x": column * HALF, "y": row * HEIGHT, "width": HALF, "height": HEIGHT}
    return {"widgets": charts}


def _chart(
    place: Place,
    title: str,
    rows: list[list[Any]],
    limit: tuple[str, float] | None = None,
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "title": title,
        "region": place.region,
        "metrics": rows,
        "stat": "Maximum",
        "period": 60,
        "view": "timeSeries",
    }
    if limit:
        label, value = limit
        properties["annotations"] = {"horizontal": [{"label": label, "value": value}]}
    return {"type": "metric", "properties": properties}
