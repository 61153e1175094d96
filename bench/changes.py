"""What happens in an environment between two backups: 600 updates, 200 inserts, 200 deletes.

Most of it concerns recent runs, some of it old ones. Every statement changes exactly as many rows
as it says, in each of `ROUNDS` rounds.
"""

# ruff: noqa: S608 - fixed text

from collections import Counter
from dataclasses import dataclass
from typing import Any

ROUNDS = 3

_KEY = "dag_id, task_id, run_id, map_index"
_RECENT = """run_id IN (SELECT run_id FROM dag_run WHERE state = 'success'
    AND execution_date >= %(anchor)s::timestamptz - interval '3 days')"""
_OLD = """run_id IN (SELECT run_id FROM dag_run WHERE state = 'success'
    AND id < (SELECT max(id) / 2 FROM dag_run))"""
_SUCCESS = "state = 'success' AND "
_NUMBER = "right({}, 3)::int"
"""A DAG's number."""
_HALF = "BETWEEN 180 + 5 * mod(%(round)s, 2) AND 184 + 5 * mod(%(round)s, 2)"
"""Every second round the same half of the DAGs that datasets trigger."""


@dataclass(frozen=True, slots=True)
class Change:
    """One statement.

    Args:
        verb: `update`, `insert` or `delete`.
        rows: how many rows it changes.
    """

    verb: str
    table: str
    rows: int
    sql: str


def _update(table: str, rows: int, what: str, key: str, where: str = "true") -> Change:
    """Other rows in every round."""
    which = _next(table, rows, key, where)
    return Change("update", table, rows, f"UPDATE {table} SET {what} WHERE {which}")


def _delete(table: str, rows: int, key: str, where: str = "true") -> Change:
    which = _next(table, rows, key, where)
    return Change("delete", table, rows, f"DELETE FROM {table} WHERE {which}")


def _next(table: str, rows: int, key: str, where: str) -> str:
    return (
        f"({key}) IN (SELECT {key} FROM {table} WHERE {where} ORDER BY {key} "
        f"OFFSET %(round)s * {rows} LIMIT {rows})"
    )


def _insert(table: str, rows: int, columns: str, select: str) -> Change:
    return Change("insert", table, rows, f"INSERT INTO {table} ({columns}) SELECT {select}")


def _insert_for_new_runs(table: str, rows: int, columns: str, values: str) -> Change:
    """`rows / 5` rows `t` for each of the round's five new runs `r`."""
    source = f"""FROM dag_run r CROSS JOIN generate_series(1, {rows // 5}) t
        WHERE run_id = 'manual__new_' || %(round)s"""
    return _insert(table, rows, columns, f"{values} {source}")


CHANGES: tuple[Change, ...] = (
    _update(
        "task_instance",
        180,
        "try_number = try_number + 1, end_date = now(), updated_at = now()",
        _KEY,
        _SUCCESS + _RECENT,
    ),
    _update("task_instance", 40, "state = 'failed', updated_at = now()", _KEY, _SUCCESS + _OLD),
    _update(
        "dag_run",
        80,
        "end_date = now(), clear_number = clear_number + 1, updated_at = now()",
        "id",
        _SUCCESS + _RECENT,
    ),
    _update("dag_run", 10, "state = 'failed', updated_at = now()", "id", _SUCCESS + _OLD),
    _update(
        "xcom",
        120,
        "value = convert_to('{\"again\": true}', 'UTF8'), timestamp = now()",
        f"{_KEY}, key",
        f"length(value) < 1000 AND {_RECENT}",
    ),
    _update(
        "rendered_task_instance_fields",
        60,
        'rendered_fields = \'{"query": "SELECT 1"}\'',
        _KEY,
        _RECENT,
    ),
    Change(
        "update",
        "dag",
        60,
        f"""UPDATE dag SET next_dagrun = next_dagrun + interval '1 day',
            next_dagrun_data_interval_start = next_dagrun_data_interval_start + interval '1 day',
            next_dagrun_data_interval_end = next_dagrun_data_interval_end + interval '1 day',
            next_dagrun_create_after = next_dagrun_create_after + interval '1 day'
            WHERE {_NUMBER.format("dag_id")} BETWEEN 100 AND 159""",
    ),
    _update("variable", 20, "description = 'changed in round ' || %(round)s", "key"),
    _update("connection", 5, "host = 'moved.internal'", "conn_id"),
    _update("slot_pool", 3, "slots = slots + 1", "pool"),
    _update("task_instance_note", 12, "content = 'looked at it again'", _KEY),
    _update("dag_run_note", 10, "content = 'looked at it again'", "dag_run_id"),
    _insert(
        "dag_run",
        5,
        """dag_id, run_id, run_type, execution_date, queued_at, start_date, end_date, state,
            external_trigger, conf, data_interval_start, data_interval_end, log_template_id,
            updated_at, clear_number""",
        f"""dag_id, 'manual__new_' || %(round)s, 'manual', now(), now(), now(), now(), 'success',
            true, decode('80047d942e', 'hex'), now(), now(), (SELECT max(id) FROM log_template),
            now(), 0 FROM dag WHERE {_NUMBER.format("dag_id")} BETWEEN 193 AND 197""",
    ),
    _insert_for_new_runs(
        "task_instance",
        50,
        f"""{_KEY}, state, start_date, end_date, duration, try_number, max_tries, hostname,
            unixname, pool, pool_slots, queue, priority_weight, operator, executor_config,
            updated_at""",
        """dag_id, 'task_' || t, run_id, -1, 'success', now(), now(), 1.5, 1, 0, 'ip-10-0-0-1',
            'airflow', 'default_pool', 1, 'default', 1, 'EmptyOperator',
            decode('80047d942e', 'hex'), now()""",
    ),
    _insert_for_new_runs(
        "xcom",
        40,
        f"dag_run_id, {_KEY}, key, value, timestamp",
        """r.id, dag_id, 'task_' || t, run_id, -1, 'return_value', convert_to(t::text, 'UTF8'),
            now()""",
    ),
    _insert_for_new_runs(
        "log",
        60,
        f"dttm, {_KEY}, event, execution_date, owner, try_number",
        "now(), dag_id, 'task_' || t, run_id, -1, 'success', execution_date, 'airflow', 1",
    ),
    _insert_for_new_runs(
        "rendered_task_instance_fields",
        10,
        f"{_KEY}, rendered_fields",
        "dag_id, 'task_' || t, run_id, -1, '{}'::json",
    ),
    _insert_for_new_runs(
        "task_reschedule",
        10,
        f"{_KEY}, try_number, start_date, end_date, duration, reschedule_date",
        "dag_id, 'task_' || t, run_id, -1, 1, now(), now(), 1, now()",
    ),
    _insert_for_new_runs(
        "task_fail",
        5,
        f"{_KEY}, start_date, end_date, duration",
        "dag_id, 'task_' || t, run_id, -1, now(), now(), 1",
    ),
    _insert_for_new_runs(
        "task_instance_history",
        5,
        f"{_KEY}, try_number, state, pool, pool_slots",
        "dag_id, 'task_' || t, run_id, -1, 1, 'failed', 'default_pool', 1",
    ),
    _insert(
        "dataset_event",
        5,
        "dataset_id, extra, source_map_index, timestamp",
        """t, json_build_object('round', %(round)s::int), -1, now()
            FROM generate_series(21, 25) t""",
    ),
    _insert(
        "dataset_dag_run_queue",
        5,
        "dataset_id, target_dag_id, created_at",
        f"""5 * ({_NUMBER.format("dag_id")} - 180) + 2 - %(round)s / 2, dag_id, now() FROM dag
            WHERE {_NUMBER.format("dag_id")} {_HALF}""",
    ),
    _insert(
        "variable",
        5,
        "key, val, is_encrypted",
        "'new_' || %(round)s || t, 'clear', false FROM generate_series(1, 5) t",
    ),
    _delete("xcom", 60, f"{_KEY}, key", _RECENT),
    _delete("xcom", 20, f"{_KEY}, key", _OLD),
    _delete("rendered_task_instance_fields", 60, _KEY),
    _delete("task_reschedule", 30, "id"),
    _delete("task_fail", 5, "id"),
    _delete("log", 10, "id"),
    Change(
        "delete",
        "dataset_dag_run_queue",
        5,
        f"""DELETE FROM dataset_dag_run_queue WHERE mod(dataset_id, 5) = 1 + %(round)s / 2
            AND {_NUMBER.format("target_dag_id")} {_HALF}""",
    ),
    _delete("variable", 2, "key", "key LIKE 'setting\\_%%'"),
    _delete("dag_run_note", 3, "dag_run_id"),
    _delete("task_instance_note", 3, _KEY),
    _delete("task_map", 2, _KEY),
)


def totals() -> Counter[str]:
    """Rows changed by verb."""
    counts: Counter[str] = Counter()
    for change in CHANGES:
        counts[change.verb] += change.rows
    return counts


def tables() -> set[str]:
    return {change.table for change in CHANGES}


def apply(connection: Any, round_: int, anchor: str) -> None:  # noqa: ANN401 - of psycopg2
    """Make the changes of one round, each verb in transactions of its own as Airflow would.

    Raises:
        ValueError: a statement changed another number of rows than it says.
    """
    for change in CHANGES:
        with connection, connection.cursor() as cursor:
            cursor.execute(change.sql, {"round": round_, "anchor": anchor})
            if cursor.rowcount != change.rows:
                raise ValueError(
                    f"{change.verb} {change.table}: {cursor.rowcount} rows, not {change.rows}"
                )
