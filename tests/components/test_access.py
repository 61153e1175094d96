"""What the roles may do: every grant is mapped, and nothing is written on a wildcard."""

import json
from collections import Counter
from functools import cache

import pytest
from program_run import ACCOUNT, program, rehearsing, settings_of

from components.base import Place
from components.grants import DrKeys, granted
from components.iam import Statement
from components.machines import statements
from components.settings import parse
from contract.functions import FUNCTIONS, Grant
from contract.keys import startup_script
from contract.names import Names
from contract.sites import Site

STACKS = ("primary", "dr")
NAMES = Names("analytics", ACCOUNT)
NO_RESOURCE = {
    *("cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "cloudwatch:PutMetricData"),
    "airflow:ListEnvironments",
    *("s3:GetAccountPublicAccessBlock", "logs:DescribeLogGroups"),
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
    *("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets"),
    *("ec2:DescribeVpcs", "ec2:DescribeRouteTables", "ec2:DescribeNetworkInterfaces"),
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery"),
    *("logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy"),
    "logs:DescribeResourcePolicies",
}
"""Actions that IAM cannot restrict to a resource (service authorization reference)."""
READS = ("Get", "List", "Describe")


@cache
def role_statements(stack):
    """(role, statement) for each inline policy of a stack."""
    return [
        (policy.inputs["role"], statement)
        for policy in rehearsing(stack).of("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
    ]


def of_role(stack, role):
    return [statement for name, statement in role_statements(stack) if name == role]


def allowed(stack, role, action):
    """Resources on which a role may do exactly `action`."""
    return {
        resource
        for statement in of_role(stack, role)
        if action in statement["Action"]
        for resource in statement["Resource"]
    }


@pytest.mark.parametrize("stack", STACKS)
def test_a_wildcard_resource_only_takes_actions_that_have_no_resource(stack):
    for role, statement in role_statements(stack):
        if "*" in statement["Resource"] and statement["Effect"] == "Allow":
            assert set(statement["Action"]) <= NO_RESOURCE, role


@pytest.mark.parametrize("stack", STACKS)
def test_no_role_writes_with_a_wildcard_action(stack):
    for role, statement in role_statements(stack):
        for action in statement["Action"]:
            verb = action.partition(":")[2]
            assert "*" not in action or verb.startswith(READS), f"{role}: {action}"


@pytest.mark.parametrize("stack", STACKS)
def test_a_role_is_passed_only_by_its_arn_and_only_to_airflow(stack):
    for role, statement in role_statements(stack):
        if "iam:PassRole" in statement["Action"]:
            assert statement["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/analytics-dr-execution"]
            assert statement["Condition"] == {
                "StringEquals": {"iam:PassedToService": "airflow.amazonaws.com"}
            }
            assert role == "analytics-dr-create-environment"


@pytest.mark.parametrize("grant", Grant)
def test_every_grant_means_statements(grant):
    check = {"name": "shop", "kind": "alarm", "region": "us-east-1", "alarm": "errors"}
    detection = {**settings_of("dr")["detection"], "checks": [check]}
    place = Place(parse({**settings_of("dr"), "detection": detection}), Site.DR)
    found = granted(grant, place, DrKeys(data="data-arn"))
    assert found.access
    assert all(isinstance(one, Statement) for one in (*found.access, *found.keys))


@pytest.mark.parametrize("spec", FUNCTIONS, ids=lambda spec: spec.step)
def test_a_function_may_do_what_its_grants_say_and_no_more(spec):
    place = Place(parse(settings_of("dr")), Site.DR)
    keys = DrKeys(data="data-arn")
    meant = {
        action
        for grant in spec.grants
        for one in (*granted(grant, place, keys).access, *granted(grant, place, keys).keys)
        for action in one.actions
    }
    own = {"logs:CreateLogStream", "logs:PutLogEvents", "kms:Decrypt"}
    tracing = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    role = NAMES.role(Site.DR, spec.step)
    found = {action for one in of_role("dr", role) for action in one["Action"]}
    assert found == meant | own | tracing


def test_only_the_recovery_writes_control_objects_at_both_sites():
    role = NAMES.role(Site.DR, "send-order")
    assert {f"{NAMES.bucket_arn(NAMES.backup_bucket(site))}/control/*" for site in Site} == (
        allowed("dr", role, "s3:PutObject")
    )


def test_the_primary_key_is_meant_by_alias_in_its_own_region():
    for statement in of_role("dr", NAMES.role(Site.DR, "send-order")):
        if any(":kms:us-east-1:" in one for one in statement["Resource"]):
            assert statement["Condition"] == {
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": NAMES.data_alias(Site.PRIMARY)}
            }
            return
    pytest.fail("no statement about the key in the primary Region")


def test_the_primary_environment_writes_backups_into_the_dr_bucket_only_under_its_own_prefix():
    bucket = NAMES.bucket_arn(NAMES.backup_bucket(Site.DR))
    assert allowed("primary", "analytics-primary-execution", "s3:PutObject") == {
        f"{bucket}/backups/primary/*",
        f"{bucket}/control/pulse/primary.json",
        f"{bucket}/control/acks/primary/*.json",
        f"{bucket}/control/fences/primary/*",
        f"{bucket}/divergence/backups/primary/*",
    }


def test_the_dr_environment_needs_no_other_region():
    for statement in of_role("dr", "analytics-dr-execution"):
        for resource in statement["Resource"]:
            assert "us-east-1" not in resource
            assert "analytics-primary-" not in resource


@pytest.mark.parametrize("stack", STACKS)
def test_the_inline_policies_of_a_role_fit_into_it(stack):
    sizes = Counter()
    for policy in program(stack).of("RolePolicy"):
        sizes[policy.inputs["role"]] += len("".join(policy.inputs["policy"].split()))
    assert max(sizes.values()) < 10_240, "IAM quota: characters of all inline policies of a role"


def test_nobody_may_delete_a_backup():
    """A drill's own startup script, in the DAG bucket, is all that anybody may delete."""
    deletable = {
        (role, resource)
        for stack in STACKS
        for role, statement in role_statements(stack)
        if any(action.startswith("s3:Delete") for action in statement["Action"])
        for resource in statement["Resource"]
    }
    scripts = f"arn:aws:s3:::{NAMES.dag_bucket(Site.DR)}/{startup_script('drill-*')}"
    assert deletable == {(NAMES.role(Site.DR, "remove-environment"), scripts)}


def test_a_machine_may_only_call_what_its_definition_names():
    function = "arn:aws:lambda:us-west-2:123456789012:function:analytics-dr-assess"
    found = statements({"States": {"A": {"Parameters": {"FunctionName": function}}}})
    calls = [one for one in found if "lambda:InvokeFunction" in one.actions]
    assert [one.resources for one in calls] == [(function,)]
    assert not any("states:StartExecution" in one.actions for one in found)


def test_the_monitor_may_start_only_the_recovery():
    role = NAMES.role(Site.DR, "monitor-machine")
    assert allowed("dr", role, "states:StartExecution") == {
        NAMES.state_machine_arn("recovery", "us-west-2")
    }


def test_services_assume_roles_only_for_this_account_where_they_say_for_whom():
    silent = {"lambda.amazonaws.com", "s3.amazonaws.com"}
    for stack in STACKS:
        for role in program(stack).of("Role"):
            (statement,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
            if set(statement["Principal"]["Service"]) & silent:
                continue
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


@pytest.mark.parametrize("stack", STACKS)
def test_a_data_key_lets_in_logs_and_what_may_tell_the_topics(stack):
    found = program(stack)
    (key,) = [one for one in found.of("Key") if one.inputs["description"].endswith(": data")]
    told = services(json.loads(found.of("TopicPolicy")[0].inputs["policy"]))
    region = key.inputs["region"]
    assert services(json.loads(key.inputs["policy"])) == told | {f"logs.{region}.amazonaws.com"}


def services(document):
    """The services that a resource's policy lets in."""
    found = [
        statement["Principal"]["Service"]
        for statement in document["Statement"]
        if "Service" in statement["Principal"]
    ]
    return {one for named in found for one in ([named] if isinstance(named, str) else named)}
