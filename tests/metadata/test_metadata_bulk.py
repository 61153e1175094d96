"""The offline way in: the same rows, and the tables as Airflow built them."""

from dataclasses import replace

import pytest

from contract.manifest import ObjectSet
from mwaa_dr_metadata import (
    BackupRefusedError,
    ImportMode,
    ImportOptions,
    TargetRefusedError,
    import_backup,
    plan,
)
from mwaa_dr_metadata.database import engine_from_url
from mwaa_dr_metadata.selection import RESUME
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import Vault, World
from tests.metadata.test_metadata_incremental import delete, differing, export, insert, update

pytestmark = pytest.mark.airflow

BULK = {"mode": ImportMode.BULK}


def bulk(world: World, vault: Vault, key: str, **options):
    """As the tables' owner; the role of other tests owns nothing."""
    progress = options.pop("progress", None)
    return import_backup(
        engine_from_url(world.cluster.url_of(world.name)),
        vault.storage,
        vault.sealer,
        world.fernet,
        key,
        ImportOptions(**BULK, **options),
        progress=progress,
    )


def structure(world: World) -> list[tuple[str, ...]]:
    return world.sql(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace UNION ALL "
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
        "ORDER BY 1, 2, 3"
    )


def test_everything_comes_back_and_the_tables_are_as_they_were(filled, target, vault):
    before = structure(target)
    target.dag("mwaa_dr_agent")
    target.run("mwaa_dr_agent", "own__1", 3)
    target.task("mwaa_dr_agent", "own__1", "beat")
    key, _ = vault.export(filled)
    report = bulk(target, vault, key)
    assert differing(target, filled) == []
    assert hard.secrets(target) == hard.secrets(filled)
    assert structure(target) == before
    assert all(check.matched for check in report.tables)
    assert target.one("SELECT count(*) FROM dag_run WHERE dag_id = 'mwaa_dr_agent'") == 1
    assert target.one("SELECT count(*) FROM dag WHERE NOT is_paused AND dag_id = 'etl'") == 0


def test_what_rows_are_led_to_by_an_index_keeps_it(filled, target, vault):
    """Without it every part with event references read all events again, once per event."""

    def index(name: str) -> int:
        return target.one(f"SELECT to_regclass('{name}')::oid::bigint")

    names = ("idx_dataset_id_timestamp", "ti_state")
    before = [index(name) for name in names]
    key, _ = vault.export(filled)
    bulk(target, vault, key)
    events, tasks = (index(name) == was for name, was in zip(names, before, strict=True))
    assert (events, tasks) == (True, False), "the same index as before"


def test_all_of_history_has_statistics(filled, target, vault):
    key, _ = vault.export(filled)
    bulk(target, vault, key)
    known = {name for (name,) in target.sql("SELECT DISTINCT tablename FROM pg_stats")}
    assert {"dag_run", "task_instance", "log", "dataset_event"} <= known


def test_a_chain_comes_back(filled, target, vault):
    export(filled, vault)
    for step in (insert, update, delete):
        step(filled)
        key, _ = export(filled, vault)
    bulk(target, vault, key)
    assert differing(target, filled) == []


def finished_runs(world: World) -> dict[int, tuple[str, str]]:
    rows = world.sql("SELECT id, dag_id, run_id FROM dag_run WHERE state = 'success'")
    return {number: (dag_id, run_id) for number, dag_id, run_id in rows}


def test_runs_keep_their_numbers_where_no_run_has_one(filled, target, vault):
    """Rows that refer to them need no translation then, and new runs get numbers beyond them."""
    for number in range(20):
        filled.run("etl", f"early__{number}", -100 - number)
    filled.sql("DELETE FROM dag_run WHERE run_id <> 'early__19' AND run_id LIKE 'early__%'")
    filled.run("etl", "late", -99)
    filled.task("etl", "late", "load")
    filled.xcom("etl", "late", "load", b"7")
    key, _ = vault.export(filled)
    seen = []
    bulk(target, vault, key, progress=seen.append)
    source, here = finished_runs(filled), finished_runs(target)
    kept = {run for number, run in here.items() if source.get(number) == run}
    assert {("etl", "early__19"), ("etl", "late")} <= kept
    staged = {event.part for event in seen if (event.step, event.table) == ("stage", "xcom")}
    assert staged == {RESUME}, "history goes straight in"
    assert differing(target, filled) == []
    target.run("etl", "new", 5000)
    new = target.one("SELECT id FROM dag_run WHERE run_id = 'new'")
    assert new == target.one("SELECT max(id) FROM dag_run")


@pytest.mark.parametrize("newer", [False, True])
def test_a_backup_without_the_runs_numbers_comes_back_too(
    filled, target, vault, monkeypatch, newer
):
    """Earlier versions made such; a chain may go on with numbers, which could be taken then."""
    with monkeypatch.context() as patch:
        patch.setattr(plan, "RULES", tuple(replace(rule, numbers=()) for rule in plan.RULES))
        key, manifest = export(filled, vault)
    assert all("id" not in item.columns for item in manifest.objects if item.table == "dag_run")
    if newer:
        insert(filled)
        key, manifest = export(filled, vault)
        assert any("id" in item.columns for item in manifest.objects if item.table == "dag_run")
    bulk(target, vault, key)
    assert differing(target, filled) == []


def test_a_used_environment_is_refused(filled, target, vault):
    target.run("etl", "its_own")
    key, _ = vault.export(filled)
    with pytest.raises(TargetRefusedError, match="1 runs of its own"):
        bulk(target, vault, key)


def test_a_role_that_does_not_own_the_tables_is_refused(filled, target, vault):
    key, _ = vault.export(filled)
    with pytest.raises(TargetRefusedError, match="belong to another role"):
        vault.restore(target, key, **BULK)


def test_a_failure_at_the_very_end_leaves_everything_as_it_was(filled, target, vault):
    before = structure(target)
    key, _ = vault.export(filled)

    def fail(event):
        if event.step == "commit":
            raise ConnectionError("the network went away")

    with pytest.raises(ConnectionError):
        bulk(target, vault, key, progress=fail)
    assert structure(target) == before
    assert target.one("SELECT count(*) FROM dag_run") == 0
    bulk(target, vault, key)
    assert differing(target, filled) == []


def test_a_spoilt_object_leaves_everything_as_it_was(filled, target, vault):
    before = structure(target)
    key, manifest = vault.export(filled)
    item = next(i for i in manifest.objects if i.table == "log" and i.set is ObjectSet.HISTORY)
    path = vault.folder / "backups" / key.replace("manifest.json", item.key)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BackupRefusedError):
        bulk(target, vault, key)
    assert structure(target) == before
    assert target.one("SELECT count(*) FROM dag_run") == 0
