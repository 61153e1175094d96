"""Which rows go into the resume set and which into the history parts: SQL and arithmetic."""

# ruff: noqa: S608 - identifiers come from the catalogue and are quoted; values are numbers

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from contract.manifest import ObjectSet
from mwaa_dr_metadata.inflight import FINISHED_TASKS, UNFINISHED_RUNS
from mwaa_dr_metadata.plan import Plan, PlannedTable, reference_column
from mwaa_dr_metadata.rules import OWN_PREFIX, Merge, TableRule, Where
from mwaa_dr_metadata.session import Session, listed, literal, quote

PART_TASKS = 100_000
"""Task instances of a history part: one transaction of an import, a few seconds of work."""
PART_RUNS = 20_000
SLICE_ROWS = 250_000
"""Rows of a slice of a table without runs, such as the audit log."""

RESUME = "resume"
SHARED = "history/0"
RUNS = "history/1"
SLICES = "history/2"
"""Parts are imported in the order of their names: what runs refer to, runs, the audit log."""


@dataclass(frozen=True, slots=True)
class Job:
    """One object to export.

    Args:
        part: its folder within the backup.
        size_hint: larger ones first, so that no worker ends much later than the others.
    """

    set: ObjectSet
    part: str
    table: PlannedTable
    query: str
    size_hint: int

    @property
    def name(self) -> str:
        return f"{self.part}/{self.table.name}"


def not_ours(columns: Iterable[str], alias: str = "t") -> list[str]:
    """Conditions that leave out rows of recovery DAGs; a NULL column is nobody's."""
    return [
        f"coalesce(left({alias}.{quote(column)}, {len(OWN_PREFIX)}), '') <> {literal(OWN_PREFIX)}"
        for column in columns
    ]


def guards(rule: TableRule, alias: str = "t") -> list[str]:
    """Conditions that leave out every row that belongs to the site itself."""
    return not_ours([*rule.dag, *([rule.own] if rule.own else [])], alias)


def resume_runs(session: Session, plan: Plan, horizon: timedelta) -> list[int]:
    """Ids of the runs that scheduling needs.

    Unfinished ones; those with unfinished tasks; the latest of each DAG and run type (Airflow
    computes the next run from it, and `depends_on_past` looks at it); the latest success of each
    DAG; and everything that ended or started within `horizon` before the snapshot, for sensors that
    look at other DAGs.
    """
    date, ours = quote(plan.run_date), " AND ".join(not_ours(["dag_id"], "r"))
    last = f"r.{date} DESC NULLS LAST, r.id DESC"
    rows = session.rows(
        f"""
        SELECT id FROM dag_run r WHERE state IN ({listed(UNFINISHED_RUNS, literal)}) AND {ours}
        UNION SELECT r.id FROM task_instance t JOIN dag_run r USING (dag_id, run_id)
              WHERE t.state NOT IN ({listed(FINISHED_TASKS, literal)}) AND {ours}
        UNION (SELECT DISTINCT ON (r.dag_id, r.run_type) r.id FROM dag_run r WHERE {ours}
               ORDER BY r.dag_id, r.run_type, {last})
        UNION (SELECT DISTINCT ON (r.dag_id) r.id FROM dag_run r
               WHERE r.state = 'success' AND {ours} ORDER BY r.dag_id, {last})
        UNION SELECT r.id FROM dag_run r WHERE {ours} AND coalesce(r.end_date, r.start_date)
              >= now() - %s * interval '1 second'
        """,  # now() is the transaction's start: the snapshot's time
        [horizon.total_seconds()],
    )
    return sorted(row[0] for row in rows)


def history_runs(session: Session, plan: Plan, resume: Sequence[int]) -> list[tuple[int, int]]:
    """(id, task instances) of all other runs, newest first."""
    return session.rows(
        f"""
        SELECT r.id, count(t.dag_id) FROM dag_run r
        LEFT JOIN task_instance t ON t.dag_id = r.dag_id AND t.run_id = r.run_id
        WHERE {" AND ".join(not_ours(["dag_id"], "r"))}
          AND NOT EXISTS (SELECT FROM unnest({_ids(resume)}) x(id) WHERE x.id = r.id)
        GROUP BY r.id ORDER BY r.{quote(plan.run_date)} DESC NULLS LAST, r.id DESC
        """
    )


def parts_of(
    runs: Iterable[tuple[int, int]], tasks: int = PART_TASKS, most_runs: int = PART_RUNS
) -> list[list[int]]:
    """Cut a sequence of (id, weight) into parts of about `tasks`, in order."""
    parts: list[list[int]] = []
    weight = 0
    for identifier, count in runs:
        if not parts or weight + count > tasks or len(parts[-1]) >= most_runs:
            parts.append([])
            weight = 0
        parts[-1].append(identifier)
        weight += count
    return parts


def slices_of(column: str, bounds: Sequence[str]) -> list[str]:
    """Conditions that cut a table at `bounds` (newest first) into slices, NULL in the last.

    By time, not by id: equal rows have to be in one slice, or a `LEDGER` could not count them.
    """
    edges = [f"{column} >= {literal(bound)}" for bound in bounds]
    below = [f"{column} < {literal(bound)}" for bound in bounds]
    if not edges:
        return ["TRUE"]
    middle = [f"{edge} AND {less}" for edge, less in zip(edges[1:], below, strict=False)]
    return [edges[0], *middle, f"({below[-1]} OR {column} IS NULL)"]


def jobs(
    session: Session, plan: Plan, resume: Sequence[int], history: Sequence[Sequence[int]]
) -> list[Job]:
    """Every object of a base backup."""
    found: list[Job] = []
    for table in plan.tables.values():
        rule = table.rule
        if rule.resume is Where.BY_RUN:
            found.append(
                Job(ObjectSet.RESUME, RESUME, table, query(table, runs=resume), len(resume))
            )
            found.extend(
                Job(ObjectSet.HISTORY, f"{RUNS}{n:05}", table, query(table, runs=ids), PART_TASKS)
                for n, ids in enumerate(history)
            )
        elif rule.slice:
            time = quote(rule.time)
            bounds = session.rows(
                f"SELECT DISTINCT {time}::text FROM (SELECT {time}, row_number() OVER "
                f"(ORDER BY {time} DESC NULLS LAST) AS n FROM {quote(table.name)}) x "
                f"WHERE n %% %s = 0 AND {time} IS NOT NULL ORDER BY 1 DESC",
                [SLICE_ROWS],
            )
            found.extend(
                Job(
                    ObjectSet.HISTORY,
                    f"{SLICES}{n:05}",
                    table,
                    query(table, where=[condition]),
                    SLICE_ROWS,
                )
                for n, condition in enumerate(
                    slices_of(f"t.{time}", [bound for (bound,) in bounds])
                )
            )
        elif rule.resume is Where.PENDING_EVENTS:
            pending = _pending_events(plan, table, resume)
            found.append(Job(ObjectSet.RESUME, RESUME, table, query(table, where=[pending]), 1))
            rest = query(table, where=[f"NOT ({pending})"])
            found.append(Job(ObjectSet.HISTORY, f"{SHARED}00000", table, rest, 1))
        elif rule.resume is Where.ALL:
            found.append(Job(ObjectSet.RESUME, RESUME, table, query(table), 1))
        else:
            found.append(Job(ObjectSet.HISTORY, f"{SHARED}00000", table, query(table), 1))
    return sorted(found, key=lambda job: (-job.size_hint, job.name))


def query(
    table: PlannedTable, *, runs: Sequence[int] | None = None, where: Sequence[str] = ()
) -> str:
    """The SELECT behind one object."""
    rule = table.rule
    selected = [f"t.{quote(column.name)}" for column in table.columns]
    joins: list[str] = []
    for number, ref in enumerate(rule.refs):
        alias = f"p{number}"
        joins.append(f"LEFT JOIN {quote(ref.parent)} {alias} ON {alias}.id = t.{quote(ref.column)}")
        selected += [
            f"{sql.format(p=alias)} AS {quote(reference_column(ref, part))}"
            for part, sql in table.identity[ref.parent].items()
        ]
    conditions = [*where, *guards(rule)]
    if rule.merge is Merge.OF_RUN:
        joins.append(
            "JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
            if table.has("dag_id", "run_id")
            else "JOIN dag_run r ON r.id = t.dag_run_id"
        )
    if runs is not None:
        owner = "t" if rule.merge is Merge.RUN else "r"
        joins.append(f"JOIN unnest({_ids(runs)}) x(id) ON x.id = {owner}.id")
    serial = table.table.columns.get("id")
    return " ".join(
        [
            f"SELECT {', '.join(selected)} FROM {quote(table.name)} t",
            *joins,
            f"WHERE {' AND '.join(conditions)}" if conditions else "",
            # New ids are given in this order, and Airflow reads some tables in the order of ids.
            "ORDER BY t.id" if serial and serial.type == "integer" else "",
        ]
    )


def _pending_events(plan: Plan, table: PlannedTable, resume: Sequence[int]) -> str:
    """Decided by content, not by id, so that equal events stay together."""
    link, reference = plan.named("dagrun_dataset_event"), "dag_schedule_dataset_reference"
    if link is None:
        return "TRUE"
    dataset = next(column for column in ("dataset_id", "asset_id") if table.has(column))
    if dataset == "asset_id":
        reference = "dag_schedule_asset_reference"
    return f"""
        EXISTS (SELECT FROM {quote(link.name)} l JOIN unnest({_ids(resume)}) x(id)
                ON x.id = l.dag_run_id JOIN {quote(table.name)} e ON e.id = l.event_id
                WHERE e.{dataset} = t.{dataset} AND e.timestamp = t.timestamp)
        OR EXISTS (SELECT FROM {reference} c
                   WHERE c.{dataset} = t.{dataset} AND t.timestamp > coalesce(
                     (SELECT max(r.{quote(plan.run_date)}) FROM dag_run r
                      WHERE r.dag_id = c.dag_id AND r.run_type LIKE '%_triggered'), '-infinity'))
    """


def _ids(values: Sequence[int]) -> str:
    """An array for a COPY, which takes no parameters."""
    return "'{" + ",".join(map(str, values)) + "}'::int[]"
