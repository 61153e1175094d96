"""A plain moto server as AWS, and small Pulumi programs run by the real engine."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from local.ports import free_port
from local.pulumi.environment import ENCRYPTION_SALT, init_stacks, pulumi_environment

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
STACK = "dev"


@dataclass
class Aws:
    """Where the emulated AWS listens."""

    endpoint: str

    def client(self, service, region="us-west-2"):
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    port = free_port()
    log = (tmp_path_factory.mktemp("moto") / "moto.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log
    )
    endpoint = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    yield Aws(endpoint)
    process.terminate()
    process.wait(10)
    log.close()


@dataclass
class Project:
    """A Pulumi project with one stack."""

    folder: Path
    environment: dict

    def write(self, program, config=None):
        (self.folder / "__main__.py").write_text(
            "import json, pulumi\nimport pulumi_aws as aws\n" + textwrap.dedent(program)
        )
        values = {"aws:region": "us-west-2", **(config or {})}
        text = json.dumps({"encryptionsalt": ENCRYPTION_SALT, "config": values})
        (self.folder / f"Pulumi.{STACK}.yaml").write_text(text)

    def run(self, *arguments, check=True):
        """Run the CLI; its whole output is the result's `stdout`."""
        done = subprocess.run(
            ["pulumi", *arguments, "-s", STACK, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout
        return done

    def up(self, *arguments, check=True):
        return self.run("up", "--yes", "--skip-preview", *arguments, check=check)

    def resources(self):
        """The state by logical name."""
        text = self.run("stack", "export").stdout
        listed = json.loads(text)["deployment"].get("resources", [])
        return {item["urn"].rsplit("::", 1)[1]: item for item in listed}


@pytest.fixture
def project(tmp_path, aws):
    python = sys.executable
    (tmp_path / "Pulumi.yaml").write_text(
        json.dumps(
            {
                "name": "trial",
                "runtime": {
                    "name": "python",
                    "options": {"virtualenv": str(Path(python).parent.parent)},
                },
            }
        )
    )
    environment = {**os.environ, **pulumi_environment(backend=tmp_path / "state"), **CREDENTIALS}
    environment["AWS_ENDPOINT_URL"] = aws.endpoint
    made = Project(tmp_path, environment)
    made.write("")
    init_stacks(tmp_path, stacks=[STACK], backend=tmp_path / "state")
    return made
