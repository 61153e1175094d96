"""A site that lost the epoch: nothing goes on there, and what did is listed."""

# ruff: noqa: S608 - fixed text

import pytest

from contract.names import AGENT_DAG
from mwaa_dr_metadata import control, fencing, hold
from mwaa_dr_metadata.database import transaction
from tests.metadata import metadata_versions as versions
from tests.metadata.metadata_busy import STATES, Busy
from tests.metadata.metadata_world import ROLE, T0, World, at

pytestmark = pytest.mark.airflow

BY_DEFAULT = ("2.10.3", "3.3.1-upgraded")
EVERY = [
    pytest.param(name, marks=[] if name in BY_DEFAULT else [pytest.mark.matrix])
    for name in versions.CHAINS
]


@pytest.fixture(params=EVERY)
def returned(request: pytest.FixtureRequest, new_world, lasting_world) -> World:
    """An environment that comes back in the middle of its work."""
    world = new_world(like=lasting_world(request.param))
    busy = Busy(world)
    busy.fill()
    world.sql("UPDATE dag SET is_paused = FALSE WHERE dag_id = 'busy'")
    return world


def runs(world: World) -> dict[str, str]:
    return dict(world.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'"))


def test_what_is_under_way_is_ended_and_listed(returned: World) -> None:
    report = fencing.fence(returned.engine, at(0.5).isoformat())
    assert report.paused == ["busy"]
    assert runs(returned) == {"live": "failed", "waiting": "failed", "done": "success"}
    states = dict(returned.sql("SELECT task_id, state FROM task_instance WHERE run_id = 'live'"))
    assert states.pop("t_done") == "success"
    assert set(states.values()) == {None, "failed"}
    assert {run.run_id for run in report.ended} == {"live", "waiting"}
    (live,) = [run for run in report.ended if run.run_id == "live"]
    before = {task: state for task, _, state in live.tasks}
    begun = {task: state for task, state in STATES.items() if state not in (None, "scheduled")}
    assert begun.items() <= before.items()
    assert {run.run_id for run in report.started} == {"live", "waiting"}, "those begun since"


@pytest.mark.parametrize(("ended", "listed"), [(0.4, False), (0.7, True)])
def test_a_run_that_only_ended_after_the_epoch_had_gone_is_listed(
    returned: World, ended: float, listed: bool
) -> None:
    """A task that was deferred keeps the start of its first part."""
    returned.sql("UPDATE dag_run SET start_date = %s WHERE run_id = 'done'", at(0.1))
    returned.sql(
        "UPDATE task_instance SET run_id = 'done', start_date = %s, end_date = %s "
        "WHERE task_id = 't_done'", at(0.1), at(ended),
    )  # fmt: skip
    report = fencing.fence(returned.engine, at(0.5).isoformat())
    assert ("done" in {run.run_id for run in report.started}) is listed


def test_no_trigger_no_deadline_and_no_callback_is_left(returned: World) -> None:
    fencing.fence(returned.engine, "")
    assert returned.sql("SELECT classpath FROM trigger") == [("unused.C",)]
    waits = "trigger_id, trigger_timeout, next_method, next_kwargs::text"
    for row in returned.sql(f"SELECT {waits} FROM task_instance"):
        assert row == (None, None, None, None)
    if Busy(returned).has_deadlines:
        assert returned.one("SELECT count(*) FROM deadline") == 0
        assert returned.one("SELECT count(*) FROM callback") == 0


def test_the_second_time_there_is_nothing_to_do(returned: World) -> None:
    assert not fencing.fence(returned.engine, "").is_empty
    before = returned.sql("SELECT t::text FROM task_instance t ORDER BY 1")
    report = fencing.fence(returned.engine, T0.isoformat())
    assert report.is_empty
    assert report.started == []
    assert returned.sql("SELECT t::text FROM task_instance t ORDER BY 1") == before


def test_recovery_dags_go_on(returned: World) -> None:
    busy = Busy(returned)
    busy.add("dag", dag_id=AGENT_DAG, is_paused=False, bundle_name="own" if busy.modern else None)
    busy.add(
        "dag_run", dag_id=AGENT_DAG, run_id="beat", state="running", run_type="scheduled",
        queued_at=T0, run_after=T0, start_date=T0, span_status="not_started",
        log_template_id=returned.one("SELECT max(id) FROM log_template"), **{busy.date: T0},
    )  # fmt: skip
    fencing.fence(returned.engine, "")
    assert returned.sql("SELECT state FROM dag_run WHERE run_id = 'beat'") == [("running",)]
    assert returned.one("SELECT is_paused FROM dag WHERE dag_id = %s", AGENT_DAG) is False


def test_a_drain_waits_for_what_occupies_a_worker(returned: World) -> None:
    assert fencing.working_runs(returned.engine) == [
        {"dag_id": "busy", "run_id": "live", "tasks": 2}
    ]
    fencing.fence(returned.engine, "")
    assert fencing.working_runs(returned.engine) == []


@pytest.fixture
def owning(new_world) -> World:
    """A database whose engine's role may do what MWAA's may: it belongs to the tables' owner."""
    world = new_world()
    world.sql(f"GRANT CREATE ON SCHEMA public TO {ROLE}")
    world.sql(f"ALTER TABLE dag OWNER TO {ROLE}")
    for dag_id in ("sales", AGENT_DAG):
        world.dag(dag_id, is_paused=dag_id == "sales")
    return world


def paused(world: World) -> dict[str, bool]:
    return dict(world.sql("SELECT dag_id, is_paused FROM dag"))


def test_a_held_dag_cannot_be_un_paused_by_anybody(owning: World) -> None:
    assert hold.hold(owning.engine)
    assert not hold.hold(owning.engine), "it holds already"
    owning.dag("eager", is_paused=False)
    owning.sql("UPDATE dag SET is_paused = FALSE")
    assert paused(owning) == {"sales": True, "eager": True, AGENT_DAG: False}


def test_promotion_lets_go(owning: World) -> None:
    hold.hold(owning.engine)
    assert control.unpause_dags(owning.engine, ["sales", "gone"]).unpaused == ["sales"]
    assert paused(owning) == {"sales": False, AGENT_DAG: False}
    with transaction(owning.engine) as session:
        assert not hold.is_held(session)
        hold.release(session)


def test_a_database_that_allows_no_trigger_is_swept(new_world) -> None:
    world = new_world()
    world.dag("eager", is_paused=False)
    assert not hold.hold(world.engine)
    assert control.sweep(world.engine) == ["eager"]
