"""The dashboard: laid out without gaps, linked, and every line of it is published by somebody."""

import json

import pytest
from program_run import program, run_program, settings_of

from components.base import Place
from components.charts import charts
from components.dashboard import body
from components.settings import parse
from contract import metrics, mwaa_metrics
from contract.sites import Site, Strategy

MONITOR = {
    *(metrics.PRIMARY_HEARTBEAT, metrics.VERDICT, metrics.BACKUP_AGE_SECONDS, metrics.CODE_SOUND),
    *(metrics.DAGS, metrics.IMPORT_ERRORS, metrics.PROTECTED, metrics.DRILL_AGE_DAYS),
    *(metrics.STANDBY_AGE_SECONDS, metrics.STANDBY_DRIFT, metrics.INCIDENT_OPEN),
    *metrics.PULSE_AGE_SECONDS.values(),
}
"""In the DR Region; tests/handlers/test_published.py runs who publishes them."""
AWS = {
    "AWS/States": ({"ExecutionsSucceeded", "ExecutionsFailed"}, {"StateMachineArn"}),
    "AWS/S3": (
        {"ReplicationLatency", "OperationsFailedReplication"},
        {"SourceBucket", "DestinationBucket", "RuleId"},
    ),
}
STRATEGIES = pytest.mark.parametrize("strategy", Strategy)


def place(strategy):
    return Place(parse({**settings_of("dr"), "strategy": strategy.value}), Site.DR)


@STRATEGIES
def test_every_line_is_a_metric_that_somebody_publishes_in_that_region(strategy):
    here = place(strategy)
    environments = {here.region: here.environment, here.other.region: here.other.environment}
    for chart in charts(here):
        assert chart.series, chart.title
        for one in chart.series:
            if one.namespace == metrics.NAMESPACE:
                assert one.dimensions == {metrics.INSTALLATION: "analytics"}
                where = {
                    metrics.MONITOR_HEARTBEAT: {here.other.region},
                    metrics.EXPORT_SECONDS: set(environments),
                }.get(one.metric, {here.region})
                assert one.metric in MONITOR | {metrics.MONITOR_HEARTBEAT, metrics.EXPORT_SECONDS}
                assert one.region in where, one.metric
            elif one.namespace in AWS:
                names, dimensions = AWS[one.namespace]
                assert one.metric in names
                assert set(one.dimensions) == dimensions
            else:
                known = (*mwaa_metrics.AIRFLOW, *mwaa_metrics.INFRASTRUCTURE)
                assert any(
                    (metric.namespace, metric.name) == (one.namespace, one.metric)
                    and metric.of(environments[one.region]) == one.dimensions
                    for metric in known
                ), one


@STRATEGIES
def test_it_shows_all_that_is_asked_for(strategy):
    shown = {one.metric for chart in charts(place(strategy)) for one in chart.series}
    needed = MONITOR - {metrics.CODE_SOUND, metrics.STANDBY_AGE_SECONDS, metrics.STANDBY_DRIFT}
    if strategy is Strategy.ACTIVE_PASSIVE:
        needed |= {metrics.STANDBY_AGE_SECONDS, metrics.STANDBY_DRIFT}
    assert shown >= needed
    assert shown >= {"SchedulerHeartbeat", "QueuedTasks", "RunningTasks", "ReplicationLatency"}


@STRATEGIES
def test_both_sites_are_seen(strategy):
    here = place(strategy)
    seen = {
        (one.metric, one.region)
        for chart in charts(here)
        for one in chart.series
        if one.namespace == metrics.AIRFLOW_NAMESPACE
    }
    assert {region for _, region in seen} == {here.region, here.other.region}
    assert len(seen) == 2 * len({metric for metric, _ in seen})


@STRATEGIES
def test_widgets_fill_the_grid_and_cover_each_other_nowhere(strategy):
    taken = set()
    for widget in body(place(strategy))["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
    tall = max(y for _, y in taken) + 1
    assert len(taken) == 24 * tall


def test_the_alarms_on_it_are_those_that_page_at_both_sites():
    (dashboard,) = program("dr").of("Dashboard")
    widgets = json.loads(dashboard.inputs["dashboardBody"])["widgets"]
    (shown,) = [w["properties"]["alarms"] for w in widgets if w["type"] == "alarm"]
    paging = {
        f"arn:aws:cloudwatch:{one.inputs['region']}:123456789012:alarm:{one.inputs['name']}"
        for stack in ("primary", "dr")
        for one in program(stack).of("MetricAlarm")
        if one.inputs["alarmDescription"].startswith("[page]")
    }
    assert set(shown) == paging
    assert len(shown) == len(paging) <= 100, "the most that an alarm widget takes"


def test_its_links_lead_into_the_runbook():
    changed = run_program("dr", {"runbookUrl": "https://wiki.example.com/dr"})
    (dashboard,) = changed.of("Dashboard")
    (text,) = [
        widget["properties"]["markdown"]
        for widget in json.loads(dashboard.inputs["dashboardBody"])["widgets"]
        if widget["type"] == "text"
    ]
    assert "(https://wiki.example.com/dr#the-owner-is-down)" in text
