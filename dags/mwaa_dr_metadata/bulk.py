"""Restores into an environment that nobody uses yet: indexes and keys are built last.

All of it is one transaction, so an import that fails leaves the target as it was; and it locks the
tables, so nothing else may live beside it.
"""

# ruff: noqa: S608 - identifiers come from the catalogue and are quoted

from collections.abc import Sequence
from dataclasses import dataclass

from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.errors import TargetRefusedError
from mwaa_dr_metadata.merge import Mode, heal_sequences
from mwaa_dr_metadata.plan import Plan
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import RUNS, SHARED, SLICES, guards
from mwaa_dr_metadata.session import Session, listed, quote
from mwaa_dr_metadata.work import Step, Work

HEAVY = (Merge.RUN, Merge.OF_RUN, Merge.LEDGER)
"""What history consists of; the other tables are small and merged by their keys."""
SETTINGS = (
    "SET LOCAL maintenance_work_mem = '256MB'",
    "SET LOCAL max_parallel_maintenance_workers = 2",
)

_OWNED = """
SELECT c.relname FROM pg_class c WHERE c.oid = ANY(%s::regclass[])
AND NOT pg_has_role(c.relowner, 'USAGE') ORDER BY 1
"""
_CONSTRAINTS = """
SELECT k.conrelid::regclass::text, quote_ident(k.conname), pg_get_constraintdef(k.oid)
FROM pg_constraint k
WHERE (k.contype IN ('p', 'u') AND k.conrelid = ANY(%s::regclass[]))
   OR (k.contype = 'f' AND (k.conrelid = ANY(%s::regclass[]) OR k.confrelid = ANY(%s::regclass[])))
ORDER BY array_position('{f,u,p}', k.contype::text), 1, 2
"""
"""Foreign keys first: they hold the keys that they refer to."""
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
WHERE i.indrelid = ANY(%s::regclass[])
AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class _Structure:
    """What is taken off the tables and put back.

    Args:
        constraints: (table, name, definition), in the order in which they can be dropped.
        indexes: (name, statement that makes it).
    """

    constraints: Sequence[tuple[str, str, str]]
    indexes: Sequence[tuple[str, str]]


def write(work: Work) -> None:
    """Load history into bare tables, rebuild them, then merge the resume set as always.

    Raises:
        TargetRefusedError: the target has runs of its own, or its tables belong to another role.
    """
    # Rows that come in are led to the parents of history by their indexes.
    tables = [quote(name) for name in _heavy(work.plan) if name not in work.plan.parents]
    steps = work.steps()
    untouched = work.untouched_ledgers()
    with transaction(work.engine) as session:
        _refuse_used(work, session, tables)
        for setting in SETTINGS:
            session.execute(setting)
        same_numbers = _may_keep_numbers(session, steps)
        structure = _take_off(session, tables)
        work.write_parents(session)
        # Runs refer to what is shared; the newest backup has the last word on that.
        shared = [step for step in steps if step.group == SHARED]
        for step in (
            *reversed(shared),
            *(step for group in (RUNS, SLICES) for step in steps if step.group == group),
        ):
            session.execute("DISCARD TEMP")
            writer = work.writer(
                step.backup,
                Mode(),
                step.out_of_date,
                untouched=untouched,
                same_numbers=same_numbers,
            )
            work.results.tables += writer.write(session, step.label, step.items)
        session.execute("DISCARD TEMP")
        _put_back(session, structure)
        heal_sequences(session, work.plan)
        analyze(session, work.plan)
        work.resume(session=session)


def analyze(session: Session, plan: Plan) -> None:
    """Whatever comes next looks rows of history up, which goes wrong without statistics."""
    session.execute(f"ANALYZE {listed(_heavy(plan))}")


def _heavy(plan: Plan) -> list[str]:
    return [name for name, table in plan.tables.items() if table.rule.merge in HEAVY]


def _refuse_used(work: Work, session: Session, tables: Sequence[str]) -> None:
    guard = " AND ".join(guards(work.plan.tables["dag_run"].rule))
    runs = session.value(f"SELECT count(*) FROM dag_run t WHERE {guard}")
    if runs:
        raise TargetRefusedError(
            f"the target has {runs} runs of its own; a bulk import is for an environment that was "
            "never used. Import without bulk, which keeps them"
        )
    foreign = session.rows(_OWNED, [list(tables)])
    if foreign:
        names = listed([name for (name,) in foreign], str)
        raise TargetRefusedError(
            f"a bulk import rebuilds keys, which only the tables' owner may do; {names} belong to "
            "another role. Import without bulk, or connect as the owner"
        )


def _may_keep_numbers(session: Session, steps: Sequence[Step]) -> bool:
    """Whether no id of a run is taken, not even by the recovery's own, and all of them are known:
    those of earlier versions' backups are not, and new ones could meet those that are."""
    runs = [item for step in steps for item in step.items if item.table == "dag_run"]
    known = all("id" in item.columns for item in runs)
    return known and not session.rows("SELECT FROM dag_run LIMIT 1")


def _take_off(session: Session, tables: Sequence[str]) -> _Structure:
    names = list(tables)
    structure = _Structure(
        session.rows(_CONSTRAINTS, [names, names, names]), session.rows(_INDEXES, [names])
    )
    for table, name, _ in structure.constraints:
        session.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    for name, _ in structure.indexes:
        session.execute(f"DROP INDEX {name}")
    return structure


def _put_back(session: Session, structure: _Structure) -> None:
    for _, statement in structure.indexes:
        session.execute(statement)
    for table, name, definition in reversed(structure.constraints):
        session.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
