"""A real scheduler goes on with a DAG in which each run waits for the one before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import leash
from local.mwaa import install
from mwaa_dr_metadata import control, load_oracle
from mwaa_dr_metadata.rerun import rerun
from tests.metadata.conftest import VERSION
from tests.metadata.metadata_world import World, at
from tests.metadata.test_metadata_in_airflow import environment, until

pytestmark = pytest.mark.airflow

PLACES = 2
DAGS = f"""
from datetime import datetime, timedelta
from airflow.decorators import task
from airflow.models.dag import DAG

with DAG("order", schedule=timedelta(minutes=10), start_date=datetime(2024, 5, 1), catchup=True,
         max_active_runs={PLACES}, default_args={{"depends_on_past": True}}):

    @task
    def first():
        return "ran here"

    @task
    def second(value):
        assert value == "ran here"

    second(first())
"""
STATES = "SELECT run_id, state FROM dag_run WHERE dag_id = 'order' ORDER BY execution_date"


@pytest.fixture
def live(target: World, tmp_path: Path) -> Iterator[None]:
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "dags.py").write_text(DAGS)
    with (tmp_path / "scheduler.log").open("wb") as log:
        process = leash.start(
            [install.ensure(VERSION).parent / "airflow", "scheduler"],
            env=environment(target, home),
            cwd=home,
            output=log,
        )
    yield
    leash.release(process)


def cut_off(world: World) -> None:
    """Two intervals: the first is done, in the second the Region is lost between two tasks."""
    world.dag(
        "order",
        max_active_runs=PLACES,
        next_dagrun=at(20),
        next_dagrun_data_interval_start=at(20),
        next_dagrun_data_interval_end=at(30),
        next_dagrun_create_after=at(30),
    )
    for n, state in enumerate(("success", "running")):
        interval = {"data_interval_start": at(n * 10), "data_interval_end": at(n * 10 + 10)}
        end = {} if state == "success" else {"end_date": None}
        world.run("order", f"scheduled__{n}", n * 10, state=state, **interval, **end)
        world.task("order", f"scheduled__{n}", "first", state=state, **end)
        follows = {} if state == "success" else {"start_date": None, "end_date": None}
        done = {"state": "success" if state == "success" else None}
        world.task("order", f"scheduled__{n}", "second", try_number=0, **done, **follows)


@pytest.mark.usefixtures("live")
def test_a_run_that_newer_ones_wait_for_is_run_again_and_the_dag_goes_on(source, target, vault):
    cut_off(source)
    key, manifest = vault.export(source)
    vault.restore(target, key)
    control.unpause(target.engine, load_oracle(vault.storage, vault.sealer, key))
    waiting = (
        "SELECT count(*) FROM dag_run WHERE dag_id = 'order' AND state = 'running' "
        "AND last_scheduling_decision IS NOT NULL"
    )
    until(lambda: target.one(waiting) == PLACES)
    assert dict(target.sql(STATES))["scheduled__1"] == "failed"

    report = rerun(target.engine, manifest.snapshot_at)
    assert [name.run_id for name in report.runs] == ["scheduled__1"]
    assert len(report.put_back) == PLACES
    done = "SELECT count(*) FROM dag_run WHERE dag_id = 'order' AND state = 'success'"
    until(lambda: target.one(done) >= 2 + PLACES + 1)
    states = target.sql(STATES)
    assert [state for _, state in states[: 2 + PLACES]] == ["success"] * (2 + PLACES)
    tries = target.sql("SELECT task_id, try_number, max_tries FROM task_instance "
                       "WHERE run_id = 'scheduled__1' ORDER BY 1")  # fmt: skip
    assert tries == [("first", 2, 3), ("second", 1, 2)]
    assert rerun(target.engine, manifest.snapshot_at).runs == []
