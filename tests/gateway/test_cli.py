import json
import os
import subprocess
import sys
import time

import psutil
import pytest
from botocore.exceptions import ClientError

from local.gateway import process
from local.gateway.control import Control
from local.paths import ROOT
from tests.gateway.conftest import STAND_IN, Aws

pytestmark = pytest.mark.engine


def local(root, *arguments, check=True):
    return subprocess.run(
        [sys.executable, "-m", "local", "--root", str(root), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=check,
        timeout=90,
    )


@pytest.fixture
def root(tmp_path):
    yield tmp_path / "local"
    process.stop(tmp_path / "local")


def test_up_status_outage_and_down(root):
    first = local(root, "up").stdout
    assert "up at http://127.0.0.1:" in first
    state = json.loads((root / "state.json").read_text())
    assert set(state) == {"endpoint", "pid", "account", "clocks"}
    stacks = root.glob("pulumi/.pulumi/stacks/*/*.json")
    assert {stack.stem for stack in stacks} == {"dr", "primary"}
    assert f"PULUMI_BACKEND_URL=file://{root / 'pulumi'}" in local(root, "env").stdout
    assert "up already at" in local(root, "up").stdout
    with pytest.raises(RuntimeError, match="up already"):
        process.start(root)
    assert "hang for airflow" in local(root, "outage", "us-east-1", "--services", "mwaa").stdout
    shown = local(root, "status").stdout
    assert "us-east-1" in shown
    assert "hang" in shown
    refused = local(root, "outage", "us-east-1", "--services", "post", check=False)
    assert refused.returncode != 0
    assert "post" in refused.stderr
    assert "works again" in local(root, "outage", "us-east-1", "--end").stdout
    assert local(root, "down").stdout == "down\n"
    assert not psutil.pid_exists(state["pid"])
    assert local(root, "down").stdout == "was not up\n"
    assert "make local-up" in local(root, "status", check=False).stderr


SLEEPER = """
import subprocess, time
def handler(e, c):
    subprocess.Popen(["sleep", "300"])
    time.sleep(30)
"""


def _processes_below(pid, *, at_least, seconds=20):
    """The asynchronous call may take a moment to start its function and the function its child."""
    deadline = time.monotonic() + seconds
    while True:
        found = psutil.Process(pid).children(recursive=True)
        if len(found) >= at_least:
            return found
        assert time.monotonic() < deadline, f"only {found} below the gateway"
        time.sleep(0.1)


@pytest.mark.parametrize("way", ["asked", "killed"])
def test_nothing_survives_the_gateway(root, way):
    running = process.start(root, mwaa=STAND_IN)
    aws = Aws(running)
    aws.client("iam").create_role(
        RoleName="test",
        AssumeRolePolicyDocument='{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
        '"Principal": {"Service": "lambda.amazonaws.com"}}]}',
    )
    aws.client("lambda").invoke(
        FunctionName=aws.function(SLEEPER, Timeout=60), InvocationType="Event"
    )
    aws.client("lambda").invoke(FunctionName=aws.function("def handler(e, c): pass\n"))
    with pytest.raises(ClientError, match="not found"):
        aws.client("mwaa").get_environment(Name="nobody")
    below = _processes_below(running.pid, at_least=3)
    if way == "asked":
        process.stop(root)
        assert (root / "mwaa-closed").exists()
    else:
        psutil.Process(running.pid).kill()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []


def test_environment_is_enough_for_a_plain_boto3_process(gateway):
    code = (
        "import boto3; print(boto3.client('sts', 'us-west-2').get_caller_identity()['Account'])"
        "\ntry: boto3.client('mwaa', 'us-west-2').get_environment(Name='x')"
        "\nexcept Exception as e: print(type(e).__name__)"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, **gateway.running.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["123456789012", "ResourceNotFoundException"]


def test_gateway_that_cannot_start_says_why(gateway, root):
    port = int(gateway.running.endpoint.rsplit(":", 1)[1])
    with pytest.raises(RuntimeError, match=r"did not start(.|\n)*in use"):
        process.start(root, port=port)


def test_control_without_a_gateway_is_unhealthy():
    assert not Control("http://127.0.0.1:9").healthy()
