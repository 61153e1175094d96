"""SQL on one database connection, the same under SQLAlchemy 1.4 and 2.0.

Rows travel in the binary form of COPY, which costs the server a third less than text and does not
double binary values; rows with ciphertext travel as text, because they are rewritten on the way.
"""

import io
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, Protocol

COPY_CHUNK = 1 << 20
CHUNKS_AHEAD = 2
"""Chunks that a COPY may be ahead of what becomes of them: a bound on memory."""

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


class _Ahead:
    """A file for `copy_expert`, read by another thread.

    Fetching, decrypting and decompressing the next rows goes on while the database takes the last.
    """

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._room = threading.Semaphore(CHUNKS_AHEAD)
        self._chunks: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._ended = False
        self._failed: BaseException | None = None

    def read(self, _size: int = -1) -> bytes:
        """The next chunk, of `COPY_CHUNK` bytes at most: what the driver is told to ask for."""
        chunk = self._chunks.get()
        self._room.release()
        if isinstance(chunk, BaseException):
            self._failed = chunk
            raise chunk
        return chunk

    def _work(self) -> None:
        data = b"more"
        while data:
            self._room.acquire()
            if self._ended:
                return
            try:
                data = self._source.read(COPY_CHUNK)
            except BaseException as error:
                self._chunks.put(error)
                return
            self._chunks.put(data)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Read ahead within; raise the source's own error instead of what the driver made of it."""
        thread = threading.Thread(target=self._work, name="copy-in")
        thread.start()
        try:
            yield
        except Exception as error:
            if self._failed is not None:
                raise self._failed from error
            raise
        finally:
            self._ended = True
            self._room.release()
            thread.join()


class Session:
    """A thin wrapper over a DB-API connection inside a transaction."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a pool's proxy of a connection
        self._cursor = connection.cursor()

    @property
    def server_version(self) -> int:
        """E.g. 160004."""
        return self._cursor.connection.server_version

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

    def copy_out(self, query: str, sink: Writer, *, binary: bool = False) -> int:
        """Stream a query's rows; return how many there were."""
        with _beside(sink) as file:
            self._cursor.copy_expert(f"COPY ({query}) TO STDOUT{_format(binary)}", file)
        return self._cursor.rowcount

    def copy_in(self, table: str, columns: str, source: Reader, *, binary: bool = False) -> int:
        """Load rows; return how many there were."""
        ahead = _Ahead(source)
        with ahead.working():
            self._cursor.copy_expert(
                f"COPY {table} ({columns}) FROM STDIN{_format(binary)}", ahead, COPY_CHUNK
            )
        return self._cursor.rowcount


def _format(binary: bool) -> str:
    return " (FORMAT binary)" if binary else ""


class _Handover(io.RawIOBase):
    """Where a buffer of rows goes: to the thread that works on them."""

    def __init__(self, sink: Writer) -> None:
        self._sink = sink
        self._room = threading.Semaphore(CHUNKS_AHEAD)
        self._chunks: SimpleQueue[bytes] = SimpleQueue()
        self.failed: BaseException | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - a buffer of any kind
        self._room.acquire()
        if self.failed is not None:
            raise self.failed
        self._chunks.put(bytes(data))
        return len(data)

    def end(self) -> None:
        self._chunks.put(b"")

    def work(self) -> None:
        while data := self._chunks.get():
            try:
                if self.failed is None:
                    self._sink.write(data)
            except BaseException as error:
                self.failed = error
            finally:
                self._room.release()


@contextmanager
def _beside(sink: Writer) -> Iterator[Any]:
    """A file whose contents reach `sink` in large chunks, written there by another thread.

    The driver writes each row by itself. Into a buffer that costs no Python per row, and the sink's
    work (compressing, encrypting, sending) goes on beside the database's.
    """
    handover = _Handover(sink)
    thread = threading.Thread(target=handover.work, name="copy-out")
    thread.start()
    file = io.BufferedWriter(handover, COPY_CHUNK)
    try:
        yield file
        file.flush()
    except Exception as error:
        if handover.failed is None or handover.failed is error:
            raise
        raise handover.failed from error
    finally:
        handover.end()
        thread.join()
        with suppress(Exception):  # what is left in the buffer after a failure
            file.close()
    if handover.failed is not None:
        raise handover.failed


def quote(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | None) -> str:
    """An SQL string; used where a statement cannot take parameters."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def listed(names: Sequence[str], render: Callable[[str], str] = quote) -> str:
    return ", ".join(render(name) for name in names)
