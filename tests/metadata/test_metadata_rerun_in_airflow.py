"""A real scheduler goes on with a DAG in which each run waits for the one before."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.sites import InFlightRule
from local import leash
from local.mwaa import install
from mwaa_dr_metadata import Phase, control, load_oracle, unpark
from mwaa_dr_metadata.rerun import rerun
from tests.metadata.conftest import MODERN, VERSION
from tests.metadata.metadata_busy import Busy
from tests.metadata.metadata_world import Vault, World, at
from tests.metadata.test_metadata_in_airflow import environment
from tests.metadata.test_metadata_versions_in_airflow import Airflow, until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

PLACES = 2
DAGS = f"""
from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, task
except ImportError:
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
STATES = "SELECT run_id, state FROM dag_run WHERE dag_id = 'order' ORDER BY {}"


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


@pytest.fixture
def airflow_3(new_world, migrated, tmp_path: Path) -> Iterator[Airflow]:
    running = Airflow(new_world(template=migrated(MODERN)), tmp_path / "airflow", DAGS)
    yield running
    running.stop()


def cut_off(world: World) -> None:
    """Two intervals: the first is done, in the second the Region is lost between two tasks."""
    busy = Busy(world)
    length = 0 if busy.modern else 10
    """From Airflow 3 on a delta's run is due at its logical date."""
    busy.parsed("order")
    start, end = at(20), at(20 + length)
    world.sql(
        "UPDATE dag SET is_paused = FALSE, max_active_runs = %s, next_dagrun = %s, "
        "next_dagrun_data_interval_start = %s, next_dagrun_data_interval_end = %s, "
        "next_dagrun_create_after = %s",
        *(PLACES, start, start, end, end),
    )
    template = world.one("SELECT max(id) FROM log_template")
    for n, state in enumerate(("success", "running")):
        due = at(n * 10 + length)
        over = due if state == "success" else None
        busy.add(
            "dag_run", dag_id="order", run_id=f"scheduled__{n}", run_type="scheduled", state=state,
            data_interval_start=at(n * 10), data_interval_end=due, run_after=due, start_date=due,
            end_date=over, log_template_id=template, span_status="ended", **{busy.date: at(n * 10)},
        )  # fmt: skip
        follows = "success" if state == "success" else None
        for task_id, is_now, tried in (("first", state, 1), ("second", follows, 0)):
            busy.add(
                "task_instance", dag_id="order", run_id=f"scheduled__{n}", task_id=task_id,
                map_index=-1, state=is_now, try_number=tried, max_tries=2, pool="default_pool",
                pool_slots=1, queue="default", priority_weight=1, span_status="ended",
                start_date=due if is_now else None, end_date=over,
                executor_config=b"\x80\x04}\x94.",
            )  # fmt: skip


def goes_on(target: World, vault: Vault, key: str, snapshot_at: str, date: str) -> None:
    """Promote the target, have the interrupted run done again, and follow the DAG."""
    unpark(target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.FAIL)
    control.unpause(target.engine, load_oracle(vault.storage, vault.sealer, key))
    waiting = (
        "SELECT count(*) FROM dag_run WHERE dag_id = 'order' AND state = 'running' "
        "AND last_scheduling_decision IS NOT NULL"
    )
    until(lambda: target.one(waiting) == PLACES)
    assert dict(target.sql(STATES.format(date)))["scheduled__1"] == "failed"

    report = rerun(target.engine, snapshot_at)
    assert [name.run_id for name in report.runs] == ["scheduled__1"]
    assert len(report.put_back) == PLACES
    done = "SELECT count(*) FROM dag_run WHERE dag_id = 'order' AND state = 'success'"
    until(lambda: target.one(done) >= 2 + PLACES + 1)
    states = target.sql(STATES.format(date))
    assert [state for _, state in states[: 2 + PLACES]] == ["success"] * (2 + PLACES)
    tries = target.sql("SELECT task_id, try_number, max_tries FROM task_instance "
                       "WHERE run_id = 'scheduled__1' ORDER BY 1")  # fmt: skip
    assert tries == [("first", 2, 3), ("second", 1, 2)]
    assert rerun(target.engine, snapshot_at).runs == []


@pytest.mark.usefixtures("live")
def test_a_run_that_newer_ones_wait_for_is_run_again_and_the_dag_goes_on(source, target, vault):
    cut_off(source)
    key, manifest = vault.export(source)
    vault.restore(target, key, Phase.RESUME)
    goes_on(target, vault, key, manifest.snapshot_at, "execution_date")


def test_so_it_is_on_airflow_3(new_world, migrated, airflow_3, vault):
    source, target = new_world(template=migrated(MODERN)), airflow_3.world
    cut_off(source)
    key, manifest = vault.export(source)
    vault.restore(target, key, Phase.RESUME)
    airflow_3.start()
    until(lambda: target.one("SELECT count(*) FROM serialized_dag") == 1)
    goes_on(target, vault, key, manifest.snapshot_at, "logical_date")
