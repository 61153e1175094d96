"""A purge against the real `airflow db clean`, and what it must never do."""

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

from local import leash, postgres
from local.mwaa import install
from local.paths import ROOT
from mwaa_dr_metadata.purge import batches, purge
from tests.metadata import metadata_hard, purge_world
from tests.metadata.conftest import TEMPLATE, VERSION, cluster_copy
from tests.metadata.metadata_world import ROLE, World
from tests.metadata.purge_world import CUTOFF, day

pytestmark = pytest.mark.airflow
MODERN = "3.2.1"

RUN_EXTRAS = Counter(
    {
        "asked": 1,  # the last run of a DAG that is only started by hand
        "broken": 1,  # a DAG's last success
        "live": 1,  # a run that is still going, though not the newest
        "half": 1,  # a finished run with an unfinished task
        "mwaa_dr_agent": 2,  # recovery DAGs are trimmed by number
    }
)
TASK_EXTRAS = Counter(
    {
        "quiet": 2,  # `db clean` keeps the last run and takes its tasks
        "asked": 2,
        "broken": 2,
        "live": 4,
        "half": 3,
        "mwaa_dr_agent": 4,
    }
)
EXTRAS: dict[str, Counter[str]] = {
    "dag_run": RUN_EXTRAS,
    "dag_run_note": RUN_EXTRAS,
    # Kept with every run that is kept, the last one of each DAG too.
    "deadline": RUN_EXTRAS
    + Counter(["quiet", "consumer", "idle_consumer", "forgotten_with_runs"]),
    **dict.fromkeys(
        (
            *("task_instance", "task_instance_history", "task_reschedule", "task_fail", "xcom"),
            *("rendered_task_instance_fields", "task_map", "task_instance_note", "hitl_detail"),
        ),
        TASK_EXTRAS,
    ),
    "dataset_event": Counter(["taken by the last run", "waits for one of two", "waits"]),
    "dagrun_dataset_event": Counter(["consumer"]),
    "trigger": Counter(["held"]),  # a deferred task waits for it
    "job": Counter(["held"]),  # a task runs in it
    "dag": Counter(["forgotten_with_runs", "unparsed"]),  # has runs, or may come back
    # `quiet`: the version that its last run's tasks ran with.
    "dag_version": Counter(["quiet", "forgotten_with_runs", "unparsed"]),
}
"""Every row that `airflow db clean` takes and a purge leaves: how many of each DAG or name."""


def environment(url: str, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # What MWAA has: web sessions in the database.
        "AIRFLOW__WEBSERVER__SESSION_BACKEND": "database",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
    }


def airflow(version: str, url: str, home: Path, *arguments: str) -> None:
    done = subprocess.run(
        [install.ensure(version).parent / "airflow", *arguments],
        env=environment(url, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="session")
def told(
    cluster: postgres.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], World]:
    """A template of each version, filled with the story; with the hard rows too where there are."""
    made: dict[str, World] = {}

    def make(version: str) -> World:
        if version not in made:
            name = f"template_purge_{version}"
            if version == VERSION:
                cluster_copy(cluster, TEMPLATE, name)
            else:
                home = tmp_path_factory.mktemp("purge")
                airflow(version, cluster.create_database(name), home, "db", "migrate")
            world = made[version] = World(cluster, name)
            for kind in ("TABLES", "SEQUENCES"):
                world.sql(f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {ROLE}")
            purge_world.fill(world)
            world.close()
        return made[version]

    return make


@pytest.fixture
def old(told: Callable[[str], World], new_world: Callable[..., World]) -> Callable[..., World]:
    return lambda version=VERSION: new_world(told(version))


def tables(world: World) -> list[str]:
    found = world.sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    )
    return [name for (name,) in found]


def rows(world: World) -> dict[str, Counter[str]]:
    """Every row of the database as text; what a command writes about itself apart."""
    found = {
        name: Counter(
            text for (text,) in world.sql(f'SELECT row_to_json(t)::text FROM "{name}" t')
        )
        for name in tables(world)
    }
    found["log"] = Counter(text for text in found["log"].elements() if "cli_cleanup" not in text)
    return found


def named(world: World, table: str, texts: Counter[str]) -> Counter[str]:
    """How many rows belong to each DAG, or have each name."""
    run = "(SELECT r.dag_id FROM dag_run r WHERE r.id = t.{})"
    instance = "(SELECT i.dag_id FROM task_instance i WHERE i.id = t.ti_id)"
    columns = {row[0] for row in world.sql(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s", table)}  # fmt: skip
    sql = next(
        sql
        for column, sql in {
            "source_task_id": "t.source_task_id",
            "job_type": "t.job_type",
            "classpath": "t.classpath",
            "dag_id": "t.dag_id",
            "dag_run_id": run.format("dag_run_id"),
            "dagrun_id": run.format("dagrun_id"),
            "ti_id": instance,
        }.items()
        if column in columns
    )
    names = dict(world.sql(f'SELECT row_to_json(t)::text, {sql} FROM "{table}" t'))
    return Counter({name: 0 for name in ()}) + Counter(names[text] for text in texts.elements())


@pytest.mark.parametrize("version", [VERSION, MODERN])
def test_it_takes_what_db_clean_takes_but_for_what_is_needed(old, version, tmp_path):
    ours, theirs = old(version), old(version)
    assert purge(ours.engine, CUTOFF).complete
    clean = ("db", "clean", "--skip-archive", "--yes", "--clean-before-timestamp")
    url = theirs.cluster.url_of(theirs.name)
    airflow(version, url, tmp_path, *clean, CUTOFF.isoformat())

    kept, left = rows(ours), rows(theirs)
    assert kept.keys() == left.keys()  # nothing of ours is left in the schema
    for table in kept:
        assert left[table] - kept[table] == Counter(), f"{table}: a purge takes more"
        extra = kept[table] - left[table]
        expected = EXTRAS.get(table.replace("asset", "dataset"), Counter())
        assert (named(ours, table, extra) if extra else extra) == expected, table
    assert sum(left["dag_run"].values()) > 50


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
    before, writes = rows(world), "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
    assert world.one(writes, world.name) is not None
    wal = world.one("SELECT pg_current_wal_insert_lsn()")
    plan = purge(world.engine, CUTOFF, dry_run=True)
    assert rows(world) == before
    assert world.one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s)", wal) < 100_000
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
    assert report.note()["rows"] == report.rows
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
    with pytest.raises(ValueError, match="older_than: .* is not over"):
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
    run, task = (
        world.sql("SELECT dag_id, run_id FROM dag_run WHERE dag_id = %s ORDER BY start_date", dag)[0]
        for dag in ("ordinary_0", "ordinary_1")
    )
    with world.cluster.connect(world.name) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM dag_run WHERE dag_id = %s AND run_id = %s FOR UPDATE", run)
        cursor.execute("SELECT FROM task_instance WHERE dag_id = %s AND run_id = %s FOR UPDATE", task)
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
    covered = [
        [number for number, _ in blocks if first <= number < end] for first, end, _ in found
    ]
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
