"""AWS's events: which rules there are, where, and that they match what AWS sends."""

import json

import pytest
from moto.events.models import EventPattern
from program_run import ACCOUNT, program, settings_of

from components.base import Place
from components.events import backup_region, rules
from components.settings import parse
from contract.sites import Site

EUROPE = {"primaryRegion": "eu-west-1", "drRegion": "eu-central-1", "witnessRegion": "eu-north-1"}
BUS = f"arn:aws:events:us-west-2:{ACCOUNT}:event-bus/default"
STATUS = {
    "source": "aws.airflow",
    "detail-type": "MWAA Environment Status Change",
    "region": "us-east-1",
    "resources": [f"arn:aws:airflow:us-east-1:{ACCOUNT}:environment/analytics-primary"],
    "detail": {"whatever": "AVAILABLE"},
}
TROUBLE = {
    "source": "aws.health",
    "detail-type": "AWS Health Event",
    "region": "us-west-2",
    "detail": {
        "eventArn": "arn:aws:health:us-east-1::event/EC2/AWS_EC2_OPERATIONAL_ISSUE/X",
        "service": "EC2",
        "eventScopeCode": "PUBLIC",
        "eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE",
        "eventTypeCategory": "issue",
        "eventRegion": "us-east-1",
        "statusCode": "open",
    },
}
"""After the example "Public Health Event - Amazon EC2 operational issue" of the Health user guide,
as it is told in the backup Region."""


def found(**changes):
    settings = parse({**settings_of("dr"), **changes})
    return {(one.site, one.region, one.purpose) for one in rules(Place(settings, Site.DR))}


NOTES = {(Site.DR, "note-status"), (Site.DR, "note-health")}


def notes(region):
    return {(site, region, purpose) for site, purpose in NOTES}


def forwards(region):
    return {(Site.PRIMARY, region, "status-changes"), (Site.PRIMARY, region, "health")}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, forwards("us-east-1") | notes("us-west-2")),
        (
            EUROPE,
            forwards("eu-west-1")
            | notes("eu-central-1")
            | {(Site.DR, "us-west-2", "health-backup")},
        ),
        (
            {"primaryRegion": "us-west-2", "drRegion": "eu-west-1", "witnessRegion": "eu-north-1"},
            forwards("us-west-2") | notes("eu-west-1") | {(Site.DR, "us-east-1", "health-backup")},
        ),
        ({"drRegion": "us-east-1"}, notes("us-east-1") | {(Site.DR, "us-west-2", "health-backup")}),
    ],
    ids=["the backup Region is DR", "Europe", "the backup Region is lost", "one Region"],
)
def test_events_reach_the_dr_region_from_wherever_aws_tells_them(changes, expected):
    assert found(**changes) == expected


@pytest.mark.parametrize(
    ("partition", "region", "expected"),
    [
        ("aws", "ap-northeast-1", "us-west-2"),
        ("aws", "us-west-2", "us-east-1"),
        ("aws-cn", "cn-north-1", "cn-northwest-1"),
        ("aws-us-gov", "us-gov-west-1", ""),
    ],
)
def test_the_backup_region_is_the_one_that_aws_documents(partition, region, expected):
    assert backup_region(partition, region) == expected


@pytest.mark.parametrize("changes", [{}, EUROPE, {"drRegion": "us-east-1"}])
def test_no_rule_hands_an_event_to_the_bus_that_it_is_on(changes):
    settings = parse({**settings_of("dr"), **changes})
    for one in rules(Place(settings, Site.DR)):
        assert one.notes == (one.region == settings.dr_region), one.purpose


def matched(made, event):
    """Purposes of the rules of a stack that take the event."""
    return {
        one.inputs["name"].split("-", 2)[2]
        for one in made.of("EventRule")
        if EventPattern.load(one.inputs["eventPattern"]).matches_event(event)
    }


def test_rules_match_what_aws_sends():
    assert matched(program("primary"), STATUS) == {"status-changes"}
    assert matched(program("primary"), TROUBLE) == {"health"}
    assert matched(program("dr"), STATUS) == {"note-status"}
    assert matched(program("dr"), TROUBLE) == {"note-health"}


@pytest.mark.parametrize(
    "change",
    [
        {"eventRegion": "eu-west-1"},
        {"eventTypeCategory": "scheduledChange"},
        {"eventTypeCategory": "accountNotification"},
    ],
)
def test_rules_leave_alone_what_is_no_trouble_of_ours(change):
    event = {**TROUBLE, "detail": {**TROUBLE["detail"], **change}}
    for stack in ("primary", "dr"):
        assert matched(program(stack), event) == set()


def test_forwarding_rules_may_put_events_on_the_dr_bus_and_nothing_else():
    made = program("primary")
    targets = made.of("EventTarget")
    assert {one.inputs["arn"] for one in targets} == {BUS}
    (role,) = {one.inputs["roleArn"] for one in targets}
    assert role.endswith("role/analytics-primary-forward-events")
    policy = made.one("RolePolicy", role="analytics-primary-forward-events").inputs["policy"]
    assert [(one["Action"], one["Resource"]) for one in json.loads(policy)["Statement"]] == [
        (["events:PutEvents"], [BUS])
    ]


def test_only_the_noting_rules_may_call_the_function():
    made = program("dr")
    function = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:analytics-dr-note-event"
    targets = {one.inputs["rule"]: one for one in made.of("EventTarget")}
    assert set(targets) == {"analytics-dr-note-status", "analytics-dr-note-health"}
    permissions = {one.inputs["sourceArn"]: one for one in made.of("Permission")}
    for rule, target in targets.items():
        permission = permissions[f"arn:aws:events:us-west-2:{ACCOUNT}:rule/{rule}"]
        assert target.inputs["arn"] == function
        assert permission.inputs["principal"] == "events.amazonaws.com"
        assert permission.inputs["function"] == function
        assert permission.urn in target.dependencies
