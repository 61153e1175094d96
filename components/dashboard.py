"""One dashboard in the DR Region that shows both."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.alarms import Runbook, dr_rows, primary_rows
from components.base import Component, Place
from components.charts import Chart, charts
from contract.severity import Severity

WIDTH, HALF, HEIGHT = 24, 12, 6
"""CloudWatch's grid is 24 wide."""
TEXT_HEIGHT, ALARM_HEIGHT = 4, 4
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
    """Both sites at a glance: links, alarms that page, and the charts of `components.charts`.

    Produces these resources: cloudwatch.Dashboard.
    """

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
    """The dashboard: `place` is the DR site. Links and alarms first, then two charts a row."""
    widgets = [
        _placed(_text(place), y=0, width=WIDTH, height=TEXT_HEIGHT),
        _placed(_alarms(place), y=TEXT_HEIGHT, width=WIDTH, height=ALARM_HEIGHT),
    ]
    for index, chart in enumerate(charts(place)):
        row, column = divmod(index, 2)
        widgets.append(
            _placed(
                _chart(place, chart),
                x=column * HALF,
                y=TEXT_HEIGHT + ALARM_HEIGHT + row * HEIGHT,
                width=HALF,
                height=HEIGHT,
            )
        )
    return {"widgets": widgets}


def _placed(widget: dict[str, Any], *, y: int, width: int, height: int, x: int = 0) -> Any:  # noqa: ANN401
    return {**widget, "x": x, "y": y, "width": width, "height": height}


def _text(place: Place) -> dict[str, Any]:
    settings, url = place.settings, place.settings.runbook_url
    objectives = settings.objectives
    lines = (
        f"# {settings.name}: {settings.primary_region} and {settings.dr_region}",
        f"{settings.strategy}; objectives: again at work within {objectives.rto_minutes:g} min, "
        f"losing at most {objectives.rpo_minutes:g} min.",
        f"[Runbook]({url}) · [the owner is down]({url}#{Runbook.DOWN}) · "
        f"[nobody watches]({url}#{Runbook.BLIND}) · "
        f"[a recovery did not end well]({url}#{Runbook.RECOVERY})",
        "On the command line: `mwaa-dr status`, `mwaa-dr report`.",
    )
    return {"type": "text", "properties": {"markdown": "\n\n".join(lines)}}


def _alarms(place: Place) -> dict[str, Any]:
    """Every alarm of both Regions that pages; the others have a list of their own in CloudWatch."""
    rows = ((place, dr_rows(place)), (place.other, primary_rows(place.other)))
    arns = [
        one.names.arn("cloudwatch", one.region, f"alarm:{one.names.alarm(one.site, row.subject)}")
        for one, found in rows
        for row in found
        if row.severity is Severity.PAGE
    ]
    return {"type": "alarm", "properties": {"title": "Alarms that page", "alarms": arns}}


def _chart(place: Place, chart: Chart) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "title": chart.title,
        "region": place.region,
        "metrics": [series.to_row() for series in chart.series],
        "stat": "Maximum",
        "period": 60,
        "view": "singleValue" if chart.single else "timeSeries",
    }
    if chart.limit:
        label, value = chart.limit
        properties["annotations"] = {"horizontal": [{"label": label, "value": value}]}
    return {"type": "metric", "properties": properties}
