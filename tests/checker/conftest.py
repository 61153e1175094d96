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

import pytest
from cryptography.fernet import Fernet

from local import postgres
from local.mwaa import install
from tests.checker.generations import GENERATIONS, Generation, identifier
from tests.checker.inputs import Database, Inputs
from tests.checker.rows import AFTER, BEFORE, PAST, connect, insert_row
from tests.checker.story import INPUTS, at

OLD_KEY, NEW_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SHIFT = 1000
"""The restore gives every row another id, as a database with a life of its own would."""

OWN = ("mwaa_dr_own", "mwaa_dr_agent")
IDS = {"dag_run": ("id",), "variable": ("id",), "connection": ("id",), "dataset": ("id",),
       "dataset_event": ("id", "dataset_id"), "log": ("id",), "log_template": ("id",),
       "slot_pool": ("id",), "ab_role": ("id",), "task_fail": ("id",), "xcom": ("dag_run_id",),
       "dag_run_note": ("dag_run_id",), "dagrun_dataset_event": ("dag_run_id", "event_id"),
       "dag_schedule_dataset_reference": ("dataset_id",),
       "dataset_dag_run_queue": ("dataset_id",)}  # fmt: skip


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
            insert_row(cursor, key, name, _reparsed(name, row) if key == NEW_KEY else row)

    with source, source.cursor() as cursor:
        for table, values in (*generation.first, *BEFORE, *PAST):
            insert(cursor, OLD_KEY, table, values)
    with source, source.cursor() as cursor:
        cursor.execute("SELECT pg_current_snapshot()::text")
        snapshot = cursor.fetchone()[0]
    with source, source.cursor() as cursor:
        for table, values in AFTER:
            insert(cursor, OLD_KEY, table, values)
        cursor.execute("UPDATE variable SET val = 'two', is_encrypted = false WHERE id = 3")
    with restored, restored.cursor() as cursor:
        for table, values in (*generation.first, *BEFORE, *PAST):
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
