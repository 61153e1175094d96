"""A backup alone tells what an import of it interrupts."""

import pytest

from contract.manifest import BackupKind
from mwaa_dr_metadata import BackupRefusedError, Phase
from mwaa_dr_metadata.backups import open_backup
from mwaa_dr_metadata.unfinished import unfinished_runs
from tests.metadata.metadata_world import Vault, World, at
from tests.metadata.test_metadata_versions import EVERY

pytestmark = pytest.mark.airflow


def told(vault: Vault, key: str) -> list:
    return unfinished_runs(open_backup(vault.storage, vault.sealer, key))


def test_it_is_what_the_import_then_reports(filled: World, target: World, vault: Vault):
    filled.run("busy", "over", 500)
    filled.task("busy", "over", "t", state="up_for_retry", end_date=at(500))
    filled.run("busy", "waiting in vain", 501, state="queued", start_date=None, end_date=None)
    key, _ = vault.export(filled)
    found = told(vault, key)
    assert found == vault.restore(target, key, Phase.RESUME).interrupted
    states = {run.run_id: run.state_before for run in found}
    assert (states["over"], states["waiting in vain"]) == ("success", "queued")
    tasks = {task.task_id: task.state_before for run in found for task in run.tasks}
    assert {"t_running", "t_deferred", "t_queued", "t_scheduled"} <= tasks.keys()
    assert not {"t_done", "t_none"} & tasks.keys()


@pytest.mark.parametrize("version", EVERY)
def test_on_every_airflow(filled_source, new_world, migrated, vault: Vault, version: str):
    ready, _ = filled_source(version, portable=False)
    ready.close()
    source = new_world(ready)
    source.sql("UPDATE dag_run SET state = 'running', end_date = NULL")
    source.sql("UPDATE task_instance SET state = 'deferred', end_date = NULL")
    key, _ = vault.export(source)
    imported = vault.restore(new_world(template=migrated(version)), key, Phase.RESUME)
    found = told(vault, key)
    assert found == imported.interrupted
    assert {run.state_before for run in found} == {"running"}
    assert {task.state_before for run in found for task in run.tasks} == {"deferred"}
    mapped = source.sql("SELECT map_index FROM task_instance")
    assert {task.map_index for run in found for task in run.tasks} == {row[0] for row in mapped}


def test_an_incremental_tells_it_too(filled: World, target: World, vault: Vault):
    base, _ = vault.export(filled)
    filled.sql("UPDATE dag_run SET state = 'queued' WHERE run_id = 'done'")
    parent = open_backup(vault.storage, vault.sealer, base)
    key, manifest = vault.export(filled, parent=parent, kind=BackupKind.INCREMENTAL)
    assert manifest.parent_id == parent.manifest.backup_id
    found = told(vault, key)
    assert ("busy", "done") in {(run.dag_id, run.run_id) for run in found}
    assert found == vault.restore(target, key, Phase.RESUME).interrupted


def test_an_altered_object_is_refused(filled: World, vault: Vault):
    key, manifest = vault.export(filled)
    (item,) = [
        it for it in manifest.objects if it.key.startswith("resume") and it.table == "dag_run"
    ]
    path = vault.folder / "backups" / key.replace("manifest.json", item.key)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(BackupRefusedError, match="dag_run"):
        told(vault, key)
