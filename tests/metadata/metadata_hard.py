"""An environment full of what breaks restores, and a comparison without the engine."""

# ruff: noqa: S608 - fixed text

import pickle
from typing import Any

import psycopg2

from tests.metadata.metadata_world import T0, World, at

HOSTILE = "tab\there\nnewline\r\nCR LF\\N back\\slash 'quote' \"double\" ümläut 漢字 \x01 end\\"
SECRETS = {
    "variable": "planted-variable-secret",
    "password": "planted-password-secret",
    "extra": "planted-extra-secret",
    "trigger": "planted-trigger-secret",
    "xcom": "planted-xcom-secret",
    "rendered": "planted-rendered-secret",
    "conf": "planted-conf-secret",
    "log": "planted-log-secret",
}
PICKLED = pickle.dumps({"a": [1, None, "x"], "conf": SECRETS["conf"]})
SHIFT = 5000
"""How far the source's ids are ahead, so that no id of it means the same in a target."""


def fill(world: World) -> None:
    """At the snapshot: two DAGs with history, one with unfinished work of every kind, datasets."""
    for table in ("dag_run", "trigger", "dataset", "dataset_event", "dataset_alias", "log"):
        world.sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {SHIFT})")
    _secrets(world)
    _finished(world)
    _unfinished(world)
    _datasets(world)
    _audit(world)


def _secrets(world: World) -> None:
    encrypted = world.encrypted
    world.insert(
        "variable",
        {"key": "secret", "val": encrypted(SECRETS["variable"]), "is_encrypted": True},
        {"key": "hostile", "val": encrypted(HOSTILE), "is_encrypted": True},
        {"key": "clear", "val": HOSTILE, "is_encrypted": False},
        {"key": "empty", "val": "", "is_encrypted": True},
        {"key": "null", "val": None, "is_encrypted": None},
        {"key": "mwaa_dr_bucket", "val": "source-bucket", "is_encrypted": False},
    )
    connection = {
        "conn_id": "db",
        "conn_type": "postgres",
        "description": HOSTILE,
        "host": "h",
        "login": "",
        "password": encrypted(SECRETS["password"]),
        "port": 5432,
        "is_encrypted": True,
        "is_extra_encrypted": True,
        "extra": encrypted(f'{{"token": "{SECRETS["extra"]}"}}'),
    }
    half = {
        **connection,
        "conn_id": "half",
        "extra": '{"region": "x"}',
        "is_extra_encrypted": False,
    }
    bare = {**connection, "conn_id": "bare", "login": None, "password": None, "extra": None}
    own = {**connection, "conn_id": "mwaa_dr_aws"}
    world.insert("connection", connection, half, bare, own)
    world.insert(
        "slot_pool",
        {"pool": "wide", "slots": 7, "description": "", "include_deferred": True},
    )
    world.sql("UPDATE slot_pool SET slots = 3 WHERE pool = 'default_pool'")


def _finished(world: World) -> None:
    world.insert(
        "log_template",
        {"filename": "old/{{ ti }}", "elasticsearch_id": "o", "created_at": at(-9)},
        {"filename": "new/{{ ti }}", "elasticsearch_id": "n", "created_at": at(-8)},
    )
    old = world.one("SELECT id FROM log_template WHERE filename LIKE 'old/%%'")
    world.dag(
        "etl",
        next_dagrun=at(60),
        next_dagrun_data_interval_start=at(60),
        next_dagrun_data_interval_end=at(70),
        next_dagrun_create_after=at(70),
    )
    world.dag("paused", is_paused=True)
    for n in range(6):
        run = f"scheduled__{n}"
        values = {"log_template_id": old} if n < 3 else {}
        identifier = world.run("etl", run, n * 10, conf=psycopg2.Binary(PICKLED), **values)
        world.task("etl", run, "extract", hostname="ip-1", job_id=77, queued_by_job_id=76)
        for index in range(3):
            world.task("etl", run, "mapped", map_index=index, rendered_map_index=f"{index}ü")
        world.insert(
            "task_map",
            {"dag_id": "etl", "task_id": "extract", "run_id": run, "map_index": -1, "length": 3,
             "keys": None},
            {"dag_id": "etl", "task_id": "mapped", "run_id": run, "map_index": 0, "length": 2,
             "keys": ["a", HOSTILE[:9]]},
        )  # fmt: skip
        world.xcom("etl", run, "extract", f'"{SECRETS["xcom"]}"'.encode())
        world.xcom("etl", run, "extract", pickle.dumps(n), key="pickled")
        world.xcom("etl", run, "extract", b"", key="empty")
        world.xcom("etl", run, "mapped", bytes(range(256)), map_index=1)
        world.insert(
            "rendered_task_instance_fields",
            {"dag_id": "etl", "task_id": "extract", "run_id": run, "map_index": -1,
             "rendered_fields": {"sql": f"x {SECRETS['rendered']}", "h": HOSTILE[:30]},
             "k8s_pod_yaml": None},
        )  # fmt: skip
        reschedule = {
            "dag_id": "etl", "task_id": "extract", "run_id": run, "map_index": -1, "try_number": 1,
            "start_date": at(n), "end_date": at(n + 1), "duration": 60,
            "reschedule_date": at(n + 2),
        }  # fmt: skip
        later = {**reschedule, "reschedule_date": at(n + 1)}  # a higher id, an earlier time
        world.insert("task_reschedule", reschedule, later)
        world.insert(
            "task_fail",
            *[{"dag_id": "etl", "task_id": "extract", "run_id": run, "map_index": -1,
               "start_date": at(n), "end_date": None, "duration": None}] * 2,
        )  # fmt: skip
        world.insert(
            "task_instance_history",
            {"dag_id": "etl", "task_id": "extract", "run_id": run, "map_index": -1,
             "try_number": 1, "state": "failed", "pool": "default_pool", "pool_slots": 1,
             "executor_config": psycopg2.Binary(b"\x80\x04N."), "job_id": 5},
        )  # fmt: skip
        note = {"content": HOSTILE, "created_at": T0, "updated_at": T0}
        world.insert("dag_run_note", {"dag_run_id": identifier, "user_id": None, **note})
        world.insert(
            "task_instance_note",
            {"dag_id": "etl", "task_id": "extract", "run_id": run, "map_index": -1,
             "user_id": None, **note},
        )  # fmt: skip
    world.run("etl", "manual__failed", 3.5, state="failed", run_type="manual")
    world.sql("UPDATE dag_run SET execution_date = 'infinity' WHERE run_id = 'manual__failed'")
    world.run("paused", "scheduled__0", 1)
    world.dag("mwaa_dr_agent")
    world.run("mwaa_dr_agent", "agent__1", 1)
    world.task("mwaa_dr_agent", "agent__1", "beat")
    world.xcom("mwaa_dr_agent", "agent__1", "beat", b"1")
    world.insert(
        "sla_miss",
        {"task_id": "extract", "dag_id": "etl", "execution_date": at(10), "email_sent": True,
         "timestamp": at(11), "description": None, "notification_sent": False},
    )  # fmt: skip


UNFINISHED = {
    "t_none": None,
    "t_scheduled": "scheduled",
    "t_queued": "queued",
    "t_running": "running",
    "t_restarting": "restarting",
    "t_deferred": "deferred",
    "t_retry": "up_for_retry",
    "t_reschedule": "up_for_reschedule",
}
BEGUN = {task for task, state in UNFINISHED.items() if state not in (None, "scheduled")}


def _unfinished(world: World) -> None:
    world.dag("busy", is_active=True)
    world.run("busy", "done", 1)
    world.run("busy", "live", 20, state="running", end_date=None)
    world.run("busy", "waiting", 21, state="queued", start_date=None, end_date=None)
    kwargs = world.encrypted(f'{{"__var": {{"k": "{SECRETS["trigger"]}"}}, "__type": "dict"}}')
    world.insert(
        "trigger",
        {"classpath": "a.B", "kwargs": kwargs, "created_date": T0, "triggerer_id": 12},
        {"classpath": "unused.C", "kwargs": '{"plain": 1}', "created_date": T0,
         "triggerer_id": None},
    )  # fmt: skip
    trigger = world.one("SELECT id FROM trigger WHERE classpath = 'a.B'")
    world.task("busy", "live", "t_done")
    for task, state in UNFINISHED.items():
        values: dict[str, Any] = {"state": state, "end_date": None, "duration": None}
        if state in (None, "scheduled", "queued"):
            values["start_date"] = None
        if state == "deferred":
            values |= {
                "trigger_id": trigger,
                "trigger_timeout": at(300),
                "next_method": "execute_complete",
                "next_kwargs": {"__var": {"x": [1, HOSTILE[:9]]}, "__type": "dict"},
            }
        world.task("busy", "live", task, job_id=99, pid=1234, **values)
    for task in ("t_running", "t_retry", "t_deferred"):
        world.xcom("busy", "live", task, b'"link"', key="_link")
    world.insert(
        "task_fail",
        {"dag_id": "busy", "task_id": "t_retry", "run_id": "live", "map_index": -1,
         "start_date": T0, "end_date": T0, "duration": 1},
    )  # fmt: skip
    world.insert(
        "task_reschedule",
        {"dag_id": "busy", "task_id": "t_reschedule", "run_id": "live", "map_index": -1,
         "try_number": 1, "start_date": T0, "end_date": T0, "duration": 1,
         "reschedule_date": at(30)},
    )  # fmt: skip


def _datasets(world: World) -> None:
    moment = {"created_at": T0, "updated_at": T0}
    world.insert(
        "dataset",
        {"uri": "s3://a", "extra": {"k": 1}, "is_orphaned": False, **moment},
        {"uri": "s3://b", "extra": {}, "is_orphaned": True, **moment},
    )
    a, b = (world.one("SELECT id FROM dataset WHERE uri = %s", uri) for uri in ("s3://a", "s3://b"))
    world.dag("consumer", next_dagrun=None)
    world.insert(
        "dag_schedule_dataset_reference", {"dataset_id": a, "dag_id": "consumer", **moment}
    )
    world.insert(
        "dataset_dag_run_queue",
        {"dataset_id": a, "target_dag_id": "consumer", "created_at": at(50)},
    )
    consumed = world.run("consumer", "dataset_triggered__1", 15, run_type="dataset_triggered")
    for minutes, dataset in ((5, a), (14, a), (14, a), (40, a), (8, b)):
        world.insert(
            "dataset_event",
            {"dataset_id": dataset, "extra": {"n": minutes, "h": HOSTILE[:9]},
             "source_task_id": "extract", "source_dag_id": "etl",
             "source_run_id": "scheduled__0", "source_map_index": -1, "timestamp": at(minutes)},
        )  # fmt: skip
    event = world.one("SELECT min(id) FROM dataset_event WHERE timestamp = %s", at(14))
    world.insert("dagrun_dataset_event", {"dag_run_id": consumed, "event_id": event})
    world.insert("dataset_alias", {"name": "alias"})
    alias = world.one("SELECT id FROM dataset_alias")
    world.insert("dataset_alias_dataset", {"alias_id": alias, "dataset_id": a})
    early = world.one("SELECT id FROM dataset_event WHERE timestamp = %s", at(5))
    world.insert("dataset_alias_dataset_event", {"alias_id": alias, "event_id": early})


def _audit(world: World) -> None:
    entry = {
        "dttm": at(1), "dag_id": "etl", "task_id": "extract", "map_index": -1, "event": "running",
        "execution_date": at(1), "run_id": "scheduled__0", "owner": "o", "extra": HOSTILE,
    }  # fmt: skip
    world.insert("log", entry, entry, entry)
    world.insert("log", {**entry, "dag_id": None, "task_id": None, "extra": SECRETS["log"]})
    world.insert("log", {**entry, "dag_id": "mwaa_dr_agent"})
    world.insert("ab_role", {"name": "Analyst"})
    world.insert("ab_permission", {"name": "can_read"})
    world.insert("ab_view_menu", {"name": "DAG:etl"})
    world.sql(
        """
        INSERT INTO ab_permission_view (permission_id, view_menu_id)
        SELECT p.id, v.id FROM ab_permission p, ab_view_menu v;
        INSERT INTO ab_permission_view_role (permission_view_id, role_id)
        SELECT x.id, r.id FROM ab_permission_view x, ab_role r
        """
    )


RUN_KEY = "dag_id, run_id"
TASK_KEY = "dag_id, run_id, task_id, map_index"
OURS = "dag_id NOT LIKE 'mwaa\\_dr\\_%'"
DONE = "(dag_id, run_id) NOT IN (('busy', 'live'), ('busy', 'waiting'))"

COMPARED: dict[str, str] = {
    "slot_pool": "SELECT pool, slots, description, include_deferred FROM slot_pool",
    "dag": f"""SELECT dag_id, next_dagrun, next_dagrun_data_interval_start,
        next_dagrun_data_interval_end, next_dagrun_create_after, is_active FROM dag WHERE {OURS}""",
    "dag_run": f"""SELECT {RUN_KEY}, queued_at, execution_date::text, start_date, end_date, state,
        external_trigger, run_type, conf, data_interval_start, data_interval_end, dag_hash,
        updated_at, clear_number, t.filename, t.elasticsearch_id FROM dag_run r
        LEFT JOIN log_template t ON t.id = r.log_template_id WHERE {OURS} AND {DONE}""",
    "task_instance": f"""SELECT {TASK_KEY}, start_date, end_date, duration, state, try_number,
        max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator,
        custom_operator_name, queued_dttm, executor, executor_config, updated_at,
        rendered_map_index, external_executor_id, trigger_timeout, next_method,
        next_kwargs::text, task_display_name FROM task_instance WHERE {OURS} AND {DONE}""",
    "xcom": f"""SELECT x.{TASK_KEY.replace(", ", ", x.")}, key, value, timestamp, r.run_id
        FROM xcom x JOIN dag_run r ON r.id = x.dag_run_id AND r.dag_id = x.dag_id
        WHERE x.{OURS}""",
    "task_map": f"SELECT {TASK_KEY}, length, keys::text FROM task_map",
    "rendered": f"""SELECT {TASK_KEY}, rendered_fields::text, k8s_pod_yaml::text
        FROM rendered_task_instance_fields""",
    "task_reschedule": f"""SELECT {TASK_KEY}, try_number, start_date, end_date, duration,
        reschedule_date, row_number() OVER (PARTITION BY {TASK_KEY} ORDER BY id)
        FROM task_reschedule""",
    "task_fail": f"SELECT {TASK_KEY}, start_date, end_date, duration FROM task_fail",
    "history": f"SELECT {TASK_KEY}, try_number, state, executor_config FROM task_instance_history",
    "dag_run_note": """SELECT r.dag_id, r.run_id, n.content, n.created_at, n.updated_at, n.user_id
        FROM dag_run_note n JOIN dag_run r ON r.id = n.dag_run_id""",
    "task_note": f"SELECT {TASK_KEY}, content, created_at, user_id FROM task_instance_note",
    "dataset": "SELECT uri, extra::text, is_orphaned FROM dataset",
    "dataset_event": """SELECT d.uri, e.extra::text, source_task_id, source_dag_id, source_run_id,
        source_map_index, timestamp FROM dataset_event e JOIN dataset d ON d.id = e.dataset_id""",
    "queue": """SELECT d.uri, target_dag_id, q.created_at FROM dataset_dag_run_queue q
        JOIN dataset d ON d.id = q.dataset_id""",
    "run_events": """SELECT r.dag_id, r.run_id, d.uri, e.timestamp FROM dagrun_dataset_event l
        JOIN dag_run r ON r.id = l.dag_run_id JOIN dataset_event e ON e.id = l.event_id
        JOIN dataset d ON d.id = e.dataset_id""",
    "alias": """SELECT a.name, d.uri FROM dataset_alias_dataset x
        JOIN dataset_alias a ON a.id = x.alias_id JOIN dataset d ON d.id = x.dataset_id""",
    "alias_events": """SELECT a.name, e.timestamp FROM dataset_alias_dataset_event x
        JOIN dataset_alias a ON a.id = x.alias_id JOIN dataset_event e ON e.id = x.event_id""",
    "sla_miss": "SELECT task_id, dag_id, execution_date, email_sent, description FROM sla_miss",
    "log": """SELECT dttm, dag_id, task_id, map_index, event, execution_date, run_id, owner, extra,
        try_number, owner_display_name FROM log WHERE dag_id IS NULL OR """
    + OURS,
    "roles": """SELECT r.name, p.name, v.name FROM ab_permission_view_role x
        JOIN ab_role r ON r.id = x.role_id
        JOIN ab_permission_view y ON y.id = x.permission_view_id
        JOIN ab_permission p ON p.id = y.permission_id
        JOIN ab_view_menu v ON v.id = y.view_menu_id""",
}
"""Everything a restore must bring back, by natural keys; the unfinished runs apart."""


def rows(world: World, name: str) -> list[str]:
    """Rows in a form that can be sorted; bytes and NULL stay apart from text."""
    found = world.sql(COMPARED[name].replace("%%", "%"))
    return sorted(
        repr(tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)) for row in found
    )


def secrets(world: World) -> dict[str, Any]:
    """Variables and connections in clear, the site's own left out."""

    def clear(value: str | None, encrypted: bool | None) -> str | None:
        return world.fernet.decrypt(value.encode()).decode() if value and encrypted else value

    variables = world.sql("SELECT key, val, is_encrypted, description FROM variable")
    connections = world.sql(
        "SELECT conn_id, conn_type, description, host, schema, login, port, is_encrypted, "
        "is_extra_encrypted, password, extra FROM connection"
    )
    found = {f"variable {k}": (clear(v, flag), flag, d) for k, v, flag, d in variables}
    for row in connections:
        password, extra = clear(row[9], row[7]), clear(row[10], row[8])
        found[f"connection {row[0]}"] = (*row[1:9], password, extra)
    return {key: value for key, value in found.items() if " mwaa_dr_" not in key}
