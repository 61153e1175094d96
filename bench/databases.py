"""One PostgreSQL cluster of a benchmark, and the databases copied from its templates."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from cryptography.fernet import Fernet

from local import postgres
from local.mwaa import install

VERSION = "2.10.3"
OWNER = "airflow_owner"
"""Owns the databases and their tables without being a superuser, as MWAA's own user does."""
EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Server:
    """A running cluster as any process can reach it; turns into JSON with `dataclasses.asdict`.

    Args:
        source_key: the Fernet key of the filled databases.
        target_key: the Fernet key of every environment that is restored into.
        anchor: the midnight at which the filled databases' newest runs end.
        sources: database by number of task instances.
    """

    port: int
    password: str
    source_key: str
    target_key: str
    anchor: str
    sources: dict[str, str] = field(default_factory=dict)

    def connect(self, database: str, user: str = postgres.USER) -> "psycopg2.extensions.connection":
        """A psycopg2 connection; as superuser unless said otherwise."""
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=self.password,
            dbname=database,
        )

    def url(self, database: str) -> str:
        """For SQLAlchemy, as the owner."""
        return f"postgresql+psycopg2://{OWNER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def rows(self, database: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """One statement on a connection of its own, committed."""
        connection = self.connect(database)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def administer(self, *statements: str) -> None:
        """Statements that PostgreSQL refuses inside a transaction."""
        connection = self.connect("postgres")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def copy(self, template: str, name: str) -> str:
        """Make (again) a database like `template`; files are copied, which is fast when large."""
        self.drop(name)
        self.administer(
            f'CREATE DATABASE "{name}" OWNER {OWNER} TEMPLATE "{template}" STRATEGY file_copy'
        )
        return name

    def drop(self, name: str) -> None:
        self.administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def serve(folder: Path, anchor: str) -> Iterator[Server]:
    """A new cluster in `folder` with an empty template; it ends with the context or the process."""
    cluster = postgres.start(folder / "data")
    server = Server(
        cluster.port,
        cluster.password,
        Fernet.generate_key().decode(),
        Fernet.generate_key().decode(),
        anchor,
    )
    try:
        server.administer(
            f"CREATE ROLE {OWNER} LOGIN PASSWORD '{cluster.password}'",
            f'CREATE DATABASE "{EMPTY}" OWNER {OWNER}',
        )
        _migrate(server.url(EMPTY))
        yield server
    finally:
        cluster.destroy()


def _migrate(url: str) -> None:
    """As the real Airflow does it."""
    with tempfile.TemporaryDirectory() as home:
        subprocess.run(
            [install.ensure(VERSION).parent / "airflow", "db", "migrate"],
            env={
                "PATH": os.environ["PATH"],
                "AIRFLOW_HOME": home,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
                "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            },
            check=True,
            capture_output=True,
        )
