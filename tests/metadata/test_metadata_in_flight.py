"""Unfinished work lies still until promotion, and then goes the way the rule says."""

import json

import pytest

from contract.sites import InFlightRule
from mwaa_dr_metadata import Phase, unpark
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import T0, Vault, World, at

pytestmark = pytest.mark.airflow

STIRRING = ("queued", "running", "scheduled", "deferred", "up_for_retry", "up_for_reschedule",
            "restarting")  # fmt: skip


def give_back(vault: Vault, world: World, key: str, rule: InFlightRule):
    return unpark(world.engine, vault.storage, vault.sealer, world.fernet, key, rule)


@pytest.fixture
def parked(filled, target, vault):
    key, manifest = vault.export(filled)
    report = vault.restore(target, key, Phase.RESUME, in_flight=InFlightRule.RERUN)
    return key, manifest, report


def tasks(world: World, columns: str = "state") -> dict[str, tuple]:
    rows = world.sql(
        f"SELECT task_id, {columns} FROM task_instance "  # noqa: S608
        "WHERE run_id = 'live' AND task_id <> 't_done'"
    )
    return {row[0]: row[1:] for row in rows}


def runs(world: World) -> dict[str, str]:
    return dict(world.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'"))


@pytest.mark.usefixtures("parked")
def test_nothing_is_left_that_stirs(target):
    stirring = target.one(
        "SELECT (SELECT count(*) FROM task_instance WHERE state = ANY(%s)) + "
        "(SELECT count(*) FROM dag_run WHERE state = ANY(%s)) + (SELECT count(*) FROM trigger)",
        list(STIRRING),
        list(STIRRING),
    )
    assert stirring == 0
    assert runs(target) == {"live": "failed", "waiting": "failed", "done": "success"}


def test_what_had_begun_failed_at_the_snapshot_and_the_rest_never_was(parked, target):
    _, manifest, _ = parked
    moment = target.one("SELECT %s::timestamptz", manifest.snapshot_at)
    for task, (state, start, end, trigger, method) in tasks(
        target, "state, start_date, end_date, trigger_id, next_method"
    ).items():
        if task in hard.BEGUN:
            assert (state, end) == ("failed", moment), task
            assert start in (T0, moment), task
        else:
            assert (state, start, end) == (None, None, None), task
        assert (trigger, method) == (None, None), task
    assert target.one("SELECT end_date FROM dag_run WHERE run_id = 'waiting'") == moment


def test_the_report_lists_what_was_interrupted(parked):
    _, _, report = parked
    found = {run.run_id: run for run in report.interrupted}
    assert {name: run.state_before for name, run in found.items()} == {
        "live": "running",
        "waiting": "queued",
    }
    assert {task.task_id: task.state_before for task in found["live"].tasks} == {
        task: state for task, state in hard.UNFINISHED.items() if state is not None
    }
    assert report.parked
    json.dumps(report.to_dict())


def test_a_task_that_still_ran_in_a_finished_run_is_failed_and_listed(filled, target, vault):
    filled.task("etl", "scheduled__1", "zombie", state="running", end_date=None)
    key, _ = vault.export(filled)
    report = vault.restore(target, key)
    assert target.one("SELECT state FROM task_instance WHERE task_id = 'zombie'") == "failed"
    assert target.one("SELECT state FROM dag_run WHERE run_id = 'scheduled__1'") == "success"
    listed = [run for run in report.interrupted if run.run_id == "scheduled__1"]
    assert [(run.state_before, run.tasks[0].task_id) for run in listed] == [("success", "zombie")]
    give_back(vault, target, key, InFlightRule.RERUN)
    assert target.one("SELECT state FROM task_instance WHERE task_id = 'zombie'") == "failed"


def test_the_rule_fail_leaves_nothing_to_do(parked, target, vault):
    before = target.sql("SELECT t::text FROM task_instance t ORDER BY 1")
    report = give_back(vault, target, parked[0], InFlightRule.FAIL)
    assert (report.runs, report.tasks) == ([], 0)
    assert target.sql("SELECT t::text FROM task_instance t ORDER BY 1") == before


def test_rerun_starts_every_unfinished_task_again(parked, target, vault):
    report = give_back(vault, target, parked[0], InFlightRule.RERUN)
    assert runs(target) == {"live": "queued", "waiting": "queued", "done": "success"}
    assert {run["run_id"] for run in report.runs} == {"live", "waiting"}
    assert report.left == []
    for task, row in tasks(
        target, "state, start_date, end_date, duration, trigger_id, next_kwargs, pid, try_number"
    ).items():
        assert row == (None, None, None, None, None, None, None if task != "t_none" else 1234, 1)
    assert target.one("SELECT state FROM task_instance WHERE task_id = 't_done'") == "success"
    assert target.one("SELECT count(*) FROM task_reschedule WHERE task_id = 't_reschedule'") == 0
    assert target.one("SELECT count(*) FROM trigger") == 0


def test_the_outage_does_not_cost_a_task_its_retries(parked, target, vault):
    give_back(vault, target, parked[0], InFlightRule.RERUN)
    left = {task: row[0] for task, row in tasks(target, "max_tries").items()}
    assert left.pop("t_none") == 2  # it had no try yet
    assert left.pop("t_retry") == 2  # its next try is still before it
    assert set(left.values()) == {3}


def test_keep_lets_go_on_what_waited(parked, filled, target, vault):
    key, _, _ = parked
    give_back(vault, target, key, InFlightRule.KEEP)
    assert runs(target) == {"live": "running", "waiting": "queued", "done": "success"}
    assert {task: row[0] for task, row in tasks(target).items()} == {
        "t_none": None,
        "t_scheduled": "scheduled",
        "t_queued": "scheduled",
        "t_running": None,
        "t_restarting": None,
        "t_deferred": "deferred",
        "t_retry": "up_for_retry",
        "t_reschedule": "up_for_reschedule",
    }
    kept = (
        "task_id, start_date, end_date, trigger_timeout, next_method, next_kwargs::text, max_tries"
    )
    where = "WHERE run_id = 'live' AND state IN ('deferred', 'up_for_retry', 'up_for_reschedule')"
    query = f"SELECT {kept} FROM task_instance {where} ORDER BY 1"  # noqa: S608
    assert target.sql(query) == filled.sql(query)
    assert target.one("SELECT count(*) FROM task_reschedule WHERE task_id = 't_reschedule'") == 1


def test_keep_gives_a_deferred_task_its_trigger_under_this_environments_key(parked, target, vault):
    """R4, R5: triggers have ids and ciphertext of their own here."""
    target.insert("trigger", {"classpath": "its.Own", "kwargs": "{}", "created_date": at(0)})
    give_back(vault, target, parked[0], InFlightRule.KEEP)
    rows = target.sql(
        "SELECT t.classpath, t.kwargs, t.triggerer_id FROM trigger t JOIN task_instance i "
        "ON i.trigger_id = t.id WHERE i.task_id = 't_deferred'"
    )
    assert [(row[0], row[2]) for row in rows] == [("a.B", None)]
    assert hard.SECRETS["trigger"] in target.fernet.decrypt(rows[0][1].encode()).decode()
    assert target.one("SELECT count(*) FROM trigger") == 2


@pytest.mark.parametrize("rule", [InFlightRule.RERUN, InFlightRule.KEEP])
def test_giving_back_twice_is_once(parked, target, vault, rule):
    give_back(vault, target, parked[0], rule)
    state = [target.sql(f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608
             for table in ("task_instance", "dag_run", "trigger")]  # fmt: skip
    again = give_back(vault, target, parked[0], rule)
    assert (again.runs, again.tasks) == ([], 0)
    assert len(again.left) == 2
    assert state == [target.sql(f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608
                     for table in ("task_instance", "dag_run", "trigger")]  # fmt: skip


def test_a_run_that_a_person_dealt_with_is_left_alone(parked, target, vault):
    target.sql("UPDATE dag_run SET state = 'success', end_date = now() WHERE run_id = 'live'")
    report = give_back(vault, target, parked[0], InFlightRule.RERUN)
    assert report.left == [{"dag_id": "busy", "run_id": "live"}]
    assert runs(target) == {"live": "success", "waiting": "queued", "done": "success"}
    assert tasks(target)["t_running"] == ("failed",)


def test_a_task_that_a_person_dealt_with_is_left_alone(parked, target, vault):
    target.sql("UPDATE task_instance SET state = 'success' WHERE task_id = 't_running'")
    give_back(vault, target, parked[0], InFlightRule.RERUN)
    assert tasks(target)["t_running"] == ("success",)
    assert tasks(target)["t_queued"] == (None,)


def test_a_deferred_task_without_its_trigger_runs_again(filled, target, vault):
    filled.sql("UPDATE task_instance SET trigger_id = NULL WHERE task_id = 't_deferred'")
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    give_back(vault, target, key, InFlightRule.KEEP)
    assert tasks(target)["t_deferred"] == (None,)


def test_history_never_has_unfinished_work(filled, target, vault):
    filled.run("etl", "early", -100, state="running", end_date=None)
    filled.task("etl", "early", "t", state="running", end_date=None)
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    assert target.one("SELECT state FROM dag_run WHERE run_id = 'early'") == "failed"
