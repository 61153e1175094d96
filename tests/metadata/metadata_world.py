"""An environment's metadata database as a test sees it: own SQL, own encryption, no engine."""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
from cryptography.fernet import Fernet, MultiFernet
from sqlalchemy.engine import Engine

from contract import keys
from contract.manifest import Manifest
from contract.sites import Site
from local.postgres import Cluster
from mwaa_dr_metadata import (
    BackupIdentity,
    ExportOptions,
    FileSealer,
    FileStorage,
    ImportOptions,
    export_backup,
)
from mwaa_dr_metadata import import_backup as run_import
from mwaa_dr_metadata.database import engine_from_url
from mwaa_dr_metadata.model import ImportReport, Phase

AS_TEXT = psycopg2.extensions.new_type(
    (114, 3802, 1114, 1184), "AS_TEXT", lambda value, _cursor: value
)
"""json, jsonb and both kinds of timestamp."""
ROLE = "restorer"
IDENTITY = BackupIdentity("data", Site.PRIMARY, 1, "data-primary", "2.10.3")
T0 = datetime(2024, 5, 1, tzinfo=UTC)

DAG = {
    "is_paused": False,
    "is_active": True,
    "is_subdag": False,
    "fileloc": "/usr/local/airflow/dags/d.py",
    "max_active_tasks": 16,
    "max_active_runs": 16,
    "max_consecutive_failed_dag_runs": 0,
    "has_task_concurrency_limits": False,
    "has_import_errors": False,
}
RUN = {"run_type": "scheduled", "clear_number": 0, "state": "success"}
TASK = {
    "pool": "default_pool",
    "pool_slots": 1,
    "map_index": -1,
    "state": "success",
    "queue": "default",
    "priority_weight": 1,
    "operator": "PythonOperator",
}


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


@dataclass
class World:
    cluster: Cluster
    name: str
    key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    _connection: Any = None
    _numbers = itertools.count()

    @classmethod
    def number(cls) -> int:
        return next(cls._numbers)

    @property
    def fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(self.key)])

    @property
    def url(self) -> str:
        """As an ordinary role: MWAA's is no superuser either."""
        cluster = self.cluster
        return (
            f"postgresql+psycopg2://{ROLE}:{cluster.password}@127.0.0.1:{cluster.port}/{self.name}"
        )

    @property
    def engine(self) -> Engine:
        return engine_from_url(self.url)

    @property
    def connection(self) -> Any:
        """One for all statements of a test, each committed at once."""
        if self._connection is None:
            self._connection = self.cluster.connect(self.name)
            self._connection.autocommit = True
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def sql_rows(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        """Rows by column name, times and JSON as text: nothing is lost or refused on the way."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            psycopg2.extensions.register_type(AS_TEXT, cursor)
            cursor.execute(statement, parameters or None)
            return [dict(row) for row in cursor.fetchall()]

    def one(self, statement: str, *parameters: Any) -> Any:
        return self.sql(statement, *parameters)[0][0]

    def insert(self, table: str, *rows: dict[str, Any]) -> None:
        """Rows of one shape; dicts and lists become JSON."""
        if not rows:
            return
        columns = ", ".join(f'"{name}"' for name in rows[0])
        values = [
            tuple(json.dumps(v) if isinstance(v, dict | list) else v for v in row.values())
            for row in rows
        ]
        statement = f'INSERT INTO "{table}" ({columns}) VALUES %s'  # noqa: S608
        with self.connection.cursor() as cursor:
            psycopg2.extras.execute_values(cursor, statement, values)

    def encrypted(self, text: str) -> str:
        return self.fernet.encrypt(text.encode()).decode()

    def dag(self, dag_id: str, **values: Any) -> None:
        self.insert("dag", {"dag_id": dag_id, **DAG, **values})

    def run(self, dag_id: str, run_id: str, minutes: float = 0, **values: Any) -> int:
        """A run; returns its id."""
        when = at(minutes)
        row = {
            "dag_id": dag_id,
            "run_id": run_id,
            "execution_date": when,
            "start_date": when,
            "end_date": when,
            "data_interval_start": when,
            "data_interval_end": when,
            "log_template_id": self.one("SELECT max(id) FROM log_template"),
            **RUN,
            **values,
        }
        self.insert("dag_run", row)
        return self.one("SELECT id FROM dag_run WHERE dag_id=%s AND run_id=%s", dag_id, run_id)

    def task(self, dag_id: str, run_id: str, task_id: str, **values: Any) -> None:
        row = {
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "try_number": 1,
            "max_tries": 2,
            "start_date": T0,
            "end_date": T0,
            "duration": 0.1,
            "executor_config": psycopg2.Binary(b"\x80\x04}\x94."),
            **TASK,
            **values,
        }
        self.insert("task_instance", row)

    def xcom(self, dag_id: str, run_id: str, task_id: str, value: bytes, **values: Any) -> None:
        run = self.one("SELECT id FROM dag_run WHERE dag_id=%s AND run_id=%s", dag_id, run_id)
        row = {
            "dag_run_id": run,
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "map_index": -1,
            "key": "return_value",
            "value": psycopg2.Binary(value),
            "timestamp": T0,
            **values,
        }
        self.insert("xcom", row)

    def drop(self) -> None:
        self.close()
        connection = self.cluster.connect("postgres")
        connection.autocommit = True
        connection.cursor().execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        connection.close()


@dataclass
class Vault:
    """A folder of backups and its sealing key."""

    folder: Path

    def __post_init__(self) -> None:
        self.storage = FileStorage(self.folder / "backups")
        key = self.folder / "seal.key"
        self.sealer = FileSealer(key) if key.exists() else FileSealer.create(key)

    def export(self, world: World, **options: Any) -> tuple[str, Manifest]:
        identity = options.pop("identity", IDENTITY)
        fernet = options.pop("fernet", world.fernet)
        progress = options.pop("progress", None)
        manifest = export_backup(
            world.engine,
            self.storage,
            self.sealer,
            fernet,
            identity,
            ExportOptions(**options),
            progress=progress,
        )
        return keys.manifest(identity.site, identity.epoch, manifest.backup_id), manifest

    def restore(
        self, world: World, key: str, phase: Phase = Phase.ALL, **options: Any
    ) -> ImportReport:
        fernet, progress = options.pop("fernet", world.fernet), options.pop("progress", None)
        return run_import(
            world.engine,
            self.storage,
            self.sealer,
            fernet,
            key,
            ImportOptions(phase=phase, **options),
            progress=progress,
        )
