"""The table of permissions, against botocore's models and the Service Authorization Reference."""

import re

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from parliament import iam_definition

from local.gateway.access import duties
from local.gateway.access.needs import PLACES, SPECIAL, Call, Need, needs
from local.gateway.access.rows import PREFIXES, ROWS

ACCOUNT = "123456789012"
MODELS = {"airflow": "mwaa", "monitoring": "cloudwatch", "states": "stepfunctions"}
FIELD = re.compile(r"\{([^}]+)\}")
PERMISSIONLESS = {("sts", "GetCallerIdentity")}
OPERATIONS = [(service, name) for service, rows in ROWS.items() for name in rows] + [*SPECIAL]
DUTIES = [
    *duties.MACHINE_LOGGED,
    *duties.MACHINE_TRACED,
    *duties.logged("arn:aws:logs:us-east-1:1:log-group:x"),
    *duties.read_to_replicate("arn:aws:s3:::b", "k"),
]


def shape(service, operation):
    name = MODELS.get(service, service)
    model = ServiceModel(Loader().load_service_model(name, "service-2"), name)
    return model.operation_model(operation).input_shape


def documented(action):
    prefix, _, name = action.partition(":")
    return any(
        privilege["privilege"] == name
        for service in iam_definition
        if service["prefix"] == prefix
        for privilege in service["privileges"]
    )


class Facts:
    """Everything exists but what is called missing, and everything is encrypted."""

    def bucket(self, name):
        return name != "missing"

    def has_object(self, *place):
        return "missing" not in place

    def object_key(self, bucket, *_key):
        return f"key-of-{bucket}"

    def bucket_key(self, name):
        return f"key-of-{name}"

    def table_key(self, *_table):
        return "key-of-table"

    def topic_key(self, _arn):
        return "key-of-topic"

    def key(self, _region, key):
        return f"key-{key}" if key else ""


def asked(service, operation, region="us-east-1", **params):
    call = Call(service, operation, params, region, ACCOUNT)
    return [(one.action, *one.resources) for one in needs(call, Facts())]


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_rows_are_about_operations_and_parameters_that_exist(service, operation):
    found = shape(service, operation)
    members = found.members if found else {}
    for row in ROWS.get(service, {}).get(operation, ()):
        texts = [row.resource, *row.context.values()]
        named = {name for text in texts for name in FIELD.findall(text)} - {*PLACES}
        asks = {name for name in (row.when, row.unless) if name and not name.startswith("{")}
        assert named - {"partition", "region", "account"} | asks <= set(members), row


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_actions_are_documented(service, operation):
    rows = ROWS.get(service, {}).get(operation, ())
    assert rows or (service, operation) in {*SPECIAL, *PERMISSIONLESS}
    for row in rows:
        assert documented(row.action), row.action


@pytest.mark.parametrize("need", DUTIES, ids=lambda need: need.action)
def test_what_services_do_for_a_role_is_documented(need: Need):
    assert documented(need.action)


def test_a_prefix_is_the_one_of_the_reference():
    for service in ROWS:
        prefix = PREFIXES.get(service, service)
        assert any(one["prefix"] == prefix for one in iam_definition), service


OBJECT = {"Bucket": "b", "Key": "a/k"}
ARN = "arn:aws:s3:::b/a/k"


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("GetObject", OBJECT, [("s3:GetObject", ARN), ("kms:Decrypt", "key-of-b")]),
        (
            "HeadObject",
            {**OBJECT, "VersionId": "1"},
            [("s3:GetObjectVersion", ARN), ("kms:Decrypt", "key-of-b")],
        ),
        (
            "GetObject",
            {"Bucket": "b", "Key": "missing"},
            [
                ("s3:GetObject", "arn:aws:s3:::b/missing"),
                ("s3:ListBucket", "arn:aws:s3:::b"),
                ("kms:Decrypt", "key-of-b"),
            ],
        ),
        ("PutObject", OBJECT, [("s3:PutObject", ARN), ("kms:GenerateDataKey", "key-of-b")]),
        (
            "PutObject",
            {**OBJECT, "IfMatch": "x"},
            [("s3:PutObject", ARN), ("s3:GetObject", ARN), ("kms:GenerateDataKey", "key-of-b")],
        ),
        (
            "PutObject",
            {**OBJECT, "SSEKMSKeyId": "mine"},
            [("s3:PutObject", ARN), ("kms:GenerateDataKey", "key-mine")],
        ),
        (
            "CopyObject",
            {**OBJECT, "CopySource": "c/d/e?versionId=7"},
            [
                ("s3:GetObjectVersion", "arn:aws:s3:::c/d/e"),
                ("kms:Decrypt", "key-of-c"),
                ("s3:PutObject", ARN),
                ("kms:GenerateDataKey", "key-of-b"),
            ],
        ),
        ("ListObjectsV2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("HeadBucket", {"Bucket": "missing"}, []),
        (
            "DeleteObjects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y", "VersionId": "1"}]}},
            [
                ("s3:DeleteObject", "arn:aws:s3:::b/x"),
                ("s3:DeleteObjectVersion", "arn:aws:s3:::b/y"),
            ],
        ),
    ],
)
def test_s3(operation, params, expected):
    assert asked("s3", operation, **params) == expected


def test_parts_of_an_upload_are_read_again():
    for operation in ("UploadPart", "CompleteMultipartUpload"):
        assert ("kms:Decrypt", "key-of-b") in asked("s3", operation, **OBJECT)


def test_creating_an_environment_asks_for_what_is_done_in_the_caller_s_name():
    role = f"arn:aws:iam::{ACCOUNT}:role/run"
    call = Call(
        "airflow",
        "CreateEnvironment",
        {
            "Name": "e",
            "ExecutionRoleArn": role,
            "SourceBucketArn": "arn:aws:s3:::b",
            "KmsKey": "k",
            "Tags": {"a": "b"},
        },
        "us-west-2",
        ACCOUNT,
    )
    found = {need.action: need for need in needs(call, Facts())}
    assert found["iam:PassRole"].resources == (role,)
    assert found["iam:PassRole"].context == {"iam:PassedToService": "airflow.amazonaws.com"}
    assert found["airflow:TagResource"].resources == (
        f"arn:aws:airflow:us-west-2:{ACCOUNT}:environment/e",
    )
    assert found["kms:CreateGrant"].resources == ("key-k",)
    assert found["kms:CreateGrant"].context == {"kms:ViaService": "airflow.us-west-2.amazonaws.com"}


def test_an_index_is_a_resource_of_its_own():
    table = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/t"
    assert asked("dynamodb", "Query", TableName="t", IndexName="i") == [
        ("dynamodb:Query", f"{table}/index/i"),
        ("kms:Decrypt", "key-of-table"),
    ]
    assert asked("dynamodb", "GetItem", TableName=table)[0] == ("dynamodb:GetItem", table)


def test_any_airflow_role_lets_a_rest_call_through():
    [(action, *roles)] = asked("airflow", "InvokeRestApi", Name="e")
    assert action == "airflow:InvokeRestApi"
    assert f"arn:aws:airflow:us-east-1:{ACCOUNT}:role/e/Op" in roles


def test_every_event_is_a_need_with_its_source():
    call = Call(
        "events",
        "PutEvents",
        {"Entries": [{"Source": "a", "DetailType": "x"}, {"Source": "b", "EventBusName": "mine"}]},
        "us-east-1",
        ACCOUNT,
    )
    first, second = needs(call, Facts())
    assert first.context == {"events:source": "a", "events:detail-type": "x"}
    assert second.resources == (f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/mine",)


def test_an_operation_without_a_row_is_its_action_on_any_resource():
    assert asked("glue", "StartJobRun", JobName="x") == [("glue:StartJobRun",)]
    assert asked("monitoring", "DescribeAlarms") == [("cloudwatch:DescribeAlarms",)]
    assert asked("sts", "GetCallerIdentity") == []
