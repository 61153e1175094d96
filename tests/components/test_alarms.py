"""Every alarm: told to somebody, explained, survivable, and about a metric that exists."""

import re
from functools import cache

import pytest
from program_run import ROOT, program, run_program, settings_of

from components.alarms import Runbook, document, dr_rows, environment_rows, primary_rows
from components.base import Place
from components.settings import parse
from contract import metrics, mwaa_metrics
from contract.severity import Severity
from contract.sites import Site, Strategy

REGION = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}
OURS = {
    value
    for name, value in vars(metrics).items()
    if isinstance(value, str) and name.isupper() and not name.startswith("TAG_")
} - {
    *(metrics.NAMESPACE, metrics.INSTALLATION),
    *(metrics.AIRFLOW_NAMESPACE, metrics.INFRASTRUCTURE_NAMESPACE),
}
AWS = {
    "AWS/States": (
        {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"},
        {"StateMachineArn"},
    ),
    "AWS/Lambda": ({"Errors"}, {"FunctionName"}),
    "AWS/Events": ({"FailedInvocations"}, {"RuleName"}),
    "AWS/SNS": ({"NumberOfNotificationsFailed"}, {"TopicName"}),
    "AWS/S3": (
        {"OperationsFailedReplication", "ReplicationLatency"},
        {"SourceBucket", "DestinationBucket", "RuleId"},
    ),
}
"""Metrics and their dimensions, as the user guide of each service has them."""
PAGER = {"protocol": "https", "endpoint": "https://pager.example.com/x", "severity": "page"}
MAIL = {"protocol": "email", "endpoint": "data-platform@example.com"}


def rows(site, strategy=Strategy.ACTIVE_PASSIVE):
    settings = parse({**settings_of("dr"), "strategy": strategy.value})
    make = primary_rows if site is Site.PRIMARY else dr_rows
    return list(make(Place(settings, site)))


EVERY = [pytest.param(site, row, id=f"{site}-{row.subject}") for site in Site for row in rows(site)]


@cache
def graded(stack):
    return run_program(stack, {"notifications": [PAGER, MAIL]})


def headings(page):
    """The anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in found}


@pytest.mark.parametrize("anchor", Runbook)
def test_every_runbook_link_leads_to_a_heading(anchor):
    assert anchor in headings(ROOT / "docs" / "runbook.md")


def test_every_heading_of_the_runbook_belongs_to_an_alarm():
    used = {row.runbook for site in Site for row in rows(site)}
    assert used == set(Runbook) == headings(ROOT / "docs" / "runbook.md") - {"runbook"}


@pytest.mark.parametrize("page", ["runbook.md", "monitoring.md"])
def test_every_link_of_the_pages_leads_somewhere(page):
    folder = ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", (folder / page).read_text()):
        name, _, anchor = target.partition("#")
        found = folder / (name or page)
        assert found.is_file(), target
        assert not anchor or anchor in headings(found), target


def test_the_page_lists_the_alarms_that_there_are():
    text = document.PAGE.read_text()
    assert document.page(text) == text, "run `python -m components.alarms.document`"


@pytest.mark.parametrize(("site", "row"), EVERY)
def test_an_alarm_is_about_a_metric_that_somebody_publishes(site, row):
    del site
    if row.namespace == metrics.NAMESPACE:
        assert row.metric in OURS
        assert set(row.dimensions) == {metrics.INSTALLATION}
    elif row.namespace in AWS:
        names, dimensions = AWS[row.namespace]
        assert row.metric in names
        assert set(row.dimensions) == dimensions
    else:
        assert any(
            (known.namespace, known.name) == (row.namespace, row.metric)
            and known.of(row.dimensions["Environment"]) == row.dimensions
            for known in (*mwaa_metrics.AIRFLOW, *mwaa_metrics.INFRASTRUCTURE)
        )


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("site", Site)
def test_every_subject_is_there_once(site, strategy):
    subjects = [row.subject for row in rows(site, strategy)]
    assert len(subjects) == len(set(subjects))


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_an_alarm_says_how_urgent_it_is_what_happened_and_what_to_do(stack):
    alarms = program(stack).of("MetricAlarm")
    assert alarms
    for alarm in alarms:
        text = alarm.inputs["alarmDescription"]
        assert re.match(r"\[(page|ticket)\] \S.* What to do: docs/runbook\.md#[a-z-]+$", text), text
        assert len(text) <= 1024, "CloudWatch's limit"


def test_links_lead_to_where_people_read_the_runbook():
    changed = run_program("dr", {"runbookUrl": "https://wiki.example.com/dr"})
    for alarm in changed.of("MetricAlarm"):
        assert "What to do: https://wiki.example.com/dr#" in alarm.inputs["alarmDescription"]


def test_the_alarms_that_aws_recommends_are_there_with_its_thresholds():
    """AWS's "Create recommended alarms", for MWAA."""
    place = Place(parse(settings_of("dr")), Site.PRIMARY)
    found = {
        (row.metric, row.dimensions.get("Cluster", "")): (
            row.comparison,
            row.threshold,
            row.period,
            row.needed,
            row.window,
        )
        for row in environment_rows(place)
    }
    busy = ("GreaterThanThreshold", 95, 300)
    for metric in ("CPUUtilization", "MemoryUtilization"):
        for cluster, periods in (("Scheduler", 3), ("WebServer", 3), ("BaseWorker", 6)):
            assert found[metric, cluster] == (*busy, periods, periods)
    assert found["ApproximateAgeOfOldestTask", ""] == ("GreaterThanThreshold", 1800, 300, 3, 3)
    assert found["FreeableMemory", ""] == ("LessThanThreshold", 512 * 1024**2, 300, 3, 3)


def test_each_region_notices_that_the_other_one_is_silent():
    silent = {
        site: {row.metric for row in rows(site) if row.missing == "breaching"} for site in Site
    }
    assert metrics.MONITOR_HEARTBEAT in silent[Site.PRIMARY]
    assert {metrics.PRIMARY_HEARTBEAT, metrics.VERDICT} <= silent[Site.DR]


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_pages_and_tickets_go_to_topics_of_their_own_where_somebody_wants_pages_only(stack):
    found = graded(stack)
    topics = {one.inputs["name"]: one.urn for one in found.of("Topic")}
    assert {f"analytics-{stack}-alerts", f"analytics-{stack}-tickets"} == set(topics)
    told = {}
    for one in found.of("TopicSubscription"):
        told.setdefault(one.inputs["topic"], set()).add(one.inputs["endpoint"])
    for alarm in found.of("MetricAlarm"):
        (topic,) = alarm.inputs["alarmActions"]
        assert alarm.inputs["okActions"] == [topic]
        page = alarm.inputs["alarmDescription"].startswith("[page]")
        everybody = {PAGER["endpoint"], MAIL["endpoint"]}
        assert told[topic] == (everybody if page else {MAIL["endpoint"]})


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_one_topic_is_enough_while_everybody_is_told_of_everything(stack):
    assert len(program(stack).of("Topic")) == 1


def test_incidents_are_told_where_pages_are():
    assert graded("dr").outputs["topicArn"].endswith(":analytics-dr-alerts")


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_a_page_is_about_what_cannot_wait(stack):
    paged = {row.subject for row in rows(Site(stack)) if row.severity is Severity.PAGE}
    expected = {
        "primary": {"scheduler-heartbeat", "dr-monitor-silent"},
        "dr": {
            *("primary-heartbeat", "verdict", "code", "backup-age", "unprotected"),
            *("scheduler-heartbeat", "recovery-failed", "recovery-timed-out", "recovery-aborted"),
        },
    }
    assert paged == expected[stack]
