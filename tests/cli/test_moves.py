"""`mwaa-dr failover`, `failback`, `drill`, `approve` against the real functions and machines."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli import follow
from cli.main import main
from contract import keys, state
from contract.lifecycle import SiteState
from contract.orders import OrderKind
from contract.ownership import Ownership
from contract.sites import Site, Strategy
from contract.state import IncidentStatus
from tests.handlers.conftest import fake_credentials, installation, made_clients, stage
from tests.handlers.installation import CONFIG
from tests.handlers.stage import InjectedError, ServiceError, Stage

__all__ = ["fake_credentials", "installation", "made_clients", "stage"]
pytestmark = pytest.mark.engine

FIRST = "failover-e0001-01"
PASSIVE = pytest.mark.parametrize(
    "stage", [{"strategy": Strategy.ACTIVE_PASSIVE}], indirect=True, ids=["passive"]
)
DR_OWNS = Ownership(Site.DR, 2, SiteState.ACTIVE, FIRST, "2026-11-26T09:00:00+00:00")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.2)
    monkeypatch.setenv("COLUMNS", "200")


def run(*arguments: str, **more: Any) -> Result:
    place = ["--name", "etl", "--region", "us-west-2", "--account", CONFIG.account]
    return CliRunner().invoke(main, [*place, *arguments], **more)


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def executions(stage: Stage) -> list[str]:
    machine = CONFIG.names.state_machine_arn("recovery", "us-west-2")
    client = stage.machines
    return [one["name"] for one in client.list_executions(stateMachineArn=machine)["executions"]]


def test_a_failover_is_shown_done_and_followed(stage: Stage) -> None:
    stage.backup(600)
    stage.agents.silent = {Site.PRIMARY}
    result = run("failover", "--yes")
    assert result.exit_code == 0, result.output
    assert (stage.ownership.owner, stage.ownership.epoch) == (Site.DR, 2)
    assert executions(stage) == [FIRST]
    before, after = result.stdout, result.stderr
    for text in (
        "dr takes over from primary",
        "1 becomes 2",
        "10 min old",
        "create the environment",
    ):
        assert text in before
    for step in ("not-fenced", "restored", "active"):
        assert step in after
    assert "succeeded" in before
    assert "arn:aws:sts" in str(stage.incident(FIRST)["reasons"])


def test_a_failover_that_fails_exits_with_1_and_says_why(stage: Stage) -> None:
    stage.agents.silent = {Site.PRIMARY}
    result = run("failover", "--yes")
    assert result.exit_code == 1
    assert "NoBackupError: no backup of primary" in result.stdout
    assert "none: it will fail" in result.stdout


def test_a_dry_run_tells_course_backup_and_arithmetic_and_writes_nothing(stage: Stage) -> None:
    manifest = stage.backup(600)
    found = answer("failover", "--dry-run")
    assert (found["incident_id"], found["owner"], found["target"]) == (FIRST, "primary", "dr")
    assert (found["epoch"], found["next_epoch"], found["dry_run"]) == (1, 2, True)
    assert found["backup"] in manifest
    assert 600 <= found["backup_age_seconds"] < 700
    assert "10 min" in found["at_risk"]
    assert found["steps"][1].startswith("create the environment of dr")
    assert "nothing was changed" in run("failover", "--dry-run").stdout
    assert stage.runtime.state.get(state.OPEN_INCIDENT) is None
    assert executions(stage) == []


def test_nothing_begins_without_a_yes(stage: Stage) -> None:
    stage.backup(60)
    result = run("failover", input="n\n")
    assert result.exit_code == 1
    assert "Go on?" in result.stderr
    assert executions(stage) == []
    assert run("failover", input="y\n").exit_code == 0


def test_json_is_all_that_is_printed(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    found = answer("failover", "--yes")
    assert (found["incident_id"], found["status"]) == (FIRST, "succeeded")
    assert found["timeline"][0]["step"] == "opened"


def test_without_waiting_it_returns_at_once(stage: Stage) -> None:
    stage.backup(60)
    assert answer("failover", "--yes", "--no-wait") == {"incident_id": FIRST, "status": "open"}
    stage.end(stage.execution_arn(FIRST))
    assert stage.ownership.epoch == 2


def test_pressing_twice_is_one_recovery(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.on(OrderKind.IMPORT, lambda _order: None)
    assert run("failover", "--yes", "--no-wait").exit_code == 0
    again = run("failover", "--yes", "--no-wait")
    assert again.exit_code == 0, again.output
    assert "which is open already" in again.stdout
    older = run("failover", "--to", answer("backups", "list")[-1]["id"], "--yes")
    assert older.exit_code == 1
    assert f"{FIRST} is open and goes to the newest backup" in older.stderr
    assert "is open; wait until it is closed" in run("failover", "--planned", "--yes").stderr
    del stage.agents.answers[None, OrderKind.IMPORT]
    stage.end(stage.execution_arn(FIRST))
    assert executions(stage) == [FIRST]


@PASSIVE
def test_a_planned_failover_loses_nothing_and_says_so(stage: Stage) -> None:
    stage.backup(60)
    stage.environment(Site.DR)
    result = run("failover", "--planned", "--yes")
    assert result.exit_code == 0, result.output
    assert "nothing: primary writes a final backup" in result.stdout
    assert stage.incident("planned-failover-e0001-01")["kind"] == "planned-failover"
    assert stage.ownership.owner is Site.DR


def test_going_back_to_a_time_takes_the_newest_backup_before_it(stage: Stage) -> None:
    older, newer = stage.backup(900), stage.backup(300)
    at = (datetime.now(UTC) - timedelta(seconds=600)).isoformat()
    found = answer("failover", "--to", at, "--dry-run")
    assert found["backup"] in older
    assert "what primary did in the last 15 min" in found["at_risk"]
    stage.environment(Site.PRIMARY)
    assert run("failover", "--to", at, "--same-site", "--yes").exit_code == 0
    imported = next(one for one in stage.agents.done if one.kind is OrderKind.IMPORT)
    assert imported.site is Site.PRIMARY
    assert (imported.payload["backup"], imported.payload["mode"]) == (older, "replace")
    assert (stage.ownership.owner, stage.ownership.epoch) == (Site.PRIMARY, 2)
    assert newer != older


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("20200101T000000000000Z", "there is no backup '20200101T000000000000Z'"),
        ("2020-01-01", "no complete backup is as old as 2020-01-01"),
        ("yesterday", "there is no backup 'yesterday'"),
    ],
)
def test_a_backup_that_is_not_there_is_said_before_anything_begins(
    stage: Stage, to: str, message: str
) -> None:
    stage.backup(60)
    result = run("failover", "--to", to, "--yes")
    assert result.exit_code == 1
    assert message in result.stderr
    assert executions(stage) == []


def test_a_failback_reconciles_what_the_primary_did_alone(stage: Stage) -> None:
    stage.environment(Site.PRIMARY)
    stage.own(replace(DR_OWNS, standby=SiteState.FENCED))
    stage.backup(60, site=Site.DR, epoch=2)
    shown = answer("status")["ownership"]
    assert (shown["owner"], shown["standby"]) == ("dr", "FENCED")
    assert "FENCED: lost ownership and its DAGs are paused" in run("status").stdout
    result = run("failback", "--yes")
    assert result.exit_code == 0, result.output
    assert "keep what primary did alone" in result.stdout
    for step in ("divergence-exported", "reconciled", "drained", "final-export", "active"):
        assert step in result.stderr
    assert (stage.ownership.owner, stage.ownership.epoch) == (Site.PRIMARY, 3)


@pytest.mark.parametrize(
    ("record", "command", "message"),
    [
        (None, "failback", "there is nothing to fail back"),
        (DR_OWNS, "failover --planned", "`failback` leads back"),
        (replace(DR_OWNS, standby=SiteState.FENCE_PENDING), "failback", "shows it FENCED"),
        (replace(DR_OWNS, standby=SiteState.FENCED), "drill", "`failback` reconciles it"),
        (replace(DR_OWNS, state=SiteState.PROMOTING), "failover", "must end first"),
    ],
)
def test_what_cannot_begin_is_refused_in_words(
    stage: Stage, record: Ownership | None, command: str, message: str
) -> None:
    if record:
        stage.own(record)
    result = run(*command.split(), "--yes")
    assert result.exit_code == 1
    assert message in re.sub(r"\s+", " ", result.stderr)
    assert executions(stage) == []


@pytest.mark.parametrize("arguments", ["--planned --to x", "--planned --same-site", "--same-site"])
def test_what_does_not_fit_together_is_wrong_usage(stage: Stage, arguments: str) -> None:
    assert run("failover", *arguments.split()).exit_code == 2
    assert executions(stage) == []


def test_a_drill_leaves_the_ownership_and_removes_what_it_made(stage: Stage) -> None:
    stage.backup(60)
    result = run("drill", "--yes")
    assert result.exit_code == 0, result.output
    for text in ("dr restores a backup and runs nothing", "1, and stays", "remove the environment"):
        assert text in result.stdout
    assert stage.ownership.epoch == 1
    assert stage.environments == []
    assert answer("report")["kind"] == "drill"


def test_a_function_that_is_not_there_or_breaks_is_told_apart(stage: Stage) -> None:
    stage.faults[""] = [
        ServiceError("ResourceNotFoundException", "no", 404),
        InjectedError("broken"),
    ]
    assert "`pulumi up -s dr` makes it" in run("failover", "--yes").stderr
    assert "etl-dr-open-incident failed: InjectedError: broken" in run("failover", "--yes").stderr


def test_a_recovery_that_ends_without_closing_its_incident_is_noticed(stage: Stage) -> None:
    stage.backup(60)
    stage.faults["CloseSucceeded"] = [InjectedError("no")]
    result = run("failover", "--yes")
    assert result.exit_code == 1
    assert f"ended without closing {FIRST}" in result.stderr


def waiting(stage: Stage) -> str:
    """An incident that the monitor opened and that waits for a person."""
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    opened = stage.open("failover")
    return stage.start("recovery", opened["input"], opened["incident_id"])


ASKS = pytest.mark.parametrize(
    "stage",
    [{"recovery": replace(CONFIG.recovery, approval_seconds=10**7)}],
    indirect=True,
    ids=["asks"],
)


@ASKS
@pytest.mark.parametrize("words", [(), ("--reject",)], ids=["approve", "reject"])
def test_a_person_decides_once(stage: Stage, words: tuple[str, ...]) -> None:
    execution = waiting(stage)
    found = answer("approve", FIRST, *words)
    assert found["decision"]["approved"] is not bool(words)
    assert found["decision"]["by"].startswith("arn:aws:sts")
    assert stage.end(execution) == ("FAILED" if words else "SUCCEEDED")
    assert stage.ownership.epoch == (1 if words else 2)
    assert ("rejected" if words else "approved") in stage.steps(FIRST)
    again = run("approve", FIRST)
    assert again.exit_code == 1
    assert "too late to decide" in again.stderr


@ASKS
def test_the_second_of_two_people_is_told_about_the_first(stage: Stage) -> None:
    stage.open("failover")
    assert "approved by arn:aws:sts" in run("approve", FIRST).stdout
    result = run("approve", FIRST, "--reject")
    assert result.exit_code == 1
    assert f"{FIRST} was approved by arn:aws:sts" in result.stderr
    assert stage.incident(FIRST)["decision"]["approved"] is True


def test_there_must_be_something_to_decide(stage: Stage) -> None:
    assert "there is no incident" in run("approve", FIRST).stderr
    stage.open("failover", by="a person")
    assert "waits for nobody" in run("approve", FIRST).stderr


def test_a_report_shows_the_kind_and_what_the_old_owner_stopped(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert run("failover", "--yes").exit_code == 0
    late = {
        "dag_id": "sales",
        "run_id": "late",
        "state": "running",
        "started_at": None,
        "tasks": [],
    }
    early = {**late, "run_id": "early", "tasks": [["load", -1, "running"]]}
    fence = {
        "at": stage.runtime.at(),
        "paused": ["stock"],
        "ended": [early, late],
        "started": [late],
    }
    stage.put(keys.fence(Site.PRIMARY, 2, stage.clock.at), json.dumps(fence))
    stage.put(keys.fence(Site.PRIMARY, 3, stage.clock.at), json.dumps({**fence, "paused": ["x"]}))
    found = answer("report")
    assert [one["paused"] for one in found["fences"]] == [["stock"]]
    shown = run("report").stdout
    assert "what primary stopped since it lost epoch 1" in shown
    rows = [[cell.strip() for cell in line.split("│")[2:-1]] for line in shown.splitlines()]
    assert ["sales", "late", "running", "0", "YES"] in rows
    assert ["sales", "early", "running", "1", "no"] in rows
    assert ["stock", "-", "un-paused", "-", "-"] in rows
    assert found["status"] == IncidentStatus.SUCCEEDED
