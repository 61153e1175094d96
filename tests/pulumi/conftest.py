"""The local AWS, and small Pulumi programs run against it by the real engine."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from local.gateway.process import LocalAws, running
from local.pulumi.environment import ENCRYPTION_SALT, init_stacks, pulumi_environment

STACK = "dev"


@dataclass
class Aws:
    """The local AWS of these tests."""

    running: LocalAws

    def client(self, service, region="us-west-2"):
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.running.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    with running(tmp_path_factory.mktemp("aws")) as started:
        yield Aws(started)


@dataclass
class Project:
    """A Pulumi project with one stack."""

    folder: Path
    environment: dict

    def write(self, program, config=None):
        (self.folder / "__main__.py").write_text(
            "import json, pulumi\nimport pulumi_aws as aws\n" + textwrap.dedent(program)
        )
        self.configure(config or {})

    def configure(self, config):
        values = {"aws:region": "us-west-2", **config}
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
        """The state by logical name; of several with one name the first that was made."""
        text = self.run("stack", "export").stdout
        listed = json.loads(text)["deployment"].get("resources", [])
        return {item["urn"].rsplit("::", 1)[1]: item for item in reversed(listed)}


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
    environment = {
        **os.environ,
        **pulumi_environment(backend=tmp_path / "state"),
        **aws.running.environment,
    }
    made = Project(tmp_path, environment)
    made.write("")
    init_stacks(tmp_path, stacks=[STACK], backend=tmp_path / "state")
    return made
