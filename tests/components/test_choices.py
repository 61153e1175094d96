"""Networks, locks and partitions: what a setting changes in what is made."""

import json

import pytest
from program_run import ACCOUNT, run_program, settings_of

from components.base import Place
from components.endpoints import SERVICES, service_name
from components.grants import DrKeys, granted
from components.settings import parse
from components.storage import bucket_statements
from contract.functions import Grant
from contract.sites import Site

CLOSED = {"dr": {"vpcCidr": "10.65.0.0/16", "egress": "endpoints", "endpointServices": ["athena"]}}


@pytest.fixture(scope="module")
def closed():
    return run_program("dr", {"network": CLOSED})


def test_a_closed_vpc_has_endpoints_and_no_way_out(closed):
    assert not closed.of("NatGateway")
    assert not closed.of("InternetGateway")
    assert not closed.of("Route")
    assert len(closed.of("Subnet")) == 2
    found = {one.inputs["serviceName"]: one.inputs for one in closed.of("VpcEndpoint")}
    wanted = {f"com.amazonaws.us-west-2.{one}" for one in (*SERVICES, "s3", "athena")}
    assert set(found) == wanted
    for name, inputs in found.items():
        if name.endswith(".s3"):
            assert inputs["vpcEndpointType"] == "Gateway"
            assert len(inputs["routeTableIds"]) == 2
        else:
            assert inputs["privateDnsEnabled"] is True
            assert len(inputs["subnetIds"]) == 2
            assert inputs["securityGroupIds"] == ["sg-networkgroup"]


def test_a_made_vpc_is_logged_encrypted_and_kept_for_ninety_days(closed):
    flow = closed.one("FlowLog")
    assert flow.inputs["trafficType"] == "ALL"
    log = closed.one("LogGroup", name="/aws/vpc/analytics-dr")
    assert log.inputs["retentionInDays"] == 90
    assert log.inputs["kmsKeyId"].startswith("arn:aws:kms:us-west-2:")
    assert flow.inputs["logDestination"].endswith(":log-group:/aws/vpc/analytics-dr")
    role = closed.one("Role", name="analytics-dr-flow-logs")
    (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": ["vpc-flow-logs.amazonaws.com"]}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_flow_logs_can_be_left_out():
    found = run_program("dr", {"network": {"dr": {"vpcCidr": "10.65.0.0/16", "flowLogDays": 0}}})
    assert not found.of("FlowLog")
    assert not [one for one in found.of("LogGroup") if "/vpc/" in one.inputs["name"]]


@pytest.mark.parametrize(
    ("partition", "region", "service", "name"),
    [
        ("aws", "eu-west-1", "sqs", "com.amazonaws.eu-west-1.sqs"),
        ("aws-us-gov", "us-gov-west-1", "sqs", "com.amazonaws.us-gov-west-1.sqs"),
        ("aws-cn", "cn-north-1", "sqs", "cn.com.amazonaws.cn-north-1.sqs"),
        ("aws-cn", "cn-north-1", "airflow.env", "cn.com.amazonaws.cn-north-1.airflow.env"),
        ("aws-cn", "cn-north-1", "logs", "com.amazonaws.cn-north-1.logs"),
        ("aws-cn", "cn-north-1", "s3", "com.amazonaws.cn-north-1.s3"),
        ("aws", "eu-west-1", "com.amazonaws.vpce.mine", "com.amazonaws.vpce.mine"),
    ],
)
def test_endpoints_are_called_as_their_partition_calls_them(partition, region, service, name):
    place = _in_partition(partition, region)
    assert service_name(place, service) == name


def _in_partition(partition, region):
    other = {"aws": "us-west-2", "aws-us-gov": "us-gov-east-1", "aws-cn": "cn-northwest-1"}
    settings = {
        **settings_of("dr"),
        "partition": partition,
        "primaryRegion": region,
        "drRegion": other[partition],
        "witnessRegion": other[partition] if partition != "aws" else "eu-west-2",
        "recovery": {"approvalMinutes": 30},
    }
    return Place(parse(settings), Site.PRIMARY)


CHINA = ("cn-north-1", "cn-northwest-1")
GOVCLOUD = ("us-gov-west-1", "us-gov-east-1")


@pytest.mark.parametrize("site", Site)
@pytest.mark.parametrize(("partition", "regions"), [("aws-us-gov", GOVCLOUD), ("aws-cn", CHINA)])
def test_every_arn_is_of_the_partition(site, partition, regions):
    region = regions[0] if site is Site.PRIMARY else regions[1]
    found = run_program(
        site,
        {
            "partition": partition,
            "primaryRegion": regions[0],
            "drRegion": regions[1],
            "witnessRegion": regions[1],
            "recovery": {"approvalMinutes": 30},
        },
        region=region,
    )
    for one in found.resources:
        assert "arn:aws:" not in json.dumps(one.inputs, default=str), one.urn
    key = next(one for one in found.of("Key") if "data" in one.inputs["description"])
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    assert f'"logs.{region}.{suffix}"' in key.inputs["policy"]


def test_object_lock_holds_every_backup_and_nothing_else():
    backup = {**settings_of("dr")["backup"], "objectLockDays": 7, "objectLockMode": "COMPLIANCE"}
    found = run_program("primary", {"backup": {**backup, "copyMode": "replicate"},
                                    "objectives": {"rpoMinutes": 30}})  # fmt: skip
    (lock,) = found.of("BucketObjectLockConfiguration")
    assert lock.inputs["bucket"] == "analytics-primary-backups-123456789012"
    assert lock.inputs["rule"] == {"defaultRetention": {"mode": "COMPLIANCE", "days": 7}}
    locked = {
        one.inputs["bucket"]: one.inputs.get("objectLockEnabled") for one in found.of("Bucket")
    }
    assert locked == {
        "analytics-primary-backups-123456789012": True,
        "analytics-primary-dags-123456789012": None,
    }
    for site in Site:
        statements = [
            statement
            for policy in found.of("RolePolicy")
            if policy.inputs["role"] == f"analytics-{site}-replication"
            for statement in json.loads(policy.inputs["policy"])["Statement"]
        ]
        actions = {action for one in statements for action in one["Action"]}
        assert {"s3:GetObjectRetention", "s3:GetObjectLegalHold"} <= actions


def test_a_bucket_is_closed_to_every_other_account():
    place = Place(parse(settings_of("dr")), Site.DR)
    tls, foreign = (one.to_dict() for one in bucket_statements(place, "b"))
    assert tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert foreign["Condition"] == {
        "StringNotEquals": {"aws:PrincipalAccount": ACCOUNT},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    for one in (tls, foreign):
        assert (one["Effect"], one["Principal"], one["Action"]) == ("Deny", "*", ["s3:*"])
        assert one["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]


DOCUMENTED = {
    "airflow:CreateEnvironment",
    "iam:CreateServiceLinkedRole",
    "iam:PassRole",
    *("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    *("ec2:DescribeRouteTables", "ec2:CreateVpcEndpoint", "ec2:CreateNetworkInterface"),
    *("kms:DescribeKey", "kms:ListGrants", "kms:CreateGrant", "kms:RevokeGrant", "kms:Decrypt"),
    *("kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"),
    *("kms:ReEncryptFrom", "kms:ReEncryptTo", "s3:GetEncryptionConfiguration"),
    *("s3:ListBucket", "s3:ListBucketVersions"),
}
"""Of AmazonMWAAFullApiAccess and the console policy (user guide, 'Accessing an Amazon MWAA
environment'), what creating one takes; wildcards spelled out for a symmetric key."""


def test_the_creator_of_an_environment_may_do_what_mwaa_documents_for_it():
    place = Place(parse(settings_of("dr")), Site.DR)
    found = granted(Grant.CREATE_ENVIRONMENT, place, DrKeys(data="data"))
    allowed = {action for one in (*found.access, *found.keys) for action in one.actions}
    assert allowed >= DOCUMENTED


def test_the_seeding_role_is_made_on_request_and_carries_nothing_but_code():
    assert not [one for one in run_program("primary").of("Role") if "seed" in one.inputs["name"]]
    found = run_program("primary", {"code": {"seed": True}})
    role = found.one("Role", name="analytics-primary-seed")
    assert "batchoperations.s3.amazonaws.com" in role.inputs["assumeRolePolicy"]
    by_action = {
        action: resource
        for policy in found.of("RolePolicy")
        if policy.inputs["role"] == "analytics-primary-seed"
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
    dags = f"arn:aws:s3:::analytics-primary-dags-{ACCOUNT}"
    assert by_action["s3:InitiateReplication"] == f"{dags}/*"
    assert by_action["s3:PutInventoryConfiguration"] == dags
    reports = f"arn:aws:s3:::analytics-primary-backups-{ACCOUNT}/batch/*"
    assert by_action["s3:PutObject"] == reports
