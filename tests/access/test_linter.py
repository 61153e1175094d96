"""Every policy that the program registers, read by somebody else's linter.

What is accepted all the same stands in a table, with the reason. A line that nothing needs any more
fails too.
"""

import json
import re
from functools import cache

import pytest
from parliament import analyze_policy_string, iam_definition

from tests.access.programs import ALL, program

DOCUMENTS = {
    "RolePolicy": "policy",
    "Role": "assumeRolePolicy",
    "BucketPolicy": "policy",
    "TopicPolicy": "policy",
    "Key": "policy",
    "ReplicaKey": "policy",
}
ACCEPTED = {
    ("UNKNOWN_CONDITION_FOR_ACTION", r".*kms:ResourceAliases.*"): (
        "the linter asks the action alone; kms:ResourceAliases belongs to the resource type 'key' "
        "(KMS developer guide, 'AWS KMS condition keys')"
    ),
    ("UNKNOWN_CONDITION_FOR_ACTION", r".*lambda:SourceFunctionArn for action ec2:.*"): (
        "Lambda puts it into every call of a function's code, to whatever service (developer "
        "guide, 'Working with Lambda execution environment credentials')"
    ),
    (
        "UNKNOWN_CONDITION_FOR_ACTION",
        r".*kms:EncryptionContext:aws:logs:arn for action kms:Desc.*",
    ): ("as CloudWatch Logs documents its key policy ('Encrypt log data', step 2)"),
    ("MISMATCHED_TYPE", r".*ArnLike requires a value of type Arn but given String"): (
        "as CloudWatch Logs documents its key policy; the context's value is an ARN"
    ),
    ("RESOURCE_MISMATCH", r".*ec2:DeleteNetworkInterface.*ec2:UnassignPrivateIpAddresses.*"): (
        "as Lambda documents it ('Giving Lambda functions access to resources in a VPC'): all "
        "resource ids, as */*, or a function may not be able to access its VPC"
    ),
    ("RESOURCE_MISMATCH", r".*s3:ListAccessGrants.*"): (
        "as MWAA documents every execution role: s3:List* on the DAG bucket"
    ),
}


@cache
def lint(kind, text):
    """(issue, detail) of each finding in a document; many roles have the same."""
    document = json.loads(text)
    # A trust policy is about its role and a key's policy about its key: the linter wants resources
    # named that the one has not and the other cannot say.
    if kind == "Role":
        for statement in document["Statement"]:
            assert "Resource" not in statement
            statement["Resource"] = "*"
    found = analyze_policy_string(json.dumps(document)).findings
    ours = kind in ("Key", "ReplicaKey", "Role")
    return [
        (one.issue, f"{one.detail}") for one in found if not (ours and one.issue == "RESOURCE_STAR")
    ]


@cache
def findings(stack, configuration):
    """(issue, detail, resource) of each finding."""
    found = []
    for kind, key in DOCUMENTS.items():
        for one in program(stack, configuration).of(kind):
            found += [(*finding, one.name) for finding in lint(kind, one.inputs[key])]
    return found


def accepted(issue, detail):
    return [line for line in ACCEPTED if line[0] == issue and re.fullmatch(line[1], detail)]


@pytest.mark.parametrize(("stack", "configuration"), ALL)
def test_a_linter_has_no_objection_to_any_policy(stack, configuration):
    for issue, detail, name in findings(stack, configuration):
        assert accepted(issue, detail), f"{name}: {issue}: {detail}"


def test_every_exception_is_still_needed():
    needed = {
        line for stack, name in ALL for issue, detail, _ in findings(stack, name)
        for line in accepted(issue, detail)
    }  # fmt: skip
    assert needed == set(ACCEPTED)


@pytest.mark.parametrize(
    ("statement", "issue"),
    [
        ({"Action": "s3:GetObjects", "Resource": "arn:aws:s3:::b/*"}, "UNKNOWN_ACTION"),
        (
            {"Action": "sns:Publish", "Resource": "arn:aws:sqs:us-east-1:123456789012:q"},
            "RESOURCE_MISMATCH",
        ),
        (
            {
                "Action": "airflow:GetEnvironment",
                "Resource": "arn:aws:airflow:us-east-1:1:environment/x",
                "Condition": {"StringEquals": {"cloudwatch:namespace": "x"}},
            },
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
)
def test_the_linter_would_find_a_mistake(statement, issue):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    assert issue in [one.issue for one in analyze_policy_string(json.dumps(document)).findings]


def of_s3(action):
    """Whether an action of S3, or some that a wildcard means, is about objects and buckets."""
    service = next(one for one in iam_definition if one["prefix"] == "s3")
    named = re.compile(action.partition(":")[2].replace("*", ".*"))
    types = {
        kind["resource_type"].rstrip("*")
        for one in service["privileges"]
        if named.fullmatch(one["privilege"])
        for kind in one["resource_types"]
    }
    return {"object", "bucket"} & types


@pytest.mark.parametrize(("stack", "configuration"), ALL)
def test_an_action_on_objects_names_objects_and_one_on_buckets_buckets(stack, configuration):
    """The linter does not see this: for S3 it takes an access point's ARN as well."""
    for policy in program(stack, configuration).of("RolePolicy"):
        for statement in json.loads(policy.inputs["policy"])["Statement"]:
            actions = [one for one in statement["Action"] if one.startswith("s3:")]
            places = {"object" if "/" in one else "bucket" for one in statement["Resource"]}
            if not actions or statement["Resource"] == ["*"]:
                continue
            where = f"{policy.name}: {actions} on {statement['Resource']}"
            assert all(of_s3(action) & places for action in actions), where
            assert places <= {kind for action in actions for kind in of_s3(action)}, where
