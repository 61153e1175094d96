"""Fits the rules to a live catalogue, and puts the tables in an order that foreign keys allow."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from contract.manifest import RowFormat
from mwaa_dr_metadata.catalogue import Catalogue, Column, Table
from mwaa_dr_metadata.errors import DatabaseSettingsError
from mwaa_dr_metadata.rules import (
    EXCLUDED,
    IDENTITY,
    IDENTITY_TYPES,
    RENAMED_COLUMNS,
    RENAMED_TABLES,
    RULES,
    Merge,
    Ref,
    TableRule,
)

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


UNWANTED = "switched off in the settings"


def make_plan(catalogue: Catalogue, without: Collection[str] = ()) -> Plan:
    """Which rules apply here, under which names.

    Args:
        without: tables that are left out though there is a rule.

    Raises:
        DatabaseSettingsError: this is no database of Airflow.
    """
    if "dag_run" not in catalogue.tables:
        raise DatabaseSettingsError("this database holds no Airflow metadata: no table dag_run")
    tables: dict[str, PlannedTable] = {}
    for rule in RULES:
        if rule.name in without:
            continue
        new = renamed(rule.name, RENAMED_TABLES)
        if rule.name in catalogue.tables:
            tables[rule.name] = _planned(rule, catalogue.tables[rule.name], {}, {})
        elif new in catalogue.tables:
            table = catalogue.tables[new]
            tables[new] = _planned(rule, table, RENAMED_TABLES, RENAMED_COLUMNS)
    graph = dependencies(catalogue, tables.values())
    excluded = {**EXCLUDED, **{renamed(k, RENAMED_TABLES): why for k, why in EXCLUDED.items()}}
    return Plan(
        tables={name: tables[name] for name in in_order(graph)},
        excluded={
            name: UNWANTED if name in without else excluded.get(name, NO_RULE)
            for name in sorted(catalogue.tables)
            if name not in tables and not name.startswith("alembic_version")
        },
        run_date=next(
            (
                new
                for old, new in RENAMED_COLUMNS.items()
                if old == "execution_date" and old not in catalogue.tables["dag_run"].columns
            ),
            "execution_date",
        ),
    )


def _planned(
    rule: TableRule, table: Table, names: Mapping[str, str], columns: Mapping[str, str]
) -> PlannedTable:
    def column(name: str) -> str:
        return name if name in table.columns else renamed(name, RENAMED_COLUMNS)

    refs = tuple(
        Ref(column(ref.column), renamed(ref.parent, names), ref.required)
        for ref in rule.refs
        if table.columns.get(column(ref.column), Column("", "")).type == "integer"
    )
    fitted = replace(
        rule,
        name=table.name,
        key=tuple(column(name) for name in rule.key),
        refs=refs,
        nulls=tuple(name for name in rule.nulls if name in table.columns),
        fixed={name: sql for name, sql in rule.fixed.items() if name in table.columns},
        update=rule.update
        if rule.update is None
        else tuple(name for name in rule.update if name in table.columns),
    )
    replaced = {ref.column for ref in refs}
    return PlannedTable(
        rule=fitted,
        table=table,
        columns=tuple(
            item
            for item in table.columns.values()
            if not item.generated
            and item.name not in replaced
            and (rule.keep_id or not (item.name == "id" and item.sequence))
        ),
        identity={
            renamed(parent, names): {
                part: renamed(renamed(sql, columns), names) for part, sql in parts.items()
            }
            for parent, parts in IDENTITY.items()
        },
    )


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
