"""Both stacks with the real engine, the local provider and the gateway, as one story."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from engine_cloud import Cloud, cloud_in
from program_run import ACCOUNT, ROOT

from contract import keys, state
from contract.names import Names
from contract.ownership import INITIAL
from contract.sites import Site
from local.pulumi.environment import STACKS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

NAMES = Names("analytics", ACCOUNT)
REGION = {Site.PRIMARY: "us-east-1", Site.DR: "us-west-2"}
ENVIRONMENT = "aws:mwaa/environment:Environment"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"


def committed() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in ROOT.glob("Pulumi*.yaml")}


def changed(cloud: Cloud, stack: str, changes: dict[str, Any]) -> str:
    """The committed stack file with other settings."""
    return cloud.stack_file(ROOT / f"Pulumi.{stack}.yaml", changes)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The stack files before any command ran."""
    return committed()


@pytest.fixture(scope="module")
def deployed(files: dict[str, bytes], tmp_path_factory) -> Iterator[Cloud]:
    """Both stacks as the committed files say."""
    del files  # read before the first command
    with cloud_in(tmp_path_factory.mktemp("cloud")) as cloud:
        for stack in STACKS:
            cloud.must("up", "--yes", "--skip-preview", "-s", stack)
        yield cloud


def test_a_second_update_of_either_stack_finds_nothing_to_do(deployed):
    for stack in STACKS:
        deployed.must("up", "--yes", "--skip-preview", "--expect-no-changes", "-s", stack)


@pytest.mark.usefixtures("deployed")
def test_the_committed_files_stay_as_they_are(files):
    assert files == committed()


def test_code_is_in_the_dr_region_with_the_same_versions(deployed):
    primary = deployed.versions(NAMES.dag_bucket(Site.PRIMARY), REGION[Site.PRIMARY])
    assert "dags/mwaa_dr/mwaa_dr_agent.py" in primary
    assert deployed.versions(NAMES.dag_bucket(Site.DR), REGION[Site.DR]) == primary


def test_the_sealing_key_opens_in_dr_what_was_sealed_in_primary(deployed):
    primary, dr = (deployed.client("kms", REGION[site]) for site in (Site.PRIMARY, Site.DR))
    sealed = primary.encrypt(KeyId=NAMES.seal_alias(Site.PRIMARY), Plaintext=b"secret")
    opened = dr.decrypt(CiphertextBlob=sealed["CiphertextBlob"], KeyId=NAMES.seal_alias(Site.DR))
    assert opened["Plaintext"] == b"secret"


def test_no_option_is_in_clear_in_the_state(deployed):
    exported = deployed.must("stack", "export", "-s", "primary")
    assert "core.default_task_retries" not in exported
    assert "analytics-primary-dags" in exported


def noted(cloud: Cloud) -> str:
    """What the state table holds of AWS's events, as text."""
    item = cloud.client("dynamodb", REGION[Site.DR]).get_item(
        TableName=NAMES.state_table, Key={state.PK: {"S": state.EVENTS}}
    )
    return json.dumps(item.get("Item", {}))


def until_noted(cloud: Cloud, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in noted(cloud):
        assert time.monotonic() < deadline, noted(cloud)
        time.sleep(0.5)


def test_a_status_change_in_the_primary_region_reaches_the_monitors_table(deployed):
    entry = {
        "Source": "aws.airflow",
        "DetailType": "MWAA Environment Status Change",
        "Detail": json.dumps({"name": NAMES.environment(Site.PRIMARY), "status": "UNAVAILABLE"}),
    }
    deployed.client("events", REGION[Site.PRIMARY]).put_events(Entries=[entry])
    until_noted(deployed, "analytics-primary: UNAVAILABLE")


@pytest.fixture
def primary_lost(deployed: Cloud) -> Iterator[Cloud]:
    """The primary Region hangs, and IAM with it: its control plane is in us-east-1."""
    deployed.aws.control.begin_outage(REGION[Site.PRIMARY], mode="hang")
    yield deployed
    deployed.aws.control.end_outage(REGION[Site.PRIMARY])


def test_trouble_in_the_primary_region_is_noted_while_that_region_hangs(deployed, primary_lost):
    primary_lost.aws.control.health_event(REGION[Site.PRIMARY], service="S3", event="hanging")
    until_noted(deployed, "S3 in us-east-1")


def test_the_dr_stack_can_be_changed_while_the_primary_region_hangs(deployed, primary_lost):
    file = changed(deployed, "dr", {"backup.retentionDays": 21})
    primary_lost.must("up", "--yes", "-s", "dr", "--config-file", file, seconds=120)
    deployed.aws.control.end_outage(REGION[Site.PRIMARY])
    rules = deployed.client("s3", REGION[Site.DR]).get_bucket_lifecycle_configuration(
        Bucket=NAMES.backup_bucket(Site.DR)
    )["Rules"]
    # The base of the oldest backup of the 21 days is up to a day and an interval older than it.
    assert 23 in [rule.get("Expiration", {}).get("Days") for rule in rules]


@pytest.fixture
def switched(deployed: Cloud) -> Iterator[str]:
    """The stack file of the other strategy; afterwards the first one is deployed again."""
    yield changed(deployed, "dr", {"strategy": "active-passive"})
    deployed.must("up", "--yes", "--skip-preview", "-s", "dr")


CREATING = {
    *("aws:lambda/function:Function", "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"),
    *("aws:cloudwatch/logGroup:LogGroup", "aws:cloudwatch/metricAlarm:MetricAlarm"),
}
"""What goes with the functions that create and remove an environment."""


def test_the_strategy_switches_both_ways_and_touches_nothing_that_holds_data(deployed, switched):
    there = deployed.steps("dr", "--config-file", switched)
    assert {op for op, _, _ in there} <= {"same", "create", "update", "read", "delete"}
    assert {kind for op, kind, _ in there if op == "delete"} == CREATING
    assert ("create", ENVIRONMENT) in {(op, kind) for op, kind, _ in there}
    deployed.must("up", "--yes", "--skip-preview", "-s", "dr", "--config-file", switched)
    again = ("--skip-preview", "--expect-no-changes", "-s", "dr", "--config-file", switched)
    deployed.must("up", "--yes", *again)
    back = deployed.steps("dr")
    gone = {kind for op, kind, _ in back if "delete" in op or "replace" in op}
    assert gone == {ENVIRONMENT, "aws:cloudwatch/metricAlarm:MetricAlarm", OBJECT}
    code = deployed.versions(NAMES.dag_bucket(Site.DR), REGION[Site.DR])
    deployed.must("up", "--yes", "--skip-preview", "-s", "dr")
    assert deployed.versions(NAMES.dag_bucket(Site.DR), REGION[Site.DR]) == code, "the code stays"


def test_the_strategy_is_not_switched_while_the_dr_site_owns_the_epoch(deployed):
    record = INITIAL.promoted(Site.DR, "failover-e0001-01", "2026-11-26T12:00:00+00:00")
    place = {"Bucket": NAMES.backup_bucket(Site.DR), "Key": keys.OWNERSHIP}
    client = deployed.client("s3", REGION[Site.DR])
    client.put_object(**place, Body=record.to_json(), ContentType="application/json")
    try:
        other = changed(deployed, "dr", {"strategy": "active-passive"})
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
    assert deployed.versions(NAMES.dag_bucket(Site.PRIMARY), REGION[Site.PRIMARY])


def test_destroy_removes_everything_once_deletion_is_allowed(deployed):
    files = {stack: changed(deployed, stack, {"backup.allowDeletion": True}) for stack in STACKS}
    for stack, file in files.items():
        deployed.must("up", "--yes", "--skip-preview", "-s", stack, "--config-file", file)
    for site in (Site.PRIMARY, Site.DR):
        # The guard of the live environment is in the program of `dr`.
        how = ("--run-program", "--config-file", files["dr"]) if site is Site.DR else ()
        deployed.must("destroy", "--yes", "--skip-preview", "-s", site.value, *how)
        with pytest.raises(ClientError, match=r"404|NoSuchBucket"):
            deployed.client("s3", REGION[site]).head_bucket(Bucket=NAMES.backup_bucket(site))
