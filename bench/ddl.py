"""Takes indexes, primary keys and foreign keys off a database and puts them back, by hand.

Filling a database and the benchmark's own yardstick of a bulk import both do it.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from psycopg2.extensions import connection as Connection  # noqa: N812
from psycopg2.extensions import cursor as Cursor  # noqa: N812

_CONSTRAINTS = """
SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid),
       c.contype::text
FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
WHERE c.contype IN ('p', 'u', 'f') AND t.relnamespace = 'public'::regnamespace
  AND (%(tables)s::text[] IS NULL OR t.relname = ANY(%(tables)s)
       OR c.confrelid IN (SELECT oid FROM pg_class WHERE relname = ANY(%(tables)s)))
ORDER BY pg_relation_size(t.oid) DESC, c.conname
"""
_INDEXES = """
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r'
  AND (%(tables)s::text[] IS NULL OR t.relname = ANY(%(tables)s))
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken off: DDL by table, keys and indexes apart from foreign keys."""

    indexes: dict[str, list[str]] = field(default_factory=dict)
    foreign: dict[str, list[str]] = field(default_factory=dict)


def take_off(connection: Connection, tables: Iterable[str] | None = None) -> Taken:
    """Drop every index, key and foreign key of schema public, in the current transaction.

    Args:
        tables: only what belongs to these, and the foreign keys that lead to them.
    """
    values = {"tables": None if tables is None else list(tables)}
    taken = Taken()
    with connection.cursor() as cursor:
        cursor.execute(_CONSTRAINTS, values)
        constraints = cursor.fetchall()
        cursor.execute(_INDEXES, values)
        indexes = cursor.fetchall()
        for table, name, definition, kind in sorted(constraints, key=lambda item: item[3] != "f"):
            where = taken.foreign if kind == "f" else taken.indexes
            where.setdefault(table, []).append(
                f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}"
            )
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for table, name, definition in indexes:
            taken.indexes.setdefault(table, []).append(definition)
            cursor.execute(f"DROP INDEX {name}")
    return taken


def put_back(connect: Callable[[], Connection], taken: Taken, workers: int = 2) -> None:
    """Rebuild them with several connections.

    A transaction per foreign key, which locks a child and then its parent: with more of them in
    one, two connections could wait for each other.

    Args:
        connect: makes a connection.
    """
    each_in_own_transaction(connect, taken.indexes.values(), workers)
    foreign = [[statement] for keys in taken.foreign.values() for statement in keys]
    each_in_own_transaction(connect, foreign, workers)


def each_in_own_transaction(
    connect: Callable[[], Connection], groups: Iterable[Iterable[str]], workers: int
) -> None:
    """Run each group of statements in one transaction, `workers` groups at once."""

    def run(statements: Iterable[str]) -> None:
        connection = connect()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET maintenance_work_mem = '256MB'")
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(run, groups))


def heal_sequences(cursor: Cursor) -> None:
    """Move every sequence behind the highest number in use."""
    cursor.execute(
        """
        SELECT format('SELECT setval(%L, coalesce((SELECT max(%I) FROM %I), 0) + 1, false)',
                      pg_get_serial_sequence(table_name, column_name), column_name, table_name)
        FROM information_schema.columns WHERE table_schema = 'public'
          AND pg_get_serial_sequence(quote_ident(table_name), column_name) IS NOT NULL
        """
    )
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)
