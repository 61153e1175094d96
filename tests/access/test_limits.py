"""Every resource that the program registers, against the lengths and spellings that AWS takes."""

from dataclasses import replace
from functools import cache

import botocore.session
import pytest

from local.pulumi.provider import limits
from local.pulumi.provider.catalog import RESOURCES
from local.pulumi.provider.regular import BEFORE_AWS, Creates
from local.pulumi.provider.shapes import parameters
from tests.access.programs import ALL, program
from tests.access.test_resources import whole
from tests.components.program_run import run_program

SESSION = botocore.session.get_session()
LONGEST = {
    "name": "a" * 20,
    "strategy": "active-passive",
    "partition": "aws-us-gov",
    "primaryRegion": "us-gov-west-1",
    "drRegion": "us-gov-east-1",
    "witnessRegion": "us-gov-east-1",
    "recovery": {"approvalMinutes": 30},
    "drill": {"schedule": "rate(30 days)"},
    "code": {"seed": True},
    "runbookUrl": f"https://{'r' * 292}",
}
BY_HAND = {
    "aws:ec2/securityGroup:SecurityGroup": (
        *("ec2", "CreateSecurityGroupRequest"),
        {"name": "GroupName", "description": "Description"},
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (
        *("ec2", "UserIdGroupPair"),
        {"description": "Description"},
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": (
        *("ec2", "IpRange"),
        {"description": "Description"},
    ),
    "aws:cloudwatch/eventTarget:EventTarget": ("events", "Target", {"targetId": "Id"}),
    "aws:dynamodb/table:Table": ("dynamodb", "CreateTableInput", {"name": "TableName"}),
    "aws:iam/rolePolicy:RolePolicy": (
        *("iam", "PutRolePolicyRequest"),
        {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"},
    ),
    "aws:kms/replicaKey:ReplicaKey": (
        *("kms", "ReplicateKeyRequest"),
        {"description": "Description", "policy": "Policy"},
    ),
    "aws:s3/bucket:Bucket": ("s3", "CreateBucketRequest", {"bucket": "Bucket"}),
    "aws:s3/bucketObjectv2:BucketObjectv2": ("s3", "PutObjectRequest", {"key": "Key"}),
    "aws:sns/topic:Topic": ("sns", "CreateTopicInput", {"name": "Name"}),
}
"""Types that the local provider makes in a way of its own: service, structure, and its members."""
MADE_UP = ("KmsKey", "NetworkConfiguration")
"""Parameters whose values come from AWS, and here from the tests' own stand-ins."""


@cache
def longest(stack):
    region = LONGEST["primaryRegion" if stack == "primary" else "drRegion"]
    return run_program(stack, LONGEST, region=region)


def refusals(one):
    """What AWS would say of a resource."""
    row, inputs = RESOURCES[one.type], whole(one.inputs)
    model = SESSION.get_service_model(row.service)
    if isinstance(row.create, Creates):
        shape = model.operation_model(row.create.operation).input_shape
        wanted = {name: value for name, value in inputs.items() if name not in BEFORE_AWS}
        given = parameters(shape, row.create.before(wanted), row.create.names)
    elif one.type in BY_HAND:
        service, structure, names = BY_HAND[one.type]
        shape = SESSION.get_service_model(service).shape_for(structure)
        given = {member: inputs[name] for name, member in names.items() if name in inputs}
    else:
        return []
    return [text for text in limits.breaches(shape, given) if not text.startswith(MADE_UP)]


@pytest.mark.parametrize(("stack", "configuration"), ALL)
def test_aws_takes_every_name_and_every_text(stack, configuration):
    for one in program(stack, configuration).resources:
        assert refusals(one) == [], one.urn


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_aws_takes_the_longest_names_that_an_installation_can_have(stack):
    for one in longest(stack).resources:
        assert refusals(one) == [], one.urn


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_every_type_with_a_name_is_looked_at(stack):
    for one in longest(stack).resources:
        looked = isinstance(RESOURCES[one.type].create, Creates) or one.type in BY_HAND
        assert looked or not {"name", "description"} & set(one.inputs), one.type


@pytest.mark.parametrize("stack", ["primary", "dr"])
def test_aws_takes_the_tags(stack):
    """As IAM and MWAA take them, which are the strictest."""
    shape = SESSION.get_service_model("mwaa").operation_model("CreateEnvironment").input_shape
    for one in longest(stack).resources:
        if one.inputs.get("tags"):
            given = {"Tags": one.inputs["tags"]}
            assert list(limits.breaches(shape, given)) == [], one.urn


def test_a_name_that_is_too_long_would_be_found():
    found = longest("dr").of("Role")[0]
    longer = replace(found, inputs={**found.inputs, "name": "r" * 65})
    assert refusals(longer) == ["RoleName: 65 characters, at most 64"]
