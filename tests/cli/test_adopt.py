"""`mwaa-dr adopt` against what a real recovery left behind."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from cli.adoption import KEY
from cli.main import main
from cli.place import Place
from contract import keys
from contract.created import CreatedEnvironment
from contract.sites import Site
from tests.handlers.conftest import fake_credentials, installation, made_clients, stage
from tests.handlers.installation import CONFIG
from tests.handlers.stage import Stage

__all__ = ["fake_credentials", "installation", "made_clients", "stage"]
pytestmark = pytest.mark.engine

TEXT = """\
config:
  aws:region: us-west-2
  mwaa-dr:name: etl
  mwaa-dr:strategy: backup-restore  # the cheap one
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    path = folder / "Pulumi.dr.yaml"
    path.write_text(TEXT)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    return path


@pytest.fixture
def recovered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A recovery that created an environment."""
    client = stage.runtime.clients.mwaa("us-west-2")
    monkeypatch.setattr(Place, "mwaa", client)
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover() == "SUCCEEDED", stage.incident()
    return stage


def adopt(*arguments: str, **more: Any) -> Result:
    place = ["--name", "etl", "--region", "us-west-2", "--account", CONFIG.account]
    return CliRunner().invoke(main, [*place, "adopt", *arguments], **more)


def refused(*arguments: str) -> str:
    done = adopt("--yes", *arguments)
    assert done.exit_code != 0, done.output
    return " ".join(done.output.split())


def created(stage: Stage) -> CreatedEnvironment:
    return CreatedEnvironment.from_json(stage.text(keys.created_environment(Site.DR)))


def back_home(stage: Stage) -> None:
    """The primary site owns again."""
    record = stage.ownership
    stage.own(record.promoted(Site.PRIMARY, "failback-e0002-01", stage.runtime.at()))


@pytest.mark.usefixtures("recovered")
def test_it_is_written_once_and_the_rest_stays(file: Path) -> None:
    assert json.loads(adopt("--json", "--dry-run").stdout)["written"] is False
    assert file.read_text() == TEXT
    answer = json.loads(adopt("--json", "--yes").stdout)
    assert (answer["environment"], answer["written"]) == ("etl-dr", True)
    after = file.read_text()
    assert after.startswith(TEXT)
    section = yaml.safe_load(after)["config"][KEY]
    assert section == answer["section"]
    assert section["incident"] == "failover-e0001-01"
    assert section["startupScriptS3Path"] == "mwaa-dr/startup-failover-e0001-01.sh"
    assert not any("mwaa_dr." in name for name in section["airflowConfigurationOptions"])
    assert json.loads(adopt("--json", "--yes").stdout)["written"] is False
    assert file.read_text() == after
    said = adopt("--yes").output
    assert "says so already" in said
    assert "pulumi up -s dr" in said


@pytest.mark.usefixtures("recovered")
def test_nothing_is_written_without_a_yes(file: Path) -> None:
    assert adopt(input="n\n").exit_code == 1
    assert file.read_text() == TEXT


@pytest.mark.usefixtures("stage")
def test_without_a_recovery_there_is_nothing_to_adopt(file: Path) -> None:
    assert "no recovery of etl has created an environment in us-west-2" in refused()
    assert file.read_text() == TEXT


def test_what_is_gone_or_on_its_way_is_not_adopted(recovered: Stage, file: Path) -> None:
    recovered.becomes("UNAVAILABLE")
    assert "etl-dr in us-west-2 is UNAVAILABLE" in refused()
    recovered.becomes("AVAILABLE")
    recovered.runtime.clients.mwaa("us-west-2").delete_environment(Name="etl-dr")
    recovered.clock.forward(60)
    assert "does not exist in us-west-2 any more" in refused()
    assert file.read_text() == TEXT


@pytest.mark.usefixtures("recovered")
def test_under_the_other_strategy_the_stack_has_its_own(file: Path) -> None:
    file.write_text(TEXT.replace("backup-restore", "active-passive"))
    assert "mwaa-dr:strategy is active-passive" in refused()


@pytest.mark.usefixtures("recovered")
@pytest.mark.parametrize("adopted", [True, False])
def test_the_live_environment_is_never_let_go(file: Path, adopted: bool) -> None:
    if adopted:
        adopt("--yes")
    before = file.read_text()
    assert "the DR site owns epoch 2: its environment is the live one" in refused("--release")
    assert file.read_text() == before


def test_after_a_failback_it_goes_out_of_the_file(recovered: Stage, file: Path) -> None:
    adopt("--yes")
    back_home(recovered)
    assert "nothing was changed" in adopt("--release", "--dry-run").output
    assert KEY in file.read_text()
    said = adopt("--release", "--yes").output
    assert "pulumi state unprotect 'urn:pulumi:dr::mwaa-dr::" in said
    assert file.read_text() == TEXT
    assert recovered.environments == ["etl-dr"], "the stack deletes what it owns"


def test_what_was_never_adopted_is_deleted_and_written_off(recovered: Stage, file: Path) -> None:
    back_home(recovered)
    answer: dict[str, Any] = json.loads(adopt("--release", "--yes", "--json").stdout)
    assert answer["released"]
    recovered.clock.forward(60)
    with pytest.raises(ClientError, match="not found"):
        recovered.runtime.clients.mwaa("us-west-2").get_environment(Name="etl-dr")
    assert created(recovered).gone_at
    assert "there is nothing to adopt" in refused("--release")
    assert file.read_text() == TEXT


def test_a_drill_writes_its_own_environment_off(stage: Stage) -> None:
    stage.backup(60)
    assert stage.recover("drill", by="me") == "SUCCEEDED", stage.incident()
    assert created(stage).incident_id == "drill-e0001-01"
    assert created(stage).gone_at
