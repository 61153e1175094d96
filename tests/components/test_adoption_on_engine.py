"""An environment that a recovery created becomes part of the stack, with the real engine."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from engine_cloud import Cloud
from program_run import ROOT
from test_program_on_engine import ENVIRONMENT, NAMES, REGION, changed, deployed, files

from cli.adopt import URN
from cli.main import main
from contract import keys
from contract.created import CreatedEnvironment
from contract.ownership import INITIAL
from contract.sites import Site
from tests.components.recovered import owned_by, recover

__all__ = ["deployed", "files"]
pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

INCIDENT = "failover-e0001-01"
GOING = {"backup.allowDeletion": True}
DR_OWNS = INITIAL.promoted(Site.DR, INCIDENT, "2026-11-26T12:00:00+00:00")


@pytest.fixture(scope="module")
def recovered(deployed: Cloud) -> Cloud:
    """The DR site owns the epoch, in an environment that the deployed function created."""
    recover(deployed, INCIDENT)
    owned_by(deployed, DR_OWNS)
    return deployed


@pytest.fixture
def file(recovered: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The committed stack file in a folder of its own, with the command's credentials."""
    for key, value in recovered.environment.items():
        if key.startswith("AWS_"):
            monkeypatch.setenv(key, value)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(ROOT / "Pulumi.dr.yaml", tmp_path))


def adopt(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["adopt", *arguments])


def adopted(*arguments: str) -> dict:
    done = adopt("--yes", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def live(cloud: Cloud) -> dict:
    client = cloud.client("mwaa", REGION[Site.DR])
    return client.get_environment(Name=NAMES.environment(Site.DR))["Environment"]


def moved(cloud: Cloud, file: Path) -> set[tuple[str, str]]:
    """What an update would do, by operation and type."""
    plan = cloud.steps("dr", "--config-file", str(file))
    return {(op, kind) for op, kind, _ in plan if op != "same"}


def refused(cloud: Cloud, *arguments: str) -> str:
    done = cloud.pulumi(*arguments)
    assert done.returncode != 0, done.stdout
    return " ".join((done.stdout + done.stderr).split())


def test_what_was_asked_for_is_kept_in_the_dr_region(recovered: Cloud) -> None:
    bucket = NAMES.backup_bucket(Site.DR)
    key = keys.created_environment(Site.DR)
    found = recovered.client("s3", REGION[Site.DR]).get_object(Bucket=bucket, Key=key)
    made = CreatedEnvironment.from_json(found["Body"].read())
    assert (made.incident_id, made.gone_at) == (INCIDENT, "")
    assert made.arguments["EnvironmentClass"] == "mw1.medium"
    assert made.arguments["SourceBucketArn"].endswith(NAMES.dag_bucket(Site.DR))


def test_a_dry_run_writes_nothing(file: Path) -> None:
    before = file.read_bytes()
    found = adopted("--dry-run")
    assert (found["environment"], found["written"]) == (NAMES.environment(Site.DR), False)
    assert file.read_bytes() == before


def test_nothing_is_taken_down_while_the_dr_site_owns_the_epoch(recovered: Cloud) -> None:
    going = changed(recovered, "dr", GOING)
    options = ("--yes", "--skip-preview", "-s", "dr", "--config-file", going)
    said = refused(recovered, "up", *options)
    assert "the DR site owns epoch 2" in said
    assert "run `mwaa-dr failback` first" in said
    assert "cannot be deleted" in refused(recovered, "destroy", "--yes", "-s", "dr")


def test_an_adopted_environment_is_imported_without_a_change(recovered: Cloud, file: Path) -> None:
    before, text = live(recovered), file.read_text()
    found = adopted()
    assert (found["written"], found["secrets"], found["changed_since_created"]) == (True, [], {})
    after = file.read_text()
    assert after.startswith(text), "comments, order and all"
    assert adopted()["written"] is False, "twice is once"
    assert file.read_text() == after

    assert moved(recovered, file) == {("import", ENVIRONMENT)}
    shown = recovered.must("preview", "-s", "dr", "--config-file", str(file))
    assert "do not match" not in shown
    recovered.must("up", "--yes", "--skip-preview", "-s", "dr", "--config-file", str(file))
    assert live(recovered) == before
    again = ("--skip-preview", "--expect-no-changes", "-s", "dr", "--config-file", str(file))
    recovered.must("up", "--yes", *again)
    state = json.loads(recovered.must("stack", "export", "-s", "dr"))["deployment"]["resources"]
    (resource,) = [one for one in state if one["type"] == ENVIRONMENT]
    assert (resource["urn"], resource["protect"]) == (URN, True)

    owned_by(recovered, INITIAL)
    try:
        going = changed(recovered, "dr", GOING)
        assert "belongs to no stack" in refused(
            recovered, "preview", "-s", "dr", "--config-file", going
        )
        done = adopt("--release", "--yes")
        assert done.exit_code == 0, done.output
        assert file.read_text() == text, "as before it was adopted"
        assert "protected" in refused(
            recovered, "up", "--yes", "--skip-preview", "-s", "dr", "--config-file", str(file)
        )
        recovered.must("state", "unprotect", URN, "-s", "dr", "--yes")
        assert moved(recovered, file) == {("delete", ENVIRONMENT)}
        recovered.must("up", "--yes", "--skip-preview", "-s", "dr", "--config-file", str(file))
    finally:
        owned_by(recovered, DR_OWNS)
    with pytest.raises(Exception, match="not found"):
        live(recovered)


@pytest.mark.usefixtures("recovered")
def test_where_there_is_nothing_to_adopt_it_says_so(file: Path) -> None:
    before = file.read_bytes()
    done = adopt("--yes")
    assert done.exit_code != 0
    assert "there is nothing to adopt" in done.output
    assert file.read_bytes() == before


@pytest.mark.usefixtures("file")
def test_a_stack_that_may_be_deleted_is_not_destroyed_past_the_owner(recovered: Cloud) -> None:
    """Deletion was allowed while the primary owned; then it was lost."""
    owned_by(recovered, INITIAL)
    going = changed(recovered, "dr", GOING)
    options = ("-s", "dr", "--config-file", going)
    assert adopt("--release", "--yes").exit_code == 0, "what the stack deleted is written off"
    recovered.must("up", "--yes", "--skip-preview", *options)
    owned_by(recovered, DR_OWNS)
    said = refused(recovered, "destroy", "--yes", "--skip-preview", "-s", "dr")
    assert "--run-program" in said
    said = refused(recovered, "destroy", "--yes", "--skip-preview", "--run-program", *options)
    assert "the DR site owns epoch 2" in said
    assert recovered.versions(NAMES.backup_bucket(Site.DR), REGION[Site.DR]), "nothing went"
    table = recovered.client("dynamodb", REGION[Site.DR]).describe_table(
        TableName=NAMES.state_table
    )
    assert table["Table"]["TableStatus"] == "ACTIVE"
