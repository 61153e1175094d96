"""Fits the rules to a live catalogue, and puts the tables in an order that foreign keys allow."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from contract.manifest import RowFormat
from mwaa_dr_metadata.catalogue import Catalogue, Column, Table
from mwaa_dr_metadata.declarations import Merge, Ref, TableRule, Where
from mwaa_dr_metadata.errors import DatabaseSettingsError
from mwaa_dr_metadata.rules import (
    EXCLUDED,
    IDENTITY,
    IDENTITY_TYPES,
    LEFTOVER,
    REACHES_RUN,
    RENAMED_COLUMNS,
    RENAMED_TABLES,
    RULES,
    RUN_IDS,
)
from mwaa_dr_metadata.session import quote

REF_SEPARATOR = ":"
"""`dag_run_id:run_id` is the column `run_id` of the identity that `dag_run_id` points to."""

NO_RULE = "this version of the product has no rule for it"


def reference_column(ref: Ref, part: str) -> str:
    return f"{ref.column}{REF_SEPARATOR}{part}"


def renamed(text: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """A rule on a table that exists.

    Args:
        rule: with the names that this database uses.
        columns: plain columns, in the catalogue's order.
    """

    rule: TableRule
    table: Table
    columns: tuple[Column, ...]
    identity: Mapping[str, Mapping[str, str]]

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def carried(self) -> dict[str, str]:
        """Columns of an object of this table in order, with their types."""
        return {
            **{column.name: column.type for column in self.columns},
            **{name: self.table.columns[name].type for name in self.rule.numbers},
            **{
                name: IDENTITY_TYPES.get(part, "text")
                for ref in self.rule.refs
                for part, name in self.reference(ref).items()
                if REF_SEPARATOR in name
            },
        }

    def reference(self, ref: Ref) -> dict[str, str]:
        """Part of the parent's identity -> the column of an object that holds it."""
        return {
            part: part
            if ref.parent == "dag_run" and self.has(part)
            else reference_column(ref, part)
            for part in self.identity[ref.parent]
        }

    @property
    def format(self) -> RowFormat:
        """Rows with ciphertext are rewritten on the way, which needs text."""
        return RowFormat.TEXT if self.rule.sealed else RowFormat.BINARY

    def has(self, *columns: str) -> bool:
        return all(column in self.table.columns for column in columns)

    def to_run(self, row: str, runs: str, run: str) -> str:
        """Joins that lead from a row of this table to its run.

        Args:
            row: the alias of the row.
            runs: a table with the columns `id`, `dag_id` and `run_id`.
            run: the alias under which the run is joined; of a queue, NULL for a row without one.
        """
        if self.has("dag_id", "run_id"):
            return (
                f"JOIN {runs} {run} ON {run}.dag_id = {row}.dag_id AND {run}.run_id = {row}.run_id"
            )
        for column, (parent, key) in REACHES_RUN.items():
            if self.has(column):
                on = f"JOIN {parent} {run}_ ON {run}_.{key} = {row}.{column}"
                if parent.startswith("task_instance"):
                    names = (f"{run}.{name} = {run}_.{name}" for name in ("dag_id", "run_id"))
                    return f"{on} JOIN {runs} {run} ON {' AND '.join(names)}"
                return f"{on} LEFT JOIN {runs} {run} ON {run}.id = {run}_.created_dag_run_id"
        identifier = next(column for column in RUN_IDS if self.has(column))
        join = "LEFT JOIN" if self.rule.queue else "JOIN"
        return f"{join} {runs} {run} ON {run}.id = {row}.{quote(identifier)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Every table that is carried, parents first.

    Args:
        excluded: table -> why it is left out.
    """

    tables: Mapping[str, PlannedTable]
    excluded: Mapping[str, str]
    run_date: str
    """`execution_date`, or what this version calls it."""

    def ordered(self, names: Iterable[str]) -> list[PlannedTable]:
        wanted = set(names)
        return [table for name, table in self.tables.items() if name in wanted]

    def named(self, old_name: str) -> PlannedTable | None:
        """By the name that the rules use."""
        return self.tables.get(old_name) or self.tables.get(renamed(old_name, RENAMED_TABLES))

    @property
    def parents(self) -> set[str]:
        """What history refers to and only the resume set carries."""
        found: set[str] = set()
        wanted = [table.name for table in self.tables.values()]
        while wanted:
            for ref in self.tables[wanted.pop()].rule.refs:
                if ref.parent in self.tables and ref.parent not in found:
                    found.add(ref.parent)
                    wanted.append(ref.parent)
        return {
            name
            for name in found
            if self.tables[name].rule.resume in (Where.ALL, Where.PENDING_EVENTS)
        }


UNWANTED = "switched off in the settings"


def make_plan(catalogue: Catalogue, without: Collection[str] = ()) -> Plan:
    """Which rules apply here, under which names.

    Args:
        without: tables that are left out though there is a rule.

    Raises:
        DatabaseSettingsError: this is no database of Airflow.
    """
    catalogue.refuse_strangers(DatabaseSettingsError)
    tables: dict[str, PlannedTable] = {}
    for rule in RULES:
        new = renamed(rule.name, RENAMED_TABLES)
        if rule.until in catalogue.tables or rule.name in without:
            continue
        if rule.name in catalogue.tables:
            tables[rule.name] = _planned(rule, rule.name, catalogue, {}, {})
        elif new in catalogue.tables:
            tables[new] = _planned(rule, new, catalogue, RENAMED_TABLES, RENAMED_COLUMNS)
    graph = dependencies(catalogue, tables.values())
    runs = catalogue.tables["dag_run"].columns
    dates = (name for name in ("run_after", "logical_date") if name in runs)
    return Plan(
        tables={name: tables[name] for name in in_order(graph)},
        excluded={
            name: UNWANTED if name in without else _reason(name)
            for name in sorted(catalogue.tables)
            if name not in tables and not name.startswith("alembic_version")
        },
        run_date=next(dates, "execution_date"),
    )


def _reason(table: str) -> str:
    if table.startswith("_") or table in {rule.name for rule in RULES}:
        return LEFTOVER
    reasons = {**EXCLUDED, **{renamed(k, RENAMED_TABLES): why for k, why in EXCLUDED.items()}}
    return reasons.get(table, NO_RULE)


def _planned(
    rule: TableRule,
    name: str,
    catalogue: Catalogue,
    names: Mapping[str, str],
    columns: Mapping[str, str],
) -> PlannedTable:
    table = catalogue.tables[name]

    def present(wanted: Iterable[str]) -> tuple[str, ...]:
        return tuple(c for c in (renamed(w, columns) for w in wanted) if c in table.columns)

    refs = tuple(
        fitted
        for ref in rule.refs
        if (fitted := _reference(ref, table.columns.get(renamed(ref.column, columns)), names))
        and fitted.parent in catalogue.tables
    )
    replaced = {ref.column for ref in refs}
    return PlannedTable(
        rule=replace(
            rule,
            name=name,
            key=present(rule.key),
            refs=refs,
            versions=present(rule.versions),
            nulls=present(rule.nulls),
            numbers=present(rule.numbers),
            fixed={name: sql for name, sql in rule.fixed.items() if name in table.columns},
            update=rule.update if rule.update is None else present(rule.update),
        ),
        table=table,
        columns=tuple(
            item
            for item in table.columns.values()
            if not item.generated
            and item.name not in replaced
            and (rule.keep_id or not (item.name == "id" and item.sequence))
        ),
        identity={ref.parent: identity_of(ref.parent, catalogue) for ref in refs},
    )


def _reference(ref: Ref, column: Column | None, names: Mapping[str, str]) -> Ref | None:
    """As this version has it: a user's id is a number in Airflow 2 and text in 3."""
    if column is None:
        return None
    return replace(
        ref,
        column=column.name,
        parent=renamed(ref.parent, names),
        text=column.type.startswith("character"),
    )


def identity_of(parent: str, catalogue: Catalogue) -> dict[str, str]:
    """Part -> SQL over the row `{p}` that names it in any environment, without what is unknown
    to this version."""
    new = {renamed(name, RENAMED_TABLES): parts for name, parts in IDENTITY.items()}
    changes = {} if parent in IDENTITY and parent not in new else RENAMED_COLUMNS | RENAMED_TABLES
    columns = catalogue.tables[parent].columns if parent in catalogue.tables else {}

    def known(sql: str) -> bool:
        return all(name in columns for name in re.findall(r"\{p\}\.(\w+)", sql))

    found: dict[str, str] = {}
    for part, given in (IDENTITY.get(parent) or new[parent]).items():
        sqls = [renamed(sql, changes) for sql in ([given] if isinstance(given, str) else given)]
        fitting = [sql for sql in sqls if known(sql)]
        if fitting:
            digest = f"md5(ROW({', '.join(fitting)})::text)"
            found[part] = fitting[0] if isinstance(given, str) else digest
    return found


def dependencies(catalogue: Catalogue, tables: Iterable[PlannedTable]) -> dict[str, set[str]]:
    """Table -> tables that must be merged before it: live foreign keys and declared references."""
    planned = {table.name: table for table in tables}
    graph: dict[str, set[str]] = {name: set() for name in planned}
    for key in catalogue.foreign_keys:
        if key.table in planned and key.parent in planned and key.parent != key.table:
            graph[key.table].add(key.parent)
    for name, table in planned.items():
        graph[name].update(ref.parent for ref in table.rule.refs if ref.parent in planned)
        if table.rule.merge is Merge.OF_RUN:
            graph[name].add("dag_run")
        graph[name].update(
            parent
            for column, (parent, _) in REACHES_RUN.items()
            if table.has(column) and parent in planned
        )
    return graph


def in_order(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Parents before children, otherwise by name, so that every run works in the same order.

    Raises:
        ValueError: the tables depend on each other in a circle.
    """
    sorter = TopologicalSorter({name: sorted(parents) for name, parents in sorted(graph.items())})
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"tables depend on each other in a circle: {error.args[1]}") from error
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order.extend(ready)
        sorter.done(*ready)
    return order
