"""Rows of every kind that a backup carries, as of Airflow 2."""

from typing import Any

import psycopg2
from cryptography.fernet import Fernet

from tests.checker.story import at


def dag_row(dag_id: str, *, paused: bool = False) -> tuple[str, dict[str, Any]]:
    return "dag", {
        "dag_id": dag_id, "is_paused": paused, "is_active": True, "max_active_tasks": 4,
        "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False,
    }  # fmt: skip


def run_rows(number: int, dag_id: str, run_id: str, *, state: str, seconds: float
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
    ("dataset", {"id": 1, "uri": "s3://a/b", "extra": "{}", "created_at": at(0),
                 "updated_at": at(0), "is_orphaned": False}),
    ("dataset_event", {"id": 1, "dataset_id": 1, "extra": "{\"k\": [1]}", "source_dag_id": "hits",
                       "source_task_id": "work", "source_run_id": "r1", "source_map_index": -1,
                       "timestamp": at(70)}),
    ("log", {"id": 1, "dttm": at(60), "dag_id": "hits", "task_id": "work", "event": "running",
             "run_id": "r1", "owner": "drill", "extra": "{\"try\": 1}"}),
    ("log", {"id": 2, "dttm": at(60), "dag_id": "hits", "task_id": "work", "event": "running",
             "run_id": "r1", "owner": "drill", "extra": "{\"try\": 1}"}),
    ("log", {"id": 3, "dttm": at(61), "dag_id": None, "event": "cli_scheduler", "owner": "root"}),
    *(dag_row("hits"), dag_row("billing"), dag_row("paused", paused=True)),
    dag_row("mwaa_dr_agent"),
    *run_rows(1, "hits", "r1", state="success", seconds=60),
    *run_rows(2, "hits", "r2", state="failed", seconds=120),
    *run_rows(3, "billing", "r3", state="running", seconds=590),
    *run_rows(4, "mwaa_dr_agent", "own", state="success", seconds=100),
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
"""Rows from before the snapshot; a value `s:x` is x under the database's own Fernet key."""
PAST = [dag_row("retired", paused=True), *run_rows(6, "retired", "r6", state="success", seconds=30)]
"""Rows from before the snapshot of a DAG whose file is gone."""
AFTER = run_rows(5, "hits", "r5", state="success", seconds=610)
"""Rows from between the snapshot and the outage."""


def connect(url: str) -> Any:
    return psycopg2.connect(url.replace("+psycopg2", ""), options="-c timezone=UTC")


def insert_row(cursor: Any, key: str, table: str, values: dict[str, Any]) -> None:
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
