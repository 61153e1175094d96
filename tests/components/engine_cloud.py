"""A local AWS of one's own with the real engine, and the ways to ask both."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import boto3
import yaml
from botocore.config import Config

from local.gateway.process import LocalAws, running
from local.paths import ROOT
from local.pulumi.environment import ENCRYPTION_SALT, init_stacks, pulumi_environment

STAND_IN = "tests.components.engine_stand_in:Removable"
Step = tuple[str, str, str]
"""Operation, type and name of a resource."""


@dataclass
class Cloud:
    """A gateway, a Pulumi backend and the way to use both."""

    aws: LocalAws
    environment: dict[str, str]
    folder: Path

    def pulumi(self, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def must(self, *arguments: str, seconds: float = 300) -> str:
        done = self.pulumi(*arguments, seconds=seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def run_python(self, file: str) -> None:
        """Run a script as somebody in this cloud does."""
        done = subprocess.run(
            [sys.executable, file],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def steps(self, stack: str, *arguments: str) -> list[Step]:
        """What an update of `stack` would do to the resources of AWS."""
        return steps(self.must("preview", "--json", "-s", stack, *arguments))

    def client(self, service: str, region: str) -> Any:
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id=self.aws.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.aws.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(inject_host_prefix=False),
        )

    def versions(self, bucket: str, region: str) -> dict[str, str]:
        found = self.client("s3", region).list_object_versions(Bucket=bucket)
        return {one["Key"]: one["VersionId"] for one in found.get("Versions", [])}

    def stack_file(self, source: Path, changes: Mapping[str, Any]) -> str:
        """A stack file like `source` with other settings, by dotted key below the project's name.

        A value of None takes a key out.
        """
        content = yaml.safe_load(source.read_text())
        for dotted, value in changes.items():
            if dotted.startswith("aws:"):
                content["config"][dotted] = value
                continue
            first, *path = dotted.split(".")
            node, key = content["config"], f"mwaa-dr:{first}"
            for part in path:
                node, key = node.setdefault(key, {}), part
            if value is None:
                node.pop(key, None)
            else:
                node[key] = value
        # Without it the CLI writes one, see `local.pulumi.environment`.
        content.setdefault("encryptionsalt", ENCRYPTION_SALT)
        with NamedTemporaryFile("w", suffix=".yaml", dir=self.folder, delete=False) as file:
            yaml.safe_dump(content, file)
        return file.name


def steps(preview: str) -> list[Step]:
    """The steps in the output of `pulumi preview --json` that are about resources of AWS."""
    found = []
    for step in json.loads(preview[preview.index("{") :])["steps"]:
        found.append((step["op"], kind_of(step["urn"]), step["urn"].rpartition("::")[2]))
    return [one for one in found if one[1].startswith("aws:")]


def kind_of(urn: str) -> str:
    """The type of the resource itself, without those of the components around it."""
    return urn.split("::")[2].rpartition("$")[2]


@contextmanager
def cloud_in(folder: Path) -> Iterator[Cloud]:
    """An empty cloud, whose environments have no Airflow in them."""
    with running(folder, mwaa=STAND_IN) as aws:
        backend = folder / "backend"
        init_stacks(backend=backend)
        environment = {**os.environ, **pulumi_environment(backend=backend), **aws.environment}
        yield Cloud(aws, environment, folder)
