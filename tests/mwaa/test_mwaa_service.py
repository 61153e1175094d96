"""The API without a running Airflow: refusals, failed creations, paging, tags, not found."""

import re
import time
from typing import Any

import pytest
from mwaa_world import ACCOUNT, OTHER_REGION, REGION, Mwaa, client

from local.mwaa import prerequisites, validation
from local.mwaa.lifecycle import Environment


@pytest.fixture
def failing(surroundings: dict[str, Any]) -> dict[str, Any]:
    """A request that passes validation and fails at once: its role does not exist."""
    return {**surroundings, "ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}


def create(mwaa: Mwaa, request: dict[str, Any], name: str = "env", **changes: Any) -> str:
    return mwaa.api.create_environment(Name=name, **{**request, **changes})["Arn"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"SourceBucketArn": "arn:aws:s3:::nowhere"}, "S3 bucket nowhere cannot be read"),
        (
            {"StartupScriptS3Path": "s.sh", "StartupScriptS3ObjectVersion": "v1"},
            "Unable to access version v1 of s.sh in bucket dag-bucket",
        ),
        ({"RequirementsS3Path": "r.txt"}, "Unable to access r.txt"),
        ({"PluginsS3Path": "p.zip"}, "Unable to access p.zip"),
        ({"AirflowVersion": "2.4.3"}, "not supported"),
    ],
)
def test_creation_is_refused_at_once(
    mwaa: Mwaa, surroundings: dict[str, Any], changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(mwaa.api.exceptions.ValidationException, match=text):
        create(mwaa, surroundings, **changes)
    assert mwaa.service.describe() == []


def test_bucket_of_another_region_is_refused(
    mwaa: Mwaa, surroundings: dict[str, Any], endpoint: str
) -> None:
    client("s3", endpoint, OTHER_REGION).create_bucket(
        Bucket="far-bucket", CreateBucketConfiguration={"LocationConstraint": OTHER_REGION}
    )
    with pytest.raises(mwaa.api.exceptions.ValidationException, match=f"is in {OTHER_REGION}"):
        create(mwaa, surroundings, SourceBucketArn="arn:aws:s3:::far-bucket")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/nobody"}, "role/nobody cannot be"),
        ({"KmsKey": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/none"}, "alias/none cannot be used"),
        ({"KmsKey": f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/x"}, "must be in the environment's"),
        (
            {"NetworkConfiguration": {"SubnetIds": ["subnet-a", "subnet-b"], "SecurityGroupIds": ["sg-1"]}},  # noqa: E501
            "Subnets subnet-a, subnet-b cannot be used in us-east-1.*Security groups sg-1",
        ),
        ({"DagS3Path": "nothing"}, "DagS3Path nothing/ does not exist"),
    ],
)  # fmt: skip
def test_creation_fails_later_and_says_why(
    mwaa: Mwaa,
    surroundings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    text: str,
) -> None:
    monkeypatch.setattr(prerequisites, "DAG_PATH_SECONDS", 0.1)
    arn = create(mwaa, surroundings, **changes)
    assert arn == f"arn:aws:airflow:{REGION}:{ACCOUNT}:environment/env"
    document = mwaa.wait("env", "CREATE_FAILED", seconds=20)

    error = document["LastUpdate"]["Error"]
    assert document["LastUpdate"]["Status"] == "FAILED"
    assert error["ErrorCode"] == "INCORRECT_CONFIGURATION"
    assert re.search(text, error["ErrorMessage"])


def test_name_is_taken_until_the_environment_is_deleted(
    mwaa: Mwaa, failing: dict[str, Any]
) -> None:
    create(mwaa, failing)
    with pytest.raises(mwaa.api.exceptions.ValidationException, match="already exists"):
        create(mwaa, failing)
    mwaa.wait("env", "CREATE_FAILED")
    mwaa.api.delete_environment(Name="env")
    deadline = time.monotonic() + 10
    while mwaa.service.describe() and time.monotonic() < deadline:
        time.sleep(0.05)
    create(mwaa, failing)


def test_same_name_in_another_region_is_another_environment(
    mwaa: Mwaa, failing: dict[str, Any]
) -> None:
    create(mwaa, failing)
    far = mwaa.client(OTHER_REGION)
    with pytest.raises(far.exceptions.ResourceNotFoundException):
        far.get_environment(Name="env")


def test_quota_and_paging(
    mwaa: Mwaa, failing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validation, "QUOTA", 3)
    for name in ("b", "a", "c"):
        create(mwaa, failing, name)
    with pytest.raises(mwaa.api.exceptions.ValidationException, match="quota"):
        create(mwaa, failing, "d")

    first = mwaa.api.list_environments(MaxResults=2)
    assert first["Environments"] == ["a", "b"]
    second = mwaa.api.list_environments(MaxResults=2, NextToken=first["NextToken"])
    assert second["Environments"] == ["c"]
    assert "NextToken" not in second
    with pytest.raises(mwaa.api.exceptions.ValidationException, match="maxResults"):
        mwaa.api.list_environments(MaxResults=26)


def test_tags_are_kept_by_arn(mwaa: Mwaa, failing: dict[str, Any]) -> None:
    arn = create(mwaa, failing, Tags={"one": "1"})
    mwaa.api.tag_resource(ResourceArn=arn, Tags={"two": "2", "three": "3"})
    mwaa.api.untag_resource(ResourceArn=arn, tagKeys=["one", "three"])

    assert mwaa.api.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"two": "2"}
    assert mwaa.get("env")["Tags"] == {"two": "2"}
    with pytest.raises(mwaa.api.exceptions.ValidationException, match="reserved"):
        mwaa.api.tag_resource(ResourceArn=arn, Tags={"aws:x": "1"})
    with pytest.raises(mwaa.api.exceptions.ResourceNotFoundException):
        mwaa.api.list_tags_for_resource(ResourceArn=f"{arn}-other")


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.get_environment(Name="none"),
        lambda api: api.update_environment(Name="none", MaxWorkers=3),
        lambda api: api.delete_environment(Name="none"),
        lambda api: api.create_cli_token(Name="none"),
        lambda api: api.create_web_login_token(Name="none"),
        lambda api: api.invoke_rest_api(Name="none", Method="GET", Path="/dags"),
    ],
)
def test_unknown_environment_is_not_found(mwaa: Mwaa, call: Any) -> None:
    with pytest.raises(mwaa.api.exceptions.ResourceNotFoundException, match="none"):
        call(mwaa.api)


def test_environment_that_is_not_up_has_no_web_server(mwaa: Mwaa, failing: dict[str, Any]) -> None:
    create(mwaa, failing)
    mwaa.wait("env", "CREATE_FAILED")
    with pytest.raises(mwaa.api.exceptions.ValidationException, match="CREATE_FAILED"):
        mwaa.api.invoke_rest_api(Name="env", Method="GET", Path="/dags")
    with pytest.raises(mwaa.api.exceptions.ValidationException, match="CREATE_FAILED"):
        mwaa.api.update_environment(Name="env", MaxWorkers=3)


def test_a_private_web_server_answers_within_its_own_vpc_only(
    mwaa: Mwaa, failing: dict[str, Any], endpoint: str
) -> None:
    create(mwaa, failing, WebserverAccessMode="PRIVATE_ONLY")
    create(mwaa, failing, name="open", WebserverAccessMode="PUBLIC_ONLY")
    for name in ("env", "open"):
        mwaa.wait(name, "CREATE_FAILED")
    ec2 = client("ec2", endpoint)
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    elsewhere = ec2.create_subnet(VpcId=other, CidrBlock="10.9.0.0/24")["Subnet"]["SubnetId"]
    own = failing["NetworkConfiguration"]["SubnetIds"]

    def refusal(subnets: tuple[str, ...] | None, name: str = "env") -> str:
        body = b'{"Method": "GET", "Path": "/dags"}'
        _, headers, _ = mwaa.service.handle(
            REGION, "POST", f"/restapi/{name}", "", body, subnets=subnets
        )
        return headers["x-amzn-ErrorType"]

    no_web_server = "ValidationException"
    assert refusal(()) == refusal((elsewhere,)) == "AccessDeniedException"
    assert refusal((own[0],)) == refusal(None) == no_web_server
    assert refusal((), "open") == no_web_server


def test_fault_of_the_emulator_is_an_internal_error(
    mwaa: Mwaa, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Environment:
        raise RuntimeError("a bug")

    monkeypatch.setattr(mwaa.service, "_environment", broken)
    with pytest.raises(mwaa.api.exceptions.InternalServerException):
        mwaa.get("env")


def test_files_of_an_environment_are_below_its_region(mwaa: Mwaa, failing: dict[str, Any]) -> None:
    create(mwaa, failing)
    assert mwaa.describe("env")["home"].endswith(f"/{REGION}/env")
