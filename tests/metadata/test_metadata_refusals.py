"""A bad backup or a wrong target is refused by name before the first write."""

import base64
import json
import shutil
from dataclasses import replace

import pytest

from contract import keys
from contract.manifest import Manifest, ObjectSet
from contract.sites import Site
from local import postgres
from mwaa_dr_metadata import (
    BackupRefusedError,
    FileSealer,
    ImportVerificationError,
    Phase,
    TargetRefusedError,
    guarded,
    list_backups,
    parts,
    verify_backup,
)
from mwaa_dr_metadata.merge import merge as real_merge
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import IDENTITY, Vault, World

pytestmark = pytest.mark.airflow

EVERYTHING = ("variable", "connection", "slot_pool", "dag", "dag_run", "task_instance", "log",
              "dataset", "trigger", "xcom", "log_template")  # fmt: skip


def contents(world: World) -> dict[str, list]:
    return {
        table: world.sql(f"SELECT t::text FROM {table} t ORDER BY 1")  # noqa: S608
        for table in EVERYTHING
    }


@pytest.fixture
def backup(filled, vault):
    return vault.export(filled)


def path_of(vault: Vault, key: str, name: str):
    return vault.folder / "backups" / key.replace(keys.MANIFEST, name)


def objects(manifest: Manifest, table: str = "task_instance"):
    return [
        item for item in manifest.objects if item.table == table and item.set is not ObjectSet.STATE
    ]


def spoil_missing(path):
    path.unlink()


def spoil_cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def spoil_changed(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def spoil_emptied(path):
    path.write_bytes(b"")


SPOILS = [spoil_missing, spoil_cut, spoil_changed, spoil_emptied]


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", ["resume", "oracle"])
def test_a_spoilt_resume_object_is_refused_before_the_first_write(
    backup, target, vault, spoil, name
):
    key, manifest = backup
    item = objects(manifest)[-1].key if name == "resume" else "oracle.json"
    assert name in item
    spoil(path_of(vault, key, item))
    before = contents(target)
    with pytest.raises(BackupRefusedError):
        vault.restore(target, key)
    assert contents(target) == before
    assert verify_backup(vault.storage, vault.sealer, key).problems


@pytest.mark.parametrize("spoil", SPOILS)
def test_a_spoilt_history_object_stops_its_part_only(backup, target, vault, spoil):
    key, manifest = backup
    item = next(item for item in objects(manifest, "log"))
    spoil(path_of(vault, key, item.key))
    with pytest.raises(BackupRefusedError):
        vault.restore(target, key, Phase.HISTORY)
    assert target.one("SELECT count(*) FROM log WHERE event = 'running'") == 0


@pytest.mark.parametrize("change", [
    {"environment": "other"}, {"counts": {}}, {"epoch": 2}, {"snapshot_at": "2020-01-01T00:00:00Z"},
    {"objects": []}, {"signature": ""}, {"alembic_heads": {}},
])  # fmt: skip
def test_a_manifest_that_was_altered_is_refused(backup, target, vault, change):
    key, manifest = backup
    path_of(vault, key, keys.MANIFEST).write_text(replace(manifest, **change).to_json())
    with pytest.raises(BackupRefusedError):
        vault.restore(target, key)


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"format_version": 99}'])
def test_what_is_no_manifest_is_refused(backup, target, vault, text):
    key, _ = backup
    path_of(vault, key, keys.MANIFEST).write_text(text)
    with pytest.raises(BackupRefusedError):
        vault.restore(target, key)


def test_a_backup_without_a_manifest_does_not_exist(backup, target, vault):
    key, _ = backup
    path_of(vault, key, keys.MANIFEST).unlink()
    assert list_backups(vault.storage) == []
    with pytest.raises(BackupRefusedError, match="no manifest"):
        vault.restore(target, key)


def test_objects_of_two_backups_cannot_be_mixed(filled, target, vault):
    key, manifest = vault.export(filled)
    other, same = vault.export(filled)
    names = [item.key for item in objects(manifest)]
    assert names == [item.key for item in objects(same)]
    shutil.copy(path_of(vault, other, names[-1]), path_of(vault, key, names[-1]))
    with pytest.raises(BackupRefusedError):
        vault.restore(target, key)


def test_a_manifest_does_not_vouch_for_another_place(backup, target, vault):
    key, _ = backup
    elsewhere = key.replace("/00000001/", "/00000007/")
    shutil.copytree(path_of(vault, key, ""), path_of(vault, elsewhere, ""))
    with pytest.raises(BackupRefusedError, match="holds the manifest of"):
        vault.restore(target, elsewhere)


def test_a_backup_sealed_by_another_key_is_refused(backup, target, vault, tmp_path):
    vault.sealer = FileSealer.create(tmp_path / "another.key")
    with pytest.raises(BackupRefusedError, match="not sealed by"):
        vault.restore(target, backup[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expected_installation": "sales"}, "belongs to installation 'data'"),
        ({"airflow_version": "2.9.2"}, "Airflow 2.10.3"),
    ],
)
def test_a_backup_that_does_not_fit_is_refused(backup, target, vault, options, words):
    with pytest.raises(BackupRefusedError, match=words):
        vault.restore(target, backup[0], **options)


def test_another_version_with_the_same_schema_may_be_accepted(backup, target, vault):
    options = {"airflow_version": "2.11.2", "allow_version_mismatch": True}
    assert vault.restore(target, backup[0], Phase.RESUME, **options).rows > 0


def test_another_schema_is_refused(backup, target, vault):
    target.sql("UPDATE alembic_version SET version_num = 'abc'")
    with pytest.raises(BackupRefusedError, match="schema"):
        vault.restore(target, backup[0])


def test_a_database_that_is_not_airflows_is_refused(backup, target, vault):
    target.sql(
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public"
    )
    with pytest.raises(TargetRefusedError, match="no Airflow metadata"):
        vault.restore(target, backup[0])


def test_the_owners_live_environment_is_never_overwritten(backup, target, vault):
    before = contents(target)
    with pytest.raises(TargetRefusedError, match="owns the epoch"):
        vault.restore(target, backup[0], owner_check=lambda: True)
    assert contents(target) == before


def test_ownership_that_moves_during_the_import_undoes_it(backup, target, vault):
    answers = iter([False, True])
    before = contents(target)
    with pytest.raises(TargetRefusedError, match="owns the epoch"):
        vault.restore(target, backup[0], Phase.RESUME, owner_check=lambda: next(answers))
    assert contents(target) == before


def test_the_owners_history_may_be_filled_up(backup, target, vault):
    assert vault.restore(target, backup[0], Phase.HISTORY, owner_check=lambda: True).rows > 0


def test_a_target_that_runs_dags_is_refused(backup, target, vault):
    target.dag("alive")
    target.run("alive", "now", state="running", end_date=None)
    with pytest.raises(TargetRefusedError, match="alive"):
        vault.restore(target, backup[0])


def test_a_target_without_a_fernet_key_is_refused(backup, target, vault):
    with pytest.raises(TargetRefusedError, match="AIRFLOW__CORE__FERNET_KEY"):
        vault.restore(target, backup[0], fernet=None)


def test_a_second_import_at_the_same_time_is_refused(backup, target, vault):
    other = postgres.connect(target.url)
    other.cursor().execute("SELECT pg_advisory_xact_lock(%s)", [guarded.LOCK])
    try:
        with pytest.raises(TargetRefusedError, match="another import"):
            vault.restore(target, backup[0])
    finally:
        other.close()


@pytest.mark.parametrize("step", ["stage", "merge", "verify", "commit"])
def test_a_resume_import_that_fails_anywhere_leaves_the_target_as_it_was(
    backup, target, vault, step
):
    before = contents(target)

    def fail(event):
        if event.step == step and (step == "commit" or event.table == "task_instance"):
            raise ConnectionError("the network went away")

    with pytest.raises(ConnectionError):
        vault.restore(target, backup[0], Phase.RESUME, progress=fail)
    assert contents(target) == before
    vault.restore(target, backup[0])


def test_a_history_import_that_failed_goes_on_where_it_stopped(filled, target, vault):
    key, _ = vault.export(filled)

    def fail(event):
        if event.step == "merge" and event.part.startswith("history/2"):
            raise ConnectionError("the network went away")

    with pytest.raises(ConnectionError):
        vault.restore(target, key, progress=fail)
    runs = target.one("SELECT count(*) FROM dag_run")
    assert runs == filled.one("SELECT count(*) FROM dag_run WHERE dag_id NOT LIKE 'mwaa%'")
    vault.restore(target, key, Phase.HISTORY)
    for name in hard.COMPARED:
        assert hard.rows(target, name) == hard.rows(filled, name), name


def test_a_row_that_is_lost_on_the_way_in_undoes_the_import(backup, target, vault, monkeypatch):
    """R7: rows are never skipped in silence."""
    before = contents(target)

    def lossy(session, staged, mode):
        written = real_merge(session, staged, mode)
        if staged.table.name == "task_fail":
            session.execute("DELETE FROM task_fail WHERE id = (SELECT max(id) FROM task_fail)")
        return written

    monkeypatch.setattr(parts, "merge", lossy)
    with pytest.raises(ImportVerificationError, match="task_fail"):
        vault.restore(target, backup[0], Phase.RESUME)
    assert contents(target) == before


def test_a_collision_is_listed_and_everything_else_comes_back(filled, target, vault):
    when = filled.one("SELECT execution_date FROM dag_run WHERE run_id = 'scheduled__5'")
    target.dag("etl", is_paused=True)
    target.run("etl", "its_own", execution_date=when)
    key, _ = vault.export(filled)
    report = vault.restore(target, key)
    assert report.conflicts == [{"dag_id": "etl", "run_id": "scheduled__5"}]
    assert target.one("SELECT count(*) FROM task_instance WHERE run_id = 'scheduled__5'") == 0
    assert target.one("SELECT count(*) FROM task_instance WHERE run_id = 'scheduled__4'") == 4
    assert target.one("SELECT count(*) FROM dag_run WHERE run_id = 'its_own'") == 1


def test_a_collision_in_history_is_listed_too(filled, target, vault):
    when = filled.one("SELECT execution_date FROM dag_run WHERE run_id = 'scheduled__2'")
    target.run("etl", "its_own", execution_date=when)
    key, _ = vault.export(filled)
    report = vault.restore(target, key, Phase.HISTORY)
    assert report.conflicts == [{"dag_id": "etl", "run_id": "scheduled__2"}]


def test_an_older_backup_is_found_when_the_newest_is_bad(filled, target, vault):
    older, _ = vault.export(filled)
    newest, manifest = vault.export(filled)
    vault.export(filled, identity=replace(IDENTITY, site=Site.DR, epoch=2))
    path_of(vault, newest, objects(manifest)[-1].key).unlink()
    found = [info.manifest_key for info in list_backups(vault.storage, Site.PRIMARY)]
    assert found == [newest, older]
    assert list_backups(vault.storage)[0].site is Site.DR
    with pytest.raises(BackupRefusedError):
        vault.restore(target, newest)
    assert vault.restore(target, older).rows > 0


def test_no_secret_is_in_any_written_byte(filled, vault):
    """R15: neither Airflow's secrets nor what tasks left in XComs, logs and configurations."""
    key, manifest = vault.export(filled)
    files = [path for path in (vault.folder / "backups").rglob("*") if path.is_file()]
    assert len(files) == len(manifest.objects) + 1
    tokens = [row[0] for row in filled.sql("SELECT val FROM variable WHERE is_encrypted")]
    planted = [*hard.SECRETS.values(), filled.key, *(token for token in tokens if token)]
    for path in files:
        data = path.read_bytes()
        for secret in planted:
            for form in (secret.encode(), base64.b64encode(secret.encode()), secret.encode().hex()):
                assert (form if isinstance(form, bytes) else form.encode()) not in data, path.name
    assert json.loads(path_of(vault, key, "oracle.json").read_bytes())
