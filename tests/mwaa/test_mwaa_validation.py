"""What CreateEnvironment and UpdateEnvironment refuse, and what GetEnvironment gives back."""

from typing import Any

import pytest
from mwaa_world import ACCOUNT, REGION

from local.mwaa import record, validation
from local.mwaa.errors import ApiError
from local.mwaa.record import Place

PLACE = Place(REGION, ACCOUNT)


def request(**changes: Any) -> dict[str, Any]:
    base = {
        "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/mwaa",
        "SourceBucketArn": "arn:aws:s3:::bucket",
        "DagS3Path": "dags",
        "AirflowVersion": "2.10.3",
        "NetworkConfiguration": {
            "SubnetIds": ["subnet-1", "subnet-2"],
            "SecurityGroupIds": ["sg-1"],
        },
    }
    merged = {**base, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def check(**changes: Any) -> None:
    body = request(**changes)
    validation.check_shape("CreateEnvironment", {**body, "Name": "env"})
    validation.check_rules(record.requested("env", body))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ExecutionRoleArn": None}, "'executionRoleArn' failed to satisfy constraint: Member must not be null"),  # noqa: E501
        ({"NetworkConfiguration": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}, "subnetIds.*greater than or equal to 2"),  # noqa: E501
        ({"NetworkConfiguration": {"SubnetIds": ["subnet-1"] * 3, "SecurityGroupIds": ["sg-1"]}}, "subnetIds.*less than or equal to 2"),  # noqa: E501
        ({"NetworkConfiguration": {"SubnetIds": ["subnet-1"] * 2, "SecurityGroupIds": []}}, "securityGroupIds.*greater than or equal to 1"),  # noqa: E501
        ({"NetworkConfiguration": {"SubnetIds": ["subnet-1"] * 2, "SecurityGroupIds": ["sg-1"] * 6}}, "securityGroupIds.*less than or equal to 5"),  # noqa: E501
        ({"SourceBucketArn": "bucket"}, "sourceBucketArn.*regular expression"),
        ({"LoggingConfiguration": {"TaskLogs": {"Enabled": True, "LogLevel": None}}}, "taskLogs.logLevel.*not be null"),  # noqa: E501
        ({"LoggingConfiguration": {"TaskLogs": {"Enabled": True, "LogLevel": "LOUD"}}}, "enum value set"),  # noqa: E501
        ({"MaxWorkers": 0}, "maxWorkers.*greater than or equal to 1"),
        ({"MaxWorkers": "5"}, "not a integer"),
        ({"MaxWorkers": 26}, "quota of 25"),
        ({"MinWorkers": 5, "MaxWorkers": 4}, "MinWorkers 5 is greater than MaxWorkers 4"),
        ({"Schedulers": 1}, "Schedulers 1 is not valid for mw1.small"),
        ({"Schedulers": 2, "EnvironmentClass": "mw1.micro"}, "Schedulers 2 is not valid"),
        ({"EnvironmentClass": "mw1.huge"}, "EnvironmentClass 'mw1.huge' is not valid"),
        ({"AirflowVersion": "2.4.3"}, "AirflowVersion '2.4.3' is not supported"),
        ({"AirflowConfigurationOptions": {"nosection": "1"}}, "not of the form section.key"),
        ({"StartupScriptS3ObjectVersion": "v1"}, "without StartupScriptS3Path"),
        ({"Tags": {"aws:mine": "1"}}, "keys that start with aws: are reserved"),
        ({"WebserverAccessMode": "PUBLIC_AND_PRIVATE"}, "3.2 or newer"),
    ],
)  # fmt: skip
def test_wrong_request_is_refused_with_what_is_wrong(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ApiError, match=text) as refused:
        check(**changes)
    assert refused.value.kind == "ValidationException"
    assert refused.value.status == 400


def test_value_of_a_secret_option_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ApiError) as refused:
        check(AirflowConfigurationOptions={"core.password": "hunter2\n"})
    assert "airflowConfigurationOptions" in refused.value.body["message"]
    assert "hunter2" not in refused.value.body["message"]


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ApiError, match="2 validation errors detected"):
        check(ExecutionRoleArn=None, DagS3Path=None)


EVERYTHING = {
    "AirflowConfigurationOptions": {"core.parallelism": "4", "mwaa_dr.site": "primary"},
    "EnvironmentClass": "mw1.medium",
    "KmsKey": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012",
    "LoggingConfiguration": {
        name: {"Enabled": True, "LogLevel": "WARNING"} for name in record.LOG_GROUPS
    },
    "MaxWebservers": 4,
    "MaxWorkers": 7,
    "MinWebservers": 3,
    "MinWorkers": 2,
    "PluginsS3ObjectVersion": "v1",
    "PluginsS3Path": "plugins.zip",
    "RequirementsS3ObjectVersion": "v2",
    "RequirementsS3Path": "requirements.txt",
    "Schedulers": 3,
    "StartupScriptS3ObjectVersion": "v3",
    "StartupScriptS3Path": "startup.sh",
    "Tags": {"team": "data"},
    "WebserverAccessMode": "PUBLIC_ONLY",
    "WeeklyMaintenanceWindowStart": "MON:01:30",
    "EndpointManagement": "SERVICE",
    "IdentityCenterConfiguration": {"StartUrl": "https://x", "IdentityStoreId": "d-0123456789"},
    "Teams": {"blue": {"SourceBucketArn": "arn:aws:s3:::b", "DagS3Path": "d"}},
}


def test_every_member_that_create_accepts_comes_back() -> None:
    body = request(**EVERYTHING)
    check(**EVERYTHING)
    known = set(validation.input_shape("CreateEnvironment").members) - {"Name"}
    assert set(body) == known, "a member of the model is missing from this test"

    document = record.created(PLACE, record.requested("env", body), 1.0)

    groups = document.pop("LoggingConfiguration")
    for name, item in groups.items():
        arn = item.pop("CloudWatchLogGroupArn")
        assert (
            arn
            == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:airflow-env-" + (record.LOG_GROUPS[name])
        )
    assert {**document, "LoggingConfiguration": groups}.items() >= body.items()
    answer = validation.model().shape_for("Environment").members
    assert set(document) | {"LoggingConfiguration", "WebserverUrl", "LastUpdate"} == set(answer)
    assert not list(validation.faults(validation.model().shape_for("Environment"), document))


@pytest.mark.parametrize(("size", "count"), [("mw1.small", 2), ("mw1.micro", 1)])
def test_counts_default_by_class(size: str, count: int) -> None:
    document = record.requested("env", request(EnvironmentClass=size))
    assert (document["MinWebservers"], document["Schedulers"]) == (count, count)
    check(EnvironmentClass=size)


def test_update_tells_what_it_changes() -> None:
    current = record.created(PLACE, record.requested("env", request(**EVERYTHING)), 1.0)

    after, changed = record.updated(
        PLACE,
        current,
        {
            "MaxWorkers": 7,
            "PluginsS3ObjectVersion": "v9",
            "NetworkConfiguration": {"SecurityGroupIds": ["sg-9"]},
            "Teams": {"Remove": ["blue"]},
            "WorkerReplacementStrategy": "GRACEFUL",
        },
    )

    assert changed == {"PluginsS3ObjectVersion", "NetworkConfiguration", "Teams"}
    assert after["NetworkConfiguration"]["SubnetIds"] == ["subnet-1", "subnet-2"]
    assert changed & record.RESTARTS == {"PluginsS3ObjectVersion"}


def test_members_whose_change_restarts_are_members_of_update() -> None:
    assert set(validation.input_shape("UpdateEnvironment").members) >= record.RESTARTS
