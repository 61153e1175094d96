"""A base and its incrementals are the source, whatever happened to it in between."""

import base64
from collections.abc import Callable
from dataclasses import replace as with_changes
from datetime import timedelta

import pytest

from contract.manifest import BackupKind, Manifest, ObjectSet
from contract.sites import InFlightRule, Site
from local import postgres
from mwaa_dr_metadata import (
    BackupRefusedError,
    ImportMode,
    MassDeleteError,
    Phase,
    unpark,
    verify_backup,
    verify_import,
)
from mwaa_dr_metadata.backups import newest, open_backup
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import T0, Vault, World, at

pytestmark = pytest.mark.airflow


def update(world: World) -> None:
    world.sql("UPDATE task_instance SET hostname = 'moved' WHERE run_id = 'scheduled__1'")
    world.sql("UPDATE xcom SET value = value || 'x'::bytea WHERE run_id = 'scheduled__2'")
    world.sql("UPDATE dag_run SET state = 'failed' WHERE run_id = 'scheduled__3'")
    world.sql("UPDATE dag_run_note SET content = 'new'")
    world.sql("UPDATE slot_pool SET slots = 42 WHERE pool = 'wide'")
    world.sql("UPDATE variable SET description = 'new' WHERE key = 'clear'")
    world.sql("UPDATE dag SET next_dagrun = %s WHERE dag_id = 'etl'", at(90))


def insert(world: World) -> None:
    world.dag("fresh")
    for n in range(3):
        world.run("fresh", f"scheduled__{n}", 200 + n)
        world.task("fresh", f"scheduled__{n}", "work")
        world.xcom("fresh", f"scheduled__{n}", "work", b'"v"')
    world.task("etl", "scheduled__0", "added_later")
    world.insert("variable", {"key": "added", "val": world.encrypted("x"), "is_encrypted": True})
    world.insert("log", {"dttm": at(500), "dag_id": "etl", "event": "late", "extra": hard.HOSTILE})
    dataset = world.one("SELECT id FROM dataset WHERE uri = 's3://a'")
    world.insert(
        "dataset_event",
        {"dataset_id": dataset, "extra": "{}", "source_map_index": -1, "timestamp": at(400)},
    )
    world.insert(
        "dataset_dag_run_queue",
        {"dataset_id": dataset, "target_dag_id": "etl", "created_at": at(400)},
    )


def delete(world: World) -> None:
    world.sql("DELETE FROM dag_run WHERE run_id = 'scheduled__4' AND dag_id = 'etl'")
    world.sql("DELETE FROM xcom WHERE key = 'pickled' AND run_id = 'scheduled__0'")
    world.sql("DELETE FROM rendered_task_instance_fields WHERE run_id = 'scheduled__1'")
    world.sql("DELETE FROM task_reschedule WHERE run_id = 'scheduled__2'")
    world.sql("DELETE FROM task_instance WHERE run_id = 'scheduled__0' AND map_index = 2")
    world.sql("DELETE FROM variable WHERE key = 'null'")
    world.sql("DELETE FROM connection WHERE conn_id = 'bare'")
    world.sql("DELETE FROM dataset_dag_run_queue")
    world.sql("DELETE FROM sla_miss")
    world.sql("DELETE FROM log WHERE id = (SELECT min(id) FROM log WHERE event = 'running')")
    world.sql("DELETE FROM trigger WHERE classpath = 'unused.C'")


def finish(world: World) -> None:
    world.sql("UPDATE dag_run SET state = 'success', end_date = now() WHERE dag_id = 'busy'")
    world.sql("UPDATE task_instance SET state = 'success', end_date = now() WHERE dag_id = 'busy'")
    world.sql("DELETE FROM xcom WHERE key = '_link'")


def replace(world: World) -> None:
    """Delete a run and make another one of the same name."""
    world.sql("DELETE FROM dag_run WHERE run_id = 'scheduled__5' AND dag_id = 'etl'")
    world.run("etl", "scheduled__5", 50, state="failed")
    world.task("etl", "scheduled__5", "only_this")


def nothing(_world: World) -> None:
    pass


HAPPENINGS: dict[str, tuple[Callable[[World], None], ...]] = {
    "nothing": (nothing, nothing),
    "update": (update,),
    "insert": (insert,),
    "delete": (delete,),
    "finish": (finish,),
    "replace": (replace,),
    "all in one": (lambda w: [step(w) for step in (update, insert, delete, finish, replace)],),
    "one after the other": (insert, update, finish, replace, delete, nothing),
}


def export(world: World, vault: Vault, **options) -> tuple[str, Manifest]:
    """As a schedule does it: going on from the newest backup."""
    parent = newest(vault.storage, vault.sealer, Site.PRIMARY, 1, timedelta(days=2))
    return vault.export(world, parent=parent, **options)


def differing(one: World, other: World) -> list[str]:
    return [name for name in hard.COMPARED if hard.rows(one, name) != hard.rows(other, name)]


@pytest.fixture(params=HAPPENINGS)
def happening(request) -> tuple[Callable[[World], None], ...]:
    return HAPPENINGS[request.param]


def test_a_base_and_its_incrementals_restore_the_source(happening, filled, target, vault):
    export(filled, vault)
    for step in happening:
        step(filled)
        key, manifest = export(filled, vault)
        assert manifest.kind is BackupKind.INCREMENTAL, manifest.reason
    vault.restore(target, key)
    assert differing(target, filled) == []
    assert hard.secrets(target) == hard.secrets(filled)
    assert verify_backup(vault.storage, vault.sealer, key).usable
    found = verify_import(target.engine, vault.storage, vault.sealer, target.fernet, key)
    assert [check.table for check in found if not check.matched] == []
    target.sql("UPDATE xcom SET value = 'other' WHERE run_id = 'scheduled__2' AND key = 'empty'")
    found = verify_import(target.engine, vault.storage, vault.sealer, target.fernet, key)
    assert [check.table for check in found if not check.matched] == ["xcom"]


def test_a_standby_follows_every_step(happening, filled, target, vault):
    target.sql("DELETE FROM connection")
    target.run("etl", "its_own", 77)
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    for step in happening:
        step(filled)
        key, manifest = export(filled, vault)
        report = vault.restore(target, key, mode=ImportMode.FOLLOW)
        assert report.applied == [manifest.backup_id]
        assert differing(target, filled) == []
        assert hard.secrets(target) == hard.secrets(filled)
    assert target.one("SELECT count(*) FROM dag_run WHERE run_id = 'its_own'") == 0


def test_a_standby_that_missed_some_backups_catches_up(filled, target, vault):
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    for step in (insert, update, delete):
        step(filled)
        key, _ = export(filled, vault)
    report = vault.restore(target, key, mode=ImportMode.FOLLOW)
    assert len(report.applied) == 3
    assert differing(target, filled) == []
    assert vault.restore(target, key, mode=ImportMode.FOLLOW).applied == []
    assert differing(target, filled) == []


def test_a_standby_follows_across_a_new_base(filled, target, vault):
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    insert(filled)
    export(filled, vault)
    delete(filled)
    _, base = export(filled, vault, kind=BackupKind.BASE)
    assert base.kind is BackupKind.BASE
    update(filled)
    key, last = export(filled, vault)
    assert last.base_id == last.parent_id == base.backup_id
    report = vault.restore(target, key, mode=ImportMode.FOLLOW)
    assert len(report.applied) == 3
    assert differing(target, filled) == []


def test_a_standby_whose_backups_are_gone_is_written_anew(filled, target, vault):
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    for path in (vault.folder / "backups").rglob("*"):
        path.unlink() if path.is_file() else None
    insert(filled)
    delete(filled)
    key, _ = export(filled, vault)
    report = vault.restore(target, key, mode=ImportMode.FOLLOW)
    assert report.removed == 1
    assert differing(target, filled) == []


def test_a_follow_that_failed_can_simply_be_run_again(filled, target, vault):
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    for step in (insert, update, delete):
        step(filled)
    key, _ = export(filled, vault)

    def fail(event):
        if event.step == "commit" and event.part == "resume":
            raise ConnectionError("the network went away")

    with pytest.raises(ConnectionError):
        vault.restore(target, key, mode=ImportMode.FOLLOW, progress=fail)
    assert len(vault.restore(target, key, mode=ImportMode.FOLLOW).applied) == 1
    assert differing(target, filled) == []


def test_an_incremental_does_not_carry_what_stayed(filled, vault):
    export(filled, vault)
    filled.sql("UPDATE xcom SET value = 'x' WHERE run_id = 'scheduled__1' AND key = 'pickled'")
    _, manifest = export(filled, vault)
    changed = {item.table: item.rows for item in manifest.objects if item.set is ObjectSet.CHANGES}
    assert changed["dag_run"] == 1
    assert "log" not in changed


def test_the_resume_set_of_an_incremental_needs_no_other_backup(filled, target, vault):
    first, _ = export(filled, vault)
    insert(filled)
    key, _ = export(filled, vault)
    (vault.folder / "backups" / first).unlink()
    vault.restore(target, key, Phase.RESUME)
    with pytest.raises(BackupRefusedError, match="goes on from"):
        vault.restore(target, key, Phase.HISTORY)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"system_identifier": "1"}, "system identifier"),
        ({"timeline": "99"}, "timeline"),
        ({"alembic_heads": {"alembic_version": "x"}}, "schema"),
        ({"snapshot": "900000000:900000001:"}, "went back"),
    ],
)
def test_another_database_forces_a_base(filled, vault, change, words):
    key, _ = export(filled, vault)
    parent = open_backup(vault.storage, vault.sealer, key)
    parent = with_changes(parent, manifest=with_changes(parent.manifest, **change))
    _, manifest = vault.export(filled, parent=parent, kind=BackupKind.INCREMENTAL)
    assert manifest.kind is BackupKind.BASE
    assert words in manifest.reason
    assert manifest.parent_id == ""


def test_a_damaged_parent_forces_a_base(filled, vault):
    key, manifest = export(filled, vault)
    state = next(item for item in manifest.objects if item.set is ObjectSet.STATE)
    path = vault.folder / "backups" / key.replace("manifest.json", state.key)
    path.write_bytes(path.read_bytes()[:-1])
    _, manifest = export(filled, vault)
    assert manifest.kind is BackupKind.BASE


def test_a_base_is_taken_when_the_last_one_is_old(filled, vault):
    export(filled, vault)
    _, manifest = export(filled, vault, base_every=timedelta(0))
    assert manifest.kind is BackupKind.BASE
    assert manifest.parent_id


def many_runs(world: World, number: int) -> None:
    world.dag("many")
    world.sql(
        "INSERT INTO dag_run (dag_id, run_id, execution_date, run_type, clear_number, state) "
        "SELECT 'many', 'scheduled__' || n, %s::timestamptz + n * interval '1 minute', "
        "'scheduled', 0, 'success' FROM generate_series(1, %s) n",
        T0,
        number,
    )


def test_a_mass_delete_is_refused_until_somebody_allows_it(filled, target, new_world, vault):
    many_runs(filled, 3000)
    standby = new_world()
    key, _ = export(filled, vault)
    vault.restore(standby, key, mode=ImportMode.FOLLOW)
    filled.sql("DELETE FROM dag_run WHERE dag_id = 'many'")
    export(filled, vault)
    insert(filled)
    key, _ = export(filled, vault)
    for world, options in ((target, {}), (standby, {"mode": ImportMode.FOLLOW})):
        runs = world.one("SELECT count(*) FROM dag_run")
        with pytest.raises(MassDeleteError, match="3000 of 30"):
            vault.restore(world, key, **options)
        assert world.one("SELECT count(*) FROM dag_run") == runs
        vault.restore(world, key, allow_mass_delete=True, **options)
        assert differing(world, filled) == []
    update(filled)
    key, _ = export(filled, vault)
    vault.restore(standby, key, mode=ImportMode.FOLLOW)
    assert differing(standby, filled) == []


def test_a_purge_is_no_mass_delete(filled, target, vault):
    many_runs(filled, 3000)
    export(filled, vault)
    filled.sql("DELETE FROM dag_run WHERE dag_id = 'many'")
    key, _ = export(filled, vault, purged={"dag_run": 3000})
    vault.restore(target, key)
    assert differing(target, filled) == []


def test_unfinished_work_of_a_standby_is_given_back_at_promotion(filled, target, vault):
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    insert(filled)
    key, _ = export(filled, vault)
    vault.restore(target, key, mode=ImportMode.FOLLOW)
    assert target.one("SELECT count(*) FROM dag_run WHERE state IN ('running', 'queued')") == 0
    report = unpark(
        target.engine, vault.storage, vault.sealer, target.fernet, key, InFlightRule.KEEP
    )
    assert {run["run_id"] for run in report.runs} == {"live", "waiting"}
    assert report.left == []


def test_what_a_transaction_in_progress_commits_later_is_in_the_next_incremental(
    filled, target, vault
):
    """Its transaction id is older than the parent's snapshot."""
    slow = postgres.connect(filled.url)
    slow.cursor().execute("UPDATE dag_run SET state = 'failed' WHERE run_id = 'scheduled__1'")
    insert(filled)
    export(filled, vault)
    slow.commit()
    slow.close()
    key, _ = export(filled, vault)
    vault.restore(target, key)
    assert differing(target, filled) == []
    assert target.one("SELECT state FROM dag_run WHERE run_id = 'scheduled__1'") == "failed"


def test_an_old_owner_takes_the_new_owners_rows_and_keeps_its_own(filled, new_world, vault):
    """Failback: the backup wins, and what only the old owner did is listed, not lost."""
    old_owner, new_owner = filled, new_world()
    key, _ = vault.export(old_owner)
    vault.restore(new_owner, key)
    for task in ("late", "later"):
        old_owner.run("etl", f"after_the_backup__{task}", 600 + len(task))
        old_owner.task("etl", f"after_the_backup__{task}", "extract")
    old_owner.sql("UPDATE task_instance SET hostname = 'stale' WHERE run_id = 'scheduled__2'")
    old_owner.sql("UPDATE dag SET is_paused = TRUE")
    old_owner.sql("UPDATE dag_run SET state = 'failed' WHERE state IN ('running', 'queued')")
    insert(new_owner)
    update(new_owner)
    key, _ = vault.export(new_owner)
    report = vault.restore(old_owner, key, mode=ImportMode.RECONCILE)
    assert report.kept == [
        {"dag_id": "etl", "run_id": "after_the_backup__late", "state": "success"},
        {"dag_id": "etl", "run_id": "after_the_backup__later", "state": "success"},
    ]
    for name in hard.COMPARED:
        mine, theirs = hard.rows(old_owner, name), hard.rows(new_owner, name)
        extra = [row for row in mine if row not in theirs]
        assert [row for row in theirs if row not in mine] == [], name
        assert all("after_the_backup__" in row for row in extra), name


VERSIONS = (
    "SELECT run_id, ctid::text, xmin::text FROM dag_run",
    "SELECT run_id, ctid::text, xmin::text FROM task_instance",
    "SELECT run_id, ctid::text, xmin::text FROM xcom",
)
"""Which versions of rows there are: PostgreSQL makes a new one with every write."""


def test_reconciling_writes_only_what_differs(filled, new_world, vault):
    """Deleting and inserting what is equal took longer than all else after a long past.

    What a backup cannot know, such as which job ran a task, differs in every row that came by way
    of another environment; the old owner keeps its own.
    """
    old_owner, new_owner = filled, new_world()
    old_owner.sql("UPDATE task_instance SET job_id = 7, queued_by_job_id = 8")
    old_owner.sql("UPDATE dag_run SET creating_job_id = 9")
    key, _ = vault.export(old_owner)
    vault.restore(new_owner, key)
    key, _ = vault.export(new_owner)
    old_owner.sql("UPDATE task_instance SET hostname = 'stale' WHERE run_id = 'scheduled__2'")
    changed = {"scheduled__2", "live", "waiting"}  # the others were in flight
    old_owner.sql("UPDATE dag SET is_paused = TRUE")
    held = [set(old_owner.sql(query)) for query in VERSIONS]
    report = vault.restore(old_owner, key, mode=ImportMode.RECONCILE)
    assert report.kept == []
    assert old_owner.one("SELECT count(*) FROM task_instance WHERE hostname = 'stale'") == 0
    for query, before in zip(VERSIONS, held, strict=True):
        written = {run_id for run_id, *_ in before - set(old_owner.sql(query))}
        assert written <= changed, query
        assert {run_id for run_id, *_ in before} - changed, query


def test_no_secret_is_in_any_byte_of_an_incremental(filled, vault):
    export(filled, vault)
    for step in (update, insert, delete):
        step(filled)
        export(filled, vault)
    planted = [*hard.SECRETS.values(), filled.key]
    files = [path for path in (vault.folder / "backups").rglob("*") if path.is_file()]
    assert len([path for path in files if path.name == "manifest.json"]) == 4
    for path in files:
        data = path.read_bytes()
        for secret in planted:
            for form in (secret.encode(), base64.b64encode(secret.encode())):
                assert form not in data, path.name
