"""Which backup a recovery takes, against moto."""

import pytest

from contract import keys
from contract.manifest import BackupKind
from contract.sites import Site
from handlers.choose_backup import choose_backup
from handlers.core.errors import NoBackupError
from tests.handlers.installation import NAMES, Installation
from tests.handlers.test_incident_steps import FIRST, incident, opened


@pytest.fixture
def ready(installation: Installation) -> Installation:
    opened(installation)
    return installation


def choose(installation: Installation, **more) -> dict:
    return choose_backup({"incident_id": FIRST, "owner": "primary", **more}, installation.runtime)


def test_the_newest_whole_backup_is_chosen(ready: Installation) -> None:
    ready.backup(300)
    newest = ready.backup(60)
    chosen = choose(ready)
    assert chosen["key"] == newest
    assert chosen["airflow_version"] == "2.10.3"
    entry = incident(ready)["timeline"]["backup-chosen"]
    assert entry["detail"]["verified"] == {"objects": 3, "hashed": 2, "not_hashed": 0}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"spoil": "history/dag_run.zst"}, "history/dag_run.zst is missing"),
        ({"spoil": "resume/dag_run.zst", "altered": True}, "another content"),
        ({"spoil": "oracle.json"}, "oracle.json is missing"),
        ({"installation": "other"}, "its installation is other, not etl"),
        ({"format_version": 99}, "manifest format 99 is not known"),
        (
            {"base_id": "20261122T100000000000Z", "parent_id": "20261122T100000000000Z"},
            "goes on from 20261122T100000000000Z, which has no usable manifest",
        ),
    ],
)
def test_a_backup_that_is_not_whole_is_passed_over(
    ready: Installation, fault: dict, said: str
) -> None:
    older = ready.backup(300)
    ready.backup(60, **fault)
    chosen = choose(ready)
    assert chosen["key"] == older
    detail = incident(ready)["timeline"]["backup-chosen"]["detail"]
    assert said in detail["passed_over"][0]


def chain(ready: Installation) -> list[str]:
    """A base and three incrementals, the oldest first: their manifest keys."""
    found = [ready.backup(400)]
    base = parent = found[0].split("/")[-2]
    for age in (300, 200, 100):
        found.append(ready.backup(age, kind=BackupKind.INCREMENTAL, base_id=base, parent_id=parent))
        parent = found[-1].split("/")[-2]
    return found


def test_an_incremental_is_chosen_with_all_that_it_rests_on(ready: Installation) -> None:
    keys_of = chain(ready)
    assert choose(ready)["key"] == keys_of[-1]


@pytest.mark.parametrize("gap", [1, 2])
def test_an_incremental_with_a_gap_in_its_chain_is_passed_over(
    ready: Installation, gap: int
) -> None:
    keys_of = chain(ready)
    ready.s3().delete_object(Bucket=NAMES.backup_bucket(Site.DR), Key=keys_of[gap])
    assert choose(ready)["key"] == keys_of[gap - 1]


def test_an_incremental_with_a_damaged_base_is_passed_over(ready: Installation) -> None:
    older = ready.backup(500)
    keys_of = chain(ready)
    ready.s3().delete_object(
        Bucket=NAMES.backup_bucket(Site.DR),
        Key=keys_of[0].replace(keys.MANIFEST, "history/dag_run.zst"),
    )
    assert choose(ready)["key"] == older


def test_a_backup_without_a_manifest_was_never_finished(ready: Installation) -> None:
    older, newer = ready.backup(300), ready.backup(60)
    ready.s3().delete_object(Bucket=NAMES.backup_bucket(Site.DR), Key=newer)
    assert choose(ready)["key"] == older


def test_a_refused_backup_is_not_chosen_again(ready: Installation) -> None:
    oldest, older, newest = (ready.backup(age) for age in (500, 300, 60))
    second = choose(ready, exclude=[], refused=newest)
    assert (second["key"], second["exclude"]) == (older, [newest])
    assert f"backup-chosen#{second['id']}" in incident(ready)["timeline"]
    third = choose(ready, exclude=second["exclude"], refused=older)
    assert (third["key"], third["exclude"]) == (oldest, [newest, older])
    with pytest.raises(NoBackupError, match="refused at import"):
        choose(ready, exclude=third["exclude"], refused=oldest)


def test_many_refusals_end_the_search(ready: Installation) -> None:
    with pytest.raises(NoBackupError, match="5 backups were refused"):
        choose(ready, exclude=["a", "b", "c", "d"], refused="e")


def test_no_backup_says_where_it_looked(ready: Installation) -> None:
    with pytest.raises(NoBackupError, match=f"in {NAMES.backup_bucket(Site.DR)} .* there is none"):
        choose(ready)


def test_a_newer_epoch_comes_first(ready: Installation) -> None:
    ready.backup(10)
    identifier = keys.backup_id(ready.clock.at)
    newest = ready.backup(400, epoch=2, backup_id=identifier)
    moved = keys.manifest(Site.PRIMARY, 2, identifier)
    prefix = newest.removesuffix(keys.MANIFEST)
    for key in ready.keys(prefix):
        ready.put(moved.removesuffix(keys.MANIFEST) + key[len(prefix) :], ready.text(key))
    assert choose(ready)["key"] == moved


def test_other_things_in_the_folder_do_no_harm(ready: Installation) -> None:
    newest = ready.backup(60)
    ready.put("backups/primary/README/x", "hello")
    ready.put("backups/primary/00000001/notes/x", "hello")
    assert choose(ready)["key"] == newest
