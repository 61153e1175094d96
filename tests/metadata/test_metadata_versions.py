"""Generated rows of every carried table come back, on every Airflow, fresh and upgraded."""

# ruff: noqa: S608 - identifiers come from the catalogue

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from mwaa_dr_metadata import ImportMode, Phase, verify_import
from mwaa_dr_metadata.backups import open_backup
from mwaa_dr_metadata.declarations import Merge
from tests.metadata import metadata_versions as versions
from tests.metadata.metadata_rows import (
    DAGS,
    SEALED,
    SOURCE_IDS,
    TARGET_IDS,
    Maker,
    comparison,
    differences,
    plan_of,
)
from tests.metadata.metadata_world import Vault, World, at

pytestmark = pytest.mark.airflow

GONE_WITH_THE_SOURCES = (Merge.RUN, Merge.OF_RUN, Merge.LEDGER, Merge.MIRROR)
"""What is only ever added to stays: datasets, roles, log templates."""
EVERY = [
    pytest.param(name, marks=[] if name in versions.QUICK else [pytest.mark.matrix])
    for name in versions.CHAINS
]


@dataclass
class Pair:
    """A source full of generated rows, and an empty target with a life and ids of its own."""

    source: World
    target: World
    maker: Maker

    def restored(self) -> list[str]:
        """Tables whose rows an import writes."""
        tables = self.maker.plan.tables.values()
        return [table.name for table in tables if table.rule.merge is not Merge.PARKED]

    def compare(self, *, portable: bool = False) -> list[str]:
        tables = self.maker.tables
        queries = {n: comparison(n, tables, portable=portable) for n in self.restored()}
        return list(differences(self.source, self.target, queries))


@pytest.fixture
def make_pair(new_world, migrated, filled_source) -> Callable[..., Pair]:
    def make(of: str, into: str, *, portable: bool = False) -> Pair:
        return _pair(*filled_source(of, portable=portable), new_world(template=migrated(into)))

    return make


def _pair(world: World, maker: Maker, other: World) -> Pair:
    there = Maker(other, plan_of(other))
    there.move_sequences(TARGET_IDS)
    for user in maker.rows.get("ab_user", []):  # the same people, who logged in in another order
        alone = {"created_by_fk": None, "changed_by_fk": None}
        other.insert("ab_user", {**user, **alone, "id": 4 * SOURCE_IDS - user["id"]})
    return Pair(world, other, maker)


@pytest.fixture(params=EVERY)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def pair(make_pair, version) -> Pair:
    return make_pair(version, version)


def test_the_recorded_catalogue_is_what_airflow_makes(migrated, new_world, version):
    """`make catalogues` records them anew."""
    world = new_world(template=migrated(version))
    assert versions.describe(world.connection) == versions.recorded(version)


def test_everything_comes_back(pair: Pair, vault: Vault):
    key, manifest = vault.export(pair.source)
    report = vault.restore(pair.target, key)
    assert pair.compare() == []
    assert secrets(pair.target) == secrets(pair.source)
    assert (report.conflicts, report.not_carried, report.unreadable) == ([], {}, [])
    for name in pair.maker.plan.tables:
        assert manifest.counts[name] > 0, f"{name} had no row to carry"
    checks = verify_import(
        pair.target.engine, vault.storage, vault.sealer, pair.target.fernet, key, Phase.ALL
    )
    assert [check.table for check in checks if not check.matched] == []


def test_importing_twice_is_importing_once(pair: Pair, vault: Vault):
    key, _ = vault.export(pair.source)
    vault.restore(pair.target, key)
    vault.restore(pair.target, key)
    assert pair.compare() == []


def test_phases_may_come_in_either_order(pair: Pair, vault: Vault):
    key, _ = vault.export(pair.source)
    vault.restore(pair.target, key, Phase.HISTORY)
    vault.restore(pair.target, key, Phase.RESUME)
    assert pair.compare() == []


DANGLING = """
    DELETE FROM partitioned_asset_key_log l
    WHERE NOT EXISTS (SELECT FROM asset_event e WHERE e.id = l.asset_event_id)
       OR NOT EXISTS (SELECT FROM asset_partition_dag_run r
                      WHERE r.id = l.asset_partition_dag_run_id)
"""
"""Airflow has no foreign keys there and leaves rows that lead nowhere; a restore does not."""


def others(lines: list[str]) -> list[str]:
    """Without the variable of ours that says what a standby holds."""
    return [line for line in lines if "mwaa_dr_holds" not in line]


def test_a_standby_loses_what_its_source_lost_in_any_table(
    new_world, migrated, filled_source, vault, version
):
    ready, maker = filled_source(version, portable=False)
    ready.close()
    pair = _pair(new_world(like=ready), maker, new_world(template=migrated(version)))
    key, base = vault.export(pair.source)
    vault.restore(pair.target, key, mode=ImportMode.FOLLOW)
    assert others(pair.compare()) == []
    for name in reversed(list(maker.plan.tables)):
        rule = maker.plan.tables[name].rule
        run = f"{rule.queue.column} IS NULL" if rule.queue else "TRUE"
        if rule.queue or rule.follows or rule.merge in GONE_WITH_THE_SOURCES:
            last = f"SELECT max(ctid) FROM {name} WHERE {run}"
            assert pair.source.sql(f"DELETE FROM {name} WHERE ctid = ({last}) RETURNING 1"), name
    parent = open_backup(vault.storage, vault.sealer, key)
    newer, manifest = vault.export(pair.source, parent=parent)
    assert manifest.parent_id == base.backup_id
    vault.restore(pair.target, newer, mode=ImportMode.FOLLOW)
    if "partitioned_asset_key_log" in maker.plan.tables:
        pair.source.sql(DANGLING)
    assert others(pair.compare()) == []


def test_a_row_that_is_missing_in_any_table_is_noticed(pair: Pair, vault: Vault):
    """Otherwise the comparisons above could say nothing."""
    key, _ = vault.export(pair.source)
    vault.restore(pair.target, key)
    pair.target.sql("SET session_replication_role = replica")  # without what hangs on it
    for name in pair.restored():
        pair.target.sql(f"DELETE FROM {name} WHERE ctid = (SELECT max(ctid) FROM {name})")
    found = pair.compare()
    for name in pair.restored():
        assert any(line.startswith(f"{name} lost") for line in found), name


FRESH_AND_UPGRADED = [
    ("3.3.1", "3.3.1-upgraded"),
    pytest.param("3.3.1-upgraded", "3.3.1", marks=pytest.mark.matrix),
    pytest.param("2.11.2", "2.11.2-upgraded", marks=pytest.mark.matrix),
]


@pytest.mark.parametrize(("of", "into"), FRESH_AND_UPGRADED)
def test_a_fresh_database_and_an_upgraded_one_take_each_others_rows(make_pair, vault, of, into):
    """json here is jsonb there, sequences have other names, some tables exist only once."""
    pair = make_pair(of, into, portable=True)
    for table in {"log_template", "log", "dag_bundle"} & set(pair.maker.tables):
        pair.target.sql(f"DELETE FROM {table}")  # what migrations left there
    key, _ = vault.export(pair.source)
    report = vault.restore(pair.target, key)
    there = versions.describe(pair.target.connection)
    lacking = set(pair.maker.tables) - set(there)
    assert set(report.not_carried) == set(pair.restored()) & lacking
    queries = {
        name: comparison(name, pair.maker.tables, portable=True)
        for name in pair.restored()
        if name in there
    }
    assert list(differences(pair.source, pair.target, queries)) == []


def test_runs_and_tasks_point_to_the_newest_version_of_their_dag_here(pair, vault, version):
    if version.startswith("2"):
        pytest.skip("DAGs have versions from Airflow 3 on")
    bundle = "its own"
    pair.target.insert("dag_bundle", {"name": bundle, "active": True})
    dag = {**pair.maker.rows["dag"][0], "dag_id": DAGS[0], "bundle_name": bundle}
    pair.target.insert("dag", dag)
    made = {"dag_id": DAGS[0], "created_at": at(0), "last_updated": at(0)}

    def parsed(number: int) -> None:
        version = {"id": f"{number:032x}", "version_number": number, **made}
        pair.target.insert("dag_version", version)

    for number in (3, 1, 2):
        parsed(number)
    key, _ = vault.export(pair.source)
    vault.restore(pair.target, key)
    for table, column in (
        ("task_instance", "dag_version_id"),
        ("task_instance_history", "dag_version_id"),
        ("dag_run", "created_dag_version_id"),
    ):
        found = pair.target.sql(f"SELECT DISTINCT dag_id, {column}::text FROM {table}")
        there = {dag for (dag,) in pair.source.sql(f"SELECT DISTINCT dag_id FROM {table}")}
        assert {DAGS[0]} < there <= set(DAGS), table
        newest = {dag: 3 if dag == DAGS[0] else None for dag in there}
        assert {dag: value and int(value[-2:]) for dag, value in found} == newest, table
    parsed(4)
    checks = verify_import(
        pair.target.engine, vault.storage, vault.sealer, pair.target.fernet, key, Phase.ALL
    )
    assert [check.table for check in checks if not check.matched] == []


def secrets(world: World) -> dict[str, dict[str, tuple[str | None, ...]]]:
    """Every sealed column in clear, by the natural key of its row."""

    def clear(value: str | None, encrypted: bool | None) -> str | None:
        return world.fernet.decrypt(value.encode()).decode() if value and encrypted else value

    return {
        table: {
            row.get("key") or row["conn_id"]: tuple(
                clear(row[column], row[flag]) for column, flag in columns.items()
            )
            for row in world.sql_rows(f"SELECT * FROM {table}")
        }
        for table, columns in SEALED.items()
    }
