"""Reads a dashboard's body and what every widget on it shows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

ClientOf = Callable[[str, str], Any]
"""A boto3 client by service and Region."""


@dataclass(frozen=True, slots=True)
class Line:
    """One metric: `points` are (time, value), oldest first."""

    label: str
    points: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over time, or the newest value of each; `limits` are (name, value)."""

    title: str
    lines: tuple[Line, ...]
    limits: tuple[tuple[str, float], ...]
    single: bool


@dataclass(frozen=True, slots=True)
class Alarms:
    """Names of alarms and their states."""

    title: str
    states: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """Lines of Markdown."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Widget:
    """Something on the dashboard; place and size are in units of its grid, 24 wide."""

    x: int
    y: int
    width: int
    height: int
    content: Chart | Alarms | Text


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is shown, and how many seconds a point stands for."""

    start: datetime
    end: datetime
    period: int


def dashboard(client_of: ClientOf, region: str, name: str, span: Span) -> list[Widget]:
    """Every widget of a dashboard with its data; a Region that does not answer has none.

    Raises:
        ValueError: a kind of widget that is not known here.
    """
    answer = client_of("cloudwatch", region).get_dashboard(DashboardName=name)
    reader = _Reader(client_of, span)
    found = []
    for raw in json.loads(answer["DashboardBody"])["widgets"]:
        read = {"metric": reader.chart, "alarm": reader.alarms, "text": _text}.get(raw["type"])
        if read is None:
            raise ValueError(f"a widget of type {raw['type']!r} cannot be drawn")
        content = read(raw["properties"])
        found.append(Widget(raw["x"], raw["y"], raw["width"], raw["height"], content))
    return found


def _text(properties: dict[str, Any]) -> Text:
    return Text(tuple(line for line in properties["markdown"].splitlines() if line))


class _Reader:
    """Asks each Region; one that was silent once is not waited for again."""

    def __init__(self, client_of: ClientOf, span: Span) -> None:
        self._client_of = client_of
        self._span = span
        self._silent: set[str] = set()

    def alarms(self, properties: dict[str, Any]) -> Alarms:
        by_region: dict[str, list[str]] = {}
        for arn in properties["alarms"]:
            parts = arn.split(":", 6)
            by_region.setdefault(parts[3], []).append(parts[6])
        states: list[tuple[str, str]] = []
        for region, names in by_region.items():
            answer = self._ask(region, "describe_alarms", AlarmNames=names) or {}
            known = {one["AlarmName"]: one["StateValue"] for one in answer.get("MetricAlarms", [])}
            missing = "MISSING" if answer else "NO ANSWER"
            states += [(name, known.get(name, missing)) for name in names]
        return Alarms(properties["title"], tuple(states))

    def chart(self, properties: dict[str, Any]) -> Chart:
        limits = properties.get("annotations", {}).get("horizontal", [])
        return Chart(
            title=properties["title"],
            lines=tuple(self._line(row, properties) for row in properties["metrics"]),
            limits=tuple((one["label"], float(one["value"])) for one in limits),
            single=properties.get("view") == "singleValue",
        )

    def _line(self, row: list[Any], properties: dict[str, Any]) -> Line:
        options = row[-1] if isinstance(row[-1], dict) else {}
        namespace, metric, *pairs = (part for part in row if isinstance(part, str))
        query = {
            "Id": "m",
            "MetricStat": {
                "Metric": {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": key, "Value": value}
                        for key, value in zip(pairs[::2], pairs[1::2], strict=True)
                    ],
                },
                "Period": self._span.period,
                "Stat": options.get("stat", properties.get("stat", "Average")),
            },
        }
        answer = self._ask(
            options.get("region", properties["region"]),
            "get_metric_data",
            MetricDataQueries=[query],
            StartTime=self._span.start,
            EndTime=self._span.end,
            ScanBy="TimestampAscending",
        )
        label = options.get("label", metric)
        if answer is None:
            return Line(f"{label}: no answer", ())
        (found,) = answer["MetricDataResults"]
        return Line(label, tuple(zip(found["Timestamps"], found["Values"], strict=True)))

    def _ask(self, region: str, operation: str, **arguments: Any) -> dict[str, Any] | None:  # noqa: ANN401
        if region in self._silent:
            return None
        try:
            return getattr(self._client_of("cloudwatch", region), operation)(**arguments)
        except (BotoCoreError, ClientError):
            self._silent.add(region)
            return None
