"""Has the engine do its real work so that nothing stays: `--dry-run` shows no estimate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy.engine import Engine

from mwaa_dr_metadata import Storage


class _Nowhere:
    def write(self, data: bytes) -> int:
        return len(data)


@dataclass(frozen=True, slots=True)
class ReadOnlyStorage:
    """A storage that reads as the real one does and forgets what is written."""

    real: Storage

    @contextmanager
    def create(self, key: str) -> Iterator[_Nowhere]:
        del key
        yield _Nowhere()

    def put(self, key: str, data: bytes) -> None:
        """Forget it."""

    def delete(self, names: Sequence[str]) -> None:
        """Forget it."""

    def read(self, key: str) -> Iterator[bytes]:
        return self.real.read(key)

    def list(self, prefix: str, *, after: str = "") -> Iterator[tuple[str, int]]:
        return self.real.list(prefix, after=after)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a rehearsal did to one table before it was undone."""

    table: str
    inserted: int
    updated: int
    deleted: int


_CHANGES = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables
WHERE schemaname NOT LIKE 'pg_temp%' AND n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY 1
"""


class Rehearsal:
    """Stands for an engine: all its transactions happen inside one that is never committed.

    They may lie inside each other, but must not run beside each other. Sequences are outside of
    transactions: the target may skip numbers afterwards.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection: Any = engine.raw_connection()

    @property
    def engine(self) -> Engine:
        """For the engine's calls, which take nothing but raw connections from it."""
        return cast("Engine", self)

    def raw_connection(self) -> "_Savepoint":
        return _Savepoint(self._connection)

    def changes(self) -> list[Changes]:
        """Rows touched so far; a row that is replaced counts as deleted and as inserted."""
        cursor = self._connection.cursor()
        cursor.execute(_CHANGES)
        return [Changes(*row) for row in cursor.fetchall()]

    def end(self) -> None:
        """Undo everything."""
        self._connection.rollback()
        self._connection.close()


class _Savepoint:
    """Stands for a connection with a transaction of its own, which undoes itself if it fails."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a pool's proxy of a connection
        self._connection = connection
        self._open = True
        self._run("SAVEPOINT rehearsal")

    def cursor(self) -> Any:  # noqa: ANN401 - the driver's
        return self._connection.cursor()

    def commit(self) -> None:
        self._end("DISCARD TEMP")  # what a commit would drop

    def rollback(self) -> None:
        self._end("ROLLBACK TO SAVEPOINT rehearsal")

    def close(self) -> None:
        self.rollback()

    def _end(self, sql: str) -> None:
        if self._open:
            self._open = False
            self._run(f"{sql}; RELEASE SAVEPOINT rehearsal")

    def _run(self, sql: str) -> None:
        self._connection.cursor().execute(sql)


@contextmanager
def rehearsing(engine: Engine) -> Iterator[Rehearsal]:
    """A rehearsal against the database behind `engine`, undone at the end."""
    rehearsal = Rehearsal(engine)
    try:
        yield rehearsal
    finally:
        rehearsal.end()
