"""One consistent view of the source, shared by several connections."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

from sqlalchemy.engine import Engine

from mwaa_dr_metadata.session import Session, literal

logger = logging.getLogger(__name__)

_TAKE = "SELECT to_json(statement_timestamp())#>>'{}', txid_current_snapshot()::text"
READ_ONLY = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An open snapshot.

    Args:
        lead: the session that took it.
        sessions: every session that sees it, `lead` first.
        taken_at: the database's clock just before it was taken, ISO 8601, UTC: everything
            committed by then is in it.
        identifier: `pg_current_snapshot()`.
    """

    lead: Session
    sessions: Sequence[Session]
    taken_at: str
    identifier: str

    def each(self, items: Sequence[Item], work: Callable[[Session, Item], Result]) -> list[Result]:
        """Do `work` on every item, each session one at a time; results in the order of `items`.

        The first error stops the rest and is raised.
        """
        free: SimpleQueue[Session] = SimpleQueue()
        for session in self.sessions:
            free.put(session)

        def with_session(item: Item) -> Result:
            session = free.get()
            try:
                return work(session, item)
            finally:
                free.put(session)

        with ThreadPoolExecutor(len(self.sessions), thread_name_prefix="export") as pool:
            futures = [pool.submit(with_session, item) for item in items]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                pool.shutdown(wait=True, cancel_futures=True)
                raise next(error for future in done if (error := future.exception()))
        return [future.result() for future in futures]


@contextmanager
def open_snapshot(engine: Engine, workers: int) -> Iterator[Snapshot]:
    """Take a snapshot and join up to `workers` - 1 further connections to it.

    Where a pooler hides which server a connection meets, joining fails; then one has to do.
    """
    with ExitStack() as stack:
        lead, lead_rollback = stack.enter_context(_session(engine))
        lead.prepare(READ_ONLY)
        taken_at, identifier = lead.row(_TAKE)
        exported = None
        if workers > 1:
            try:
                exported = lead.value("SELECT pg_export_snapshot()")
            except Exception:
                logger.warning("the snapshot cannot be shared; exporting over one connection")
                lead_rollback()
                lead.prepare(READ_ONLY)
                taken_at, identifier = lead.row(_TAKE)
        sessions = [lead]
        for _ in range(workers - 1 if exported else 0):
            try:
                session, _ = stack.enter_context(_session(engine))
                session.prepare(READ_ONLY, f"SET TRANSACTION SNAPSHOT {literal(exported)}")
            except Exception:
                logger.warning("a further connection cannot join the snapshot; going on without")
                break
            sessions.append(session)
        yield Snapshot(lead, sessions, taken_at, identifier)


@contextmanager
def _session(engine: Engine) -> Iterator[tuple[Session, Callable[[], None]]]:
    connection = engine.raw_connection()
    try:
        yield Session(connection), connection.rollback
    finally:
        connection.rollback()
        connection.close()
