"""What a purge leaves, when it stops, and how it gives way."""

# ruff: noqa: S608 - names from the catalogue

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local import leash
from local.mwaa import install
from local.paths import ROOT
from mwaa_dr_metadata.purge import batches, purge
from tests.metadata import metadata_hard
from tests.metadata.conftest import VERSION
from tests.metadata.metadata_world import World
from tests.metadata.purge_airflow import environment, rows, versions
from tests.metadata.purge_world import CUTOFF, day

pytestmark = pytest.mark.airflow


def test_hard_rows_that_are_needed_survive(filled):
    """Their newest row is a month old: what is left is what the resume set holds."""
    purge(filled.engine, CUTOFF)
    runs = filled.sql("SELECT dag_id, run_id FROM dag_run ORDER BY 1, 2")
    assert ("busy", "live") in runs
    assert ("busy", "waiting") in runs
    assert ("etl", "scheduled__5") in runs
    assert ("etl", "scheduled__0") not in runs
    waiting = filled.sql("SELECT t.id FROM task_instance i JOIN trigger t ON t.id = i.trigger_id")
    assert len(waiting) == 1
    pending = filled.one("SELECT count(*) FROM dataset_event e JOIN dataset d ON d.id = "
                         "e.dataset_id WHERE d.uri = 's3://a' AND timestamp > %s",
                         metadata_hard.at(15))  # fmt: skip
    assert pending == 1


def test_a_dry_run_writes_nothing_and_counts_what_goes(old):
    world = old()
    before, places = rows(world), versions(world)
    plan = purge(world.engine, CUTOFF, dry_run=True)
    assert versions(world) == places
    assert plan.dry_run

    purge(world.engine, CUTOFF)
    after = rows(world)
    gone = {name: (before[name] - after[name]).total() for name in before}
    assert plan.rows["dag_run"] == gone["dag_run"] > 100
    assert plan.rows["log"] == gone["log"]
    assert all(count <= gone[name] for name, count in plan.rows.items())


def test_the_report_counts_every_row_that_went_and_twice_is_once(old):
    world = old()
    before = rows(world)
    report = purge(world.engine, CUTOFF, batch_rows=50)
    after = rows(world)
    gone = {name: (before[name] - after[name]).total() for name in before}
    assert report.rows == {name: count for name, count in gone.items() if count}
    assert report.left == 0

    again = purge(world.engine, CUTOFF)
    assert (again.rows, again.complete, rows(world)) == ({}, True, after)


def test_small_transactions_add_up_to_the_same(old):
    whole, pieces = old(), old()
    purge(whole.engine, CUTOFF)
    seen: list[int] = []
    purge(pieces.engine, CUTOFF, batch_rows=20, progress=lambda event: seen.append(event.rows))
    assert rows(pieces) == rows(whole)
    assert len(seen) > 20


def test_only_the_tables_that_were_asked_for(old):
    world = old()
    before = rows(world)
    assert set(purge(world.engine, CUTOFF, tables=["log", "xcom"]).rows) == {"log", "xcom"}
    after = rows(world)
    assert {name for name in before if before[name] != after[name]} == {"log", "xcom"}
    with pytest.raises(ValueError, match=r"tables: variable cannot be purged here; use dag_run, "):
        purge(world.engine, CUTOFF, tables=["log", "variable"])


def test_a_moment_that_is_not_over_or_has_no_zone_is_refused(old):
    world = old()
    with pytest.raises(ValueError, match=r"older_than: .* is not over"):
        purge(world.engine, datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(ValueError, match="has no time zone"):
        purge(world.engine, datetime(2024, 6, 1))  # noqa: DTZ001


def test_a_purge_stops_at_its_deadline_and_goes_on_next_time(old):
    whole, slow = old(), old()
    purge(whole.engine, CUTOFF)
    calls = 0

    def hesitate(_event: object) -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.4)

    first = purge(slow.engine, CUTOFF, batch_rows=50, deadline_seconds=2, progress=hesitate)
    assert not first.complete
    assert 1 <= calls <= 6
    oldest = slow.one("SELECT min(start_date) FROM dag_run WHERE dag_id LIKE 'ordinary%%'")
    assert day(-40) < oldest < CUTOFF  # the oldest went first, and some are left
    assert purge(slow.engine, CUTOFF).complete
    assert rows(slow) == rows(whole)


PURGING = """
import sys
from datetime import datetime
from mwaa_dr_metadata.database import engine_from_url
from mwaa_dr_metadata.purge import purge
purge(engine_from_url(sys.argv[1]), datetime.fromisoformat(sys.argv[2]), batch_rows=4,
      progress=lambda event: print(event.table, flush=True))
"""


@pytest.mark.parametrize("lines", [1, 15, 60])
def test_a_purge_that_is_killed_leaves_whole_runs(old, lines):
    whole, killed = old(), old()
    purge(whole.engine, CUTOFF)
    before = {
        (dag, run): count
        for dag, run, count in killed.sql(
            "SELECT dag_id, run_id, count(*) FROM task_instance GROUP BY 1, 2"
        )
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PURGING, killed.url, CUTOFF.isoformat()],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'dags'}:{ROOT}"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    for _ in range(lines):
        assert process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    until(lambda: not killed.sql("SELECT FROM pg_stat_activity WHERE datname = %s AND pid <> "
                                 "pg_backend_pid()", killed.name))  # fmt: skip
    left = killed.sql(
        "SELECT r.dag_id, r.run_id, (SELECT count(*) FROM task_instance i WHERE i.dag_id = r.dag_id"
        " AND i.run_id = r.run_id) FROM dag_run r"
    )
    assert all(count == before.get((dag, run), 0) for dag, run, count in left)
    assert killed.one("SELECT count(*) FROM xcom x WHERE NOT EXISTS (SELECT FROM dag_run r "
                      "WHERE r.id = x.dag_run_id)") == 0  # fmt: skip
    purge(killed.engine, CUTOFF)
    assert rows(killed) == rows(whole)


def test_rows_in_use_are_left_to_next_time_without_waiting(old):
    world, whole = old(), old()
    purge(whole.engine, CUTOFF)
    first = "SELECT dag_id, run_id FROM dag_run WHERE dag_id = %s ORDER BY start_date"
    run, task = (world.sql(first, dag)[0] for dag in ("ordinary_0", "ordinary_1"))
    with world.cluster.connect(world.name) as other, other.cursor() as cursor:
        for table, key in (("dag_run", run), ("task_instance", task)):
            lock = f"SELECT FROM {table} WHERE dag_id = %s AND run_id = %s FOR UPDATE"
            cursor.execute(lock, key)
        report = purge(world.engine, CUTOFF, batch_rows=4)
        assert report.complete
        assert 2 <= report.left <= 30
        assert report.seconds < 15
        left = set(world.sql("SELECT dag_id, run_id FROM dag_run"))
        assert {run, task} <= left
        wanted = set(whole.sql("SELECT dag_id, run_id FROM dag_run"))
        assert len(left - wanted) <= 4
    other.close()
    assert purge(world.engine, CUTOFF).left == 0
    assert rows(world) == rows(whole)


def test_a_run_that_was_cleared_meanwhile_stays(old):
    """Which runs stay is decided once; whether a run is over is asked again with its lock."""
    world = old()
    dag, run = world.sql(
        "SELECT dag_id, run_id FROM dag_run WHERE dag_id LIKE 'ordinary%%' AND start_date < %s "
        "ORDER BY start_date DESC",
        CUTOFF,
    )[0]

    def clear(_event: object) -> None:
        world.sql("UPDATE dag_run SET state = 'queued' WHERE dag_id = %s AND run_id = %s", dag, run)

    assert purge(world.engine, CUTOFF, batch_rows=10, progress=clear).left == 1
    where = "WHERE dag_id = %s AND run_id = %s"
    for table in ("dag_run", "task_instance", "xcom", "task_instance_history"):
        assert world.one(f"SELECT count(*) FROM {table} {where}", dag, run) > 0, table


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40)), unique_by=lambda x: x[0]),
    st.integers(1, 60),
)
def test_batches_cover_every_block_once_and_none_is_needlessly_large(blocks, most):
    blocks = sorted(blocks)
    found = list(batches(blocks, most))
    covered = [[number for number, _ in blocks if first <= number < end] for first, end, _ in found]
    assert [number for part in covered for number in part] == [number for number, _ in blocks]
    for part, (_, _, rows_in) in zip(covered, found, strict=True):
        weights = [rows_in for number, rows_in in blocks if number in part]
        assert rows_in == sum(weights)
        assert rows_in <= most or len(part) == 1


TICKING = """
from datetime import datetime, timedelta
from airflow.decorators import task
from airflow.models.dag import DAG

with DAG("tick", schedule=timedelta(minutes=10), start_date=datetime(2024, 5, 1), catchup=True,
         is_paused_upon_creation=False, max_active_runs=2):
    @task
    def tick(logical_date=None):
        with open("{ledger}", "a") as ledger:
            print(logical_date.isoformat(), file=ledger)

    tick()
"""


@pytest.fixture
def scheduler(old: Callable[..., World], tmp_path: Path) -> Iterator[tuple[World, Path, Path]]:
    """A real scheduler that catches up as fast as it can; what ran, and what it complained of."""
    world, home = old(), tmp_path / "airflow"
    ledger, log = tmp_path / "ledger", tmp_path / "scheduler.log"
    ledger.touch()
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "tick.py").write_text(TICKING.replace("{ledger}", str(ledger)))
    with log.open("wb") as output:
        process = leash.start(
            [install.ensure(VERSION).parent / "airflow", "scheduler"],
            env={
                **environment(world.url, home),
                "AIRFLOW__CORE__FERNET_KEY": world.key,
                "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
                "AIRFLOW__CORE__PARALLELISM": "2",
                "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
            },
            cwd=home,
            output=output,
        )
    yield world, ledger, log
    leash.release(process)


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def test_a_live_scheduler_never_misses_what_a_purge_takes(scheduler):
    """Purged with no mercy, whatever is over at once, a catch-up DAG neither skips nor repeats."""
    world, ledger, log = scheduler

    def ran() -> list[str]:
        return ledger.read_text().split()

    until(lambda: len(ran()) > 2)
    stop, purged = threading.Event(), Counter[str]()

    def merciless() -> None:
        while not stop.wait(0.1):
            report = purge(
                world.engine, datetime.now(UTC), batch_rows=5, horizon=timedelta(0),
                tables=["dag_run", "task_instance", "xcom", "trigger", "job", "log"],
            )  # fmt: skip
            purged.update(report.rows)

    purger = threading.Thread(target=merciless)
    purger.start()
    try:
        seen = len(ran())
        until(lambda: len(ran()) > seen + 12)
    finally:
        stop.set()
        purger.join()
    times = [datetime.fromisoformat(text) for text in ran()]
    first = datetime(2024, 5, 1, tzinfo=UTC)
    assert sorted(times) == [first + timedelta(minutes=10 * n) for n in range(len(times))]
    assert purged["dag_run"] > 100
    kept = world.one("SELECT count(*) FROM dag_run WHERE dag_id = 'tick'")
    assert kept < len(times)
    complaints = [line for line in log.read_text().splitlines() if "Traceback" in line]
    assert complaints == []
