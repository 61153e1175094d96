"""The forecast against what a real scheduler then does."""

import os
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from contract.sites import InFlightRule
from local import leash
from local.mwaa import install
from local.postgres import Cluster
from mwaa_dr_metadata import (
    InterruptedRun,
    InterruptedTask,
    Phase,
    control,
    forecast,
    load_oracle,
    unpark,
)
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.forecast_model import Fate, Forecast
from mwaa_dr_metadata.oracle import read_oracle
from tests.metadata import metadata_forecast as world_of_dags
from tests.metadata.conftest import MODERN, VERSION, cluster_copy
from tests.metadata.metadata_forecast import SECOND, Comparison
from tests.metadata.metadata_world import World

pytestmark = [pytest.mark.airflow, pytest.mark.matrix, pytest.mark.timeout(900)]

WATCHED = timedelta(seconds=75)
PATIENCE = timedelta(seconds=200)
"""On a machine that does much else; a quick one needs none."""

PARSE = {
    VERSION: (
        "import sys; from airflow.models import DagBag; "
        "bag = DagBag(read_dags_from_db=False, include_examples=False); bag.sync_to_db(); "
        "sys.exit(str(bag.import_errors) if bag.import_errors else 0)",
    ),
    MODERN: ("import sys; from airflow.__main__ import main; "
                "sys.argv[1:] = ['dag-processor', '--num-runs', '1']; main()",),
}  # fmt: skip
PROCESSES = {VERSION: ["scheduler"], MODERN: ["scheduler", "dag-processor"]}
QUEUED = """
    INSERT INTO {0}_dag_run_queue ({0}_id, target_dag_id, created_at)
    SELECT d.id, r.dag_id, now() - interval '1 minute' FROM {0} d
    JOIN dag_schedule_{0}_reference r ON r.{0}_id = d.id WHERE d.uri = 's3://in/ready'
"""
MADE = """
    SELECT dag_id, execution_date, CASE WHEN run_type = 'dataset_triggered' THEN execution_date
           ELSE data_interval_end END FROM dag_run WHERE id > {}
"""
MADE_BY_3 = "SELECT dag_id, logical_date, run_after FROM dag_run WHERE id > {}"
STATES = "SELECT state, count(*) FROM dag_run WHERE dag_id = 'past' AND id > %s"


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
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
        "AIRFLOW__API_AUTH__JWT_SECRET": world.key,
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        # The time-outs are for a machine that does much else.
        "AIRFLOW__CORE__DAG_FILE_PROCESSOR_TIMEOUT": "300",
        "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
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


def parse(world: World, home: Path, version: str = VERSION) -> None:
    run(world, home, version, "-c", *PARSE[version])


def run(world: World, home: Path, version: str, *arguments: str) -> None:
    done = subprocess.run(
        [install.ensure(version), *arguments],
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
    world.sql(QUEUED.format("dataset"))
    world.sql("UPDATE dag SET is_paused = dag_id = 'paused'")


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[Callable[[World, str], None]]:
    """Starts a real scheduler beside a database, with its parser."""
    started: list[subprocess.Popen[bytes]] = []

    def start(world: World, version: str) -> None:
        home = home_of(tmp_path / "scheduler")
        for name in PROCESSES[version]:
            with (tmp_path / f"{name}.log").open("wb") as log:
                started.append(
                    leash.start(
                        [install.ensure(version).parent / "airflow", name],
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
    scheduler(target, VERSION)
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
    assert sum(map(len, found.made.values())) > 30
    blocked = dict(target.sql(f"{STATES} GROUP BY 1", before))
    assert blocked == {"running": 2}
    (lost,) = [run for dag in foretold.dags for run in dag.interrupted]
    assert (lost.run_id, lost.fate) == ("scheduled__cut", Fate.FAIL)


def test_compressed_dags_say_the_same(source, tmp_path):
    """Airflow keeps them so under `compress_serialized_dags`."""
    parse(source, home_of(tmp_path / "source"))
    with transaction(source.engine) as session:
        plain = read_oracle(session)
    for dag_id, data in source.sql("SELECT dag_id, data::text FROM serialized_dag"):
        source.sql(
            "UPDATE serialized_dag SET data = NULL, data_compressed = %s WHERE dag_id = %s",
            zlib.compress(data.encode()),
            dag_id,
        )
    with transaction(source.engine) as session:
        assert read_oracle(session) == plain
    found = {entry.dag_id: entry.schedule for entry in plain}
    assert found["past"].depends_on_past
    assert not found["backlog"].depends_on_past
    assert found["delta"].max_active_runs == 1
    assert found["zoned"].timetable == {
        "kind": "cron-interval",
        "expression": "0 3 * * *",
        "timezone": "Europe/Berlin",
    }


@pytest.fixture
def newer(cluster: Cluster, migrated: Callable[[str], str]) -> Iterator[World]:
    """An environment of Airflow 3."""
    world = World(cluster, f"world_{World.number()}")
    cluster_copy(cluster, migrated(MODERN), world.name)
    yield world
    world.drop()


def history_of_3(world: World) -> list[InterruptedRun]:
    """As `history`, with the interrupted run in the form that an import leaves behind."""
    base = now().replace(second=0, microsecond=0)
    latest = world_of_dags.seeds(base)
    for dag_id, (start, end) in latest.items():
        run_of_3(world, dag_id, f"scheduled__{start.isoformat()}", (start, end), "success")
    begun, over = latest["past"]
    run_of_3(world, "past", "scheduled__cut", (over, over + (over - begun)), "failed")
    world.sql(QUEUED.format("asset"))
    world.sql("UPDATE dag SET is_paused = dag_id = 'paused'")
    return [
        InterruptedRun("past", "scheduled__cut", "running", [InterruptedTask("t", -1, "running")])
    ]


def run_of_3(
    world: World, dag_id: str, run_id: str, interval: tuple[datetime, datetime], state: str
) -> None:
    start, end = interval
    row = {"dag_id": dag_id, "run_id": run_id, "state": state}
    times = {"start_date": now() - 3 * SECOND, "end_date": now() - 2 * SECOND}
    bounds = {"data_interval_start": start, "data_interval_end": end}
    dates = {"logical_date": start, "run_after": end, **bounds}
    world.insert("dag_run", {**row, **times, **dates, "run_type": "scheduled"})
    version = world.one("SELECT id FROM dag_version WHERE dag_id = %s", dag_id)
    task = {"id": str(uuid4()), "task_id": "t", "map_index": -1, "try_number": 1, "max_tries": 0}
    pool = {"pool": "default_pool", "pool_slots": 1, "dag_version_id": version}
    world.insert("task_instance", {**row, **times, **task, **pool})


def test_so_does_a_scheduler_of_airflow_3(newer, scheduler, tmp_path):
    """Here un-paused in the database that the oracle is of."""
    parse(newer, home_of(tmp_path / "newer"), MODERN)
    interrupted = history_of_3(newer)
    with transaction(newer.engine) as session:
        oracle = read_oracle(session)
    snapshot = now()
    control.pause_all(newer.engine)
    before = newer.one("SELECT max(id) FROM dag_run")
    scheduler(newer, MODERN)
    parsed = settle(newer, now())

    promoted = now()
    foretold = forecast(
        oracle, interrupted, InFlightRule.FAIL, snapshot, promoted, parsed_at=parsed, shown=10_000
    )
    control.unpause(newer.engine, oracle)

    assert world_of_dags.outlooks(foretold) == world_of_dags.EXPECTED
    found = watch(newer, foretold, promoted + WATCHED, MADE_BY_3.format(before))
    assert found.made == found.forecast
    assert sum(map(len, found.made.values())) > 30
    assert dict(newer.sql(f"{STATES} GROUP BY 1", before)) == {"running": 2}
