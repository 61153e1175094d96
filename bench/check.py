"""Whether an operation did what it was timed for, by SQL that shares nothing with the engine."""

# ruff: noqa: S608 - fixed text

import psycopg2.extensions
from cryptography.fernet import Fernet

from bench.databases import Server

_RUN = "dag_id, run_id"
_TASK = "dag_id, run_id, task_id, map_index"
_DONE = """dag_id LIKE '%%\\_pipeline\\_%%'
    AND ({0}dag_id, {0}run_id) NOT IN (SELECT * FROM unnest(%(dags)s::text[], %(runs)s::text[]))"""

CONTENTS: dict[str, str] = {
    "dag": """SELECT dag_id, next_dagrun, next_dagrun_data_interval_start,
        next_dagrun_data_interval_end, next_dagrun_create_after FROM dag
        WHERE dag_id LIKE '%%\\_pipeline\\_%%'""",
    "dag_run": f"""SELECT {_RUN}, queued_at, execution_date, start_date, end_date, state, run_type,
        external_trigger, conf, data_interval_start, data_interval_end, dag_hash, updated_at,
        clear_number, filename, elasticsearch_id
        FROM dag_run r LEFT JOIN log_template t ON t.id = r.log_template_id
        WHERE {_DONE.format("")}""",
    "task_instance": f"""SELECT {_TASK}, start_date, end_date, duration, state, try_number,
        max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator,
        custom_operator_name, queued_dttm, executor, executor_config, updated_at,
        rendered_map_index, external_executor_id, task_display_name
        FROM task_instance WHERE {_DONE.format("")}""",
    "xcom": f"""SELECT x.dag_id, x.run_id, task_id, map_index, key, value, timestamp, r.run_id
        FROM xcom x JOIN dag_run r ON r.id = x.dag_run_id AND r.dag_id = x.dag_id
        WHERE x.{_DONE.format("x.")}""",
    "log": """SELECT dttm, dag_id, task_id, map_index, event, execution_date, run_id, owner,
        owner_display_name, extra, try_number FROM log WHERE dag_id LIKE '%%\\_pipeline\\_%%'""",
    "rendered": f"""SELECT {_TASK}, rendered_fields::text FROM rendered_task_instance_fields
        WHERE {_DONE.format("")}""",
    "task_reschedule": f"""SELECT {_TASK}, try_number, start_date, end_date, duration,
        reschedule_date FROM task_reschedule WHERE {_DONE.format("")}""",
    "task_fail": f"SELECT {_TASK}, start_date, end_date, duration FROM task_fail "
    f"WHERE {_DONE.format('')}",
    "history": f"SELECT {_TASK}, try_number, state, hostname, executor_config "
    f"FROM task_instance_history WHERE {_DONE.format('')}",
    "task_map": f"SELECT {_TASK}, length FROM task_map WHERE {_DONE.format('')}",
    "dag_run_note": f"""SELECT {_RUN}, content FROM dag_run_note n
        JOIN dag_run r ON r.id = n.dag_run_id WHERE {_DONE.format("")}""",
    "task_note": f"SELECT {_TASK}, content FROM task_instance_note WHERE {_DONE.format('')}",
    "dataset_event": """SELECT uri, e.extra::text, source_task_id, source_dag_id, source_run_id,
        timestamp FROM dataset_event e JOIN dataset d ON d.id = e.dataset_id""",
    "queue": """SELECT uri, target_dag_id, q.created_at FROM dataset_dag_run_queue q
        JOIN dataset d ON d.id = q.dataset_id""",
    "run_events": """SELECT r.dag_id, r.run_id, uri, e.timestamp FROM dagrun_dataset_event l
        JOIN dag_run r ON r.id = l.dag_run_id JOIN dataset_event e ON e.id = l.event_id
        JOIN dataset d ON d.id = e.dataset_id""",
    "slot_pool": "SELECT pool, slots, description, include_deferred FROM slot_pool",
}
"""All that must be equal after a full import, by natural keys. Unfinished runs are left out: an
import parks them, it does not copy them."""

PEERS = ("dag_run", "task_instance", "xcom", "log", "task_fail", "slot_pool", "variable")
"""Large and small tables that the peer carries; compared by their number of rows."""

Contents = dict[str, tuple[int, str]]


class WrongResultError(Exception):
    """A timed operation did not do its work; its time must not be used."""


def contents(server: Server, database: str, source: str, key: str) -> Contents:
    """Number of rows and digest of all rows per table; secrets in clear.

    Args:
        source: the database whose unfinished runs are left out.
        key: the Fernet key of `database`.
    """
    unfinished = server.rows(
        source, "SELECT dag_id, run_id FROM dag_run WHERE state IN ('running', 'queued')"
    )
    values = {"dags": [row[0] for row in unfinished], "runs": [row[1] for row in unfinished]}
    found: Contents = {}
    connection = server.connect(database)
    with connection, connection.cursor() as cursor:
        for name, query in CONTENTS.items():
            cursor.execute(
                "SELECT count(*), coalesce(sum(hashtextextended(x::text, 0)::numeric), 0)::text "
                f"FROM ({query}) x",
                values,
            )
            ((rows, digest),) = cursor.fetchall()
            found[name] = rows, digest
        found |= _secrets(cursor, Fernet(key))
    connection.close()
    return found


def _secrets(cursor: "psycopg2.extensions.cursor", fernet: Fernet) -> Contents:
    def clear(value: str | None, encrypted: bool | None) -> str | None:
        return fernet.decrypt(value.encode()).decode() if value and encrypted else value

    cursor.execute(
        "SELECT key, val, is_encrypted, description FROM variable "
        "WHERE key NOT LIKE 'mwaa\\_dr\\_%' ORDER BY key"  # a site's own are not restored
    )
    variables = [(key, clear(val, flag), about) for key, val, flag, about in cursor.fetchall()]
    cursor.execute(
        "SELECT conn_id, host, login, password, is_encrypted, extra, is_extra_encrypted "
        "FROM connection ORDER BY conn_id"
    )
    connections = [
        (*row[:3], clear(row[3], row[4]), clear(row[5], row[6])) for row in cursor.fetchall()
    ]
    return {
        "variable": (len(variables), repr(variables)),
        "connection": (len(connections), repr(connections)),
    }


def require_equal(found: Contents, wanted: Contents, what: str) -> None:
    """Compare two databases' contents.

    Raises:
        WrongResultError: they differ; the message names the tables and both counts.
    """
    wrong = [
        f"{name} ({found[name][0]} rows, the source has {rows[0]})"
        for name, rows in wanted.items()
        if found[name] != rows
    ]
    if wrong:
        raise WrongResultError(f"{what}: differs in {', '.join(wrong)}")


def require_counts(server: Server, database: str, source: str, what: str) -> None:
    """The peer's tables have as many rows as its source.

    Raises:
        WrongResultError: one has not.
    """
    counts = [
        dict(
            server.rows(name, " UNION ALL ".join(f"SELECT '{t}', count(*) FROM {t}" for t in PEERS))
        )
        for name in (database, source)
    ]
    wrong = [
        f"{t} ({counts[0][t]} of {counts[1][t]})" for t in PEERS if counts[0][t] < counts[1][t]
    ]
    if wrong:
        raise WrongResultError(f"{what}: rows are missing in {', '.join(wrong)}")


def next_runs(server: Server, database: str) -> dict[str, tuple[object, ...]]:
    """When each active DAG of the source runs next."""
    rows = server.rows(
        database,
        "SELECT dag_id, next_dagrun, next_dagrun_data_interval_start, "
        "next_dagrun_data_interval_end, next_dagrun_create_after FROM dag "
        "WHERE is_active AND dag_id LIKE '%\\_pipeline\\_%'",
    )
    return {row[0]: row[1:] for row in rows}
