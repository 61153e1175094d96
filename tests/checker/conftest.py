"""Two real metadata databases: a source with a backup's snapshot, and what a perfect restore makes.

Both are templates; each test gets a copy of the restored one and changes a detail in it.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from cryptography.fernet import Fernet

from local import postgres
from local.mwaa import install
from tests.checker.generations import GENERATIONS, Generation, identifier
from tests.checker.inputs import Database, Inputs
from tests.checker.story import INPUTS, at

OLD_KEY, NEW_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SHIFT = 1000
"""The restore gives every row another id, as a database with a life of its own would."""

BEFORE = [
    ("variable", {"id": 1, "key": "colour", "val": "s:blue\n'\\ ü", "is_encrypted": True}),
    ("variable", {"id": 2, "key": "empty", "val": "", "is_encrypted": False}),
    ("variable", {"id": 3, "key": "changes_later", "val": "s:one", "is_encrypted": True}),
    ("variable", {"id": 4, "key": "mwaa_dr_own", "val": "s:own", "is_encrypted": True}),
    ("connection", {"id": 1, "conn_id": "db", "conn_type": "postgres", "host": "h", "login": "",
                    "password": "s:p@ss", "extra": "s:{\"a\": 1}", "is_encrypted": True,
                    "is_extra_encrypted": True}),
    ("slot_pool", {"id": 9, "pool": "wide", "slots": 3, "include_deferred": False}),
    ("ab_role", {"id": 5, "name": "analyst"}),
    ("log_template", {"id": 20, "filename": "f-{{ x }}", "elasticsearch_id": "e",
                      "created_at": at(0)}),
    ("dataset", {"id": 1, "uri": "s3://a", "extra": "{}", "created_at": at(0),
                 "updated_at": at(0), "is_orphaned": False}),
    ("dataset_event", {"id": 1, "dataset_id": 1, "extra": "{\"k\": [1]}", "source_dag_id": "hits",
                       "source_task_id": "work", "source_run_id": "r1", "source_map_index": -1,
                       "timestamp": at(70)}),
    ("log", {"id": 1, "dttm": at(60), "dag_id": "hits", "task_id": "work", "event": "running",
             "run_id": "r1", "owner": "drill", "extra": "{\"try\": 1}"}),
    ("log", {"id": 2, "dttm": at(60), "dag_id": "hits", "task_id": "work", "event": "running",
             "run_id": "r1", "owner": "drill", "extra": "{\"try\": 1}"}),
    ("log", {"id": 3, "dttm": at(61), "dag_id": None, "event": "cli_scheduler", "owner": "root"}),
]  # fmt: skip
"""Rows from before the snapshot, as of Airflow 2; a value `s:x` is x under the database's own
Fernet key."""


def _dag(dag_id: str, *, paused: bool = False) -> tuple[str, dict[str, Any]]:
    return "dag", {
        "dag_id": dag_id, "is_paused": paused, "is_active": True, "max_active_tasks": 4,
        "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
    }  # fmt: skip


def _run(number: int, dag_id: str, run_id: str, *, state: str, seconds: float
         ) -> list[tuple[str, dict[str, Any]]]:  # fmt: skip
    """A run with one task, which left an XCom."""
    done = state in ("success", "failed")
    task = {"dag_id": dag_id, "run_id": run_id, "task_id": "work", "map_index": -1}
    return [
        ("dag_run", {
            "id": number, "dag_id": dag_id, "run_id": run_id, "run_type": "scheduled",
            "state": state, "execution_date": at(seconds - 60), "queued_at": at(seconds),
            "data_interval_start": at(seconds - 60), "data_interval_end": at(seconds),
            "end_date": at(seconds + 4) if done else None, "clear_number": 0,
            "log_template_id": 20, "conf": b"\x80\x04}\x94.", "updated_at": at(seconds + 4),
        }),
        ("task_instance", {
            **task, "state": state, "start_date": at(seconds + 1), "try_number": 1,
            "max_tries": 0, "pool": "default_pool", "pool_slots": 1, "job_id": number + 40,
            "executor_config": b"\x80\x04.", "updated_at": at(seconds + 4),
            "next_kwargs": "{\"deep\": null}",
        }),
        ("xcom", {**task, "dag_run_id": number, "key": "return_value", "value": b"\"v\\u00fc\"",
                  "timestamp": at(seconds + 3)}),
        ("rendered_task_instance_fields", {**task, "rendered_fields": "{\"a\": \"b\"}"}),
    ]  # fmt: skip


BEFORE += [
    *(_dag("hits"), _dag("billing"), _dag("paused", paused=True), _dag("mwaa_dr_agent")),
    *_run(1, "hits", "r1", state="success", seconds=60),
    *_run(2, "hits", "r2", state="failed", seconds=120),
    *_run(3, "billing", "r3", state="running", seconds=590),
    *_run(4, "mwaa_dr_agent", "own", state="success", seconds=100),
    ("task_fail", {"id": 1, "dag_id": "hits", "run_id": "r2", "task_id": "work", "map_index": -1,
                   "duration": 3}),
    ("task_map", {"dag_id": "hits", "run_id": "r1", "task_id": "work", "map_index": -1,
                  "length": 3, "keys": "[1]"}),
    ("dag_run_note", {"dag_run_id": 1, "content": "seen", "created_at": at(80),
                      "updated_at": at(80), "user_id": None}),
    ("dagrun_dataset_event", {"dag_run_id": 1, "event_id": 1}),
    ("dag_schedule_dataset_reference", {"dataset_id": 1, "dag_id": "billing", "created_at": at(0),
                                        "updated_at": at(0)}),
    ("dataset_dag_run_queue", {"dataset_id": 1, "target_dag_id": "billing",
                               "created_at": at(90)}),
]  # fmt: skip
AFTER = _run(5, "hits", "r5", state="success", seconds=610)
"""Rows from between the snapshot and the outage."""

OWN = ("mwaa_dr_own", "mwaa_dr_agent")
IDS = {"dag_run": ("id",), "variable": ("id",), "connection": ("id",), "dataset": ("id",),
       "dataset_event": ("id", "dataset_id"), "log": ("id",), "log_template": ("id",),
       "slot_pool": ("id",), "ab_role": ("id",), "task_fail": ("id",), "xcom": ("dag_run_id",),
       "dag_run_note": ("dag_run_id",), "dagrun_dataset_event": ("dag_run_id", "event_id"),
       "dag_schedule_dataset_reference": ("dataset_id",),
       "dataset_dag_run_queue": ("dataset_id",)}  # fmt: skip


def connect(url: str) -> Any:
    return psycopg2.connect(url.replace("+psycopg2", ""), options="-c timezone=UTC")


def _insert(cursor: Any, key: str, table: str, values: dict[str, Any]) -> None:
    fernet = Fernet(key.encode())
    sealed = {
        name: fernet.encrypt(value[2:].encode()).decode()
        if isinstance(value, str) and value.startswith("s:")
        else value
        for name, value in values.items()
    }
    columns = ", ".join(f'"{name}"' for name in sealed)
    places = ", ".join(["%s"] * len(sealed))
    statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608
    cursor.execute(statement, list(sealed.values()))


def _restored(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """The row as a perfect restore writes it; as of Airflow 2."""
    moved = {n: v + SHIFT if n in IDS.get(table, ()) else v for n, v in values.items()}
    if "log_template_id" in moved:
        moved["log_template_id"] += SHIFT
    if table == "task_instance":
        moved["job_id"] = None
    if moved.get("state") == "running":
        moved["state"] = "failed"
    return moved


def _reparsed(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Versions of DAGs are the new environment's own."""
    owns = {"dag_version": "id", "task_instance": "dag_version_id",
            "dag_run": "created_dag_version_id"}  # fmt: skip
    column = owns.get(table)
    if column is None or column not in values:
        return values
    number = {"version_number": 7} if table == "dag_version" else {}
    return {**values, column: identifier(values[column], "here"), **number}


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and a restored database, as the checker is told of them."""

    inputs: Inputs
    generation: Generation

    def change(self, statement: str, *arguments: Any) -> None:
        """Spoil the restored database, in the vocabulary of Airflow 2."""
        connection = connect(self.inputs.restored.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(self.generation.say(statement), arguments)
            assert cursor.rowcount > 0, "the test changed nothing"
        connection.close()


@pytest.fixture(scope="session", params=GENERATIONS)
def templates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[postgres.Cluster, Generation, str]]:
    """A cluster with the databases `source` and `restored`; and the snapshot."""
    generation = GENERATIONS[request.param]
    cluster = postgres.start(tmp_path_factory.mktemp("checker") / "pg")
    try:
        _migrate(cluster, generation.version)
        _clone(cluster, postgres.DATABASE, "source")
        _clone(cluster, postgres.DATABASE, "restored")
        yield cluster, generation, _fill(cluster, generation)
    finally:
        cluster.destroy()


def _clone(cluster: postgres.Cluster, template: str, name: str) -> None:
    connection = cluster.connect("postgres")
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    connection.close()


def _migrate(cluster: postgres.Cluster, version: str) -> None:
    python = install.ensure(version)
    home = cluster.data.parent / "home"
    subprocess.run(
        [python, "-m", "airflow", "db", "migrate"],
        env={
            "PATH": str(python.parent),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": cluster.url,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
        check=True,
        capture_output=True,
    )


def _fill(cluster: postgres.Cluster, generation: Generation) -> str:
    source, restored = (connect(cluster.url_of(name)) for name in ("source", "restored"))

    def insert(cursor: Any, key: str, table: str, values: dict[str, Any]) -> None:
        for name, row in generation.row(table, values):
            _insert(cursor, key, name, _reparsed(name, row) if key == NEW_KEY else row)

    with source, source.cursor() as cursor:
        for table, values in (*generation.first, *BEFORE):
            insert(cursor, OLD_KEY, table, values)
    with source, source.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot = cursor.fetchone()[0]
    with source, source.cursor() as cursor:
        for table, values in AFTER:
            insert(cursor, OLD_KEY, table, values)
        cursor.execute("UPDATE variable SET val = 'two', is_encrypted = false WHERE id = 3")
    with restored, restored.cursor() as cursor:
        for table, values in (*generation.first, *BEFORE):
            if not any(own in values.values() for own in OWN):
                insert(cursor, NEW_KEY, table, _restored(table, values))
    source.close()
    restored.close()
    return snapshot


@pytest.fixture
def pair(
    templates: tuple[postgres.Cluster, Generation, str], request: pytest.FixtureRequest
) -> Pair:
    """The source, and a restored database of this test's own."""
    cluster, generation, snapshot = templates
    name = f"restored_{abs(hash(request.node.nodeid))}"
    _clone(cluster, "restored", name)
    rows = [{"dag_id": dag, "business": {"work": 1}, "user_paused": False, "catchup": False,
             "datasets": [], "longest_seconds": 20} for dag in ("hits", "billing")]  # fmt: skip
    return Pair(
        replace(
            INPUTS,
            workload=json.loads(json.dumps({"dags": rows})),
            source=Database("old", "us-east-1", cluster.url_of("source"), OLD_KEY),
            restored=Database("new", "us-west-2", cluster.url_of(name), NEW_KEY),
            snapshot=snapshot,
            snapshot_at=at(600),
            outage_at=at(600) + timedelta(seconds=20),
            ledger=Path("unused"),
        ),
        generation,
    )
