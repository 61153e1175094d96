"""The engine inside Airflow 3's Python, and a real Airflow 3 on what the engine restored."""

import json
import os
import subprocess
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.sites import InFlightRule
from local import leash
from local.mwaa import install
from local.paths import ROOT
from local.ports import free_port
from mwaa_dr_metadata import Phase, control, load_oracle, unpark
from mwaa_dr_metadata.oracle import compare_schedule
from tests.metadata.metadata_busy import STATES, Busy
from tests.metadata.metadata_rows import comparison, differences
from tests.metadata.metadata_world import World, at

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

VERSION = "3.2.1"
SECRET = "planted-password"
DAGS = f"""
from datetime import datetime, timedelta
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Connection, Variable, task

START = datetime(2024, 5, 1)
with DAG("tick", schedule=timedelta(minutes=10), start_date=START, catchup=True,
         is_paused_upon_creation=False, max_active_runs=1):
    EmptyOperator(task_id="t")

with DAG("busy", schedule=None, start_date=START, is_paused_upon_creation=False):
    for name in {sorted({*STATES, "t_done", "t_person"} - {"t_running"})}:
        EmptyOperator(task_id=name)

    @task(task_id="t_running")
    def running():
        return [Connection.get("db").password, Variable.get("secret")]

    running()
"""


def environment(world: World, home: Path, port: int) -> dict[str, str]:
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
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        # Its first request builds every version of the API, which takes a busy machine a minute.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "180",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for the processes of this test only",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }


def test_the_engine_works_in_airflows_own_python(
    filled_source, new_world, migrated, vault, tmp_path
):
    """There it meets SQLAlchemy 2.0, and rows that no test of ours has written."""
    source, maker = filled_source(VERSION, portable=False)
    target = new_world(template=migrated(VERSION))
    code = """
        import json, sys
        from pathlib import Path
        import sqlalchemy
        from contract import keys
        from contract.sites import Site
        from mwaa_dr_metadata import *
        from mwaa_dr_metadata.database import engine_from_url, fernet_from_keys
        source, source_key, target, target_key, folder = sys.argv[1:]
        storage = FileStorage(Path(folder) / "backups")
        sealer = FileSealer(Path(folder) / "seal.key")
        identity = BackupIdentity("data", Site.PRIMARY, 1, "data-primary", "3.2.1")
        manifest = export_backup(
            engine_from_url(source), storage, sealer, fernet_from_keys(source_key), identity
        )
        report = import_backup(
            engine_from_url(target), storage, sealer, fernet_from_keys(target_key),
            keys.manifest(Site.PRIMARY, 1, manifest.backup_id), ImportOptions(phase=Phase.ALL),
        )
        print(json.dumps({"sqlalchemy": sqlalchemy.__version__, "report": report.to_dict()}))
    """
    done = subprocess.run(
        [install.ensure(VERSION), "-c", textwrap.dedent(code), source.url, source.key, target.url,
         target.key, str(vault.folder)],
        env=environment(target, tmp_path, 0), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["sqlalchemy"].startswith("2.0.")
    assert all(check["matched"] for check in result["report"]["tables"])
    tasks = {n: comparison(n, maker.tables) for n in ("dag_run", "task_instance", "xcom")}
    assert list(differences(source, target, tasks)) == []


def until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


class Airflow:
    """A real scheduler, parser and API server on one environment."""

    def __init__(self, world: World, home: Path, dags: str = DAGS) -> None:
        self.world, self.home, self.port, self.dags = world, home, free_port(), dags
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = ""

    def start(self) -> None:
        (self.home / "dags").mkdir(parents=True)
        (self.home / "dags" / "dags.py").write_text(self.dags)
        server = ("api-server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        for command in (server, ("scheduler",), ("dag-processor",)):
            with (self.home / f"{command[0]}.log").open("wb") as log:
                self._processes.append(
                    leash.start(
                        [install.ensure(VERSION).parent / "airflow", *command],
                        env=environment(self.world, self.home, self.port),
                        cwd=self.home,
                        output=log,
                    )
                )
        until(self._answers)

    def stop(self) -> None:
        for process in self._processes:
            leash.release(process)

    def _answers(self) -> bool:
        try:
            self._token = self._ask("GET", "/auth/token")["access_token"]
        except OSError:
            return False
        return True

    def get(self, path: str) -> Any:
        return self._ask("GET", f"/api/v2{path}")

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            headers={"Authorization": f"Bearer {self._token}"} if self._token else {},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - this machine
            return json.load(answer)


@pytest.fixture
def airflow(new_world, migrated, tmp_path: Path) -> Iterator[Airflow]:
    running = Airflow(new_world(template=migrated(VERSION)), tmp_path / "airflow")
    yield running
    running.stop()


@pytest.fixture
def source(new_world, migrated) -> World:
    """Unfinished work of every kind, and six intervals done of a DAG that catches up."""
    world = new_world(template=migrated(VERSION))
    busy = Busy(world)
    busy.fill()
    world.sql("UPDATE dag SET is_paused = FALSE")
    for n in range(6):  # Airflow 3 runs such a schedule at that time, not an interval later
        when = at(n * 10)
        run = busy.add(
            "dag_run", dag_id="tick", run_id=f"scheduled__{n}", run_type="scheduled",
            state="success", logical_date=when, data_interval_start=when, data_interval_end=when,
            run_after=when, start_date=when, end_date=when, span_status="ended", conf={"n": n},
        )  # fmt: skip
        busy.add(
            "task_instance", dag_id="tick", run_id=f"scheduled__{n}", task_id="t", map_index=-1,
            state="success", pool="default_pool", pool_slots=1, try_number=1, max_tries=0,
            start_date=when, end_date=when, span_status="ended",
        )  # fmt: skip
        busy.add(
            "xcom", dag_run_id=run["id"], dag_id="tick", run_id=f"scheduled__{n}", task_id="t",
            map_index=-1, key="return_value", value=json.dumps(f"value {n}ü"), timestamp=when,
        )  # fmt: skip
    busy.add(
        "dag", dag_id="tick", bundle_name="own", is_paused=False, max_active_runs=1,
        next_dagrun=at(60), next_dagrun_data_interval_start=at(60),
        next_dagrun_data_interval_end=at(60), next_dagrun_create_after=at(60),
    )  # fmt: skip
    busy.add("variable", key="secret", val=world.encrypted("a variable"), is_encrypted=True)
    busy.add(
        "connection", conn_id="db", conn_type="postgres", login="me", is_encrypted=True,
        password=world.encrypted(SECRET), is_extra_encrypted=False,
    )  # fmt: skip
    return world


def test_a_real_airflow_3_waits_for_promotion_and_then_goes_on(source, airflow, vault):
    """Parked work lies still under live processes; un-parked and un-paused it runs to its end, with
    the secrets of the source, and the schedule goes on with the next interval."""
    target = airflow.world
    key, _ = vault.export(source)
    vault.restore(target, key, Phase.RESUME)
    oracle = load_oracle(vault.storage, vault.sealer, key)
    states = "SELECT task_id, state, end_date FROM task_instance ORDER BY dag_id, run_id, 1"
    runs = "SELECT dag_id, run_id, state, start_date, end_date, conf::text FROM dag_run ORDER BY id"
    parked, before = target.sql(states), target.sql(runs)

    airflow.start()
    until(lambda: target.one("SELECT count(DISTINCT dag_id) FROM serialized_dag") == 2)
    parsed = target.one("SELECT min(last_parsed_time) FROM dag")
    until(lambda: target.one("SELECT min(last_parsed_time) > %s FROM dag", parsed))
    time.sleep(5)  # some rounds of the scheduler
    assert target.sql(states) == parked
    assert target.sql(runs) == before
    assert target.sql("SELECT dag_id FROM dag WHERE NOT is_paused") == []
    assert target.sql("SELECT id FROM callback") == []
    assert compare_schedule(target.engine, [e for e in oracle if e.dag_id == "tick"]) == []

    report = unpark(
        target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.RERUN
    )
    assert report.left == []
    control.unpause(target.engine, oracle)
    live = "SELECT state FROM dag_run WHERE dag_id = 'busy' AND run_id = 'live'"
    until(lambda: target.one(live) == "success")
    value = "SELECT value FROM xcom WHERE task_id = 't_running' AND key = 'return_value'"
    assert target.one(value) == [SECRET, "a variable"]
    called = "SELECT state FROM callback WHERE data #>> '{__var,path}' = 'call.later'"
    until(lambda: target.one(called) == "queued")  # a deadline that passed while nobody was there
    until(lambda: target.one("SELECT count(*) FROM dag_run WHERE dag_id = 'tick'") >= 4)
    ticks = target.sql("SELECT logical_date FROM dag_run WHERE dag_id = 'tick' ORDER BY 1 LIMIT 3")
    assert [row[0] for row in ticks] == [at(50), at(60), at(70)]

    assert vault.restore(target, key, Phase.HISTORY).rows > 0
    every = target.sql("SELECT logical_date FROM dag_run WHERE dag_id = 'tick' ORDER BY 1")
    assert [row[0] for row in every] == [at(10 * n) for n in range(len(every))]

    old = airflow.get("/dags/tick/dagRuns/scheduled__2")
    assert (old["state"], old["conf"], len(old["dag_versions"])) == ("success", {"n": 2}, 1)
    path = "/dags/tick/dagRuns/scheduled__2/taskInstances"
    assert [t["state"] for t in airflow.get(path)["task_instances"]] == ["success"]
    assert airflow.get(f"{path}/t/xcomEntries/return_value?deserialize=true")["value"] == "value 2ü"
    assert airflow.get("/connections/db")["login"] == "me"
    assert airflow.get("/variables/secret")["key"] == "secret"
