"""Programs of another shape: the pack knows none of their names."""

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from local.gateway.process import running
from local.paths import ROOT
from local.pulumi.environment import init_stacks, pulumi_environment

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PROGRAMS = Path(__file__).parent / "programs"
BUCKETS = {
    "backupBuckets": ["acme-airflow-dumps", "acme-airflow-vault"],
    "dagBuckets": ["acme-airflow-code-mirror"],
}
CONFIG = {
    f"mwaa-dr-{rule}": BUCKETS
    for rule in (
        *("bucket-versioned", "bucket-encrypted", "bucket-private", "bucket-tls-only"),
        *("bucket-owned", "bucket-replicated", "replication-measured", "replication-complete"),
        *("replication-failure-alarm", "key-kept", "key-rotated", "role-sufficient"),
    )
}
BROKEN = {
    "unversioned": "mwaa-dr-bucket-versioned",
    "public": "mwaa-dr-bucket-private",
    "unrotated": "mwaa-dr-key-rotated",
    "keyless": "mwaa-dr-role-sufficient",
    "unmeasured": "mwaa-dr-replication-measured",
    "ended": "mwaa-dr-environment-supported",
    "mute": "mwaa-dr-environment-logged",
    "deaf": "mwaa-dr-environment-heartbeat-alarm",
}


class Elsewhere:
    """A project with one stack that only ever is previewed."""

    def __init__(self, folder, environment):
        self.folder = folder
        self.environment = environment

    def preview(self, *broken):
        """The exit code, and `(level, rule)` of all that is not a note."""
        flags = [f"--config=acme:{name}=true" for name in broken]
        done = subprocess.run(
            [
                *("pulumi", "preview", "--stack", "prod", "--non-interactive", "--color", "never"),
                *("--policy-pack", str(ROOT / "policy"), "--policy-pack-config", "policy.json"),
                *flags,
            ],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return done.returncode, shown(done.stdout), done.stdout + done.stderr


def shown(output):
    lines = output.splitlines()
    return {
        (line.split()[1].strip("[]"), line.split()[4])
        for line, text in pairwise([*lines, ""])
        if line.strip().startswith("- [") and "can't run policy" not in text
    }


@pytest.fixture(scope="module")
def lakehouse(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lakehouse")
    runtime = {"name": "python", "options": {"virtualenv": str(Path(sys.executable).parent.parent)}}
    (folder / "Pulumi.yaml").write_text(json.dumps({"name": "acme", "runtime": runtime}))
    (folder / "policy.json").write_text(json.dumps(CONFIG))
    shutil.copy(PROGRAMS / "lakehouse.py", folder / "__main__.py")
    with running(folder / "aws") as aws:
        backend = folder / "backend"
        environment = {
            **os.environ,
            **pulumi_environment(backend=backend),
            **aws.environment,
            "AWS_REGION": "eu-central-1",
        }
        init_stacks(folder, stacks=["prod"], backend=backend)
        yield Elsewhere(folder, environment)


def test_one_stack_for_two_regions_with_providers_and_other_names_passes(lakehouse):
    code, found, output = lakehouse.preview()
    assert (code, found) == (0, set()), output


def test_the_same_program_is_refused_by_every_rule_that_it_breaks(lakehouse):
    code, found, output = lakehouse.preview(*BROKEN)
    assert code != 0
    assert found == {("mandatory", rule) for rule in BROKEN.values()}, output


def analyze(folder, states, config):
    (folder / "state.json").write_text(json.dumps(states))
    (folder / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [
            *("pulumi", "policy", "analyze", "--file", "state.json", "--non-interactive"),
            *("--policy-pack", str(ROOT / "policy"), "--policy-pack-config", "config.json"),
            *("--color", "never"),
        ],
        cwd=folder,
        env={**os.environ, **pulumi_environment(backend=folder / "backend")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, shown(done.stdout), done.stdout + done.stderr


@pytest.fixture
def typescript():
    """What `pulumi stack export` gives of a TypeScript program: V2 types, default providers."""
    return json.loads((PROGRAMS / "typescript-state.json").read_text())


def test_an_exported_state_of_a_typescript_program_passes(typescript, tmp_path):
    code, found, output = analyze(tmp_path, typescript, {})
    assert (code, found) == (0, set()), output


@pytest.mark.parametrize(
    ("name", "prop", "value", "rule"),
    [
        ("dagsVersioning", "versioningConfiguration", {"status": "Suspended"}, "bucket-versioned"),
        ("analytics", "airflowVersion", "2.4.3", "environment-supported"),
        ("analyticsHeartbeat", "treatMissingData", "notBreaching", "environment-heartbeat-alarm"),
        ("orchestrate", "loggingConfiguration", {"level": "OFF"}, "state-machine-logged"),
    ],
)
def test_a_rule_objects_to_a_typescript_program(  # noqa: PLR0917 - one row of a table
    typescript, tmp_path, name, prop, value, rule
):
    resources = typescript["deployment"]["resources"]
    [resource] = [one for one in resources if one["urn"].endswith(f"::{name}")]
    for part in ("inputs", "outputs"):
        resource[part][prop] = value
    code, found, output = analyze(tmp_path, typescript, {})
    assert code != 0
    assert found == {("mandatory", f"mwaa-dr-{rule}")}, output
