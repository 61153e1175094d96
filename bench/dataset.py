"""Fills Airflow 2.10.3 databases for benchmarks: `python -m bench.dataset --size 1000000 --dir D`.

The command starts a cluster, fills one database per size, writes how to reach them as JSON and
keeps the cluster until it is ended.
"""

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psycopg2.extras
from cryptography.fernet import Fernet

from bench import ddl
from bench.databases import EMPTY, Server, serve
from bench.rows import DAGS, HELPERS, STATEMENTS, TASKS, UNFINISHED

SMALLEST = TASKS * DAGS
VARIABLES, CONNECTIONS = 100, 50
_FIRST = ("log_template", "slot_pool")
"""What other statements look up, or what the migration has put there."""


def today() -> str:
    """The midnight at which the newest daily interval ended, as Airflow writes it.

    A paused DAG's next interval, as parsing computes it, stays the one after it for two days.
    """
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).isoformat()


def fill(server: Server, size: int) -> str:
    """Make and fill a database of `size` task instances; return its name.

    Raises:
        ValueError: `size` is not a multiple of one run of every DAG.
    """
    if size <= 0 or size % SMALLEST:
        raise ValueError(
            f"size {size}: use a multiple of {SMALLEST} ({DAGS} DAGs with runs of {TASKS} tasks)"
        )
    name = server.copy(EMPTY, f"source_{size}")
    values = {"runs": size // TASKS, "anchor": server.anchor}
    connection = server.connect(name)
    with connection, connection.cursor() as cursor:
        taken = ddl.take_off(connection)
        cursor.execute(HELPERS, values)
        cursor.execute("TRUNCATE slot_pool")  # the default pool comes with the migration
        for table in _FIRST:
            cursor.execute(STATEMENTS[table], values)
        _secrets(cursor, Fernet(server.source_key), server.anchor)

    def insert(table: str) -> None:
        own = server.connect(name)
        with own, own.cursor() as cursor:
            cursor.execute(STATEMENTS[table], values)
        own.close()

    rest = sorted((t for t in STATEMENTS if t not in _FIRST), key=lambda t: t != "task_instance")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(insert, rest))
    ddl.put_back(lambda: server.connect(name), taken)
    with connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA bench CASCADE")
        ddl.heal_sequences(cursor)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (FREEZE, ANALYZE, PARALLEL 1)")
    connection.close()
    server.sources[str(size)] = name
    return name


def _secrets(cursor: "psycopg2.extensions.cursor", fernet: Fernet, anchor: str) -> None:
    """What Airflow encrypts, with the source's key."""

    def sealed(text: str) -> str:
        return fernet.encrypt(text.encode()).decode()

    psycopg2.extras.execute_values(
        cursor,
        "INSERT INTO variable (key, val, description, is_encrypted) VALUES %s",
        [
            (f"setting_{i:03d}", sealed(json.dumps({"limit": i, "bucket": "lake"})), None, True)
            for i in range(VARIABLES)
        ],
    )
    psycopg2.extras.execute_values(
        cursor,
        "INSERT INTO connection (conn_id, conn_type, host, login, password, port, is_encrypted, "
        "is_extra_encrypted, extra) VALUES %s",
        [
            (
                *(f"warehouse_{i:02d}", "postgres", f"db{i}.internal", "etl"),
                *(sealed(f"password {i}"), 5432, True, True),
                sealed(json.dumps({"sslmode": "require", "number": i})),
            )
            for i in range(CONNECTIONS)
        ],
    )
    moment = datetime.fromisoformat(anchor).timestamp() + 86400 * 30
    kwargs = {"__var": {"moment": {"__var": moment, "__type": "datetime"}}, "__type": "dict"}
    psycopg2.extras.execute_values(
        cursor,
        'INSERT INTO "trigger" (classpath, kwargs, created_date) VALUES %s',
        [
            ("airflow.triggers.temporal.DateTimeTrigger", sealed(json.dumps(kwargs)), anchor)
            for _ in range(UNFINISHED[0], UNFINISHED[1] + 1)
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, action="append", required=True, help="task instances")
    parser.add_argument("--dir", type=Path, required=True, help="a folder that does not exist")
    parser.add_argument("--json", type=Path, help="also write the JSON here, when it is ready")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with serve(arguments.dir, today()) as server:
        seconds: dict[str, float] = {}
        for size in arguments.size:
            began = time.monotonic()
            fill(server, size)
            seconds[str(size)] = round(time.monotonic() - began, 1)
        urls = {size: server.url(name) for size, name in server.sources.items()}
        ready = {
            **asdict(server),
            "urls": {**urls, EMPTY: server.url(EMPTY)},
            "filled_in_seconds": seconds,
            "pid": os.getpid(),
        }
        text = json.dumps(ready, indent=2)
        if arguments.json:
            arguments.json.write_text(text + "\n")
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main()
