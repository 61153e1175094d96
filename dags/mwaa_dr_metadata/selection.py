"""Which rows go into the resume set and which into the history parts: SQL and arithmetic."""

# ruff: noqa: S608 - identifiers come from the catalogue and are quoted; values are numbers

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from contract.manifest import ObjectSet
from mwaa_dr_metadata.inflight import FINISHED_TASKS, PARKED_COLUMNS, UNFINISHED_RUNS
from mwaa_dr_metadata.plan import REF_SEPARATOR, Plan, PlannedTable
from mwaa_dr_metadata.rules import OWN_PREFIX, Merge, TableRule, Where
from mwaa_dr_metadata.session import Session, listed, literal, quote

PART_TASKS = 100_000
"""Task instances of a history part: one transaction of an import, a few seconds of work."""
PART_RUNS = 20_000
SLICE_ROWS = 250_000
"""Rows of a slice of a table without runs, such as the audit log."""

RESUME = "resume"
HISTORY = "history"
CHANGES = "changes"
SHARED, RUNS, SLICES = "0", "1", "2"
"""First digit of a part's folder; parts are imported in the order of their names: what runs refer
to, runs, the audit log."""


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


# LIKE costs half of what cutting the text costs, which shows on a million rows; the driver would
# take a percent sign for a parameter.
_OURS = f"LIKE {literal(OWN_PREFIX.replace('_', chr(92) + '_'))} || chr(37)"


def not_ours(columns: Iterable[str], alias: str = "t") -> list[str]:
    """Conditions that leave out rows of recovery DAGs; a NULL column is nobody's."""
    return [f"({ours(column, alias)}) IS NOT TRUE" for column in columns]


def ours(column: str, alias: str = "t") -> str:
    """A condition that finds only rows of recovery DAGs."""
    return f"{alias}.{quote(column)} {_OURS}"


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
              WHERE t.state = ANY(%s) AND {ours}
        UNION (SELECT DISTINCT ON (r.dag_id, r.run_type) r.id FROM dag_run r WHERE {ours}
               ORDER BY r.dag_id, r.run_type, {last})
        UNION (SELECT DISTINCT ON (r.dag_id) r.id FROM dag_run r
               WHERE r.state = 'success' AND {ours} ORDER BY r.dag_id, {last})
        UNION SELECT r.id FROM dag_run r WHERE {ours} AND coalesce(r.end_date, r.start_date)
              >= now() - %s * interval '1 second'
        """,  # now() is the transaction's start: the snapshot's time
        [_unfinished_states(session), horizon.total_seconds()],
    )
    return sorted(row[0] for row in rows)


def _unfinished_states(session: Session) -> list[str]:
    """Those that occur, whatever states a later Airflow invents: the index is asked for one state
    after the other, and a list of states lets it find their few tasks among millions."""
    rows = session.rows(
        """
        WITH RECURSIVE found AS (
            (SELECT state FROM task_instance WHERE state IS NOT NULL ORDER BY state LIMIT 1)
            UNION ALL
            SELECT (SELECT t.state FROM task_instance t WHERE t.state > f.state
                    ORDER BY t.state LIMIT 1) FROM found f WHERE f.state IS NOT NULL)
        SELECT state FROM found WHERE state IS NOT NULL
        """
    )
    return [state for (state,) in rows if state not in FINISHED_TASKS]


def newest_first(session: Session, plan: Plan) -> list[int]:
    """Ids of all business runs."""
    return [
        identifier
        for (identifier,) in session.rows(
            f"SELECT r.id FROM dag_run r WHERE {' AND '.join(not_ours(['dag_id'], 'r'))} "
            f"ORDER BY r.{quote(plan.run_date)} DESC NULLS LAST, r.id DESC"
        )
    ]


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


def slices_of(units: Iterable[tuple[str, int]], rows: int = SLICE_ROWS) -> list[str]:
    """Cut a ledger's units, (start, rows) newest first, into slices; return where each one starts.

    At units, not anywhere: equal rows have to be in one slice, or a `LEDGER` could not count them.
    """
    starts: list[str] = []
    room = 0
    for start, count in units:
        room -= count
        if not starts or room < 0:
            starts.append(start)
            room = rows - count
        else:
            starts[-1] = start
    return starts


def between(column: str, starts: Sequence[str]) -> list[str]:
    """Conditions for slices that start at `starts`, newest first; the last one has no start, so
    that it holds NULL as well."""
    if not starts:
        return ["TRUE"]
    edges = [f"{column} >= {literal(start)}" for start in starts[:-1]]
    below = [f"{column} < {literal(start)}" for start in starts[:-1]]
    if not edges:
        return ["TRUE"]
    middle = [f"{edge} AND {less}" for edge, less in zip(edges[1:], below, strict=False)]
    return [edges[0], *middle, f"({below[-1]} OR {column} IS NULL)"]


def resume_jobs(plan: Plan, resume: Sequence[int]) -> list[Job]:
    """The resume set, which every backup has whole."""

    def job(table: PlannedTable) -> Job | None:
        rule = table.rule
        if rule.resume is Where.BY_RUN:
            rows = query(table, runs=resume, runless=True)
            return Job(ObjectSet.RESUME, RESUME, table, rows, len(resume))
        if rule.resume is Where.PENDING_EVENTS:
            pending = pending_events(plan, table, resume)
            return Job(ObjectSet.RESUME, RESUME, table, query(table, where=[pending]), 1)
        if rule.resume is Where.ALL:
            return Job(ObjectSet.RESUME, RESUME, table, query(table), 1)
        return None

    return [found for table in plan.tables.values() if (found := job(table))]


def run_jobs(plan: Plan, kind: ObjectSet, folder: str, parts: Sequence[Sequence[int]]) -> list[Job]:
    """Whole runs with all that hangs on them, a folder for each part; all of them are over."""
    return [
        Job(kind, f"{folder}/{RUNS}{n:05}", table, query(table, runs=ids, over=True), PART_TASKS)
        for table in plan.tables.values()
        if table.rule.resume is Where.BY_RUN
        for n, ids in enumerate(parts)
    ]


def shared_jobs(
    plan: Plan, kind: ObjectSet, folder: str, conditions: Mapping[str, Sequence[str]]
) -> list[Job]:
    """Tables that are neither of the resume set nor hang on runs.

    Args:
        conditions: table -> one condition per slice; tables that are not mentioned go whole.
    """
    found = []
    for table in plan.tables.values():
        if table.rule.resume not in (Where.NONE, Where.PENDING_EVENTS):
            continue
        group = SLICES if table.rule.slice else SHARED
        found += [
            Job(kind, f"{folder}/{group}{n:05}", table, query(table, where=[where]), SLICE_ROWS)
            for n, where in enumerate(conditions.get(table.name, ["TRUE"]))
        ]
    return found


def to_run(table: PlannedTable) -> list[str]:
    """Joins that lead from the row `t` to its run `r`."""
    if table.rule.merge is Merge.OF_RUN and table.has("dag_run_id"):
        return ["JOIN dag_run r ON r.id = t.dag_run_id"]
    return [table.to_run("t", "dag_run", "r")]


def query(
    table: PlannedTable,
    *,
    runs: Sequence[int] | None = None,
    where: Sequence[str] = (),
    over: bool = False,
    runless: bool = False,
) -> str:
    """The SELECT behind one object.

    Args:
        runs: only rows of these runs.
        runless: and those that wait for a run, of a table where a row may do so.
        over: all the rows' runs are over, with all their tasks.
    """
    rule = table.rule
    without = {*rule.nulls, *(PARKED_COLUMNS.get(table.name, ()) if over else ())}
    selected = [
        f"NULL::{column.type}" if column.name in without else f"t.{quote(column.name)}"
        for column in table.columns
    ]
    selected += [f"t.{quote(name)}" for name in rule.numbers]
    joins: list[str] = []
    for number, ref in enumerate(rule.refs):
        foreign = {p: name for p, name in table.reference(ref).items() if REF_SEPARATOR in name}
        if not foreign:
            continue
        alias = f"p{number}"
        own, identifier = f"t.{quote(ref.column)}", f"{alias}.id{'::text' if ref.text else ''}"
        joins.append(f"LEFT JOIN {quote(ref.parent)} {alias} ON {identifier} = {own}")
        for part, name in foreign.items():
            named = table.identity[ref.parent][part].format(p=alias)
            other = f" ELSE {own}" if ref.text else ""
            selected.append(
                f"CASE WHEN {alias}.id IS NOT NULL THEN {named}{other} END AS {quote(name)}"
            )
    conditions = [*where, *guards(rule)]
    before = ""
    run = "t.id"
    waits = rule.merge is Merge.KEYED and rule.resume is Where.BY_RUN
    if rule.merge is Merge.OF_RUN and runs is not None:
        before, join = _of_runs(table, runs)
        joins.append(join)
    else:
        if rule.merge is Merge.OF_RUN or waits:
            joins += to_run(table)
            run = "r.id"
        if runs is not None:
            join = "LEFT JOIN" if waits and runless else "JOIN"
            joins.append(f"{join} unnest({int_array(runs)}) x(id) ON x.id = {run}")
        if waits and runless:
            conditions.append("(x.id IS NOT NULL OR r.id IS NULL)")
    return " ".join(
        [
            f"{before}SELECT {', '.join(selected)} FROM {quote(table.name)} t",
            *joins,
            f"WHERE {' AND '.join(conditions)}" if conditions else "",
            _order(table),
        ]
    )


def _of_runs(table: PlannedTable, runs: Sequence[int]) -> tuple[str, str]:
    """What comes before the SELECT, and the join that leaves only rows of these runs."""
    wanted = int_array(runs)
    if table.has("dag_run_id"):
        return "", f"JOIN unnest({wanted}) x(id) ON x.id = t.dag_run_id"
    # Looked up first and once: the planner would rather ask for the run of each row of a small
    # table, in each part anew.
    found = f"SELECT id, dag_id, run_id FROM dag_run WHERE id = ANY ({wanted})"
    return f"WITH runs AS MATERIALIZED ({found}) ", table.to_run("t", "runs", "r")


def _order(table: PlannedTable) -> str:
    """New ids are given in this order, and Airflow reads some tables in the order of ids.

    Slices are too large to be sorted in memory; by time they come sorted out of its index.
    """
    serial = table.table.columns.get("id")
    if serial is None or serial.type != "integer":
        return ""
    return f"ORDER BY t.{quote(table.rule.time)}, t.id" if table.rule.slice else "ORDER BY t.id"


def pending_events(plan: Plan, table: PlannedTable, resume: Sequence[int]) -> str:
    """Decided by content, not by id, so that equal events stay together."""
    link = plan.named("dagrun_dataset_event")
    if link is None:
        return "TRUE"
    kind = "asset" if table.has("asset_id") else "dataset"
    last = (
        f"coalesce((SELECT max(r.{quote(plan.run_date)}) FROM dag_run r "
        "WHERE r.dag_id = c.dag_id AND r.run_type LIKE '%_triggered'), '-infinity')"
    )
    taken = [
        f"SELECT l.event_id FROM {link.name} l JOIN unnest({int_array(resume)}) x(id) "
        "ON x.id = l.dag_run_id"
    ]
    if alias := plan.named("dataset_alias_dataset_event"):
        taken.append(
            f"SELECT l.event_id FROM {alias.name} l "
            f"JOIN dag_schedule_{kind}_alias_reference c ON c.alias_id = l.alias_id "
            f"JOIN {table.name} e ON e.id = l.event_id WHERE e.timestamp > {last}"
        )
    if partitions := plan.named("partitioned_asset_key_log"):
        taken.append(
            f"SELECT l.asset_event_id FROM {partitions.name} l "
            f"{partitions.to_run('l', 'dag_run', 'r')} "
            f"LEFT JOIN unnest({int_array(resume)}) x(id) ON x.id = r.id "
            "WHERE r.id IS NULL OR x.id IS NOT NULL"
        )
    return f"""
        (t.{kind}_id, t.timestamp) IN (SELECT e.{kind}_id, e.timestamp FROM {table.name} e
                                      WHERE e.id IN ({" UNION ALL ".join(taken)}))
        OR EXISTS (SELECT FROM dag_schedule_{kind}_reference c
                   WHERE c.{kind}_id = t.{kind}_id AND t.timestamp > {last})
    """


def int_array(values: Sequence[int]) -> str:
    """An array for a COPY, which takes no parameters."""
    return "'{" + ",".join(map(str, values)) + "}'::int[]"
