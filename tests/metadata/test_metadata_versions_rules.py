"""Every table of every supported Airflow is carried whole, or left out for a reason.

The catalogues were read from databases that each version's own Airflow migrated, fresh and upgraded
(`metadata_versions`); nothing here needs a database.
"""

from typing import Any

import pytest

from mwaa_dr_metadata.catalogue import Catalogue, Column, ForeignKey, Table
from mwaa_dr_metadata.declarations import Merge
from mwaa_dr_metadata.inflight import interrupted
from mwaa_dr_metadata.plan import NO_RULE, Plan, identity_of, make_plan
from mwaa_dr_metadata.rules import EXCLUDED, RULES
from tests.metadata.metadata_versions import CHAINS, recorded


def catalogue_of(tables: dict[str, dict[str, Any]]) -> Catalogue:
    made: dict[str, Table] = {}
    for name, parts in tables.items():
        made[name] = Table(name, unique=[tuple(key) for key in parts.get("unique", [])])
        for column, text in parts["columns"].items():
            kind, *marks = text.split(", ")
            sequence = next((m.split()[1] for m in marks if m.startswith("sequence")), "")
            made[name].columns[column] = Column(column, kind, sequence, "default" in marks)
    keys = tuple(
        ForeignKey(name, tuple(key["columns"]), key["parent"])
        for name, parts in tables.items()
        for key in parts.get("foreign_keys", [])
    )
    return Catalogue(made, keys)


@pytest.fixture(params=list(CHAINS))
def tables(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    return recorded(request.param)


@pytest.fixture
def plan(tables) -> Plan:
    return make_plan(catalogue_of(tables))


def replaced(plan: Plan, name: str) -> set[str]:
    """Columns whose value in the backup never reaches a target as it is."""
    rule = plan.tables[name].rule
    changed = {column for column, sql in interrupted(name, "now").items() if sql == "NULL"}
    refs = {ref.column for ref in rule.refs}
    return refs | set(rule.nulls) | set(rule.versions) | set(rule.fixed) | changed


def test_no_table_is_forgotten(tables, plan):
    known = {name for name in tables if not name.startswith("alembic_version")}
    assert known == set(plan.tables) | set(plan.excluded)
    assert not set(plan.tables) & set(plan.excluded)
    assert {name for name, why in plan.excluded.items() if why == NO_RULE} == set()
    assert all(len(why) > 20 for why in plan.excluded.values())


def test_every_column_is_carried_or_replaced(tables, plan):
    for name, table in plan.tables.items():
        carried = {column.name for column in table.columns}
        serial = {"id"} if table.table.columns.get("id", Column("", "")).sequence else set()
        assert carried | {ref.column for ref in table.rule.refs} | serial == set(
            tables[name]["columns"]
        ), name


def test_ids_of_another_environment_are_never_taken_over(tables, plan):
    """A serial id means another row in another database, so each is looked up or dropped."""
    for name in plan.tables:
        for column, text in tables[name]["columns"].items():
            is_id = column.endswith("_id") and text.split(",")[0] == "integer"
            assert not is_id or column in replaced(plan, name), f"{name}.{column}"


def test_what_a_foreign_key_names_is_carried_too(tables, plan):
    for name in plan.tables:
        for key in tables[name].get("foreign_keys", []):
            fine = key["parent"] in plan.tables or set(key["columns"]) <= replaced(plan, name)
            assert fine, f"{name} {key}"


def test_a_reference_is_a_foreign_key_to_the_same_table_or_has_none(tables, plan):
    for name, table in plan.tables.items():
        keys = {tuple(k["columns"]): k["parent"] for k in tables[name].get("foreign_keys", [])}
        for ref in table.rule.refs:
            assert keys.get((ref.column,), ref.parent) == ref.parent, f"{name}.{ref.column}"
            nullable = "not null" not in tables[name]["columns"][ref.column]
            assert ref.required or nullable, f"{name}.{ref.column}"


def test_columns_that_are_dropped_may_be_null(tables, plan):
    for name, table in plan.tables.items():
        for column in (*table.rule.nulls, *table.rule.versions):
            assert "not null" not in tables[name]["columns"][column], f"{name}.{column}"


def test_keys_are_unique_where_the_merge_needs_it(tables, plan):
    for name, table in plan.tables.items():
        if table.rule.merge in (Merge.UPSERT, Merge.MIRROR, Merge.RUN):
            keys = [set(key) for key in tables[name]["unique"]]
            assert set(table.rule.key) in keys, name
        if table.rule.merge is Merge.KEYED:
            assert table.rule.key, name


def test_what_hangs_on_a_run_goes_with_it(tables, plan):
    """`OF_RUN` inserts blindly, because replacing a run deletes its rows first."""
    gone, before = {"dag_run"}, set()
    while gone != before:
        before = set(gone)
        gone |= {
            name
            for name, parts in tables.items()
            for key in parts.get("foreign_keys", [])
            if key["parent"] in gone and key["on_delete"] == "c"
        }
    hanging = {n for n, table in plan.tables.items() if table.rule.merge is Merge.OF_RUN}
    assert hanging <= gone


def test_ciphertext_is_sealed(tables, plan):
    for name, table in plan.tables.items():
        flags = {c for c in tables[name]["columns"] if c.endswith("encrypted")}
        assert flags == {item.flag for item in table.rule.sealed if item.flag}, name
    assert [item.column for item in plan.tables["trigger"].rule.sealed] == ["kwargs"]


def test_every_identity_has_columns(tables, plan):
    for table in plan.tables.values():
        for ref in table.rule.refs:
            assert identity_of(ref.parent, catalogue_of(tables)), f"{table.name}.{ref.column}"


def test_rules_name_nothing_that_no_version_has():
    catalogues = [catalogue_of(recorded(name)) for name in CHAINS]
    plans = [make_plan(catalogue) for catalogue in catalogues]
    for rule in RULES:
        fitted = [t.rule for plan in plans if (t := plan.named(rule.name))]
        assert fitted, f"no version has {rule.name}"
        for aspect in ("key", "refs", "nulls", "versions", "fixed", "update"):
            wanted = len(getattr(rule, aspect) or ())
            columns = {
                str(getattr(item, "column", item)).replace("execution", "logical")
                .replace("dataset", "asset")
                for found in fitted for item in getattr(found, aspect) or ()
            }  # fmt: skip
            assert len(columns) == wanted, f"{rule.name}: {aspect}"
    everywhere = {name for catalogue in catalogues for name in catalogue.tables}
    host = {"celery_taskmeta", "celery_tasksetmeta"}  # made by the executor, not by migrations
    assert set(EXCLUDED) - host <= everywhere


def test_a_leftover_of_an_upgrade_is_not_taken_for_the_table_it_was():
    upgraded = make_plan(catalogue_of(recorded("3.3.1-upgraded")))
    assert {"sla_miss", "_xcom_archive"} <= set(upgraded.excluded)
    assert "sla_miss" in make_plan(catalogue_of(recorded("2.11.2"))).tables
