"""The engine inside a real Airflow's Python, and a real Airflow on what the engine restored."""

import json
import os
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.sites import InFlightRule
from local import leash
from local.mwaa import install
from local.paths import ROOT
from mwaa_dr_metadata import Phase, control, load_oracle, unpark
from mwaa_dr_metadata.oracle import compare_schedule
from tests.metadata import metadata_hard as hard
from tests.metadata.conftest import VERSION
from tests.metadata.metadata_world import World, at

pytestmark = pytest.mark.airflow

DAGS = """
from datetime import datetime, timedelta
from airflow.decorators import task
from airflow.models.dag import DAG
from airflow.operators.empty import EmptyOperator

START = datetime(2024, 5, 1)
with DAG("tick", schedule=timedelta(minutes=10), start_date=START, catchup=True,
         is_paused_upon_creation=False, max_active_runs=1):
    EmptyOperator(task_id="t")

with DAG("busy", schedule=None, start_date=START, is_paused_upon_creation=False):
    for name in ("t_done", "t_none", "t_scheduled", "t_queued", "t_restarting", "t_deferred",
                 "t_retry", "t_reschedule"):
        EmptyOperator(task_id=name)

    @task(task_id="t_running")
    def running():
        return "ran here"

    running()
"""


def environment(world: World, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT / 'dags'}:{ROOT}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": world.url,
        "AIRFLOW__CORE__FERNET_KEY": world.key,
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__ENABLE_XCOM_PICKLING": "True",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def in_airflow(world: World, home: Path, code: str, *arguments: str) -> dict:
    """Run code under Airflow's interpreter; it prints one line of JSON last."""
    done = subprocess.run(
        [install.ensure(VERSION), "-c", textwrap.dedent(code), *arguments],
        env=environment(world, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_the_engine_works_in_airflows_own_python(filled, target, vault, tmp_path, compression):
    """There it meets SQLAlchemy 1.4, and not always zstandard."""
    result = in_airflow(
        target,
        tmp_path,
        """
        import json, sys
        if sys.argv[6] == "gzip":
            sys.modules["zstandard"] = None
        from pathlib import Path
        import sqlalchemy
        from contract import keys
        from contract.sites import Site
        from mwaa_dr_metadata import *
        from mwaa_dr_metadata.database import engine_from_url, fernet_from_keys
        source, source_key, target, target_key, folder, _ = sys.argv[1:]
        storage = FileStorage(Path(folder) / "backups")
        sealer = FileSealer(Path(folder) / "seal.key")
        identity = BackupIdentity("data", Site.PRIMARY, 1, "data-primary", "2.10.3")
        manifest = export_backup(
            engine_from_url(source), storage, sealer, fernet_from_keys(source_key), identity
        )
        report = import_backup(
            engine_from_url(target), storage, sealer, fernet_from_keys(target_key),
            keys.manifest(Site.PRIMARY, 1, manifest.backup_id), ImportOptions(phase=Phase.ALL),
        )
        print(json.dumps({"sqlalchemy": sqlalchemy.__version__, "report": report.to_dict(),
                          "compressions": sorted({o.compression for o in manifest.objects})}))
        """,
        *(filled.url, filled.key, target.url, target.key, str(vault.folder), compression),
    )
    assert result["sqlalchemy"].startswith("1.4.")
    assert result["compressions"] == sorted(["none", compression])
    assert all(check["matched"] for check in result["report"]["tables"])
    for name in hard.COMPARED:
        assert hard.rows(target, name) == hard.rows(filled, name), name
    assert hard.secrets(target) == hard.secrets(filled)


def test_airflow_itself_reads_what_was_restored(filled, target, vault, tmp_path):
    key, _ = vault.export(filled)
    vault.restore(target, key)
    unpark(target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.KEEP)
    found = in_airflow(
        target,
        tmp_path,
        """
        import json
        from airflow.models import Connection, DagRun, TaskInstance, Trigger, Variable, XCom
        from airflow.settings import Session
        session = Session()
        run = session.query(DagRun).filter_by(run_id="scheduled__5").one()
        waiting = session.query(TaskInstance).filter_by(task_id="t_deferred").one()
        trigger = session.query(Trigger).filter_by(id=waiting.trigger_id).one()
        connection = Connection.get_connection_from_secrets("db")
        def xcom(key):
            return XCom.get_one(dag_id="etl", run_id="scheduled__5", task_id="extract", key=key)
        found = {
            "variable": Variable.get("secret"), "hostile": Variable.get("hostile"),
            "password": connection.password, "extra": connection.extra_dejson["token"],
            "conf": run.conf["conf"], "template": run.get_log_template().filename,
            "pickled": xcom("pickled"), "trigger": trigger.kwargs["k"],
            "next": waiting.next_kwargs["x"][0],
            "executor": session.query(TaskInstance).filter_by(
                task_id="extract", run_id="scheduled__5").one().executor_config,
        }
        print(json.dumps(found))
        """,
    )
    assert found == {
        "variable": hard.SECRETS["variable"],
        "hostile": hard.HOSTILE,
        "password": hard.SECRETS["password"],
        "extra": hard.SECRETS["extra"],
        "conf": hard.SECRETS["conf"],
        "template": "new/{{ ti }}",
        "pickled": 5,
        "trigger": hard.SECRETS["trigger"],
        "next": 1,
        "executor": {},
    }


@pytest.fixture
def scheduler(target: World, tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Starts a real scheduler on the target, with its parser."""
    started: list[subprocess.Popen[bytes]] = []
    home = tmp_path / "airflow"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "dags.py").write_text(DAGS)

    def start() -> None:
        with (tmp_path / "scheduler.log").open("wb") as log:
            started.append(
                leash.start(
                    [install.ensure(VERSION).parent / "airflow", "scheduler"],
                    env=environment(target, home),
                    cwd=home,
                    output=log,
                )
            )

    yield start
    for process in started:
        leash.release(process)


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


def with_a_catch_up_dag(world: World) -> None:
    """Six intervals done, the seventh next: parsed afresh, it would start with the first."""
    for n in range(6):
        interval = {"data_interval_start": at(n * 10), "data_interval_end": at(n * 10 + 10)}
        world.run("tick", f"scheduled__{n}", n * 10, **interval)
        world.task("tick", f"scheduled__{n}", "t")
    world.dag(
        "tick",
        max_active_runs=1,
        next_dagrun=at(60),
        next_dagrun_data_interval_start=at(60),
        next_dagrun_data_interval_end=at(70),
        next_dagrun_create_after=at(70),
    )


def test_a_real_scheduler_waits_for_promotion_and_then_goes_on(filled, target, vault, scheduler):
    """Parked work lies still under a live scheduler; un-parked and un-paused it runs to its end,
    and the schedule goes on with the next interval, not with the first."""
    with_a_catch_up_dag(filled)
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    oracle = load_oracle(vault.storage, vault.sealer, key)
    states = (
        "SELECT task_id, state, end_date FROM task_instance ORDER BY dag_id, run_id, 1, map_index"
    )
    parked, runs = target.sql(states), target.sql("SELECT t::text FROM dag_run t ORDER BY id")

    scheduler()
    until(lambda: target.one("SELECT count(*) FROM serialized_dag") == 2)
    parsed = target.one("SELECT min(last_parsed_time) FROM dag WHERE dag_id IN ('tick', 'busy')")
    fresh = "SELECT count(*) FROM dag WHERE dag_id IN ('tick', 'busy') AND last_parsed_time > %s"
    until(lambda: target.one(fresh, parsed) == 2)
    assert target.sql(states) == parked
    assert target.sql("SELECT t::text FROM dag_run t ORDER BY id") == runs
    assert target.sql("SELECT dag_id FROM dag WHERE NOT is_paused") == []
    ticking = [entry for entry in oracle if entry.dag_id == "tick"]
    assert compare_schedule(target.engine, ticking) == []

    unpark(target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.RERUN)
    control.unpause(target.engine, oracle)
    live = "SELECT state FROM dag_run WHERE dag_id = 'busy' AND run_id = 'live'"
    until(lambda: target.one(live) == "success")
    assert target.one("SELECT count(*) FROM task_instance WHERE run_id = 'live' "
                      "AND state <> 'success'") == 0  # fmt: skip
    value = target.one(
        "SELECT value FROM xcom WHERE task_id = 't_running' AND key = 'return_value'"
    )
    assert b"ran here" in bytes(value)
    until(lambda: target.one("SELECT count(*) FROM dag_run WHERE dag_id = 'tick'") > 7)
    ticks = target.sql(
        "SELECT execution_date FROM dag_run WHERE dag_id = 'tick' ORDER BY 1 LIMIT 3"
    )
    assert [row[0] for row in ticks] == [at(50), at(60), at(70)]
    assert vault.restore(target, key, Phase.HISTORY).rows > 0
    doubled = target.sql("SELECT execution_date FROM dag_run WHERE dag_id = 'tick' "
                         "GROUP BY 1 HAVING count(*) > 1")  # fmt: skip
    assert doubled == []
    assert target.one("SELECT min(execution_date) FROM dag_run WHERE dag_id = 'tick'") == at(0)
