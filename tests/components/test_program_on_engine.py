"""Both stacks with the real engine, the local provider and the gateway, as one story."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError
from program_run import ACCOUNT, ROOT

from contract import keys
from contract.names import Names
from contract.ownership import INITIAL
from contract.sites import Site
from local.gateway.process import LocalAws, running
from local.pulumi.environment import init_stacks, pulumi_environment

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

NAMES = Names("analytics", ACCOUNT)
REGION = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}
ENVIRONMENT = "aws:mwaa/environment:Environment"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
STAND_IN = "tests.components.engine_stand_in:Removable"


@dataclass
class Cloud:
    """A gateway, a Pulumi backend and the way to use both."""

    aws: LocalAws
    environment: dict[str, str]
    folder: Path
    committed: dict[str, bytes]
    """The stack files before any command ran."""

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

    def plan(self, *arguments: str) -> set[tuple[str, str]]:
        """What an update of `dr` would do: (operation, type of resource)."""
        text = self.must("preview", "--json", "-s", "dr", *arguments)
        steps = json.loads(text[text.index("{") :])["steps"]
        kinds = [(step["op"], step["urn"].split("::")[2].rpartition("$")[2]) for step in steps]
        return {(op, kind) for op, kind in kinds if kind.startswith("aws:")}

    def client(self, service: str, site: Site):
        return boto3.client(
            service,
            region_name=REGION[site],
            endpoint_url=self.aws.endpoint,
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    def versions(self, bucket: str, site: Site) -> dict[str, str]:
        found = self.client("s3", site).list_object_versions(Bucket=bucket)
        return {one["Key"]: one["VersionId"] for one in found.get("Versions", [])}

    def changed(self, stack: str, *, strategy: str = "backup-restore", **backup) -> str:
        """A configuration file like the committed one with other settings."""
        config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
        config["config"]["mwaa-dr:backup"].update(backup)
        config["config"]["mwaa-dr:strategy"] = strategy
        path = self.folder / f"{stack}-{strategy}.yaml"
        path.write_text(yaml.safe_dump(config))
        return str(path)


def committed() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in ROOT.glob("Pulumi*.yaml")}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("cloud")
    with running(folder, mwaa=STAND_IN) as aws:
        backend = folder / "backend"
        init_stacks(backend=backend)
        environment = {**os.environ, **pulumi_environment(backend=backend), **aws.environment}
        yield Cloud(aws, environment, folder, committed())


@pytest.fixture(scope="module")
def deployed(cloud: Cloud) -> Cloud:
    for stack in ("dr", "primary"):
        cloud.must("up", "--yes", "--skip-preview", "-s", stack)
    return cloud


def test_a_second_update_of_either_stack_finds_nothing_to_do(deployed):
    for stack in ("dr", "primary"):
        deployed.must("up", "--yes", "--skip-preview", "--expect-no-changes", "-s", stack)


def test_the_committed_files_stay_as_they_are(deployed):
    assert deployed.committed == committed()


def test_code_is_in_the_dr_region_with_the_same_versions(deployed):
    primary = deployed.versions(NAMES.dag_bucket(Site.PRIMARY), Site.PRIMARY)
    assert "dags/mwaa_dr/mwaa_dr_agent.py" in primary
    assert deployed.versions(NAMES.dag_bucket(Site.DR), Site.DR) == primary


def test_the_sealing_key_opens_in_dr_what_was_sealed_in_primary(deployed):
    primary, dr = deployed.client("kms", Site.PRIMARY), deployed.client("kms", Site.DR)
    sealed = primary.encrypt(KeyId=NAMES.seal_alias(Site.PRIMARY), Plaintext=b"secret")
    opened = dr.decrypt(CiphertextBlob=sealed["CiphertextBlob"], KeyId=NAMES.seal_alias(Site.DR))
    assert opened["Plaintext"] == b"secret"


def test_no_option_is_in_clear_in_the_state(deployed):
    state = deployed.must("stack", "export", "-s", "primary")
    assert "core.default_task_retries" not in state
    assert "analytics-primary-dags" in state


def test_the_dr_stack_can_be_changed_while_the_primary_region_hangs(deployed):
    deployed.aws.control.begin_outage("us-east-1", mode="hang")
    try:
        file = deployed.changed("dr", retentionDays=21)
        deployed.must("up", "--yes", "-s", "dr", "--config-file", file, seconds=120)
    finally:
        deployed.aws.control.end_outage("us-east-1")
    rules = deployed.client("s3", Site.DR).get_bucket_lifecycle_configuration(
        Bucket=NAMES.backup_bucket(Site.DR)
    )["Rules"]
    # The base of the oldest backup of the 21 days is up to a day and an interval older than it.
    assert 23 in [rule.get("Expiration", {}).get("Days") for rule in rules]


@pytest.fixture
def switched(deployed: Cloud) -> Iterator[str]:
    """The stack file of the other strategy; afterwards the first one is deployed again."""
    yield deployed.changed("dr", strategy="active-passive")
    deployed.must("up", "--yes", "--skip-preview", "-s", "dr")


def test_the_strategy_switches_both_ways_and_touches_nothing_that_holds_data(deployed, switched):
    there = deployed.plan("--config-file", switched)
    assert {op for op, _ in there} <= {"same", "create", "update", "read"}
    assert ("create", ENVIRONMENT) in there
    deployed.must("up", "--yes", "--skip-preview", "-s", "dr", "--config-file", switched)
    again = ("--skip-preview", "--expect-no-changes", "-s", "dr", "--config-file", switched)
    deployed.must("up", "--yes", *again)
    back = deployed.plan()
    gone = {kind for op, kind in back if "delete" in op or "replace" in op}
    assert gone == {ENVIRONMENT, "aws:cloudwatch/metricAlarm:MetricAlarm", OBJECT}
    code = deployed.versions(NAMES.dag_bucket(Site.DR), Site.DR)
    deployed.must("up", "--yes", "--skip-preview", "-s", "dr")
    assert deployed.versions(NAMES.dag_bucket(Site.DR), Site.DR) == code, "the code stays"


def test_the_strategy_is_not_switched_while_the_dr_site_owns_the_epoch(deployed):
    record = INITIAL.promoted(Site.DR, "failover-e0001-01", "2026-11-26T12:00:00+00:00")
    place = {"Bucket": NAMES.backup_bucket(Site.DR), "Key": keys.OWNERSHIP}
    client = deployed.client("s3", Site.DR)
    client.put_object(**place, Body=record.to_json(), ContentType="application/json")
    try:
        other = deployed.changed("dr", strategy="active-passive")
        done = deployed.pulumi("preview", "-s", "dr", "--config-file", other)
        assert done.returncode != 0
        said = " ".join((done.stdout + done.stderr).split())
        assert "'active-passive' cannot replace 'backup-restore' now" in said
        assert "the DR site owns epoch 2" in said
        assert "run `mwaa-dr failback` first" in said
        deployed.must("preview", "-s", "dr")
    finally:
        client.put_object(**place, Body=INITIAL.to_json(), ContentType="application/json")


def test_a_plain_destroy_is_refused_and_takes_nothing(deployed):
    for stack in ("primary", "dr"):
        done = deployed.pulumi("destroy", "--yes", "-s", stack)
        assert done.returncode != 0
        assert "cannot be deleted" in done.stdout
        assert "protected" in done.stdout
        said = deployed.must("stack", "output", "deletion", "-s", stack)
        assert "mwaa-dr:backup.allowDeletion to true" in said
    assert deployed.versions(NAMES.dag_bucket(Site.PRIMARY), Site.PRIMARY)


def test_destroy_removes_everything_once_deletion_is_allowed(deployed):
    for stack in ("dr", "primary"):
        file = deployed.changed(stack, allowDeletion=True)
        deployed.must("up", "--yes", "--skip-preview", "-s", stack, "--config-file", file)
    for site in (Site.PRIMARY, Site.DR):
        deployed.must("destroy", "--yes", "--skip-preview", "-s", site.value)
        with pytest.raises(ClientError, match=r"404|NoSuchBucket"):
            deployed.client("s3", site).head_bucket(Bucket=NAMES.backup_bucket(site))
