import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.gateway import process
from local.gateway.process import LocalAws

EAST, WEST = "us-east-1", "us-west-2"
ROLE = "arn:aws:iam::123456789012:role/test"
STAND_IN = "tests.gateway.mwaa_stand_in:StandIn"


class Aws:
    """A gateway and clients for it."""

    def __init__(self, running: LocalAws) -> None:
        self.running = running
        self.control = running.control
        self._clients: dict[Any, Any] = {}

    def client(self, service: str, region: str = EAST, **config: Any) -> Any:
        key = (service, region, tuple(sorted(config.items())))
        if key not in self._clients:
            options = {"retries": {"total_max_attempts": 1}, "read_timeout": 20, **config}
            self._clients[key] = boto3.client(
                service,
                region_name=region,
                endpoint_url=self.running.endpoint,
                aws_access_key_id="x",
                aws_secret_access_key="x",
                config=Config(inject_host_prefix=False, **options),
            )
        return self._clients[key]

    def role(self, name: str, statements: list[dict[str, Any]]) -> str:
        """A role that every service here may assume, with one policy; its ARN."""
        services = ("lambda", "states", "scheduler", "events", "s3")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": [f"{one}.amazonaws.com" for one in services]},
            "Action": "sts:AssumeRole",
        }
        iam = self.client("iam")
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))
        if statements:
            iam.put_role_policy(
                RoleName=name, PolicyName="access", PolicyDocument=document(*statements)
            )
        return made["Role"]["Arn"]

    def bucket(self, name: str, region: str) -> str:
        full = f"{name}-{uuid.uuid4().hex[:8]}"
        place = {} if region == EAST else {"LocationConstraint": region}
        s3 = self.client("s3", region)
        s3.create_bucket(Bucket=full, **({"CreateBucketConfiguration": place} if place else {}))
        s3.put_bucket_versioning(Bucket=full, VersioningConfiguration={"Status": "Enabled"})
        return full

    def function(self, source: str, region: str = EAST, **options: Any) -> str:
        """Deploy `source` as app.py; its handler is app.handler."""
        client = self.client("lambda", region)
        return client.create_function(
            **{
                "FunctionName": f"f-{uuid.uuid4().hex[:8]}",
                "Runtime": "python3.11",
                "Role": ROLE,
                "Handler": "app.handler",
                "Code": {"ZipFile": archive({"app.py": source})},
                "Timeout": 10,
                **options,
            }
        )["FunctionArn"]

    def machine(self, definition: dict[str, Any], region: str = EAST) -> str:
        return self.client("stepfunctions", region).create_state_machine(
            name=f"m-{uuid.uuid4().hex[:8]}", definition=json.dumps(definition), roleArn=ROLE
        )["stateMachineArn"]

    def execute(
        self, definition: dict[str, Any], given: Any = None, region: str = EAST
    ) -> dict[str, Any]:
        """Run a machine to its end and describe the execution."""
        client = self.client("stepfunctions", region)
        arn = client.start_execution(
            stateMachineArn=self.machine(definition, region), input=json.dumps(given or {})
        )["executionArn"]

        def ended() -> dict[str, Any] | None:
            found = client.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        return eventually(ended)


def document(*statements: dict[str, Any]) -> str:
    """A policy's text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def archive(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    return packed.getvalue()


def eventually(check: Callable[[], Any], seconds: float = 15) -> Any:
    """The first true answer of `check`; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{check.__qualname__} did not become true"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with process.running(tmp_path_factory.mktemp("aws"), mwaa=STAND_IN) as running:
        aws = Aws(running)
        aws.role("test", [{"Effect": "Allow", "Action": "*", "Resource": "*"}])
        yield aws


@pytest.fixture
def aws(gateway: Aws) -> Iterator[Aws]:
    """The shared gateway, without outages before and after."""
    yield gateway
    gateway.control.end_outage()
    gateway.control.set_replication_lag(0)
