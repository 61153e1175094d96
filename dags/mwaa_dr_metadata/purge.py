"""Deletes old rows from Airflow's own database, so that there is less to back up and restore.

It means what `airflow db clean` means, and differs in three ways: what scheduling or another row
still needs stays (`purge_rules`); it works in short transactions that give way to whoever holds a
row, and stops at a deadline; and it keeps no copies, since a table of ours has no place in a
managed schema and the rows are in a backup.
"""

# ruff: noqa: S608 - identifiers come from the catalogue and are quoted; values are literals

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg2 import errors
from sqlalchemy.engine import Engine

from mwaa_dr_metadata.catalogue import Catalogue, read_catalogue
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.export import DEFAULT_HORIZON
from mwaa_dr_metadata.model import Progress, ProgressCallback
from mwaa_dr_metadata.plan import make_plan
from mwaa_dr_metadata.purge_rules import Purgeable, purgeable
from mwaa_dr_metadata.selection import resume_runs
from mwaa_dr_metadata.session import Session, literal, quote

BATCH_ROWS = 5_000
"""A second or so on an idle machine: each task takes a look at seven tables with it."""
DEADLINE_SECONDS = 300.0
STATEMENT_SECONDS = 30.0
LOCK_SECONDS = 0.5
"""Below PostgreSQL's `deadlock_timeout` of a second: whoever meets us in a deadlock never loses."""
BLOCK_PAGES = 16
"""Rows are counted by so many pages of a table: the smallest piece that a transaction takes."""

RUNS = "dag_run"
GIVEN_UP = (
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.DeadlockDetected,
    errors.ForeignKeyViolation,
)
"""Somebody uses the rows, or has just begun to refer to one of them: next time."""


@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge did.

    Args:
        older_than: ISO 8601: younger rows were left.
        rows: table -> rows deleted, with those that went along with others. Of a dry run: rows that
            meet the condition, without what would go along with them.
        left: rows that may go and were not deleted, because somebody uses them.
        complete: whether everything was looked at; False if the deadline came first.
    """

    older_than: str
    finished_at: str
    dry_run: bool
    rows: dict[str, int]
    left: int
    complete: bool
    seconds: float

    @property
    def total(self) -> int:
        return sum(self.rows.values())

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "total": self.total}


def purge(
    engine: Engine,
    older_than: datetime,
    *,
    tables: Iterable[str] | None = None,
    dry_run: bool = False,
    batch_rows: int = BATCH_ROWS,
    deadline_seconds: float = DEADLINE_SECONDS,
    horizon: timedelta = DEFAULT_HORIZON,
    progress: ProgressCallback | None = None,
) -> PurgeReport:
    """Delete what is older than `older_than`, the oldest runs first; another call goes on.

    Args:
        tables: only these, with what hangs on their rows; None for all that have a rule.
        dry_run: count, and write nothing.
        batch_rows: rows per transaction, about; a run is never divided.
        deadline_seconds: no transaction begins after it, and none runs far beyond it.
        horizon: how far back finished runs still belong to the resume set of a backup.
        progress: told of each transaction.

    Raises:
        ValueError: `older_than` has no time zone or is not over, or a table has no rule here.
    """
    work = _Purge(engine, _cutoff(older_than), batch_rows, deadline_seconds, progress)
    complete = True
    try:
        chosen = work.prepare(tables, horizon)
        for table in chosen:
            if dry_run:
                work.count(table)
            else:
                work.clean(table)
    except _OutOfTimeError:
        complete = False
    return PurgeReport(
        older_than=work.cutoff,
        finished_at=datetime.now(UTC).isoformat(),
        dry_run=dry_run,
        rows={name: rows for name, rows in sorted(work.rows.items()) if rows},
        left=work.left,
        complete=complete,
        seconds=round(work.seconds, 2),
    )


def batches(blocks: Sequence[tuple[int, int]], most: int) -> Iterator[tuple[int, int, int]]:
    """Join neighbours until they hold about `most` rows to delete.

    Args:
        blocks: (number, rows to delete) of each block of pages that has any, or of each run.

    Yields:
        The first number, the one after the last, and their rows.
    """
    first, last, weight = 0, 0, 0
    for number, rows in blocks:
        if weight and weight + rows > most:
            yield first, last + 1, weight
            weight = 0
        if not weight:
            first = number
        last, weight = number, weight + rows
    if weight:
        yield first, last + 1, weight


class _OutOfTimeError(Exception):
    """The deadline came first."""


def _cutoff(older_than: datetime) -> str:
    if older_than.tzinfo is None:
        raise ValueError(f"older_than: {older_than} has no time zone; give one, like +00:00")
    if older_than > datetime.now(UTC):
        raise ValueError(f"older_than: {older_than} is not over; a purge takes what is old")
    return older_than.astimezone(UTC).isoformat()


@dataclass(slots=True)
class _Purge:
    """One purge under way."""

    engine: Engine
    cutoff: str
    batch_rows: int
    deadline_seconds: float
    progress: ProgressCallback | None
    kept: list[int] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)
    left: int = 0
    _started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def prepare(self, tables: Iterable[str] | None, horizon: timedelta) -> list[Purgeable]:
        """What to purge; runs that stay are chosen once: what is newer is never old enough."""
        with self._reading() as session:
            catalogue = read_catalogue(session)
            found = purgeable(catalogue)
            wanted = {table.name for table in found} if tables is None else set(tables)
            unknown = wanted - {table.name for table in found}
            if unknown:
                raise ValueError(
                    f"tables: {', '.join(sorted(unknown))} cannot be purged here; use "
                    + ", ".join(table.name for table in found)
                )
            self.kept = _kept_runs(session, catalogue, horizon)
        return [table for table in found if table.name in wanted]

    def count(self, table: Purgeable) -> None:
        with self._reading() as session:
            self.rows[table.name] = session.value(
                f"SELECT count(*) FROM {quote(table.name)} t WHERE {self._old(table)}"
            )

    def clean(self, table: Purgeable) -> None:
        pieces = self._runs(table) if table.name == RUNS else self._blocks(table)
        for piece, rows in pieces:
            self._delete(table, piece, rows)

    def _old(self, table: Purgeable) -> str:
        return table.condition(self.kept, self.cutoff)

    def _runs(self, table: Purgeable) -> list[tuple[str, int]]:
        with self._reading() as session:
            found = session.rows(
                "SELECT t.id, 1 + (SELECT count(*) FROM task_instance i WHERE i.dag_id = t.dag_id "
                f"AND i.run_id = t.run_id) FROM dag_run t WHERE {self._old(table)} "
                "ORDER BY t.start_date, t.id"
            )
        ids = [identifier for identifier, _ in found]
        weights = list(enumerate(weight for _, weight in found))
        return [
            (f"t.id = ANY('{{{','.join(map(str, ids[first:end]))}}}'::bigint[])", end - first)
            for first, end, _ in batches(weights, self.batch_rows)
        ]

    def _blocks(self, table: Purgeable) -> list[tuple[str, int]]:
        """By place, not by age: no index is needed, and each page is read twice, not once a batch.

        Rows that move meanwhile have been changed, and are met next time if they are still old.
        """
        most, pages = self.batch_rows, BLOCK_PAGES
        if table.rule.batch:
            most, pages = table.rule.batch, 1
        with self._reading() as session:
            found = session.rows(
                f"SELECT (t.ctid::text::point)[0]::bigint / {pages}, count(*) "
                f"FROM {quote(table.name)} t WHERE {self._old(table)} GROUP BY 1 ORDER BY 1"
            )
        return [
            (f"t.ctid >= '({first * pages},0)'::tid AND t.ctid < '({end * pages},0)'::tid", rows)
            for first, end, rows in batches(found, most)
        ]

    def _delete(self, table: Purgeable, piece: str, expected: int) -> None:
        name, limit = quote(table.name), min(self._remaining(), STATEMENT_SECONDS)
        try:
            with transaction(self.engine) as session:
                _limit(session, limit)
                before = _deletions(session)
                done = session.execute(
                    f"DELETE FROM {name} WHERE ctid = ANY(ARRAY(SELECT t.ctid FROM {name} t "
                    f"WHERE {piece} AND {self._old(table)} FOR UPDATE OF t SKIP LOCKED))"
                )
                deleted = _deletions(session) - before
        except GIVEN_UP:
            self.left += expected
            return
        self.rows += deleted
        self.left += max(0, expected - done)
        if self.progress is not None:
            self.progress(Progress("purge", "", table.name, deleted.total()))

    @contextmanager
    def _reading(self) -> Iterator[Session]:
        try:
            with transaction(self.engine) as session:
                session.execute("SET TRANSACTION READ ONLY")
                _limit(session, self._remaining())
                yield session
        except errors.QueryCanceled as error:
            raise _OutOfTimeError from error

    def _remaining(self) -> float:
        remaining = self.deadline_seconds - self.seconds
        if remaining <= 0:
            raise _OutOfTimeError
        return remaining


def _limit(session: Session, seconds: float) -> None:
    session.execute(f"SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
    session.execute(f"SET LOCAL lock_timeout = {round(LOCK_SECONDS * 1000)}")


def _deletions(session: Session) -> Counter[str]:
    """Rows deleted by table as this connection counts them, those of foreign keys' ON DELETE
    CASCADE too; it may have begun before this transaction, behind a pool."""
    return Counter(
        dict(
            session.rows(
                "SELECT relname::text, n_tup_del FROM pg_stat_xact_user_tables "
                "WHERE n_tup_del > 0 AND pg_table_is_visible(relid)"
            )
        )
    )


def _kept_runs(session: Session, catalogue: Catalogue, horizon: timedelta) -> list[int]:
    """Runs that the next backup's resume set would hold, and the last one that each DAG began
    without having been asked to, which `airflow db clean` keeps."""
    asked = (
        "external_trigger"
        if "external_trigger" in catalogue.tables[RUNS].columns
        else f"run_type = {literal('manual')}"
    )
    last = session.rows(
        "SELECT id FROM dag_run JOIN (SELECT dag_id, max(start_date) AS start_date FROM dag_run "
        f"WHERE NOT ({asked}) GROUP BY dag_id) x USING (dag_id, start_date)"
    )
    resume = resume_runs(session, make_plan(catalogue), horizon)
    return sorted({*resume, *(identifier for (identifier,) in last)})
