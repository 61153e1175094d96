"""What PostgreSQL itself takes: COPY to files and back, `python -m bench.yardstick '{"do": ...}'`.

Text format, two connections, the tables that the engine carries, nothing compressed or encrypted.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2

from bench import ddl
from mwaa_dr_metadata.rules import RULES

TABLES = tuple(rule.name for rule in RULES)
WORKERS = 2


def perform(order: dict[str, Any]) -> dict[str, Any]:
    """`do: export` copies to `folder`; `do: import` copies back and rebuilds by hand."""
    folder = Path(order["folder"])
    folder.mkdir(parents=True, exist_ok=True)

    def connect() -> "psycopg2.extensions.connection":
        return psycopg2.connect(order["dsn"])

    began = time.time()
    (_copy_out if order["do"] == "export" else _copy_in)(connect, folder)
    ended = time.time()
    return {"began": began, "seconds": ended - began}


def _copy_out(connect: Callable[[], Any], folder: Path) -> None:
    """The largest table first, so that both connections end at about the same time."""
    lead = connect()
    with lead.cursor() as cursor:
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot()")
        snapshot = cursor.fetchone()[0]
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r' "
            "ORDER BY pg_table_size(oid) DESC",
            [list(TABLES)],
        )
        tables = [name for (name,) in cursor.fetchall()]

    def copy(table: str) -> None:
        connection = connect()
        with connection.cursor() as cursor, (folder / table).open("wb") as file:
            cursor.execute(
                f"BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'"
            )
            cursor.copy_expert(f'COPY "{table}" TO STDOUT', file, 1 << 20)
        connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(copy, tables))
    lead.close()


def _copy_in(connect: Callable[[], Any], folder: Path) -> None:
    lead = connect()
    files = sorted(folder.iterdir(), key=lambda file: -file.stat().st_size)
    tables = [file.name for file in files]
    with lead, lead.cursor() as cursor:
        taken = ddl.take_off(lead, tables)
        cursor.execute("TRUNCATE " + ", ".join(f'"{table}"' for table in tables))

    def copy(file: Path) -> None:
        connection = connect()
        with connection, connection.cursor() as cursor, file.open("rb") as rows:
            cursor.copy_expert(f'COPY "{file.name}" FROM STDIN', rows, 1 << 20)
        connection.close()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(copy, files))
    ddl.put_back(connect, taken, WORKERS)
    with lead, lead.cursor() as cursor:
        ddl.heal_sequences(cursor)
    lead.close()


def main() -> None:
    sys.stdout.write(json.dumps(perform(json.loads(sys.argv[1]))) + "\n")


if __name__ == "__main__":
    main()
