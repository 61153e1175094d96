"""The forecast against what a real scheduler then does."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.sites import InFlightRule
from local import leash
from local.mwaa import install
from mwaa_dr_metadata import Phase, control, forecast, load_oracle, unpark
from mwaa_dr_metadata.forecast_model import Fate, Forecast
from tests.metadata import metadata_forecast as world_of_dags
from tests.metadata.conftest import VERSION
from tests.metadata.metadata_forecast import SECOND, Comparison
from tests.metadata.metadata_world import World

pytestmark = pytest.mark.airflow

WATCHED = timedelta(seconds=75)
PATIENCE = timedelta(seconds=120)
PARSE = """
from airflow.models import DagBag
bag = DagBag(read_dags_from_db=False, include_examples=False)
assert not bag.import_errors, bag.import_errors
bag.sync_to_db()
"""
QUEUED = """
    INSERT INTO dataset_dag_run_queue (dataset_id, target_dag_id, created_at)
    SELECT d.id, r.dag_id, now() - interval '1 minute' FROM dataset d
    JOIN dag_schedule_dataset_reference r ON r.dataset_id = d.id WHERE d.uri = 's3://in/ready'
"""


def environment(world: World, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": world.url,
        "AIRFLOW__CORE__FERNET_KEY": world.key,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def now() -> datetime:
    return datetime.now(UTC)


def home_of(folder: Path) -> Path:
    (folder / "dags").mkdir(parents=True)
    (folder / "dags" / "dags.py").write_text(world_of_dags.DAGS)
    return folder


def parse(world: World, home: Path) -> None:
    done = subprocess.run(
        [install.ensure(VERSION), "-c", PARSE],
        env=environment(world, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def history(world: World) -> None:
    """A latest run per DAG, one of them interrupted; events that wait; a paused DAG."""
    base = now().replace(second=0, microsecond=0)
    for dag_id, (start, end) in world_of_dags.seeds(base).items():
        run = {"execution_date": start, "data_interval_start": start, "data_interval_end": end}
        times = {"start_date": base - 3 * SECOND, "end_date": base - 2 * SECOND}
        world.run(dag_id, f"scheduled__{start.isoformat()}", **run, **times)
        world.task(dag_id, f"scheduled__{start.isoformat()}", "t")
    begun, over = world_of_dags.seeds(base)["past"]
    run = {
        "execution_date": over,
        "data_interval_start": over,
        "data_interval_end": over + (over - begun),
    }
    world.run("past", "scheduled__cut", **run, state="running", end_date=None)
    world.task("past", "scheduled__cut", "t", state="running", end_date=None)
    world.sql(QUEUED)
    world.sql("UPDATE dag SET is_paused = dag_id = 'paused'")


MADE = """
    SELECT dag_id, execution_date, CASE WHEN run_type = 'dataset_triggered' THEN execution_date
           ELSE data_interval_end END FROM dag_run WHERE id > {}
"""
STATES = "SELECT state, count(*) FROM dag_run WHERE dag_id = 'past' AND id > %s"


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Callable[[World], None]]:
    """Starts a real scheduler beside a database, with its parser."""
    started: list[subprocess.Popen[bytes]] = []

    def start(world: World) -> None:
        home = home_of(tmp_path / "scheduler")
        with (tmp_path / "scheduler.log").open("wb") as log:
            started.append(
                leash.start(
                    [install.ensure(VERSION).parent / "airflow", "scheduler"],
                    env=environment(world, home),
                    cwd=home,
                    output=log,
                )
            )

    yield start
    for process in started:
        leash.release(process)


def last_parsed(world: World) -> dict[str, datetime]:
    return dict(world.sql("SELECT dag_id, last_parsed_time FROM dag"))


def settle(world: World, since: datetime) -> dict[str, datetime]:
    """Wait for a moment at which it is clear what the next runs are."""
    deadline = now() + 2 * PATIENCE
    while True:
        parsed = last_parsed(world)
        if min(parsed.values()) > since and world_of_dags.settled(now(), parsed):
            return parsed
        assert now() < deadline, parsed
        time.sleep(0.2)


def watch(world: World, foretold: Forecast, until: datetime, query: str) -> Comparison:
    """Follow the scheduler until it has made what was due by `until`, or gives no hope to."""
    while True:
        time.sleep(1)
        found = world_of_dags.compare(foretold, world.sql(query), until)
        if now() > until and (found.matches or now() > until + PATIENCE):
            return found


def test_a_scheduler_makes_the_runs_that_were_foretold_and_no_others(
    source, vault, target, scheduler, tmp_path
):
    """Exported from one Airflow, imported into another, promoted there."""
    parse(source, home_of(tmp_path / "source"))
    history(source)
    parse(source, tmp_path / "source")
    key, manifest = vault.export(source)
    report = vault.restore(target, key, Phase.RESUME)
    oracle = load_oracle(vault.storage, vault.sealer, key)
    before = target.one("SELECT max(id) FROM dag_run")
    scheduler(target)
    parsed = settle(target, now())

    promoted = now()
    foretold = forecast(
        oracle,
        report.interrupted,
        InFlightRule.FAIL,
        datetime.fromisoformat(manifest.snapshot_at),
        promoted,
        parsed_at=parsed,
        shown=10_000,
    )
    unpark(target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.FAIL)
    control.unpause(target.engine, oracle)

    assert world_of_dags.outlooks(foretold) == world_of_dags.EXPECTED
    found = watch(target, foretold, promoted + WATCHED, MADE.format(before))
    assert found.made == found.forecast
    assert sum(map(len, found.made.values())) > 50
    blocked = dict(target.sql(f"{STATES} GROUP BY 1", before))
    assert blocked == {"running": 2}
    (lost,) = [run for dag in foretold.dags for run in dag.interrupted]
    assert (lost.run_id, lost.fate) == ("scheduled__cut", Fate.FAIL)
