"""Unfinished work of every kind, on any Airflow: what lies still until promotion."""

# ruff: noqa: S608 - identifiers come from the catalogue

import json
import uuid
from typing import Any

from tests.metadata.metadata_versions import describe
from tests.metadata.metadata_world import T0, World, at

STATES = {
    "t_none": None,
    "t_scheduled": "scheduled",
    "t_queued": "queued",
    "t_running": "running",
    "t_restarting": "restarting",
    "t_deferred": "deferred",
    "t_retry": "up_for_retry",
    "t_reschedule": "up_for_reschedule",
}
TRIGGER_SECRET = "planted-trigger-secret"
NEUTRAL: dict[str, Any] = {
    "character varying": "x", "text": "x", "integer": 0, "double precision": 0, "boolean": False,
    "timestamp with time zone": T0, "json": "{}", "jsonb": "{}", "bytea": b"",
}  # fmt: skip


class Busy:
    """A DAG `busy` with the runs `live` (running), `waiting` (queued) and `done`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tables = describe(world.connection)
        self.modern = "dag_version" in self.tables
        self.date = "logical_date" if self.modern else "execution_date"
        self.encrypts_triggers = self.columns("trigger")["kwargs"].startswith("text")

    def columns(self, table: str) -> dict[str, str]:
        return self.tables.get(table, {}).get("columns", {})

    def add(self, table: str, **values: Any) -> dict[str, Any]:
        """A row; what must not be NULL and was not given gets something neutral."""
        columns = self.columns(table)
        row: dict[str, Any] = {}
        for name, text in columns.items():
            kind, *marks = text.split(", ")
            if name in values:
                value = values[name]
                row[name] = json.dumps(value) if isinstance(value, dict | list) else value
            elif kind == "uuid" and "not null" in marks:
                row[name] = str(uuid.uuid4())
            elif "not null" in marks and "default" not in marks:
                row[name] = NEUTRAL[kind.partition("(")[0]]
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        made = f'INSERT INTO "{table}" ({names}) VALUES ({places}) RETURNING *'
        return self.world.sql_rows(made, *row.values())[0]

    def parsed(self, dag_id: str = "busy", version: int = 1) -> None:
        """The DAG as parsing leaves it, and with Airflow 3 a version of it."""
        if version == 1:
            bundle = "own" if self.modern else None
            if self.modern:
                self.add("dag_bundle", name=bundle)
            self.add("dag", dag_id=dag_id, bundle_name=bundle, is_paused=True, is_active=True)
        if self.modern:
            self.add("dag_version", dag_id=dag_id, version_number=version)

    def fill(self) -> None:
        world = self.world
        for table in ("dag_run", "trigger", "backfill"):
            if table in self.tables:
                world.sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 5000)")
        self.parsed()
        backfill = (
            self.add("backfill", dag_id="busy", created_at=T0, max_active_runs=4)
            if self.modern
            else {}
        )
        template = world.one("SELECT max(id) FROM log_template")
        runs = {}
        for minutes, (run, state) in enumerate(
            {"done": "success", "live": "running", "waiting": "queued"}.items()
        ):
            when = at(minutes)
            runs[run] = self.add(
                "dag_run", dag_id="busy", run_id=run, state=state, run_type="manual",
                log_template_id=template, queued_at=when, run_after=when, start_date=when,
                end_date=when if run == "done" else None, span_status="not_started",
                backfill_id=backfill.get("id"), **{self.date: when},
            )  # fmt: skip
        kwargs = json.dumps({"__var": {"k": TRIGGER_SECRET}, "__type": "dict"})
        kwargs = world.encrypted(kwargs) if self.encrypts_triggers else kwargs
        trigger = self.add("trigger", classpath="a.B", kwargs=kwargs, triggerer_id=12)
        self.add("trigger", classpath="unused.C", kwargs="{}")
        self.task("t_done", state="success", end_date=T0)
        for task, state in STATES.items():
            values: dict[str, Any] = {"state": state}
            if state == "deferred":
                values |= {"trigger_id": trigger["id"], **self.waits()}
            made = self.task(task, **values)
            if task == "t_reschedule":
                self.add(
                    "task_reschedule", dag_id="busy", run_id="live", task_id=task, map_index=-1,
                    ti_id=made.get("id"), try_number=1, reschedule_date=at(30),
                )  # fmt: skip
        if self.has_people:
            asked = self.task("t_person", state="awaiting_input", **self.waits())
            self.add("hitl_detail", ti_id=asked["id"], subject="go on?", options=["yes"])
        if self.has_deadlines:
            self.deadline(runs["live"], "pending")
            self.deadline(runs["live"], "called", missed=True, state="success", output="fine")
            self.deadline(runs["live"], "calling", missed=True, state="queued")
            self.deadline(runs["done"], "later")

    @property
    def has_people(self) -> bool:
        return "hitl_detail" in self.tables

    @property
    def has_deadlines(self) -> bool:
        return "callback" in self.tables

    def deadline(
        self, run: dict[str, Any], name: str, *, missed: bool = False, state: str = "scheduled",
        output: str | None = None,
    ) -> None:  # fmt: skip
        kwargs = {"__var": {}, "__type": "dict"}  # as Airflow serializes it
        data = {"__var": {"path": f"call.{name}", "kwargs": kwargs}, "__type": "dict"}
        callback = self.add(
            "callback", type="triggerer", fetch_method="import_path", state=state, output=output,
            data=data,
        )  # fmt: skip
        self.add("deadline", dagrun_id=run["id"], callback_id=callback["id"], missed=missed,
                 deadline_time=at(5))  # fmt: skip

    def waits(self) -> dict[str, Any]:
        return {
            "trigger_timeout": at(300),
            "next_method": "execute_complete",
            "next_kwargs": {"__var": {"x": [1]}, "__type": "dict"},
        }

    def task(self, task_id: str, **values: Any) -> dict[str, Any]:
        begun = values["state"] not in (None, "scheduled", "queued")
        values = {
            "start_date": T0 if begun else None, "try_number": 1, "queue": "default",
            "priority_weight": 1, "executor_config": b"\x80\x04}\x94.", **values,
        }  # fmt: skip
        return self.add(
            "task_instance", dag_id="busy", run_id="live", task_id=task_id, map_index=-1,
            max_tries=2, pool="default_pool", pool_slots=1, job_id=99, pid=1234, hostname="ip-1",
            span_status="not_started", last_heartbeat_at=T0, scheduled_dttm=T0, **values,
        )  # fmt: skip
