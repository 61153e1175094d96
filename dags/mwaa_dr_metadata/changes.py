"""What happened to the database since the parent backup, table by table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO

from contract.manifest import BackupObject, ObjectSet
from mwaa_dr_metadata import state
from mwaa_dr_metadata.lineage import bounds
from mwaa_dr_metadata.objects import ObjectWriter
from mwaa_dr_metadata.parent import Parent, keys_of
from mwaa_dr_metadata.plan import Plan, PlannedTable
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import guards
from mwaa_dr_metadata.session import Session
from mwaa_dr_metadata.snapshot import Snapshot
from mwaa_dr_metadata.state import Counts, Drift

STATE = "state"
COLUMNS = {"unit": "bigint", "rows": "bigint"}
RUN_COLUMNS = {"unit": "bigint", "dag_id": "text", "run_id": "text"}
"""Of `dag_run`: a run that went is deleted by its natural key."""
DELETIONS = "deletions"
DELETION_COLUMNS = {"kind": "text", "dag_id": "text", "run_id": "text"}
CHANGED, GONE, RESUMED, UNIT = b"changed", b"gone", b"resume", b"unit"
"""Kinds of a deletion's row: a run that changed, that went, that is in the resume set (DAG id, run
id), or a unit of a ledger that lost rows (table, unit)."""


@dataclass(slots=True)
class Changes:
    """Since the parent's snapshot, and the state that the next backup goes on from.

    Args:
        runs: ids of the business runs that changed, newest first.
        tasks: run id -> task instances.
        ledgers: ledger -> (start of an hour, rows), newest first.
        conditions: ledger -> which rows an incremental carries.
        deleted: table -> rows that went.
        before: table -> rows that the parent had.
        objects: the state, as written.
        lines: rows of the deletions.
        keys: run id -> natural key, as fields of COPY text.
    """

    runs: list[int] = field(default_factory=list)
    tasks: Counts = field(default_factory=dict)
    ledgers: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    conditions: dict[str, list[str]] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    objects: list[BackupObject] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    keys: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)

    def write(self, writer: ObjectWriter, resume: Sequence[int]) -> None:
        """Store what newer backups need to know, now that the resume set is known."""
        lines = [b"\t".join((RESUMED, *self.keys[run])) for run in resume]
        written = writer.lines(
            DELETIONS, ObjectSet.DELETIONS, "", DELETION_COLUMNS, [*self.lines, *lines]
        )
        self.objects += [written] if written else []


def measure(snapshot: Snapshot, plan: Plan, writer: ObjectWriter, parent: Parent | None) -> Changes:
    """Count every tracked table and compare it with the parent's state; write the new state.

    Args:
        parent: None for a backup that does not go on from one: then nothing is compared.
    """
    keys = _run_lines(snapshot.lead, plan)
    runs = keys_of(keys)
    newer = newer_than(parent.manifest.snapshot) if parent else ""
    changes = Changes(keys=runs)
    lines = changes.lines
    changed: set[int] = set()

    def one(session: Session, table: PlannedTable) -> tuple[PlannedTable, Counts, Drift | None]:
        if parent is None:
            now, drift = _count(session, table, runs), None
        else:
            now, drift = _compare(session, table, newer, parent.units(table), runs)
        if table.rule.merge is Merge.RUN:
            rows, types = keys.splitlines(), RUN_COLUMNS
        else:
            rows, types = (b"%d\t%d" % item for item in now.items()), COLUMNS
        written = writer.lines(f"{STATE}/{table.name}", ObjectSet.STATE, table.name, types, rows)
        changes.objects += [written] if written else []
        # Only task instances and ledgers are needed again, and five million tasks have many runs.
        keep = table.rule.merge is Merge.LEDGER or table.name == "task_instance"
        return table, now if keep else {}, drift

    tables = state.largest_first(snapshot.lead, state.tracked(plan))
    for table, now, drift in snapshot.each(tables, one):
        if table.name == "task_instance":
            changes.tasks = now
        if table.rule.merge is Merge.LEDGER:
            changes.ledgers[table.name] = _hours(now)
        if drift is None:
            continue
        changes.deleted[table.name], changes.before[table.name] = drift.deleted, drift.was
        if table.rule.merge is Merge.LEDGER:
            lost = sorted(drift.shrunk | drift.gone)
            lines += [b"%b\t%b\t%d" % (UNIT, table.name.encode(), unit) for unit in lost]
            some = " OR ".join(f"({one})" for one in state.carried(table, drift, newer))
            changes.conditions[table.name] = [some] if some else []
        else:
            changed |= drift.touched
    # The newest first: ids are nearly in the order of time.
    changes.runs = sorted(changed & runs.keys(), reverse=True)
    if parent is not None:
        # A run that was deleted and made again has a new id and the old name.
        there = set(runs.values())
        gone = {key for run, key in parent.runs.items() if run not in runs} - there
        lines += [b"\t".join((GONE, *key)) for key in sorted(gone)]
        lines += [b"\t".join((CHANGED, *runs[run])) for run in changes.runs]
    return changes


def _run_lines(session: Session, plan: Plan) -> bytes:
    """Id and natural key of every business run, as COPY text."""
    guard = " AND ".join(guards(plan.tables["dag_run"].rule))
    lines = BytesIO()
    session.copy_out(f"SELECT t.id, t.dag_id, t.run_id FROM dag_run t WHERE {guard}", lines)  # noqa: S608
    return lines.getvalue()


def newer_than(snapshot: str) -> str:
    """A condition on the row `t`: it was written after, or while, that snapshot was taken.

    By age, since transaction ids go round in a circle; each statement asks for itself, once,
    because ages grow from one session's start to the next one's.
    """
    xmin, _ = bounds(snapshot)
    return f"age(t.xmin) <= (SELECT age('{xmin % (1 << 32)}'::xid))"


def _count(session: Session, table: PlannedTable, runs: Mapping[int, object]) -> Counts:
    """Units with business rows; other runs' rows change with every beat of the agent."""
    if table.rule.merge is Merge.RUN:
        return dict.fromkeys(runs, 1)
    if table.rule.merge is Merge.LEDGER:
        return state.hours(session, table)[0]
    return {run: rows for run, rows in state.count(session, table).items() if run in runs}


def _compare(
    session: Session, table: PlannedTable, newer: str, was: Counts, runs: Mapping[int, object]
) -> tuple[Counts, Drift]:
    """The units now, and how they differ.

    Most runs neither gain nor lose a row. Those with new rows are counted; if the sum then is the
    table's number of rows, nothing went from the others, and the long way is not needed.
    """
    if table.rule.merge is Merge.LEDGER:
        now, new = state.hours(session, table, newer)
        return now, state.drift(was, now, new)
    new = state.count(session, table, newer)
    if table.rule.merge is Merge.RUN:
        now = dict.fromkeys(runs, 1)
        return now, state.drift(was, now, new)
    new = {run: rows for run, rows in new.items() if run in runs}
    now = {run: rows for run, rows in was.items() if run in runs and run not in new}
    now |= state.recount(session, table, new) if new else {}
    if sum(now.values()) != state.total(session, table):
        now = _count(session, table, runs)
    return now, state.drift(was, now, new)


def _hours(now: Counts) -> list[tuple[str, int]]:
    return [
        (datetime.fromtimestamp(unit, UTC).isoformat(), rows)
        for unit, rows in sorted(now.items(), reverse=True)
        if unit != state.ODD_UNIT
    ]
