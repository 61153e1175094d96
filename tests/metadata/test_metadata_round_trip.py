"""What was in the source is in the target, compared by the test's own SQL."""

# ruff: noqa: S608 - fixed text

import psycopg2
import pytest

from mwaa_dr_metadata import Phase, load_oracle, verify_backup, verify_import
from mwaa_dr_metadata.oracle import compare_schedule
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import World

pytestmark = pytest.mark.airflow


@pytest.fixture
def other(target: World) -> World:
    """A target with a life of its own: other ids, own recovery DAGs, variables and log entries."""
    target.insert(
        "log_template", {"filename": "its/own", "elasticsearch_id": "i", "created_at": hard.T0}
    )
    target.dag("mwaa_dr_agent")
    target.run("mwaa_dr_agent", "own__1", 3)
    target.task("mwaa_dr_agent", "own__1", "beat")
    target.insert("variable", {"key": "mwaa_dr_bucket", "val": "own-bucket", "is_encrypted": False})
    target.insert("log", {"dttm": hard.T0, "dag_id": "mwaa_dr_agent", "event": "own"})
    return target


def test_everything_comes_back(filled, other, vault):
    key, manifest = vault.export(filled)
    report = vault.restore(other, key)
    for name in hard.COMPARED:
        assert hard.rows(other, name) == hard.rows(filled, name), name
        assert hard.rows(filled, name), f"nothing was compared in {name}"
    assert hard.secrets(other) == hard.secrets(filled)
    assert all(check.matched for check in report.tables)
    assert report.conflicts == []
    assert report.not_carried == {}
    assert report.unreadable == manifest.unreadable == []
    assert report.schedule == []


def test_importing_twice_is_importing_once(filled, other, vault):
    key, _ = vault.export(filled)
    vault.restore(other, key)
    whole = "SELECT t::text FROM task_instance t ORDER BY 1"
    once = {name: hard.rows(other, name) for name in hard.COMPARED}
    tasks = other.sql(whole)
    again = vault.restore(other, key)
    assert {name: hard.rows(other, name) for name in hard.COMPARED} == once
    assert other.sql(whole) == tasks
    history = {check.table: check for check in again.tables if check.part == "history"}
    assert history["task_instance"].present == 0
    assert history["task_instance"].skipped > 0


def test_phases_make_together_what_all_makes(filled, other, new_world, vault):
    key, _ = vault.export(filled)
    whole = new_world()
    vault.restore(whole, key)
    vault.restore(other, key, Phase.RESUME)
    assert len(hard.rows(other, "dag_run")) < len(hard.rows(filled, "dag_run"))
    vault.restore(other, key, Phase.HISTORY)
    for name in hard.COMPARED:
        assert hard.rows(other, name) == hard.rows(whole, name), name


def test_history_may_come_first(filled, target, vault):
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.HISTORY)
    vault.restore(target, key, Phase.RESUME)
    for name in hard.COMPARED:
        assert hard.rows(target, name) == hard.rows(filled, name), name


def test_a_backup_of_a_restored_environment_restores_the_same(filled, other, new_world, vault):
    key, _ = vault.export(filled)
    vault.restore(other, key)
    key, _ = vault.export(other)
    third = new_world()
    vault.restore(third, key)
    for name in hard.COMPARED:
        assert hard.rows(third, name) == hard.rows(filled, name), name
    assert hard.secrets(third) == hard.secrets(filled)


def test_a_newer_backup_replaces_what_an_older_one_brought(filled, other, vault):
    older, _ = vault.export(filled)
    vault.restore(other, older, Phase.RESUME)
    filled.sql("UPDATE dag_run SET state = 'success', end_date = now() WHERE state = 'running'")
    filled.sql("UPDATE task_instance SET state = 'success' WHERE run_id = 'live'")
    filled.sql("DELETE FROM dataset_dag_run_queue")
    filled.sql("UPDATE slot_pool SET slots = 99 WHERE pool = 'wide'")
    newer, _ = vault.export(filled)
    vault.restore(other, newer)
    for name in hard.COMPARED:
        assert hard.rows(other, name) == hard.rows(filled, name), name
    states = other.sql("SELECT DISTINCT state FROM task_instance WHERE run_id = 'live'")
    assert states == [("success",)]


def test_every_dag_is_paused_and_the_schedule_is_the_oracles(filled, other, vault):
    other.dag("only_here")
    key, _ = vault.export(filled)
    vault.restore(other, key, Phase.RESUME)
    oracle = load_oracle(vault.storage, vault.sealer, key)
    assert {entry.dag_id for entry in oracle} == {"etl", "paused", "busy", "consumer"}
    assert [e.is_paused for e in oracle if e.dag_id in ("etl", "paused")] == [False, True]
    assert compare_schedule(other.engine, oracle) == []
    awake = other.sql("SELECT dag_id FROM dag WHERE NOT is_paused")
    assert awake == [("mwaa_dr_agent",)]
    other.sql("UPDATE dag SET next_dagrun = '2020-01-01Z' WHERE dag_id = 'etl'")
    found = compare_schedule(other.engine, oracle)
    assert [(d.dag_id, d.column, d.found) for d in found] == [
        ("etl", "next_dagrun", "2020-01-01T00:00:00+00:00")
    ]


def test_a_dag_that_was_parsed_here_keeps_its_own_description(filled, other, vault):
    other.dag("etl", description="as parsed here", fileloc="/here.py", next_dagrun=None)
    key, _ = vault.export(filled)
    vault.restore(other, key, Phase.RESUME)
    row = other.sql("SELECT description, fileloc, is_paused FROM dag WHERE dag_id = 'etl'")
    assert row == [("as parsed here", "/here.py", True)]
    assert compare_schedule(other.engine, load_oracle(vault.storage, vault.sealer, key)) == []


def test_the_resume_set_is_what_scheduling_needs(filled, target, vault):
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    runs = {tuple(row) for row in target.sql("SELECT dag_id, run_id FROM dag_run")}
    assert runs == {
        ("etl", "scheduled__5"),  # latest scheduled, and latest success
        ("etl", "manual__failed"),  # latest of its type
        ("paused", "scheduled__0"),
        ("busy", "live"),  # unfinished, and latest of its type with the next one
        ("busy", "waiting"),
        ("busy", "done"),  # latest success
        ("consumer", "dataset_triggered__1"),
    }
    events = target.sql("SELECT timestamp FROM dataset_event ORDER BY 1")
    assert [row[0] for row in events] == [hard.at(14), hard.at(14), hard.at(40)]


def test_a_horizon_brings_recent_runs_into_the_resume_set(filled, target, vault):
    filled.sql(
        "UPDATE dag_run SET end_date = now() WHERE run_id IN ('scheduled__1', 'scheduled__2')"
    )
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    found = target.sql("SELECT run_id FROM dag_run WHERE dag_id = 'etl' AND run_type = 'scheduled'")
    assert {row[0] for row in found} == {"scheduled__1", "scheduled__2", "scheduled__5"}


def test_the_reports_numbers_agree_with_the_databases(filled, other, vault):
    key, manifest = vault.export(filled)
    report = vault.restore(other, key)
    total: dict[str, int] = {}
    for check in report.tables:
        total[check.table] = total.get(check.table, 0) + check.present
    for table in ("dag_run", "task_instance", "xcom", "log", "task_fail", "dataset_event"):
        name = "source_dag_id" if table == "dataset_event" else "dag_id"
        own = f"coalesce({name}, '') LIKE 'mwaa\\_dr\\_%'"
        there = other.one(f"SELECT count(*) FROM {table} WHERE NOT {own}")
        assert total[table] == there == manifest.counts[table], table


def test_verification_sees_every_kind_of_difference(filled, target, vault):
    key, _ = vault.export(filled)
    vault.restore(target, key)

    def verify() -> set[str]:
        checks = verify_import(
            target.engine, vault.storage, vault.sealer, target.fernet, key, Phase.ALL
        )
        return {check.table for check in checks if not check.matched}

    before = target.sql("SELECT count(*) FROM task_instance")
    assert verify() == set()
    assert target.sql("SELECT count(*) FROM task_instance") == before
    for statement, table in (
        ("UPDATE task_instance SET hostname = 'x' WHERE task_id = 'extract'", "task_instance"),
        ("DELETE FROM task_fail WHERE id = (SELECT max(id) FROM task_fail)", "task_fail"),
        ("DELETE FROM log WHERE id = (SELECT max(id) FROM log)", "log"),
        ("UPDATE xcom SET value = value || 'x'::bytea WHERE key = 'empty'", "xcom"),
        ("UPDATE slot_pool SET description = NULL WHERE description = ''", "slot_pool"),
        ("DELETE FROM variable WHERE key = 'null'", "variable"),
        (
            f"UPDATE connection SET password = '{target.encrypted('other')}' WHERE conn_id = 'db'",
            "connection",
        ),
    ):
        target.sql(statement)
        assert table in verify(), statement


def test_a_50_mb_xcom_comes_back(filled, target, vault):
    blob = bytes(range(256)) * (50 * 4096)
    filled.sql("UPDATE xcom SET value = %s WHERE key = 'empty' AND run_id = 'scheduled__5'",
               psycopg2.Binary(blob))  # fmt: skip
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    found = target.one("SELECT value FROM xcom WHERE key = 'empty' AND run_id = 'scheduled__5'")
    assert bytes(found) == blob


def test_a_whole_backup_verifies(filled, vault):
    key, manifest = vault.export(filled)
    check = verify_backup(vault.storage, vault.sealer, key)
    assert check.usable
    assert check.rows == sum(manifest.counts.values())
    assert check.objects == len(manifest.objects)


def test_every_table_is_carried_or_left_out_for_a_reason(filled, vault):
    _, manifest = vault.export(filled)
    tables = {row[0] for row in filled.sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND "
                                           "relnamespace = 'public'::regnamespace")}  # fmt: skip
    carried = set(manifest.counts)
    assert carried | set(manifest.excluded) == tables - {"alembic_version"}
    assert not carried & set(manifest.excluded)
    assert all("no rule" not in reason for reason in manifest.excluded.values())


def test_an_environment_without_a_single_dag_can_be_restored(source, target, vault):
    key, _ = vault.export(source)
    report = vault.restore(target, key)
    assert report.interrupted == []
    assert target.one("SELECT count(*) FROM dag_run") == 0


def test_rendered_fields_can_be_left_out(filled, target, vault):
    key, manifest = vault.export(filled, without=["rendered_task_instance_fields"])
    assert "switched off" in manifest.excluded["rendered_task_instance_fields"]
    vault.restore(target, key)
    assert hard.rows(target, "rendered") == []
    assert hard.rows(target, "task_instance") == hard.rows(filled, "task_instance")
