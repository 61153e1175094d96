"""Databases of two Airflow versions with the same story in them, old and new rows of every kind.

Every old row that a purge and `airflow db clean` treat differently belongs to a DAG, or has a name,
that says why.
"""

# ruff: noqa: S608 - fixed text

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2.extras import Json, register_uuid

from tests.metadata.metadata_world import World

register_uuid()
CUTOFF = datetime(2024, 6, 1, tzinfo=UTC)
ORDINARY = 6
"""DAGs of which nothing old is needed any more, with runs at random times."""


def day(number: float) -> datetime:
    """So many days after the cutoff; before it if negative."""
    return CUTOFF + timedelta(days=number)


DEFAULTS: dict[str, Callable[[], Any]] = {
    "int4": lambda: 0,
    "int8": lambda: 0,
    "float8": lambda: 0.0,
    "bool": lambda: False,
    "varchar": lambda: "x",
    "text": lambda: "x",
    "json": lambda: {},
    "jsonb": lambda: {},
    "uuid": uuid.uuid4,
    "timestamptz": lambda: day(5),
    "timestamp": lambda: day(5),
    "bytea": lambda: b"x",
}
NAMES = {"execution_date": "logical_date", "dataset_id": "asset_id"}


@dataclass
class Filler:
    """Inserts rows into any version: what must not be NULL gets a value, what is unknown is left.

    Args:
        columns: table -> column -> (type, whether a value must be given).
    """

    world: World
    columns: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table, name, kind, needed in self.world.sql(
            "SELECT table_name, column_name, udt_name, is_nullable = 'NO' AND column_default IS "
            "NULL FROM information_schema.columns WHERE table_schema = 'public'"
        ):
            self.columns.setdefault(table, {})[name] = (kind, needed)

    @property
    def modern(self) -> bool:
        return "asset_event" in self.columns

    def name(self, old: str) -> str:
        return old.replace("dataset", "asset") if self.modern else old

    def has(self, table: str, column: str = "") -> bool:
        found = self.columns.get(self.name(table))
        return found is not None and (not column or column in found)

    def add(self, table: str, **values: Any) -> Any:
        """A row, if the version has the table; returns its id if it has one."""
        table = self.name(table)
        if table not in self.columns:
            return None
        columns = self.columns[table]
        renamed = {
            NAMES.get(key, key) if key not in columns else key: value
            for key, value in values.items()
        }
        row = {key: value for key, value in renamed.items() if key in columns}
        for name, (kind, needed) in columns.items():
            if needed and name not in row:
                row[name] = DEFAULTS[kind]()
        names = ", ".join(f'"{name}"' for name in row)
        values = [Json(value) if isinstance(value, dict) else value for value in row.values()]
        found = self.world.sql(
            f'INSERT INTO "{table}" ({names}) VALUES ({", ".join(["%s"] * len(row))}) '
            f"RETURNING {'id' if 'id' in columns else 'NULL'}",
            *values,
        )
        return found[0][0]


def fill(world: World) -> None:
    filler = Filler(world)
    for name in ("celery_taskmeta", "celery_tasksetmeta"):
        world.sql(f"CREATE TABLE {name} (id serial PRIMARY KEY, date_done timestamp)")
        world.sql(f"GRANT ALL ON {name} TO PUBLIC")
        filler.columns[name] = {"id": ("int4", False), "date_done": ("timestamp", False)}
    filler.add("dag_bundle", name="x")
    Story(filler).tell()


@dataclass
class Story:
    add: Filler
    versions: dict[str, Any] = field(default_factory=dict)

    def tell(self) -> None:
        self.ordinary()
        self.needed()
        self.unfinished()
        self.events()
        self.loose()

    def dag(self, name: str, *, parsed: float = 5, stale: bool = False) -> None:
        self.add.add(
            "dag",
            dag_id=name,
            is_active=not stale,
            is_stale=stale,
            is_paused=False,
            last_parsed_time=day(parsed),
            max_active_tasks=16,
            bundle_name="x",
            timetable_type="",
        )
        self.versions[name] = self.add.add(
            "dag_version", dag_id=name, created_at=day(-50), version_number=1, bundle_name="x"
        )

    def run(self, dag: str, when: float | None, **values: Any) -> str:
        """A run with two finished tasks and everything that can hang on them."""
        add, manual = self.add, values.get("run_type") == "manual"
        tasks = values.pop("tasks", ("a", "b"))
        run = f"{values.get('run_type', 'scheduled')}__{dag}_{when}"
        moment = None if when is None else day(when)
        date = moment or day(9)
        identifier = add.add(
            "dag_run",
            **{
                "dag_id": dag,
                "run_id": run,
                "execution_date": date,
                "run_after": date,
                "start_date": moment,
                "end_date": moment,
                "state": "success",
                "run_type": "scheduled",
                "external_trigger": manual,
                "span_status": "ended",
                "log_template_id": add.world.one("SELECT max(id) FROM log_template"),
                "conf": None,
                **values,
            },
        )
        add.add("dag_run_note", dag_run_id=identifier, content=run)
        if moment and add.has("deadline"):
            callback = add.add("callback", type="x", fetch_method="x")
            add.add("deadline", dagrun_id=identifier, deadline_time=moment, callback_id=callback)
        for task in tasks:
            self.task(dag, run, identifier, task, date)
        return run

    def task(self, dag: str, run: str, run_id: Any, task: str, when: datetime, **more: Any) -> None:
        add = self.add
        key = {"dag_id": dag, "run_id": run, "task_id": task, "map_index": -1}
        instance = add.add(
            "task_instance",
            **{
                **key,
                "start_date": when,
                "end_date": when,
                "state": "success",
                "pool": "default_pool",
                "pool_slots": 1,
                "try_number": 1,
                "dag_version_id": self.versions.get(dag),
                "span_status": "ended",
                **more,
            },
        )
        own = {**key, "ti_id": instance, "task_instance_id": uuid.uuid4()}
        tried = {"start_date": when, "try_number": 1, "span_status": "ended"}
        add.add("task_instance_history", **own, **tried)
        add.add("task_reschedule", **own, start_date=when, end_date=when, try_number=1)
        add.add("task_fail", **key, start_date=when, end_date=when)
        add.add("xcom", **key, dag_run_id=run_id, key="return_value", timestamp=when, value=None)
        add.add("rendered_task_instance_fields", **key, rendered_fields={"run": run})
        add.add("task_map", **key, length=1, keys=None)
        add.add("task_instance_note", **own, content=run)
        add.add("hitl_detail", **own, subject=run)
        add.add("log", **key, dttm=when, event="success", execution_date=when)

    def ordinary(self) -> None:
        """Exactly what `db clean` is for: no row of them is treated otherwise."""
        numbers = random.Random(4)  # noqa: S311 - no secret
        for n in range(ORDINARY):
            name = f"ordinary_{n}"
            self.dag(name)
            for when in sorted(numbers.sample(range(-40_000, 20_000), 25)):
                state = numbers.choice(("success", "failed"))
                kind = numbers.choice(("scheduled", "manual", "backfill"))
                self.run(name, when / 1000, state=state, run_type=kind)
            for number, kind in enumerate(("scheduled", "manual", "backfill")):
                self.run(name, 21 + number / 8, run_type=kind)

    def needed(self) -> None:
        self.dag("quiet")  # ran last long ago
        for n in (-30, -20, -10):
            self.run("quiet", n)
        self.dag("asked")  # only ever started by hand
        for n in (-30, -20, -10):
            self.run("asked", n, run_type="manual")
        self.dag("broken")  # its last success is long ago
        self.run("broken", -30)
        for n in (-20, -10, 3):
            self.run("broken", n, state="failed")
        self.dag("mwaa_dr_agent")
        for n in (-30, -20, 3):
            self.run("mwaa_dr_agent", n)

    def unfinished(self) -> None:
        add = self.add
        self.dag("live")
        for n in (-30, 3):
            self.run("live", n)
        run = self.run("live", -25, state="running", end_date=None)
        number = add.world.one("SELECT id FROM dag_run WHERE run_id = %s", run)
        job = add.add("job", latest_heartbeat=day(-25), state="running", job_type="held")
        self.task("live", run, number, "running", day(-25), state="running", end_date=None,
                  job_id=job, queued_by_job_id=job)  # fmt: skip
        trigger = add.add("trigger", classpath="held", created_date=day(-25), kwargs="{}")
        self.task("live", run, number, "waiting", day(-25), state="deferred", trigger_id=trigger)
        self.dag("half")  # a task of a finished run was cleared by itself
        run = self.run("half", -25)
        self.run("half", 3)
        number = add.world.one("SELECT id FROM dag_run WHERE run_id = %s", run)
        self.task("half", run, number, "again", day(-25), state="up_for_retry")
        self.dag("soon")
        self.run("soon", None, state="queued", tasks=())

    def events(self) -> None:
        add = self.add
        dataset = add.add("dataset", uri="s3://a", name="a", group="asset")
        spent = add.add("dataset", uri="s3://b", name="b", group="asset")
        self.dag("consumer")
        self.dag("idle_consumer")
        for dag, of in (("consumer", dataset), ("idle_consumer", dataset), ("consumer", spent)):
            add.add("dag_schedule_dataset_reference", dag_id=dag, dataset_id=of)
        kind = "asset_triggered" if add.modern else "dataset_triggered"
        alias = add.add("dataset_alias", name="alias", group="asset")
        self.dag("alias_consumer")
        add.add("dag_schedule_dataset_alias_reference", dag_id="alias_consumer", alias_id=alias)
        old = self.run("consumer", -30, run_type=kind, tasks=())
        last = self.run("consumer", -20, run_type=kind, tasks=())
        self.run("idle_consumer", -22, run_type=kind, tasks=())
        self.run("alias_consumer", -22, run_type=kind, tasks=())
        for name, when, of, run in (
            ("taken", -35, dataset, old),
            ("taken by the last run", -21, spent, last),
            ("waits for one of two", -21, dataset, None),
            ("waits", -15, dataset, None),
            ("waits by alias", -21, spent, None),
            ("taken by alias", -23, spent, None),
            ("new", 2, dataset, None),
            ("of nobody's interest", -35, spent, None),
        ):
            event = add.add(
                "dataset_event", dataset_id=of, timestamp=day(when), source_task_id=name, extra={}
            )
            if run:
                number = add.world.one("SELECT id FROM dag_run WHERE run_id = %s", run)
                add.add("dagrun_dataset_event", dag_run_id=number, event_id=event)
            if "by alias" in name:
                add.add("dataset_alias_dataset_event", alias_id=alias, event_id=event)

    def loose(self) -> None:
        """What hangs on no run, once old and once new."""
        add = self.add
        self.dag("forgotten", parsed=-20, stale=True)
        self.dag("forgotten_with_runs", parsed=-20, stale=True)
        self.run("forgotten_with_runs", -20, tasks=())
        self.dag("unparsed", parsed=-20)
        for n in (2, 3):
            add.add("dag_version", dag_id="quiet", created_at=day(-45 + n), version_number=n,
                    bundle_name="x")  # fmt: skip
        for when in (-20, 2):
            moment = day(when)
            add.add("job", latest_heartbeat=moment, state="success", job_type="free")
            add.add("trigger", classpath="free", created_date=moment, kwargs="{}")
            add.add(
                "sla_miss", dag_id="quiet", task_id="a", execution_date=moment, timestamp=moment
            )
            add.add("import_error", filename=f"{when}.py", timestamp=moment, stacktrace="x")
            add.add("callback_request", created_at=moment, callback_data={}, callback_type="x")
            add.add("celery_taskmeta", date_done=moment.replace(tzinfo=None))
            add.add("celery_tasksetmeta", date_done=moment.replace(tzinfo=None))
            add.add("session", session_id=f"s{when}", expiry=moment.replace(tzinfo=None))
            add.add("revoked_token", jti=f"j{when}", exp=moment)
            add.add("log", dttm=moment, event="cli", dag_id=None)
            add.add("log", dttm=moment, event="beat", dag_id="mwaa_dr_agent")
