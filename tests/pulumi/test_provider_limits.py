"""What AWS would refuse is refused here, before a call is made."""

import botocore.session
import pytest

from local.pulumi.provider.clients import Clients, explain
from local.pulumi.provider.limits import LimitError, check

SESSION = botocore.session.get_session()
ALARM = {
    "AlarmName": "a",
    "MetricName": "m",
    "Namespace": "n",
    "Statistic": "Sum",
    "ComparisonOperator": "LessThanThreshold",
    "EvaluationPeriods": 1,
}
GROUP = {"GroupName": "airflow", "Description": "Airflow", "VpcId": "vpc-1"}
ENVIRONMENT = {
    "Name": "analytics-dr",
    "ExecutionRoleArn": "arn:aws-us-gov:iam::123456789012:role/run",
    "SourceBucketArn": "arn:aws:s3:::code",
    "KmsKey": "arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/"
    "11111111-2222-3333-4444-555555555555",
    "DagS3Path": "dags",
    "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
}


def checked(service, operation, parameters):
    shape = SESSION.get_service_model(service).operation_model(operation).input_shape
    check(operation, shape, parameters)


def rule(text):
    source = [{"CidrIp": "0.0.0.0/0", "Description": text}]
    return {"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "-1", "IpRanges": source}]}


GOOD = [
    ("cloudwatch", "PutMetricAlarm", ALARM),
    ("ec2", "CreateSecurityGroup", GROUP),
    ("ec2", "AuthorizeSecurityGroupEgress", rule("AWS APIs, and (all) the rest")),
    ("mwaa", "CreateEnvironment", ENVIRONMENT),
    ("mwaa", "CreateEnvironment", {**ENVIRONMENT, "Tags": {"käse": "a b"}}),
    ("s3", "CreateBucket", {"Bucket": "analytics-dr-dags-123456789012"}),
]
BAD = [
    (
        "ec2",
        "AuthorizeSecurityGroupEgress",
        rule("the DAGs' own"),
        r"IpPermissions\[0\]\.IpRanges\[0\]\.Description: \"the DAGs' own\" does not match",
    ),
    ("ec2", "CreateSecurityGroup", {**GROUP, "GroupName": "sg-airflow"}, "GroupName: 'sg-airflow'"),
    ("ec2", "CreateSecurityGroup", {**GROUP, "Description": "x" * 256}, "Description: 'xxx"),
    ("s3", "CreateBucket", {"Bucket": "xn--dags"}, "Bucket: 'xn--dags' does not match"),
    ("s3", "CreateBucket", {"Bucket": "Dags"}, "Bucket: 'Dags' does not match"),
    ("cloudwatch", "PutMetricAlarm", {**ALARM, "AlarmName": "a" * 256}, "256 characters, at most"),
    ("cloudwatch", "PutMetricAlarm", {**ALARM, "Statistic": "Mean"}, "'Mean' is none of"),
    ("cloudwatch", "PutMetricAlarm", {**ALARM, "AlarmActions": ["a"] * 6}, "6 items, at most 5"),
    ("lambda", "PublishVersion", {"FunctionName": "f", "Description": "d" * 257}, "at most 256"),
    (
        "mwaa",
        "CreateEnvironment",
        {**ENVIRONMENT, "AirflowConfigurationOptions": {"core.Parallel": "1"}},
        r"AirflowConfigurationOptions\[core.Parallel\]: 'core.Parallel' does not match",
    ),
    ("mwaa", "CreateEnvironment", {**ENVIRONMENT, "Schedulers": 6}, "Schedulers: 6, at most 5"),
]


@pytest.mark.parametrize(("service", "operation", "parameters"), GOOD)
def test_what_aws_takes_is_taken(service, operation, parameters):
    checked(service, operation, parameters)


@pytest.mark.parametrize(("service", "operation", "parameters", "said"), BAD)
def test_what_aws_would_refuse_is_refused(service, operation, parameters, said):
    with pytest.raises(LimitError, match=f"AWS would refuse {operation}: .*{said}"):
        checked(service, operation, parameters)


def test_a_sensitive_value_is_not_repeated():
    options = {"core.fernet_key": "geheim-ä"}
    with pytest.raises(LimitError) as caught:
        checked(
            "mwaa", "CreateEnvironment", {**ENVIRONMENT, "AirflowConfigurationOptions": options}
        )
    assert "geheim" not in str(caught.value)
    assert "core.fernet_key" in str(caught.value)


def test_every_client_of_the_provider_asks_before_it_calls(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    client = Clients().get("ec2", "us-west-2")
    with pytest.raises(LimitError) as caught:
        client.create_security_group(**GROUP | {"GroupName": "sg-airflow"})
    assert "sg-airflow" in explain(caught.value)
