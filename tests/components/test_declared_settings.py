"""Settings of the user's own checks and of who is told: what is refused, and what it grants."""

import json

import pytest
from program_run import run_program, settings_of

from components.plan import handler_config
from components.settings import SettingsError, parse
from contract.checks import CheckKind, Comparison, DeclaredCheck, NoData
from contract.handler_config import VARIABLE, HandlerConfig

METRIC = {
    "name": "orders",
    "kind": "metric",
    "region": "eu-central-1",
    "namespace": "AWS/SQS",
    "metric": "ApproximateAgeOfOldestMessage",
    "dimensions": {"QueueName": "orders"},
    "statistic": "Maximum",
    "comparison": "above",
    "threshold": 900,
    "noData": "good",
}
ALARM = {"name": "payments", "kind": "alarm", "region": "us-east-1", "alarm": "errors"}
PAGE = {"name": "warehouse", "kind": "https", "url": "https://dw.example.com/health"}


def with_checks(*checks):
    settings = settings_of("dr")
    return {**settings, "detection": {**settings["detection"], "checks": list(checks)}}


def refusal(*checks):
    with pytest.raises(SettingsError) as caught:
        parse(with_checks(*checks))
    return caught.value.problems


def test_checks_reach_the_monitor_as_they_were_declared():
    found = handler_config(parse(with_checks(METRIC, ALARM, {**PAGE, "counts": True})))
    orders, payments, warehouse = found.detection.checks
    assert orders == DeclaredCheck(
        "orders",
        CheckKind.METRIC,
        region="eu-central-1",
        namespace="AWS/SQS",
        metric="ApproximateAgeOfOldestMessage",
        dimensions={"QueueName": "orders"},
        statistic="Maximum",
        comparison=Comparison.ABOVE,
        threshold=900,
        no_data=NoData.GOOD,
    )
    assert payments == DeclaredCheck(
        "payments", CheckKind.ALARM, region="us-east-1", alarm="errors"
    )
    assert (warehouse.url, warehouse.status, warehouse.counts) == (PAGE["url"], 200, True)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({**PAGE, "kind": "ping"}, "checks.0.kind: 'ping' is not allowed; use metric, alarm or h"),
        ({**PAGE, "name": "The Shop"}, "checks.0.name: 'The Shop' is not allowed; use 2 to 40 low"),
        ({**PAGE, "timeout": 3}, "checks.0.timeout: no such key; valid keys are alarm, comparison"),
        ({"name": "x1", "kind": "https"}, "checks.0.url: is missing; a check of kind https needs"),
        ({**PAGE, "url": "http://x.example.com"}, "use an address that starts with https://"),
        ({**PAGE, "url": "https://"}, "use an address that starts with https://"),
        ({**PAGE, "url": "https://me:pw@x.example.com"}, "holds a user or a password"),
        ({**PAGE, "url": "https://token@x.example.com"}, "holds a user or a password"),
        ({**PAGE, "url": "https://x.example.com/a b"}, "without #, spaces and port 0"),
        ({**PAGE, "url": "https://x.example.com:99999/"}, "is no address"),
        ({**PAGE, "pattern": "(ok"}, "'(ok' is no regular expression"),
        ({**PAGE, "status": 99}, "checks.0.status: 99 is not allowed; use an HTTP status"),
        ({**PAGE, "region": "us-east-1"}, "checks.0.region: goes without kind https; beside name,"),
        ({**ALARM, "threshold": 1}, "checks.0.threshold: goes without kind alarm"),
        ({**ALARM, "region": "oregon"}, "checks.0.region: 'oregon' is not allowed; use a Region"),
        ({**METRIC, "statistic": "p99"}, "'p99' is not allowed; use one of Average, Sum, Minimum"),
        ({**METRIC, "periodSeconds": 90}, "periodSeconds: 90 is not allowed; use 60 to 3600"),
        ({**METRIC, "comparison": "over"}, "'over' is not allowed; use below or above"),
        ({**METRIC, "namespace": None}, "checks.0.namespace: is missing; a check of kind metric"),
    ],
)
def test_a_bad_check_is_refused_with_key_value_and_what_is_allowed(check, message):
    problems = refusal({key: value for key, value in check.items() if value is not None})
    assert any(message in problem for problem in problems), problems


def test_a_secret_in_an_address_is_not_repeated():
    (problem,) = refusal({**PAGE, "url": "https://me:hunter2@x.example.com"})
    assert "hunter2" not in problem


def test_two_checks_of_one_name_are_refused():
    (problem,) = refusal(PAGE, {**ALARM, "name": "warehouse"})
    assert "checks.1.name: 'warehouse' is not allowed twice" in problem


@pytest.fixture(scope="module")
def deployed():
    changed = with_checks(METRIC, ALARM, PAGE)
    return run_program("dr", {"detection": changed["detection"]})


def statements(program, role, action):
    policies = [p for p in program.of("RolePolicy") if p.inputs["role"] == role]
    return [
        one
        for policy in policies
        for one in json.loads(policy.inputs["policy"])["Statement"]
        if action in one["Action"]
    ]


def test_the_monitor_may_look_where_its_checks_are_and_nowhere_else(deployed):
    role = "analytics-dr-assess"
    (alarms,) = statements(deployed, role, "cloudwatch:DescribeAlarms")
    assert alarms["Resource"] == ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:errors"]
    regions = [
        one["Condition"]["StringEquals"]["aws:RequestedRegion"]
        for one in statements(deployed, role, "cloudwatch:GetMetricData")
    ]
    assert ["eu-central-1"] in regions
    others = {
        policy.inputs["role"]
        for policy in deployed.of("RolePolicy")
        if "DescribeAlarms" in policy.inputs["policy"]
    }
    assert others == {role}


def test_the_functions_are_told_of_the_checks(deployed):
    function = deployed.one("Function", name="analytics-dr-assess")
    config = HandlerConfig.from_json(function.inputs["environment"]["variables"][VARIABLE])
    assert [check.name for check in config.detection.checks] == ["orders", "payments", "warehouse"]


def test_somebody_has_to_be_told_of_tickets():
    only = [{"protocol": "email", "endpoint": "me@example.com", "severity": "page"}]
    with pytest.raises(SettingsError, match="nobody is told of tickets"):
        parse({**settings_of("dr"), "notifications": only})
    both = [*only, {"protocol": "email", "endpoint": "you@example.com", "severity": "ticket"}]
    parse({**settings_of("dr"), "notifications": both})
    with pytest.raises(SettingsError, match=r"severity: 'loud' is not allowed; use page for what"):
        parse({**settings_of("dr"), "notifications": [{**only[0], "severity": "loud"}]})


def test_a_runbook_address_takes_an_anchor():
    with pytest.raises(SettingsError, match="runbookUrl: 'https://x/#top' is not allowed; use whe"):
        parse({**settings_of("dr"), "runbookUrl": "https://x/#top"})
