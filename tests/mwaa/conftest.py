"""A moto server as the AWS around the environments."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from moto.moto_api._internal.models import moto_api_backend
from moto.server import ThreadedMotoServer
from mwaa_world import VERSION, Mwaa, client, open_world

from local.mwaa.prerequisites import SERVICES
from local.ports import free_port

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": list(SERVICES)},
            }
        ],
    }
)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """moto keeps its resources in the process, not in the server: each file begins without any,
    and has none from a file of other tests that the same process ran before it.
    """
    os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")
    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    moto_api_backend.reset()
    yield f"http://127.0.0.1:{server._port}"
    server.stop()


@pytest.fixture(scope="module")
def surroundings(endpoint: str) -> dict[str, Any]:
    """What a CreateEnvironment request needs; the request itself is the result."""
    ec2, iam = client("ec2", endpoint), client("iam", endpoint)
    subnets = ec2.describe_subnets()["Subnets"][:2]
    groups = ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}]
    )["SecurityGroups"]
    role = iam.create_role(RoleName="mwaa-execution", AssumeRolePolicyDocument=TRUST)["Role"]
    key = client("kms", endpoint).create_key()["KeyMetadata"]
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket="dag-bucket")
    s3.put_bucket_versioning(Bucket="dag-bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="dag-bucket", Key="dags/.airflowignore", Body=b"")
    return {
        "AirflowVersion": VERSION,
        "ExecutionRoleArn": role["Arn"],
        "SourceBucketArn": "arn:aws:s3:::dag-bucket",
        "DagS3Path": "dags",
        "KmsKey": key["Arn"],
        "NetworkConfiguration": {
            "SubnetIds": [item["SubnetId"] for item in subnets],
            "SecurityGroupIds": [groups[0]["GroupId"]],
        },
    }


@pytest.fixture(scope="module")
def shared(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mwaa]:
    world = open_world(endpoint, tmp_path_factory.mktemp("mwaa"))
    yield world
    world.close()


@pytest.fixture
def mwaa(shared: Mwaa) -> Iterator[Mwaa]:
    """A service without environments; making one anew for each test costs a second."""
    yield shared
    for environment in shared.service._environments.values():
        environment.close()
    shared.service._environments.clear()
