"""SQL on one database connection, the same under SQLAlchemy 1.4 and 2.0.

Rows travel as COPY text, not binary: a column may be `json` in a database that was upgraded and
`jsonb` in a fresh one of the same version, and text fits both. Binary values double in it, so a
single one must stay below about 500 MB, PostgreSQL's limit of 1 GB for a field.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

COPY_CHUNK = 1 << 20

SETTINGS = (
    # Both sides must write and read values in one form, whatever the role or the server prefers.
    "SET LOCAL DateStyle = 'ISO, YMD'",
    "SET LOCAL TimeZone = 'UTC'",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL extra_float_digits = 3",
    "SET LOCAL client_encoding = 'UTF8'",
    "SET LOCAL standard_conforming_strings = on",
    # A long COPY is not a mistake, but waiting for ever for somebody else's lock would be.
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL lock_timeout = '60s'",
)
"""All of them local to the transaction, so that they hold behind PgBouncer too."""


class Reader(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Writer(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Guarded:
    """A file for `copy_expert`, which turns an error inside `read` into one of the database."""

    def __init__(self, file: Any) -> None:  # noqa: ANN401 - a Reader or a Writer
        self._file = file
        self._error: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        return self._kept(self._file.read, size)

    def write(self, data: bytes) -> object:
        return self._kept(self._file.write, data)

    def _kept(self, call: Callable[[Any], Any], argument: object) -> Any:  # noqa: ANN401
        try:
            return call(argument)
        except BaseException as error:
            self._error = error
            raise

    @contextmanager
    def reported(self) -> Iterator[None]:
        """Raise the file's own error instead of what the driver made of it."""
        try:
            yield
        except Exception as error:
            if self._error is not None:
                raise self._error from error
            raise


class Session:
    """A thin wrapper over a DB-API connection inside a transaction."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a pool's proxy of a connection
        self._cursor = connection.cursor()

    def prepare(self, *first: str) -> None:
        """Run what must come first in a transaction, then the settings."""
        self._cursor.execute(";".join((*first, *SETTINGS)))

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement; return how many rows it touched."""
        self._cursor.execute(sql, parameters or None)
        return self._cursor.rowcount

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, parameters or None)
        return self._cursor.fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> tuple[Any, ...]:
        return self.rows(sql, parameters)[0]

    def value(self, sql: str, parameters: Sequence[object] = ()) -> Any:  # noqa: ANN401
        return self.row(sql, parameters)[0]

    def optional(self, sql: str, default: object = None) -> Any:  # noqa: ANN401
        """A value that the role may not be allowed to see, or the server may not know."""
        self._cursor.execute("SAVEPOINT optional")
        try:
            value = self.value(sql)
        except Exception:
            self._cursor.execute("ROLLBACK TO SAVEPOINT optional")
            return default
        self._cursor.execute("RELEASE SAVEPOINT optional")
        return value

    def copy_out(self, query: str, sink: Writer) -> None:
        """Stream a query's rows as COPY text."""
        guarded = _Guarded(sink)
        with guarded.reported():
            self._cursor.copy_expert(f"COPY ({query}) TO STDOUT", guarded)

    def copy_in(self, table: str, columns: str, source: Reader) -> int:
        """Load COPY text; return how many rows there were."""
        guarded = _Guarded(source)
        with guarded.reported():
            self._cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", guarded, COPY_CHUNK)
        return self._cursor.rowcount


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | None) -> str:
    """An SQL string; used where a statement cannot take parameters."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def listed(names: Sequence[str], render: Callable[[str], str] = quote) -> str:
    return ", ".join(render(name) for name in names)
