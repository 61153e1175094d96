"""Reads an environment's metadata database: rows by natural key, ciphertexts opened."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from cryptography.fernet import Fernet, MultiFernet
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from tests.checker.inputs import RECOVERY_PREFIX, Database
from tests.checker.outcome import Run
from tests.checker.tables import SCHEMAS, Schema, Table

DANGLING = "(points to nothing)"
CHANGED = ("updated_at", "dttm", "timestamp")
"""Columns that say when a row was written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it can be compared with one elsewhere.

    Args:
        key: its natural key, or the whole row where there is none.
        values: what must be equal.
        visible: whether this version was in the snapshot.
        settled: whether its transaction was surely over when the snapshot was taken; a
            subtransaction of a running one looks finished to PostgreSQL.
        changed_at: when Airflow says it was written, if it says so.
    """

    key: str
    values: dict[str, Any]
    visible: bool
    settled: bool
    changed_at: datetime | None


def _plain(value: Any) -> Any:
    """A value that compares and sorts the same in both databases."""
    if isinstance(value, memoryview):
        return bytes(value).hex()
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


class Reader:
    """One database at one moment: everything is read in a single snapshot of its own.

    Args:
        past: how the ids of DAGs begin that only `past` tells of; empty for none.
    """

    def __init__(self, connection: Any, fernet_key: str, snapshot: str, past: str) -> None:
        self._connection = connection
        self._past = past
        self._fernet = MultiFernet([Fernet(key) for key in fernet_key.split(",")])
        self._snapshot = snapshot
        self._lookups: dict[str, dict[Any, str]] = {}
        self.schema: Schema = next(schema for schema in SCHEMAS if self.has(schema.mark))

    def _query(self, statement: Any, arguments: Any = None) -> list[dict[str, Any]]:
        with self._connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(statement, arguments)
            return list(cursor)

    def has(self, table: str) -> bool:
        return bool(self._query("SELECT to_regclass(%s) AS found", (table,))[0]["found"])

    def _resolve(self, table: str, identifier: Any) -> str | None:
        if identifier is None:
            return None
        if table not in self._lookups:
            self._lookups[table] = {
                row.pop("id"): json.dumps([_plain(value) for value in row.values()])
                for row in self._query(self.schema.lookups[table])
            }
        return self._lookups[table].get(identifier, DANGLING)

    def rows(self, table: Table) -> list[Row]:
        """Every row that should travel."""
        statement = sql.SQL(
            "SELECT t.*, pg_visible_in_snapshot(t.xmin::text::xid8, %(s)s::pg_snapshot) AS _seen, "
            "t.xmin::text::xid8 < pg_snapshot_xmin(%(s)s::pg_snapshot) AS _settled "
            "FROM {} t WHERE ({}) IS NOT TRUE AND ({}) IS NOT TRUE"
        ).format(
            sql.Identifier(table.name), sql.SQL(table.own.replace("%", "%%")), self._is_past(table)
        )
        arguments = {"s": self._snapshot, "past": self._past}
        return [self._row(table, raw) for raw in self._query(statement, arguments)]

    def _is_past(self, table: Table) -> sql.SQL:
        there = self._past and self._has_column(table.name, "dag_id")
        return sql.SQL("starts_with(dag_id, %(past)s)" if there else "false")

    def past(self, table: Table) -> tuple[int, str]:
        """How many rows the past has in this table, and a digest of what they say.

        The digest leaves out what means nothing elsewhere, and references, which count as rows
        that are not there if they lead to another run than the row's own.
        """
        if not self._past or not self._has_column(table.name, "dag_id"):
            return 0, ""
        columns = [
            row["column_name"]
            for row in self._query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
                "AND table_schema = 'public' ORDER BY column_name",
                (table.name,),
            )
            if row["column_name"] not in {*table.drop, *table.refs, *table.cipher}
            and (not table.only or row["column_name"] in {*table.key, *table.only})
        ]
        join = "JOIN dag_run r ON r.id = t.dag_run_id AND r.run_id = t.run_id "
        [found] = self._query(
            sql.SQL(
                "SELECT count(*) AS rows, coalesce(sum(('x' || left(md5(ROW({})::text), 15))"
                "::bit(60)::bigint), 0)::text AS digest FROM {} t {} "
                "WHERE starts_with(t.dag_id, %(past)s)"
            ).format(
                sql.SQL(", ").join(sql.Identifier("t", name) for name in columns),
                sql.Identifier(table.name),
                sql.SQL(join if "dag_run_id" in table.refs else ""),
            ),
            {"past": self._past},
        )
        return found["rows"], found["digest"]

    def _row(self, table: Table, raw: dict[str, Any]) -> Row:
        visible, settled = raw.pop("_seen"), raw.pop("_settled")
        changed_at = next((raw[name] for name in CHANGED if raw.get(name)), None)
        for column, flag in table.cipher.items():
            if raw[flag] and raw[column]:
                raw[column] = self._fernet.decrypt(raw[column].encode()).decode()
        for column, target in table.refs.items():
            if column in raw:
                raw[column] = self._resolve(target, raw[column])
        values = {name: _plain(value) for name, value in raw.items() if name not in table.drop}
        key = json.dumps([values[name] for name in table.key] or values, sort_keys=True)
        if table.only:
            values = {name: values[name] for name in table.only}
        return Row(key, values, visible, settled, changed_at)

    def runs(self) -> list[Run]:
        """All runs but the recovery's own."""
        started = "execution_date" if self._has_column("dag_run", "execution_date") else "run_after"
        statement = sql.SQL(
            "SELECT dag_id, run_id, run_type, state, data_interval_start AS interval_start, "
            "data_interval_end AS interval_end, coalesce(queued_at, start_date, {}) AS queued_at, "
            "end_date, pg_visible_in_snapshot(xmin::text::xid8, %(s)s::pg_snapshot) AS visible "
            "FROM dag_run WHERE NOT starts_with(dag_id, %(own)s) "
            "AND (%(past)s = '' OR NOT starts_with(dag_id, %(past)s))"
        ).format(sql.Identifier(started))
        known = {"s": self._snapshot, "own": RECOVERY_PREFIX, "past": self._past}
        found = self._query(statement, known)
        return [Run(**row) for row in found]

    def _has_column(self, table: str, column: str) -> bool:
        return bool(
            self._query(
                "SELECT 1 FROM information_schema.columns WHERE table_name = %s "
                "AND column_name = %s",
                (table, column),
            )
        )


@contextmanager
def reading(database: Database, snapshot: str, past: str = "") -> Iterator[Reader]:
    """Read `database`; `snapshot` is the backup's, and only the source's rows know it.

    Args:
        past: as in `Inputs`.
    """
    parts = urlsplit(database.url)
    connection = psycopg2.connect(
        host=parts.hostname,
        port=parts.port,
        user=parts.username,
        password=parts.password,
        dbname=parts.path.lstrip("/"),
        connect_timeout=5,
        options="-c timezone=UTC",
    )
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        yield Reader(connection, database.fernet_key, snapshot, past)
    finally:
        connection.close()
