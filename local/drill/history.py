"""A long past for an environment: runs of DAGs whose files are gone, as after years of work."""

from datetime import UTC, datetime

from bench import ddl
from bench.rows import DAGS, HELPERS, STATEMENTS, TASKS
from local import postgres

PREFIX = "retired_"
"""How the ids of these DAGs begin."""
STEP = TASKS * DAGS
"""A past has a multiple of so many task instances: a run of every DAG."""
TABLES = ("dag_run", "task_instance", "xcom", "log")
_OWN_RANGE = 1_000_000
"""Ids that a live environment has not come to."""


def add(url: str, task_instances: int) -> None:
    """Give the database at `url` (Airflow 2.10) a past of so many task instances.

    There is a log row for each, an XCom for every second, and a run for every fifty; all are
    finished.
    """
    values = {"runs": task_instances // TASKS, "anchor": datetime.now(UTC).isoformat()}
    connection = postgres.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(HELPERS, values)
            cursor.execute("UPDATE bench.dag SET dag_id = %s || dag_id", [PREFIX])
            cursor.execute(
                "UPDATE bench.run SET dag_id = %s || dag_id, id = id + %s, latest = false, "
                "unfinished = false, waiting = false",
                [PREFIX, _OWN_RANGE],
            )
            for table in TABLES:
                cursor.execute(STATEMENTS[table], values)
            cursor.execute("DROP SCHEMA bench CASCADE")
            ddl.heal_sequences(cursor)
            cursor.execute("ANALYZE")
    finally:
        connection.close()
