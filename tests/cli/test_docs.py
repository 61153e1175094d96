"""Every command that `docs/metadata.md` and `docs/forecast.md` print does what the page says."""

import json
import re
import shlex
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from cli.main import main
from local.paths import ROOT
from tests.cli.test_rerun import NAMES, REGION, Agent, agent, recovered
from tests.metadata.metadata_world import World

__all__ = ["agent", "recovered"]

pytestmark = pytest.mark.airflow

PAGE = ROOT / "docs" / "metadata.md"
FORECAST = ROOT / "docs" / "forecast.md"
BUCKET = "my-backups"


def commands(section: str, page: Path = PAGE) -> list[str]:
    """The command lines of a section, in order."""
    text = page.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"^ *\$ ((?:env -u \w+ )?mwaa-dr .+)$", text, re.MULTILINE)


@pytest.fixture
def environ(agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says to set, in a folder of its own and with an installation that exists."""
    del agent  # it brings the AWS
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MWAA_DR_STORAGE", f"s3://{BUCKET}/by-hand")
    monkeypatch.setenv("AWS_REGION", REGION)
    for name, value in (("NAME", NAMES.name), ("REGION", REGION), ("ACCOUNT", NAMES.account)):
        monkeypatch.setenv(f"MWAA_DR_{name}", value)
    boto3.client("s3", region_name=REGION).create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    kms = boto3.client("kms", region_name=REGION)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/etl-primary-seal", TargetKeyId=key)


def run(line: str, world: World, **replaced: str) -> str:
    """Run one line of the page with its example values replaced by real ones."""
    for example, value in replaced.items():
        line = line.replace(example, value)
    before, _, arguments = line.partition("mwaa-dr ")
    environ = {"AIRFLOW__CORE__FERNET_KEY": world.key}
    if not before and not arguments.startswith("rerun"):
        environ["MWAA_DR_DATABASE_URL"] = world.url
    words = shlex.split(arguments.replace("$MWAA_DR_DATABASE_URL", world.url))
    result = CliRunner().invoke(main, words, env=environ)
    assert result.exit_code == 0, (line, result.output)
    return result.output


@pytest.mark.usefixtures("environ")
def test_export_import_and_verify_work_as_printed(filled: World, target: World, tmp_path: Path):
    exports = commands("Export")
    assert len(exports) == 4
    for line in exports:
        run(line, filled, **{"file:///backups": f"file://{tmp_path}/backups"})
    newest = boto3.client("s3", region_name=REGION).list_objects_v2(
        Bucket=BUCKET, Prefix="by-hand/backups/primary/00000001/", Delimiter="/"
    )["CommonPrefixes"][-1]["Prefix"].split("/")[-2]  # fmt: skip
    examples = {"20261126T093000123456Z": newest, "2026-11-26T09:30Z": "2100-01-01"}
    verifications = commands("Verify")
    assert len(verifications) == 2
    for line in verifications:
        run(line, target, **examples)
    imports = commands("Import")
    assert len(imports) == 6
    for line in imports:
        run(line, target, **examples)
    assert target.one("SELECT state FROM dag_run WHERE run_id = 'live'") == "queued"


@pytest.mark.usefixtures("environ")
def test_a_forecast_works_as_printed(filled: World):
    run("mwaa-dr metadata export", filled)
    lines = commands("Ask for one", FORECAST)
    assert len(lines) == 3
    shown = [run(line, filled, **{"2026-11-26T09:30Z": "2100-01-01"}) for line in lines]
    assert "in-flight rule rerun" in shown[1]
    found = json.loads(shown[2])
    assert found["outage_at"] == "2026-11-26T10:40:00+00:00"
    assert found["until"] == "2026-11-26T12:00:00+00:00"


@pytest.mark.usefixtures("environ", "recovered")
def test_running_again_works_as_printed(target: World, agent: Agent):
    lines = commands("Run interrupted work again")
    assert len(lines) == 7
    agent.live()
    shown = [run(line, target) for line in lines]
    assert "waiting" in shown[0]
    states = dict(target.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'"))
    assert states == {"live": "queued", "waiting": "queued", "done": "success"}
