"""The operator's command against moto in this process."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from click.testing import CliRunner, Result
from moto import mock_aws

from cli.main import main
from contract import keys, state
from contract.manifest import BackupKind, BackupObject, Manifest, ObjectSet
from contract.names import Names
from contract.orders import Ack, OrderStatus
from contract.sites import InFlightRule, Site
from mwaa_dr_metadata import forecast
from tests.metadata.test_metadata_forecast import PROMOTED, SNAPSHOT, dag

NAMES = Names("etl", "123456789012")
REGION = "us-west-2"
FIRST = "failover-e0001-01"
INCIDENT = {
    "incident_id": FIRST,
    "epoch": 1,
    "owner": "primary",
    "target": "dr",
    "status": "succeeded",
    "opened_at": "2026-11-22T12:01:00+00:00",
    "closed_at": "2026-11-22T12:09:00+00:00",
    "outage_at": "2026-11-22T12:00:00+00:00",
    "reasons": ["pulse: bad [400 s old]"],
    "reason": "",
    "figures": {"rto_unpaused_seconds": 360, "rpo_seconds": 41},
    "timeline": {
        "restored": {"step": "restored", "at": "2026-11-22T12:05:00+00:00", "detail": {"rows": 7}},
        "opened": {"step": "opened", "at": "2026-11-22T12:01:00+00:00", "detail": {}},
    },
}


@pytest.fixture(autouse=True)
def installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with mock_aws():
        boto3.client("dynamodb", region_name=REGION).create_table(
            TableName=NAMES.state_table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("s3", region_name=REGION).create_bucket(
            Bucket=NAMES.backup_bucket(Site.DR),
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        yield


def run(*arguments: str, place: bool = True) -> Result:
    options = ["--name", "etl", "--region", REGION, "--account", NAMES.account] if place else []
    return CliRunner().invoke(main, [*options, *arguments])


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def put_item(pk: str, item: dict[str, Any]) -> None:
    serialise = TypeSerializer().serialize
    boto3.client("dynamodb", region_name=REGION).put_item(
        TableName=NAMES.state_table,
        Item={key: serialise(value) for key, value in {"pk": pk, **item}.items()},
    )


def put(key: str, body: bytes) -> None:
    s3 = boto3.client("s3", region_name=REGION)
    s3.put_object(Bucket=NAMES.backup_bucket(Site.DR), Key=key, Body=body)


def put_backup(age: float, *, finished: bool = True) -> str:
    at = datetime.now(UTC) - timedelta(seconds=age)
    identifier = keys.backup_id(at)
    prefix = keys.backup_prefix(Site.PRIMARY, 1, identifier)
    body = b"rows"
    sha256 = hashlib.sha256(body).hexdigest()
    one = BackupObject("resume/dag_run.zst", ObjectSet.RESUME, "dag_run", 3, len(body), sha256)
    manifest = Manifest(
        backup_id=identifier,
        kind=BackupKind.BASE,
        installation="etl",
        site=Site.PRIMARY,
        epoch=1,
        environment="etl-primary",
        airflow_version="2.10.3",
        alembic_heads={},
        system_identifier="1",
        snapshot="1:2:",
        snapshot_at=at.isoformat(),
        started_at=at.isoformat(),
        finished_at=at.isoformat(),
        seal={},
        objects=[one],
        counts={"dag_run": 3},
        excluded={"job": "bound to a host"},
    )
    put(prefix + one.key, body)
    if finished:
        put(prefix + keys.MANIFEST, manifest.to_json().encode())
    return identifier


def test_a_fresh_installation_has_a_status() -> None:
    found = answer("status")
    assert found["ownership"]["owner"] == "primary"
    assert (found["verdict"], found["backup"], found["incident"]) == (None, None, None)
    assert "no reading yet" in run("status").output


def test_status_shows_verdict_signals_backup_and_incident() -> None:
    reading = {
        "at": "2026-11-22T12:00:00+00:00",
        "verdict": "DOWN",
        "owner": "primary",
        "epoch": 1,
        "reasons": ["pulse: bad (400 s old)"],
        "signals": [{"signal": "pulse", "state": "bad", "evidence": "400 s old"}],
    }
    put_item(
        state.READINGS,
        {
            "verdict": "DOWN",
            "since": reading["at"],
            "last_alive_at": "",
            "readings": [reading, reading],
            "version": 2,
        },
    )
    put_item(state.OPEN_INCIDENT, {"incident_id": FIRST, "status": "open"})
    newest = put_backup(30)
    put_backup(10, finished=False)
    found = answer("status")
    assert (found["verdict"], found["backup"]["id"]) == ("DOWN", newest)
    assert 29 < found["backup"]["age_seconds"] < 60
    shown = run("status").output
    for text in ("DOWN", "400 s old", newest, f"{FIRST}: open"):
        assert text in shown


def test_status_shows_the_users_own_checks_and_what_aws_said() -> None:
    reading = {
        "at": "2026-11-22T12:00:00+00:00",
        "verdict": "DEGRADED",
        "owner": "primary",
        "epoch": 1,
        "reasons": ["check orders: bad (5000)"],
        "signals": [],
        "checks": [{"check": "orders", "state": "bad", "evidence": "5000", "counts": False}],
    }
    put_item(state.READINGS, {"verdict": "DEGRADED", "since": "", "readings": [reading]})
    note = {
        "key": "k",
        "at": "2026-11-22T12:00:00+00:00",
        "site": "primary",
        "alarming": True,
        "text": "EC2 in us-east-1: trouble",
    }
    put_item(state.EVENTS, {"notes": [note], "version": 1})
    shown = run("status").output
    for text in ("check orders", "5000", "EC2 in us-east-1: trouble"):
        assert text in shown
    found = answer("status")
    assert found["readings"][0]["checks"] == reading["checks"]
    assert [one["text"] for one in found["events"]] == [note["text"]]


def test_backups_are_listed_newest_first_with_their_state() -> None:
    older, newer = put_backup(300), put_backup(30, finished=False)
    rows = answer("backups", "list")
    assert [(row["id"], row["state"]) for row in rows] == [
        (newer, "incomplete"),
        (older, "complete"),
    ]
    assert [row["id"] for row in answer("backups", "list", "--limit", "1")] == [newer]
    assert older in run("backups", "list").output


def test_without_backups_the_list_is_empty() -> None:
    assert answer("backups", "list") == []
    assert run("backups", "list").exit_code == 0
    result = run("backups", "show")
    assert result.exit_code == 1
    assert "there is no complete backup" in result.output


def test_a_backup_is_shown_by_id_or_the_newest() -> None:
    older, newer = put_backup(300), put_backup(30)
    assert answer("backups", "show")["backup_id"] == newer
    assert answer("backups", "show", older)["backup_id"] == older
    shown = run("backups", "show").output
    assert "resume/dag_run.zst" in shown
    assert "left out: job: bound to a host" in shown
    assert "there is no backup nothing" in run("backups", "show", "nothing").output


def test_an_altered_backup_does_not_verify() -> None:
    identifier = put_backup(30)
    assert "all 1 objects are what the manifest says" in run("backups", "verify").output
    key = f"{keys.backup_prefix(Site.PRIMARY, 1, identifier)}resume/dag_run.zst"
    for body, fault in ((b"ROWS", "another content"), (b"row", "3 bytes, 4 expected")):
        put(key, body)
        result = run("backups", "verify", identifier)
        assert result.exit_code == 1
        assert fault in result.output
    result = run("backups", "verify", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output)["faults"] == {"resume/dag_run.zst": "3 bytes, 4 expected"}


def test_a_report_tells_an_incident_in_order() -> None:
    put_item(state.incident(FIRST), INCIDENT)
    put_item(state.OPEN_INCIDENT, {"incident_id": FIRST, "status": "succeeded"})
    found = answer("report")
    assert [entry["step"] for entry in found["timeline"]] == ["opened", "restored"]
    shown = run("report", FIRST).output
    for text in ("outage to un-paused", "360 s", "rows 7", "pulse: bad [400 s old]"):
        assert text in shown


def some_forecast(dags: int) -> dict[str, Any]:
    entries = [dag(dag_id=f"dag_{number:02d}") for number in range(dags)]
    return forecast(entries, [], InFlightRule.FAIL, SNAPSHOT, PROMOTED).to_dict()


def put_answer(forecast: dict[str, Any]) -> None:
    result = {"phase": "resume", "forecast": forecast}
    ack = Ack(f"{FIRST}-import-resume-x", Site.DR, OrderStatus.SUCCEEDED, "now", result)
    put(keys.ack(Site.DR, ack.order_id), ack.to_json().encode())


def test_a_report_shows_what_was_foretold_before_the_promotion() -> None:
    put_item(state.incident(FIRST), INCIDENT)
    foretold = some_forecast(dags=30)
    put_answer(foretold)
    assert answer("report", FIRST)["forecast"] == foretold
    shown = run("report", FIRST).output
    for text in (foretold["headline"], "dag_00", "and 10 DAGs more", "in-flight rule fail"):
        assert text in shown
    assert "Never run" not in shown, "a column in which nothing stands"


def test_a_report_says_why_there_is_no_forecast() -> None:
    put_item(state.incident(FIRST), INCIDENT)
    assert answer("report", FIRST)["forecast"] is None
    put_answer({"headline": "there is none: ValueError: no"})
    assert "there is none: ValueError: no" in run("report", FIRST).output


def test_a_report_needs_no_bucket() -> None:
    put_item(state.incident(FIRST), INCIDENT)
    boto3.client("s3", region_name=REGION).delete_bucket(Bucket=NAMES.backup_bucket(Site.DR))
    result = run("report", FIRST)
    assert result.exit_code == 0
    assert "outage to un-paused" in result.stdout
    assert "the forecast cannot be read" in result.stderr


def test_a_report_of_nothing_says_so() -> None:
    assert "there was no incident" in run("report").output
    assert "there is no incident failover-e0009-01" in run("report", "failover-e0009-01").output


def test_the_place_comes_from_the_stack_file_of_a_folder_above(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.dr.yaml").write_text(
        "config:\n  mwaa-dr:name: etl\n  mwaa-dr:drRegion: us-west-2\n"
        '  mwaa-dr:account: "123456789012"\n  mwaa-dr:tags: {a: b}\n'
    )
    result = run("status", "--json", place=False)
    assert json.loads(result.output)["installation"] == "etl"


def test_without_file_or_options_it_says_what_is_missing() -> None:
    result = run("status", place=False)
    assert result.exit_code == 2
    assert "--name is missing" in result.output
    assert run("status", "--help", place=False).exit_code == 0


def test_the_account_may_come_from_the_credentials() -> None:
    result = CliRunner().invoke(main, ["--name", "etl", "--region", REGION, "status", "--json"])
    assert json.loads(result.output)["installation"] == "etl"


def test_a_name_that_is_not_allowed_is_refused() -> None:
    result = CliRunner().invoke(main, ["--name", "Not Allowed", "--region", REGION, "status"])
    assert result.exit_code == 2
    assert "'Not Allowed' is not allowed" in result.output


def test_what_aws_refuses_is_a_message() -> None:
    options = ["--name", "other", "--region", REGION, "--account", NAMES.account]
    result = CliRunner().invoke(main, [*options, "status"])
    assert result.exit_code == 1
    assert "Error: AWS: " in result.output
