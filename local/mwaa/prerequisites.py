"""What must exist before MWAA makes an environment, asked of AWS in the environment's Region.

MWAA refuses some faults at once and finds others only when it builds the environment; which is
which is one table, with the source of each line in the assumptions.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError

from local.gateway.access.policy import parse, trusts
from local.mwaa.aws import Aws

SERVICES = ("airflow.amazonaws.com", "airflow-env.amazonaws.com")
"""Both act as the execution role (MWAA user guide, "Amazon MWAA execution role")."""
ARTIFACTS = ("Plugins", "Requirements", "StartupScript")
DAG_PATH_SECONDS = 15.0
"""How long the DAG folder may still be empty; on AWS the creation alone takes 20 minutes."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the checks look at."""

    aws: Aws
    region: str
    document: Mapping[str, Any]

    @property
    def bucket(self) -> str:
        return self.document["SourceBucketArn"].rpartition(":")[2]

    def client(self, service: str) -> Any:  # noqa: ANN401
        return self.aws.client(service, self.region)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _bucket(environment: Environment) -> Iterator[str]:
    s3 = environment.client("s3")
    try:
        head = s3.head_bucket(Bucket=environment.bucket)
    except ClientError as error:
        yield f"S3 bucket {environment.bucket} cannot be read: {_code(error)}"
        return
    region = head.get("BucketRegion") or environment.region
    if region != environment.region:
        yield (
            f"S3 bucket {environment.bucket} is in {region}; "
            f"it must be in the environment's Region, {environment.region}"
        )
    if s3.get_bucket_versioning(Bucket=environment.bucket).get("Status") != "Enabled":
        yield f"S3 bucket {environment.bucket} must have versioning enabled"


def _artifacts(environment: Environment) -> Iterator[str]:
    for kind in ARTIFACTS:
        path = environment.document.get(f"{kind}S3Path")
        version = environment.document.get(f"{kind}S3ObjectVersion")
        if not path:
            continue
        exact = {"VersionId": version} if version else {}
        try:
            environment.client("s3").head_object(Bucket=environment.bucket, Key=path, **exact)
        except ClientError as error:
            yield (
                f"Unable to access {f'version {version} of ' if version else ''}{path} "
                f"in bucket {environment.bucket} ({kind}S3Path, {kind}S3ObjectVersion): "
                f"{_code(error)}"
            )


def _dag_path(environment: Environment) -> Iterator[str]:
    prefix = f"{environment.document['DagS3Path'].strip('/')}/".lstrip("/")
    deadline = time.monotonic() + DAG_PATH_SECONDS
    while True:
        found = environment.client("s3").list_objects_v2(
            Bucket=environment.bucket, Prefix=prefix, MaxKeys=1
        )
        if found.get("KeyCount"):
            return
        if time.monotonic() > deadline:
            yield f"DagS3Path {prefix} does not exist in bucket {environment.bucket}"
            return
        time.sleep(1)


def _role(environment: Environment) -> Iterator[str]:
    arn = environment.document["ExecutionRoleArn"]
    try:
        role = environment.client("iam").get_role(RoleName=arn.rpartition("/")[2])["Role"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < HTTPStatus.INTERNAL_SERVER_ERROR:
            yield f"Execution role {arn} cannot be assumed: {_code(error)}"
    except (HTTPClientError, EndpointConnectionError):
        # IAM's control plane lives in us-east-1 alone. When that Region is lost, MWAA still assumes
        # roles through the STS of its own Region; only here nobody can be asked then.
        return
    else:
        trust = parse(json.dumps(role["AssumeRolePolicyDocument"]), "trust")
        account = arn.split(":")[4]
        for service in SERVICES:
            if not trusts(trust, service, {"aws:SourceAccount": account}, account):
                yield (
                    f"Execution role {arn} cannot be assumed: its trust policy does not allow "
                    f"{service}"
                )


def _key(environment: Environment) -> Iterator[str]:
    key = environment.document.get("KmsKey")
    if not key:
        return
    if key.startswith("arn:") and key.split(":")[3] != environment.region:
        yield f"KMS key {key} must be in the environment's Region, {environment.region}"
        return
    try:
        state = environment.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    except ClientError as error:
        yield f"KMS key {key} cannot be used: {_code(error)}"
    else:
        if state != "Enabled":
            yield f"KMS key {key} cannot be used: it is {state}"


def _network(environment: Environment) -> Iterator[str]:
    network, ec2 = environment.document["NetworkConfiguration"], environment.client("ec2")
    for noun, describe, ids in (
        ("Subnets", "describe_subnets", network["SubnetIds"]),
        ("Security groups", "describe_security_groups", network["SecurityGroupIds"]),
    ):
        argument = "SubnetIds" if noun == "Subnets" else "GroupIds"
        try:
            getattr(ec2, describe)(**{argument: ids})
        except ClientError as error:
            yield f"{noun} {', '.join(ids)} cannot be used in {environment.region}: {_code(error)}"


Check = Callable[[Environment], Iterator[str]]
AT_REQUEST: tuple[Check, ...] = (_bucket, _artifacts)
AT_CREATION: tuple[Check, ...] = (_role, _key, _network, _dag_path)


def faults(environment: Environment, checks: tuple[Check, ...]) -> list[str]:
    """What is missing, in words; empty when all is there."""
    return [fault for check in checks for fault in check(environment)]
