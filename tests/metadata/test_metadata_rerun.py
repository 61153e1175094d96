"""What an outage interrupted is listed and, when asked, run again; nothing else stirs."""

import json
from datetime import datetime, timedelta

import pytest

from contract.reruns import RerunRequest, RunName
from contract.sites import InFlightRule
from mwaa_dr_metadata import Phase, unpark
from mwaa_dr_metadata.interruptions import (
    at_risk_runs,
    interrupted_runs,
    snapshot_of_import,
)
from mwaa_dr_metadata.rerun import rerun
from mwaa_dr_metadata.rerun_request import answer
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import Vault, World, at

pytestmark = pytest.mark.airflow

LIVE, WAITING = RunName("busy", "live"), RunName("busy", "waiting")
STARTED = {"state": "running", "end_date": None, "queued_at": at(1)}


@pytest.fixture
def restored(filled: World, target: World, vault: Vault) -> str:
    """The target after an import; returns the snapshot's time."""
    key, manifest = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    return manifest.snapshot_at


def state(world: World, table: str) -> list[tuple]:
    return world.sql(f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608


def runs(world: World, dag_id: str = "busy") -> dict[str, str]:
    return dict(world.sql("SELECT run_id, state FROM dag_run WHERE dag_id = %s", dag_id))


def tasks(world: World, columns: str = "state") -> dict[str, tuple]:
    rows = world.sql(f"SELECT task_id, {columns} FROM task_instance "  # noqa: S608
                     "WHERE dag_id = 'busy' AND run_id = 'live'")  # fmt: skip
    return {row[0]: row[1:] for row in rows}


def named(candidates) -> list[RunName]:
    return [candidate.name for candidate in candidates]


def test_the_database_itself_says_what_was_interrupted(restored, target):
    assert snapshot_of_import(target.engine) == restored
    found = {one.name: one for one in interrupted_runs(target.engine, restored)}
    assert set(found) == {LIVE, WAITING}
    live = found[LIVE]
    assert (live.state, live.done, live.to_do) == ("failed", 1, len(hard.UNFINISHED))
    assert live.paused


@pytest.mark.usefixtures("restored")
def test_an_environment_without_an_import_has_nothing_interrupted(filled):
    assert snapshot_of_import(filled.engine) is None


def test_everything_that_did_not_succeed_runs_again(restored, target):
    report = rerun(target.engine, restored)
    assert report.runs == [LIVE, WAITING]
    assert (report.left, report.put_back, report.dry_run) == ([], [], False)
    assert report.paused == ["busy"]
    assert runs(target) == {"live": "queued", "waiting": "queued", "done": "success"}
    found = tasks(
        target, "state, start_date, end_date, duration, trigger_id, next_method, hostname"
    )
    assert found.pop("t_done")[0] == "success"
    cleared = {task: row for task, row in found.items() if task in hard.BEGUN}
    assert report.tasks == len(cleared) == len(hard.BEGUN)
    assert set(cleared.values()) == {(None, None, None, None, None, None, "")}
    assert {row[0] for row in found.values()} == {None}
    assert target.one("SELECT count(*) FROM task_reschedule WHERE task_id = 't_reschedule'") == 0
    assert target.one("SELECT count(*) FROM task_reschedule WHERE dag_id = 'etl'") > 0


def test_the_outage_costs_no_try(restored, target):
    before = tasks(target, "state, max_tries")
    rerun(target.engine, restored)
    for task, (left,) in tasks(target, "max_tries").items():
        was_cut_off = before[task][0] == "failed" and task != "t_retry"
        assert left == before[task][1] + was_cut_off, task


@pytest.mark.parametrize(
    ("was", "more"),
    [
        ({"state": "up_for_retry", "end_date": at(2), "duration": 60}, 0),
        ({"state": "running", "end_date": None, "duration": None}, 1),
        ({"state": "deferred", "end_date": None, "duration": None}, 1),
    ],
)
def test_a_task_has_as_many_tries_left_as_before_the_outage(filled, target, vault, was, more):
    tried = {"try_number": 1, "max_tries": 2, "start_date": at(1)}
    filled.task("busy", "waiting", "t_tried", **tried, **was)
    key, manifest = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    rerun(target.engine, manifest.snapshot_at)
    found = target.sql("SELECT state, try_number, max_tries, end_date FROM task_instance "
                       "WHERE task_id = 't_tried'")  # fmt: skip
    assert found == [(None, 1, 2 + more, None)]


def test_a_task_that_failed_for_good_gets_another_try_by_force(restored, target):
    times = {"start_date": at(1), "end_date": at(2), "duration": 60.0}
    target.task("busy", "done", "t", state="failed", try_number=3, max_tries=2, **times)
    rerun(target.engine, restored, [RunName("busy", "done")], force=True)
    assert target.one("SELECT max_tries FROM task_instance WHERE run_id = 'done'") == 3


def test_a_run_is_queued_as_airflow_queues_a_cleared_one(restored, target):
    rerun(target.engine, restored)
    row = target.sql("SELECT start_date, end_date, last_scheduling_decision, clear_number, "
                     "queued_at > now() - interval '1 minute' FROM dag_run "
                     "WHERE run_id = 'live'")[0]  # fmt: skip
    assert row == (None, None, None, 1, True)


def test_twice_is_once(restored, target):
    rerun(target.engine, restored)
    before = [state(target, table) for table in ("dag_run", "task_instance", "task_reschedule")]
    again = rerun(target.engine, restored)
    assert (again.runs, again.tasks, again.left) == ([], 0, [])
    named_again = rerun(target.engine, restored, [LIVE], force=True, whole=True)
    assert named_again.left == [{"dag_id": "busy", "run_id": "live", "reason": "it is queued"}]
    assert before == [
        state(target, table) for table in ("dag_run", "task_instance", "task_reschedule")
    ]
    assert interrupted_runs(target.engine, restored) == []


def test_a_dry_run_says_the_same_and_changes_nothing(restored, target):
    before = [state(target, table) for table in ("dag_run", "task_instance", "task_reschedule")]
    rehearsed = rerun(target.engine, restored, dry_run=True)
    assert before == [
        state(target, table) for table in ("dag_run", "task_instance", "task_reschedule")
    ]
    done = rerun(target.engine, restored)
    assert (rehearsed.runs, rehearsed.tasks) == (done.runs, done.tasks)


def test_only_the_named_runs_are_run_again(restored, target):
    assert rerun(target.engine, restored, [WAITING]).runs == [WAITING]
    assert runs(target) == {"live": "failed", "waiting": "queued", "done": "success"}
    assert named(interrupted_runs(target.engine, restored)) == [LIVE]


def test_a_run_that_somebody_dealt_with_needs_force(restored, target):
    target.sql("UPDATE dag_run SET end_date = now() WHERE run_id = 'live'")
    assert rerun(target.engine, restored).runs == [WAITING]
    refused = rerun(target.engine, restored, [LIVE])
    assert refused.runs == []
    assert "--force" in refused.left[0]["reason"]
    assert rerun(target.engine, restored, [LIVE], force=True).runs == [LIVE]
    assert runs(target)["live"] == "queued"


def test_what_is_done_is_done_again_only_when_that_is_said(restored, target):
    done = RunName("busy", "done")
    target.task("busy", "done", "t")
    assert "--whole" in rerun(target.engine, restored, [done], force=True).left[0]["reason"]
    report = rerun(target.engine, restored, [done], force=True, whole=True)
    assert (report.runs, report.tasks) == ([done], 1)
    assert target.one("SELECT state FROM task_instance WHERE run_id = 'done'") is None


def test_an_unknown_run_and_an_unknown_dag_are_named(restored, target):
    target.sql("DELETE FROM dag WHERE dag_id = 'busy'")
    report = rerun(target.engine, restored, [LIVE, RunName("busy", "never")])
    assert report.runs == []
    assert {entry["run_id"]: entry["reason"] for entry in report.left} == {
        "live": "its DAG is not in this environment, so it would wait for ever",
        "never": "this database has no such run",
    }


def test_a_task_of_a_finished_run_that_was_cut_off_is_run_again(filled, target, vault):
    filled.task("etl", "scheduled__1", "zombie", state="running", end_date=None)
    key, manifest = vault.export(filled)
    vault.restore(target, key)
    finished = RunName("etl", "scheduled__1")
    assert finished in named(interrupted_runs(target.engine, manifest.snapshot_at))
    assert rerun(target.engine, manifest.snapshot_at, [finished]).tasks == 1
    zombie = "SELECT state FROM task_instance WHERE task_id = 'zombie'"
    assert target.one(zombie) is None
    others = target.sql("SELECT DISTINCT state FROM task_instance WHERE run_id = 'scheduled__1' "
                        "AND task_id <> 'zombie'")  # fmt: skip
    assert others == [("success",)]


def test_after_the_rule_rerun_nothing_is_left_to_do(filled, target, vault):
    key, manifest = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    unpark(target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.RERUN)
    assert interrupted_runs(target.engine, manifest.snapshot_at) == []
    assert rerun(target.engine, manifest.snapshot_at).runs == []


def in_order(source: World, target: World, vault: Vault) -> str:
    """One run was cut off; at the new owner newer ones wait for it, others are at work."""
    source.dag("order", max_active_runs=3)
    source.run("order", "cut-off", 10, state="running", end_date=None)
    source.task("order", "cut-off", "t", state="running", end_date=None)
    key, manifest = vault.export(source)
    vault.restore(target, key, Phase.RESUME)
    looked = {"last_scheduling_decision": at(100)}
    for n, name in enumerate(("waits", "half-done", "between", "works")):
        target.run("order", name, 20 + n * 10, **STARTED, **(looked if name != "between" else {}))
        target.task("order", name, "u", state=None, start_date=None, end_date=None)
    target.task("order", "half-done", "t", end_date=at(50))
    target.task("order", "between", "t", end_date=at(50))
    target.task("order", "works", "t", state="running", end_date=None)
    target.run("order", "older", 5, **STARTED, **looked)
    return manifest.snapshot_at


def test_newer_runs_that_only_wait_give_their_places_up(source, target, vault):
    snapshot_at = in_order(source, target, vault)
    report = rerun(target.engine, snapshot_at)
    assert [name.run_id for name in report.put_back] == ["half-done", "waits"]
    assert runs(target, "order") == {
        "cut-off": "queued",
        "waits": "queued",
        "half-done": "queued",  # the scheduler looked at it after its last task had ended
        "between": "running",  # the scheduler has not looked yet
        "works": "running",
        "older": "running",  # it does not wait for a run that comes after it
    }


def test_runs_that_the_old_owner_may_have_begun_are_at_risk(source, target, vault):
    """Due between the snapshot and the outage, and made here."""
    key, manifest = vault.export(source)
    vault.restore(target, key, Phase.RESUME)
    snapshot = datetime.fromisoformat(manifest.snapshot_at)
    target.dag("tick")

    def made(name: str, due: float, **values) -> None:
        when = snapshot + timedelta(seconds=due)
        interval = {"data_interval_start": when - timedelta(hours=1), "data_interval_end": when}
        row = {"queued_at": snapshot + timedelta(seconds=300), **interval, **values}
        target.run("tick", name, due, **row)

    made("known", -60, queued_at=snapshot - timedelta(seconds=59))
    made("late", -5)  # due before the snapshot, but made only after it
    made("at-risk", 30)
    made("by-hand", 35, run_type="manual")
    made("cleared", -90, clear_number=1)
    made("new", 120)
    outage_at = (snapshot + timedelta(seconds=60)).isoformat()
    found = at_risk_runs(target.engine, manifest.snapshot_at, outage_at)
    assert [one.run_id for one in found] == ["late", "at-risk"]
    unknown = at_risk_runs(target.engine, manifest.snapshot_at)
    assert [one.run_id for one in unknown] == ["late", "at-risk", "new"]
    assert datetime.fromisoformat(found[1].due_at or "") == snapshot + timedelta(seconds=30)


def test_an_answer_says_what_is_left_afterwards(restored, target):
    before = answer(target.engine, RerunRequest(runs=[]))
    assert before["snapshot_at"] == restored
    assert [run["run_id"] for run in before["interrupted"]] == ["live", "waiting"]
    assert before["report"]["runs"] == []
    named_runs = [RunName("busy"), RunName("etl")]
    after = answer(target.engine, RerunRequest(runs=named_runs))
    assert [run["run_id"] for run in after["report"]["runs"]] == ["live", "waiting"]
    assert [run["dag_id"] for run in after["report"]["left"]] == ["etl"]
    assert after["interrupted"] == []
    json.dumps(after)


def test_where_no_import_can_be_told_only_force_runs_anything_again(source):
    source.dag("sales")
    source.run("sales", "broken", state="failed")
    source.task("sales", "broken", "t", state="failed", end_date=at(-1))
    found = answer(source.engine, RerunRequest())
    assert (found["report"]["runs"], found["interrupted"], found["at_risk"]) == ([], [], None)
    broken = [RunName("sales", "broken")]
    refused = answer(source.engine, RerunRequest(runs=broken))["report"]["left"]
    assert "--force" in refused[0]["reason"]
    assert answer(source.engine, RerunRequest(runs=broken, force=True))["report"]["tasks"] == 1
