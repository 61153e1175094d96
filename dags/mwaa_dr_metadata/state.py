"""What the next incremental compares the database with: rows per run, and per hour of a ledger.

An update or insert shows in a row's `xmin`. A deletion leaves nothing behind in a row, but in the
number of rows of its unit: a DAG run for what hangs on runs, an hour for tables without a key. Rows
of a unit that are not new can only become fewer, so a unit without a new row whose number is as it
was is the unit that it was.
"""

# ruff: noqa: S608 - identifiers come from the catalogue and are quoted; values are numbers

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mwaa_dr_metadata.plan import Plan, PlannedTable
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.selection import guards, int_array, not_ours, ours, to_run
from mwaa_dr_metadata.session import Session, quote

UNIT_SECONDS = 3600
ODD_UNIT = -1
"""Rows of a ledger whose time is NULL or infinite."""
MOST_UNITS = 200
"""More than these are not looked up one by one."""
DATE_BIN = 140_000
"""PostgreSQL 14 bins a time with integer arithmetic; truncating it goes through the time zone."""

Counts = dict[int, int]
"""Unit -> rows: a run's id, or the hour's start in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How a table differs from the parent's snapshot.

    Args:
        touched: units that have, or had, a row that is new or that went.
        shrunk: of those, units that lost rows that were not new.
        gone: units that are not there any more.
        deleted: rows that went, at least.
        was: rows that there were.
    """

    touched: frozenset[int]
    shrunk: frozenset[int]
    gone: frozenset[int]
    deleted: int
    was: int


def drift(parent: Mapping[int, int], now: Mapping[int, int], new: Mapping[int, int]) -> Drift:
    """Compare the units of a table with those of the parent backup.

    Args:
        new: unit -> rows of it that were written since.
    """
    # Most are as they were, and that is found without a loop over them.
    unequal = {unit for unit, _ in parent.items() ^ now.items()} | new.keys()
    was = {unit: parent[unit] for unit in unequal & parent.keys()}
    gone = was.keys() - now.keys()
    left = was.keys() & now.keys()
    shrunk = {unit for unit in left if now[unit] - new.get(unit, 0) < was[unit]}
    lost = sum(max(0, was[unit] - now[unit]) for unit in left)
    return Drift(
        touched=frozenset(new.keys() | shrunk | gone | (now.keys() - parent.keys())),
        shrunk=frozenset(shrunk),
        gone=frozenset(gone),
        deleted=lost + sum(parent[unit] for unit in gone),
        was=sum(parent.values()),
    )


def tracked(plan: Plan) -> list[PlannedTable]:
    """Tables that have a state: those whose rows belong to runs, and ledgers."""
    kinds = (Merge.RUN, Merge.OF_RUN, Merge.LEDGER)
    return [table for table in plan.tables.values() if table.rule.merge in kinds]


def largest_first(session: Session, tables: Iterable[PlannedTable]) -> list[PlannedTable]:
    """So that no session ends much later than the others."""
    pages = dict(session.rows("SELECT relname, relpages FROM pg_class WHERE relkind IN ('r', 'p')"))
    return sorted(tables, key=lambda table: -pages[table.name])


def hours(session: Session, table: PlannedTable, newer: str = "FALSE") -> tuple[Counts, Counts]:
    """Rows of each hour of a ledger, and those for which `newer` holds: one pass for both."""
    rows = session.rows(
        "SELECT CASE WHEN isfinite(u) THEN extract(epoch FROM u)::bigint "
        f"ELSE {ODD_UNIT} END, sum(n)::bigint, sum(new)::bigint FROM ("
        f"SELECT {_hour(session, table)} AS u, count(*) AS n, "
        f"count(*) FILTER (WHERE {newer}) AS new FROM {quote(table.name)} t "
        f"WHERE {' AND '.join([*guards(table.rule), 'TRUE'])} GROUP BY 1) x GROUP BY 1"
    )
    return {unit: n for unit, n, _ in rows}, {unit: new for unit, _, new in rows if new}


def count(session: Session, table: PlannedTable, where: str = "TRUE") -> Counts:
    """Rows of each run; only of rows `t` for which `where` holds."""
    name = quote(table.name)
    if table.rule.merge is Merge.RUN:
        query = f"SELECT t.id, 1 FROM {name} t WHERE {where}"
    elif table.has("dag_run_id"):
        query = f"SELECT t.dag_run_id, count(*) FROM {name} t WHERE {where} GROUP BY 1"
    elif table.has("dag_id", "run_id"):
        # Grouped before it is joined: one hash of the large table instead of two.
        query = (
            f"SELECT r.id, c.n FROM (SELECT t.dag_id, t.run_id, count(*) AS n FROM {name} t "
            f"WHERE {where} GROUP BY 1, 2) c "
            "JOIN dag_run r ON r.dag_id = c.dag_id AND r.run_id = c.run_id"
        )
    else:
        joins = " ".join(to_run(table))
        query = f"SELECT r.id, count(*) FROM {name} t {joins} WHERE {where} GROUP BY 1"
    return dict(session.rows(query))


def recount(session: Session, table: PlannedTable, units: Iterable[int]) -> Counts:
    """Rows of some units of a table that hangs on runs, found by its indexes."""
    name, wanted = quote(table.name), f"unnest({int_array(sorted(units))}) x(id)"
    if table.has("dag_run_id"):
        query = (
            f"SELECT t.dag_run_id, count(*) FROM {name} t JOIN {wanted} ON x.id = t.dag_run_id "
            "GROUP BY 1"
        )
    else:
        query = (
            f"SELECT r.id, count(*) FROM {name} t {' '.join(to_run(table))} "
            f"JOIN {wanted} ON x.id = r.id GROUP BY 1"
        )
    return dict(session.rows(query))


def total(session: Session, table: PlannedTable) -> int:
    """Rows of all runs together, for which an index with the DAG's or the run's id is enough."""
    name = quote(table.name)
    if table.has("dag_id") and not table.has("dag_run_id"):
        where = " AND ".join(not_ours(["dag_id"]))
        return session.value(f"SELECT count(*) FROM {name} t WHERE {where}")
    rows = session.value(f"SELECT count(*) FROM {name}")
    return rows - session.value(
        f"SELECT count(*) FROM {name} t {' '.join(to_run(table))} WHERE {ours('dag_id', 'r')}"
    )


def _hour(session: Session, table: PlannedTable) -> str:
    time = f"t.{quote(table.rule.time)}"
    if session.server_version >= DATE_BIN:
        return f"date_bin('{UNIT_SECONDS} seconds', {time}, '1970-01-01 00:00:00+00')"
    return f"date_trunc('hour', {time})"


def carried(table: PlannedTable, drifted: Drift, newer: str) -> list[str]:
    """Conditions, one of which holds for each row of a ledger that an incremental carries: new
    ones, and all that is left in hours that lost rows. An index finds the hours that they name."""
    grown = drifted.touched - drifted.shrunk - drifted.gone
    new = [f"{unit} AND {newer}" for unit in unit_conditions(table, grown)]
    left = unit_conditions(table, drifted.shrunk)
    return [*([newer] if len(new) > MOST_UNITS else new), *left]


def unit_conditions(table: PlannedTable, units: Iterable[int]) -> list[str]:
    """Conditions on the row `t`, one for each unit of a ledger."""
    time = f"t.{quote(table.rule.time)}"
    return [
        f"NOT coalesce(isfinite({time}), FALSE)"
        if unit == ODD_UNIT
        else f"{time} >= to_timestamp({unit}) AND {time} < to_timestamp({unit + UNIT_SECONDS})"
        for unit in sorted(units, reverse=True)
    ]
