"""Unfinished work lies still until promotion and then goes the rule's way, on every Airflow."""

# ruff: noqa: S608 - fixed text

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pytest

from contract.sites import InFlightRule
from mwaa_dr_metadata import ImportReport, Phase, unpark
from tests.metadata import metadata_versions as versions
from tests.metadata.metadata_busy import STATES, TRIGGER_SECRET, Busy
from tests.metadata.metadata_world import T0, Vault, World, at

pytestmark = pytest.mark.airflow

BY_DEFAULT = ("3.2.1", "3.3.1-upgraded")
"""2.10.3 has tests of its own (`test_metadata_in_flight`)."""
EVERY = [
    pytest.param(name, marks=[] if name in BY_DEFAULT else [pytest.mark.matrix])
    for name in versions.CHAINS
]
FAIL, RERUN, KEEP = InFlightRule.FAIL, InFlightRule.RERUN, InFlightRule.KEEP


@dataclass
class Promotion:
    """A source that was lost in the middle of its work, and the target that takes over."""

    source: World
    target: World
    vault: Vault
    key: str
    report: ImportReport

    def __post_init__(self) -> None:
        self.busy, self.here = Busy(self.source), Busy(self.target)

    def unpark(self, rule: InFlightRule):
        vault, target = self.vault, self.target
        return unpark(target.engine, vault.storage, vault.sealer, target.fernet, self.key, rule)

    def tasks(self, columns: str = "state", world: World | None = None) -> dict[str, tuple]:
        rows = (world or self.target).sql(
            f"SELECT task_id, {columns} FROM task_instance "
            "WHERE run_id = 'live' AND task_id <> 't_done'"
        )
        return {row[0]: row[1:] for row in rows}

    def runs(self) -> dict[str, str]:
        return dict(self.target.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'"))

    def count(self, table: str) -> int:
        return self.target.one(f"SELECT count(*) FROM {table}")

    def everything(self) -> list[list[tuple]]:
        names = ["task_instance", "dag_run", "trigger", "task_reschedule"]
        names += ["callback", "deadline", "backfill"] if self.busy.has_deadlines else []
        return [self.target.sql(f"SELECT t::text FROM {name} t ORDER BY 1") for name in names]

    def deadlines(self) -> dict[str, tuple[bool, str, str | None]]:
        rows = self.target.sql(
            "SELECT c.data #>> '{__var,path}', d.missed, c.state, c.output FROM deadline d "
            "JOIN callback c ON c.id = d.callback_id JOIN dag_run r ON r.id = d.dagrun_id"
        )
        return {name[5:]: (missed, state, output) for name, missed, state, output in rows}


@pytest.fixture(scope="session")
def parked(lasting_world, tmp_path_factory) -> Callable[[str], Promotion]:
    """Name of a supported database -> a restored target that nobody has promoted."""

    @cache
    def make(name: str) -> Promotion:
        source, target = lasting_world(name), lasting_world(name)
        vault = Vault(tmp_path_factory.mktemp("vault"))
        Busy(source).fill()
        Busy(target).parsed()
        key, _ = vault.export(source)
        return Promotion(source, target, vault, key, vault.restore(target, key, Phase.RESUME))

    return make


@pytest.fixture(params=EVERY)
def promotion(request: pytest.FixtureRequest, new_world, parked) -> Promotion:
    ready = parked(request.param)
    ready.target.close()
    return replace(ready, target=new_world(like=ready.target))


@pytest.fixture
def with_deadlines(promotion: Promotion) -> Promotion:
    if not promotion.busy.has_deadlines:
        pytest.skip("deadlines came with Airflow 3.1")
    return promotion


def test_nothing_is_left_that_stirs(promotion: Promotion):
    states = {state for (state,) in promotion.tasks().values()}
    assert states == {None, "failed"}
    assert promotion.runs() == {"live": "failed", "waiting": "failed", "done": "success"}
    assert promotion.count("trigger") == 0
    if promotion.busy.has_deadlines:
        assert promotion.count("deadline") == promotion.count("callback") == 0
    listed = {task.task_id for run in promotion.report.interrupted for task in run.tasks}
    assert listed == set(promotion.tasks()) - {"t_none"}


def test_rerun_starts_every_unfinished_task_again(promotion: Promotion):
    assert len(promotion.unpark(RERUN).runs) == 2
    assert promotion.runs() == {"live": "queued", "waiting": "queued", "done": "success"}
    columns = "state, start_date, end_date, trigger_id, next_kwargs::text, try_number"
    for task, row in promotion.tasks(columns).items():
        assert row == (None, None, None, None, None, 1), task
    assert promotion.count("task_reschedule") == promotion.count("trigger") == 0
    if promotion.busy.modern:
        fresh = promotion.tasks("last_heartbeat_at, scheduled_dttm")
        assert {row for task, row in fresh.items() if task != "t_none"} == {(None, None)}


def test_the_outage_does_not_cost_a_task_its_retries(promotion: Promotion):
    """From 2.10 scheduling counts a try, before that the worker counted it."""
    promotion.unpark(RERUN)
    left = {task: row[0] for task, row in promotion.tasks("max_tries").items()}
    counted = set(left) - {"t_none", "t_retry"}
    if "task_instance_history" not in promotion.busy.tables:
        counted = {"t_running", "t_restarting"}
    assert left == {task: 3 if task in counted else 2 for task in left}


def test_keep_lets_go_on_what_waited(promotion: Promotion):
    promotion.unpark(KEEP)
    assert promotion.runs() == {"live": "running", "waiting": "queued", "done": "success"}
    again = dict.fromkeys(("t_running", "t_restarting"))
    expected = {**STATES, **again, "t_queued": "scheduled"}
    if promotion.busy.has_people:
        expected["t_person"] = "awaiting_input"
        assert promotion.target.one("SELECT subject FROM hitl_detail") == "go on?"
    assert {task: state for task, (state,) in promotion.tasks().items()} == expected
    kept = "start_date, end_date, trigger_timeout, next_method, next_kwargs::text, max_tries"
    here, there = promotion.tasks(kept), promotion.tasks(kept, promotion.source)
    for task in ("t_deferred", "t_retry", "t_reschedule", "t_person"):
        assert here.get(task) == there.get(task), task
    assert promotion.count("task_reschedule") == 1


def test_a_deferred_task_waits_for_a_trigger_of_this_environments_own(promotion: Promotion):
    promotion.here.add("trigger", classpath="its.Own", kwargs="{}")
    promotion.unpark(KEEP)
    rows = promotion.target.sql(
        "SELECT t.classpath, t.kwargs::text, t.triggerer_id FROM trigger t "
        "JOIN task_instance i ON i.trigger_id = t.id WHERE i.task_id = 't_deferred'"
    )
    assert [(row[0], row[2]) for row in rows] == [("a.B", None)]
    kwargs = rows[0][1]
    if promotion.busy.encrypts_triggers:
        kwargs = promotion.target.fernet.decrypt(kwargs.encode()).decode()
    assert TRIGGER_SECRET in kwargs
    assert promotion.count("trigger") == 2


@pytest.mark.parametrize("rule", [FAIL, RERUN, KEEP])
def test_giving_back_twice_is_once(promotion: Promotion, rule: InFlightRule):
    promotion.unpark(rule)
    once = promotion.everything()
    again = promotion.unpark(rule)
    assert (again.runs, again.tasks) == ([], 0)
    assert promotion.everything() == once


def test_unfinished_work_runs_with_the_newest_version_of_its_dag(promotion: Promotion):
    if not promotion.busy.modern:
        pytest.skip("DAGs have versions from Airflow 3 on")
    promotion.unpark(RERUN)
    newest = promotion.target.one("SELECT id::text FROM dag_version")
    assert set(promotion.tasks("dag_version_id::text").values()) == {(newest,)}
    rows = promotion.target.sql("SELECT DISTINCT created_dag_version_id::text FROM dag_run")
    assert rows == [(newest,)]


def test_a_run_waits_until_its_dag_is_parsed_here(promotion: Promotion):
    if not promotion.busy.modern:
        pytest.skip("DAGs have versions from Airflow 3 on")
    target = promotion.target
    target.sql("UPDATE task_instance SET dag_version_id = NULL")
    target.sql("UPDATE dag_run SET created_dag_version_id = NULL")
    target.sql("DELETE FROM dag_version")
    report = promotion.unpark(RERUN)
    assert report.runs == []
    assert {run["run_id"] for run in report.left} == {"live", "waiting"}
    assert promotion.runs()["live"] == "failed"
    promotion.here.parsed(version=7)
    assert len(promotion.unpark(RERUN).runs) == 2
    assert target.one("SELECT count(*) FROM task_instance WHERE dag_version_id IS NULL") == 0


EXPECTED = {
    "pending": (False, "scheduled", None),
    "called": (True, "success", "fine"),
    "calling": (False, "scheduled", None),  # nobody knows whether it was heard: it is called again
    "later": (False, "scheduled", None),
}


@pytest.mark.parametrize("rule", [FAIL, RERUN, KEEP])
def test_deadlines_come_back_at_promotion(with_deadlines: Promotion, rule: InFlightRule):
    with_deadlines.unpark(rule)
    assert with_deadlines.deadlines() == EXPECTED
    assert with_deadlines.target.one("SELECT count(trigger_id) FROM callback") == 0


def test_a_deadline_of_a_run_that_a_person_dealt_with_is_over(with_deadlines: Promotion):
    with_deadlines.target.sql(
        "UPDATE dag_run SET state = 'success', end_date = now() WHERE run_id = 'live'"
    )
    with_deadlines.unpark(RERUN)
    assert with_deadlines.deadlines().keys() == {"later"}


def test_a_backfill_that_goes_on_is_open_again(promotion: Promotion):
    if not promotion.busy.modern:
        pytest.skip("backfills are kept in the database from Airflow 3 on")
    promotion.target.sql("UPDATE backfill SET completed_at = %s", at(9))  # as a scheduler does
    promotion.unpark(FAIL)
    assert promotion.target.one("SELECT completed_at FROM backfill") == at(9)
    promotion.unpark(RERUN)
    row = promotion.target.sql("SELECT completed_at, created_at FROM backfill")
    assert row == [(None, T0)]
