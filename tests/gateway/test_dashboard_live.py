"""A dashboard drawn from the local AWS: what CloudWatch would show, and gaps where it is silent."""

import json
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from local.dashboard.draw import svg
from local.dashboard.read import Alarms, Chart, Span, Text, dashboard
from tests.gateway.conftest import EAST, WEST

pytestmark = pytest.mark.engine
METRIC = ["Drawn", "Beats", "Site"]
SVG = "{http://www.w3.org/2000/svg}"


def row(site, region, **options):
    return [*METRIC, site, {"region": region, "label": site, "stat": "Sum", **options}]


def chart(*rows, **properties):
    return {
        "type": "metric",
        "properties": {"title": "Beats", "region": WEST, "metrics": list(rows), **properties},
    }


def put(aws, *widgets):
    placed = [
        {**widget, "x": 0, "y": 6 * index, "width": 12, "height": 6}
        for index, widget in enumerate(widgets)
    ]
    aws.client("cloudwatch", WEST).put_dashboard(
        DashboardName="drawn", DashboardBody=json.dumps({"widgets": placed})
    )


def beat(aws, site, region, *ages, value=1.0):
    now = datetime.now(UTC)
    aws.client("cloudwatch", region).put_metric_data(
        Namespace="Drawn",
        MetricData=[
            {
                "MetricName": "Beats",
                "Dimensions": [{"Name": "Site", "Value": site}],
                "Timestamp": now - timedelta(seconds=age),
                "Value": value,
            }
            for age in ages
        ],
    )


def look(aws, **config):
    end = datetime.now(UTC)
    span = Span(end - timedelta(minutes=10), end, 60)
    return dashboard(lambda *where: aws.client(*where, **config), WEST, "drawn", span), span


def parsed(text):
    return ET.fromstring(text)  # noqa: S314 - our own picture


def test_lines_come_from_the_region_that_each_of_them_names(aws):
    beat(aws, "a", EAST, 30, 90, 150)
    beat(aws, "b", WEST, 30, value=4)
    put(aws, chart(row("a", EAST), row("b", WEST), row("c", WEST)))
    (widget,), _ = look(aws)
    assert isinstance(widget.content, Chart)
    a, b, c = widget.content.lines
    assert sum(value for _, value in a.points) == 3
    assert [value for _, value in b.points] == [4]
    assert c.points == ()


def test_alarms_and_texts_are_shown(aws):
    aws.client("cloudwatch", EAST).put_metric_alarm(
        AlarmName="drawn",
        Namespace="Drawn",
        MetricName="None",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="missing",
    )
    arns = [f"arn:aws:cloudwatch:{EAST}:123456789012:alarm:{name}" for name in ("drawn", "gone")]
    put(
        aws,
        {"type": "text", "properties": {"markdown": "# Head\n\n[link](https://x.example.com)"}},
        {"type": "alarm", "properties": {"title": "Alarms", "alarms": arns}},
    )
    (text, alarms), span = look(aws)
    assert text.content == Text(("# Head", "[link](https://x.example.com)"))
    assert isinstance(alarms.content, Alarms)
    assert alarms.content.states == (("drawn", "INSUFFICIENT_DATA"), ("gone", "MISSING"))
    words = {one.text for one in parsed(svg([text, alarms], span)).iter(f"{SVG}text")}
    assert {"Head", "link", "drawn", "INSUFFICIENT_DATA", "MISSING"} <= words


def test_a_line_has_a_gap_where_nothing_was_published(aws):
    begun = time.time() % 60  # of the period that is under way; the samples lie amid others
    beat(aws, "gap", WEST, *(begun + 30 + 60 * back for back in (0, 1, 6, 7)))
    put(aws, chart(row("gap", WEST), annotations={"horizontal": [{"label": "most", "value": 3}]}))
    widgets, span = look(aws)
    drawn = parsed(svg(widgets, span, [(span.start + timedelta(minutes=5), "outage")]))
    assert len(list(drawn.iter(f"{SVG}polyline"))) == 2
    words = {one.text for one in drawn.iter(f"{SVG}text")}
    assert {"most", "outage", "gap"} <= words


def test_a_region_that_does_not_answer_has_no_data_and_is_asked_once(aws):
    beat(aws, "a", WEST, 30)
    put(aws, chart(row("x", EAST), row("y", EAST), row("a", WEST), view="singleValue"))
    aws.control.begin_outage(EAST)
    started = time.monotonic()
    (widget,), span = look(aws, read_timeout=1)
    assert time.monotonic() - started < 20, "each line waited in its turn"
    x, y, a = widget.content.lines
    assert (x.label, y.label) == ("x: no answer", "y: no answer")
    assert a.points
    words = {one.text for one in parsed(svg([widget], span)).iter(f"{SVG}text")}
    assert "no data" in words


def test_a_widget_of_another_kind_is_refused(aws):
    put(aws, {"type": "log", "properties": {"query": "x"}})
    with pytest.raises(ValueError, match="type 'log' cannot be drawn"):
        look(aws)
