"""Rows on their way into a real PostgreSQL, fetched ahead of it by another thread."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from psycopg2.errors import InvalidTextRepresentation

from mwaa_dr_metadata.session import CHUNKS_AHEAD, COPY_CHUNK, Session

pytestmark = pytest.mark.airflow


class Source:
    """Hands out chunks, and raises those that are errors."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = iter(chunks)
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        chunk = next(self._chunks, b"")
        if isinstance(chunk, Exception):
            raise chunk
        assert len(chunk) <= size
        self.given += 1
        return chunk


@pytest.fixture
def session(cluster) -> Iterator[Session]:
    with closing(cluster.connect()) as connection:
        session = Session(connection)
        session.execute("CREATE TEMP TABLE taken (n integer)")
        session.execute("SAVEPOINT before")
        yield session
    assert [thread for thread in threading.enumerate() if thread.name == "copy-in"] == []


def test_every_row_arrives_in_order(session):
    numbers = [b"%d\n" % number for number in range(100_000)]
    chunks = (b"".join(numbers[at : at + 9_000]) for at in range(0, len(numbers), 9_000))
    assert session.copy_in("taken", "n", Source(*chunks)) == 100_000
    assert [n for (n,) in session.rows("SELECT n FROM taken ORDER BY ctid")] == [*range(100_000)]


def test_an_empty_source_is_no_rows(session):
    assert session.copy_in("taken", "n", Source()) == 0


def test_what_goes_wrong_in_the_source_is_what_is_raised(session):
    with pytest.raises(ConnectionError, match="the bucket went away"):
        session.copy_in("taken", "n", Source(b"1\n", ConnectionError("the bucket went away")))
    session.execute("ROLLBACK TO SAVEPOINT before")
    assert session.value("SELECT count(*) FROM taken") == 0


def test_a_row_that_the_database_refuses_is_its_error(session):
    refused = Source(b"not a number\n", *[b"1\n" * (COPY_CHUNK // 2)] * 5)
    with pytest.raises(InvalidTextRepresentation, match="not a number"):
        session.copy_in("taken", "n", refused)


def test_no_more_is_fetched_than_memory_is_meant_for(cluster):
    """While the database takes nothing, because somebody else has the table."""
    source = Source(*[b"1\n" * 1000] * 20)
    with closing(cluster.connect()) as other, closing(cluster.connect()) as connection:
        other.cursor().execute("CREATE TABLE IF NOT EXISTS locked (n integer)")
        other.commit()
        other.cursor().execute("LOCK TABLE locked")
        with ThreadPoolExecutor(1) as pool:
            loaded = pool.submit(Session(connection).copy_in, "locked", "n", source)
            time.sleep(0.5)
            given = source.given
            other.rollback()
            assert loaded.result(10) == 20_000
    assert given == CHUNKS_AHEAD
