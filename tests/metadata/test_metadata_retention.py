"""What a recovery window keeps, as properties of any catalogue; and how backups are deleted."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import keys
from contract.manifest import BackupKind, Manifest
from contract.sites import Site
from mwaa_dr_metadata.backups import list_backups
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.expiry import expire, known_backups
from mwaa_dr_metadata.retention import KnownBackup, Reason, decide
from mwaa_dr_metadata.storage import FileStorage

NOW = datetime(2024, 6, 1, tzinfo=UTC)
WINDOW = timedelta(days=14)
BASE, INCREMENTAL = BackupKind.BASE, BackupKind.INCREMENTAL


def taken(days: float, **values) -> KnownBackup:
    """A backup that was taken so many days ago; its id says when."""
    at = NOW - timedelta(days=days)
    given = {"site": Site.PRIMARY, "epoch": 1, "kind": BASE, **values}
    return KnownBackup(backup_id=keys.backup_id(at), at=at, **given)


def chain(days: float, *more: float, **values) -> list[KnownBackup]:
    """A base and its incrementals, each of which goes on from the one before it."""
    found = [taken(days, **values)]
    for other in more:
        found.append(
            taken(
                other,
                **values,
                kind=INCREMENTAL,
                base_id=found[0].backup_id,
                parent_id=found[-1].backup_id,
            )
        )
    return found


@st.composite
def catalogues(draw) -> list[KnownBackup]:
    """Chains of all shapes at both sites, with parts missing, and references that make no sense."""
    found: list[KnownBackup] = []
    ages = draw(st.lists(st.integers(-2, 80), unique=True, max_size=24))
    for age in sorted(ages, reverse=True):
        site = draw(st.sampled_from(Site))
        epoch = draw(st.integers(1, 2))
        before = [one for one in found if (one.site, one.epoch) == (site, epoch)]
        if not before or draw(st.integers(0, 3)) == 0:
            found.append(taken(age / 2, site=site, epoch=epoch))
            continue
        parent = draw(st.sampled_from(before))
        found.append(
            taken(
                age / 2,
                site=site,
                epoch=epoch,
                kind=INCREMENTAL,
                base_id=parent.base_id or parent.backup_id,
                parent_id=parent.backup_id,
            )
        )
    lost = draw(st.sets(st.integers(0, 30), max_size=4))
    left = [one for number, one in enumerate(found) if number not in lost]
    if len(left) > 1 and draw(st.integers(0, 4)) == 0:
        other = draw(st.sampled_from(left)).backup_id
        left[0] = replace(left[0], kind=INCREMENTAL, parent_id=left[-1].backup_id, base_id=other)
    return draw(st.permutations(left))


def rests_on(one: KnownBackup, every: list[KnownBackup]) -> list[KnownBackup] | None:
    """The chain below a backup by walking it; None if it does not lead to the base it names."""
    path, base = [], one.base_id
    while one.kind is INCREMENTAL:
        found = [
            other
            for other in every
            if (other.site, other.epoch, other.backup_id) == (one.site, one.epoch, one.parent_id)
        ]
        if not found or found[0].at >= one.at or one.base_id != base:
            return None
        one = found[0]
        path.append(one)
    return path if not path or path[-1].backup_id == base else None


def restorable(every: list[KnownBackup], site: Site) -> list[KnownBackup]:
    return [one for one in every if one.site is site and rests_on(one, every) is not None]


@given(catalogues(), st.integers(0, 30), st.integers(1, 4))
def test_whatever_can_be_restored_within_the_window_still_can(backups, days, least):
    decision = decide(backups, NOW, timedelta(days=days), least)
    kept = [*decision.keep]
    assert sorted([*kept, *decision.expire], key=str) == sorted(backups, key=str)
    for site in Site:
        before, after = restorable(backups, site), restorable(kept, site)
        newest = sorted(before, key=lambda one: one.at)[-least:]
        assert set(newest) <= set(after)
        moments = [NOW - timedelta(hours=hours) for hours in range(0, 24 * days + 1, 3)]
        for moment in moments:
            assert max(
                (one for one in before if one.at <= moment), key=lambda one: one.at, default=None
            ) == max(
                (one for one in after if one.at <= moment), key=lambda one: one.at, default=None
            )


@given(catalogues(), st.integers(0, 30))
def test_nothing_is_orphaned_at_any_step_of_the_deletion(backups, days):
    decision = decide(backups, NOW, timedelta(days=days))
    left = list(backups)
    for one in decision.expire:
        able = {site: restorable(left, site) for site in Site}
        left.remove(one)
        for site in Site:
            assert set(restorable(left, site)) == set(able[site]) - {one}
    assert set(left) == set(decision.keep)


@given(catalogues(), st.integers(0, 30))
def test_twice_is_once_and_nothing_stays_without_a_reason(backups, days):
    decision = decide(backups, NOW, timedelta(days=days))
    assert decide(decision.keep, NOW, timedelta(days=days)).expire == []
    start = NOW - timedelta(days=days)
    paths = {one: rests_on(one, backups) for one in decision.keep}
    for one, reason in decision.keep.items():
        if reason is Reason.WINDOW:
            assert one.at > start
        elif reason is Reason.NEEDED:
            assert any(_names(other, one) for other in decision.keep)
        else:
            assert paths[one] is not None
    assert {one for one, path in paths.items() if path is None} == set(decision.orphans)


def _names(child: KnownBackup, parent: KnownBackup) -> bool:
    place = (child.site, child.epoch) == (parent.site, parent.epoch)
    return place and parent.backup_id in (child.parent_id, child.base_id)


def test_a_base_outlives_its_last_incremental():
    old = chain(16, 15.9, 15.5, 15.1)
    current = chain(15.05, 14.5, 13.5, 3)
    decision = decide([*old, *current], NOW, WINDOW)
    assert list(decision.expire) == [*reversed(old)]
    assert decision.keep == {
        current[3]: Reason.WINDOW,
        current[2]: Reason.WINDOW,
        current[1]: Reason.START,
        current[0]: Reason.NEEDED,
    }


def test_when_exports_stopped_the_newest_points_stay_for_ever():
    backups = chain(300, 299, 298)
    decision = decide(backups, NOW, WINDOW)
    assert decision.expire == []
    assert decide([*backups, *chain(200, 199)], NOW, WINDOW).expire == [*reversed(backups)]


def test_a_site_that_lost_ownership_keeps_its_last_points():
    before = chain(100, 99, 98)
    after = chain(60, 59, site=Site.DR, epoch=2) + chain(2, 1, site=Site.DR, epoch=2)
    decision = decide([*before, *after], NOW, WINDOW)
    assert set(before) <= set(decision.keep)


def test_an_incremental_whose_base_is_missing_is_no_point_in_time():
    backups = chain(20, 19, 10)
    broken = chain(2, 1)[1:]
    decision = decide([*backups, *broken], NOW, WINDOW)
    assert list(decision.orphans) == broken  # its base may still be on its way
    assert set(backups) <= set(decision.keep)
    old = chain(40, 39)[1:]
    assert decide([*backups, *old], NOW, WINDOW).expire == old


def test_a_base_that_knows_its_parent_does_not_rest_on_it():
    old = chain(40, 39)
    new = [replace(taken(20), parent_id=old[1].backup_id), *chain(3, 2)]
    assert decide([*old, *new], NOW, WINDOW).expire == [*reversed(old)]


def test_the_report_has_a_line_for_each_backup_newest_first():
    backups = [*chain(40, 39), *chain(16, 15), *chain(2, 1)[1:]]
    lines = decide(backups, NOW, WINDOW).report().splitlines()
    assert lines[0] == "3 stay, 2 expire; the window starts 2024-05-18T00:00:00+00:00"
    assert [line.split("  ")[0].split("/")[2] for line in lines[1:]] == [
        keys.backup_id(NOW - timedelta(days=days)) for days in (1, 15, 16, 39, 40)
    ]
    assert lines[1].endswith("keep    within the window, its chain is not whole")
    assert lines[2].endswith("keep    the newest from before the window")
    assert lines[3].endswith("keep    one of the newest")
    assert lines[4].endswith("expire")


@pytest.mark.parametrize(("days", "least"), [(-1, 2), (14, 0)])
def test_a_decision_that_might_keep_nothing_is_refused(days, least):
    with pytest.raises(ValueError, match="the newest backup always stays"):
        decide(chain(1), NOW, timedelta(days=days), least)


@pytest.fixture
def storage(tmp_path) -> FileStorage:
    return FileStorage(tmp_path)


def store(storage: FileStorage, *backups: KnownBackup) -> None:
    """A manifest and two objects each."""
    for one in backups:
        manifest = Manifest(
            backup_id=one.backup_id,
            kind=one.kind,
            installation="data",
            site=one.site,
            epoch=one.epoch,
            environment="data-primary",
            airflow_version="2.10.3",
            alembic_heads={},
            system_identifier="1",
            snapshot="1:1:",
            snapshot_at=one.at.isoformat(),
            started_at=one.at.isoformat(),
            finished_at=one.at.isoformat(),
            seal={},
            objects=[],
            counts={},
            base_id=one.base_id,
            parent_id=one.parent_id,
        )
        storage.put(f"{one.place.prefix}resume/dag", b"rows")
        storage.put(f"{one.place.prefix}history/00000/log", b"more rows")
        storage.put(one.place.manifest_key, manifest.to_json().encode())


def left(storage: FileStorage) -> set[str]:
    return {info.backup_id for info in list_backups(storage)}


def test_manifests_say_all_that_a_decision_needs(storage):
    backups = [*chain(16, 15), *chain(3, 2, site=Site.DR, epoch=2)]
    store(storage, *backups)
    assert sorted(known_backups(storage), key=str) == sorted(backups, key=str)


def test_what_expires_goes_with_all_its_objects(storage):
    old, new = chain(40, 39), chain(16, 3, 2)
    store(storage, *old, *new)
    storage.put("control/ownership.json", b"{}")
    decision = decide(known_backups(storage), NOW, WINDOW)

    before = list(storage.list(""))
    plan = expire(storage, decision, dry_run=True)
    assert list(storage.list("")) == before
    done = expire(storage, decision)
    assert (done.backups, done.objects, done.size) == (plan.backups, plan.objects, plan.size)
    assert done.backups == [old[1].place.prefix, old[0].place.prefix]
    assert done.objects == 6
    gone = {key for key, _ in before} - {key for key, _ in storage.list("")}
    assert gone == {key for key, _ in before if key.startswith(tuple(done.backups))}
    assert known_backups(storage)
    assert expire(storage, decide(known_backups(storage), NOW, WINDOW)).objects == 0


class Interrupted(FileStorage):
    """Stops working after some deletions."""

    allowed = 0

    def delete(self, names) -> None:
        for name in names:
            if self.allowed == 0:
                raise InterruptedError
            self.allowed -= 1
            super().delete([name])


@pytest.mark.parametrize("allowed", range(6))
def test_an_interrupted_expiry_leaves_no_half_backup_that_looks_whole(tmp_path, allowed):
    storage = Interrupted(tmp_path)
    old, new = chain(40, 39), chain(16, 3)
    store(storage, *old, *new)
    storage.allowed = allowed
    with pytest.raises(InterruptedError):
        expire(storage, decide(known_backups(storage), NOW, WINDOW))
    for info in list_backups(storage):
        prefix = info.manifest_key.removesuffix(keys.MANIFEST)
        assert len(list(storage.list(prefix))) == 3
    whole = left(storage)
    assert old[1].backup_id not in whole or old[0].backup_id in whole

    storage.allowed = -1
    expire(storage, decide(known_backups(storage), NOW, WINDOW))
    assert left(storage) == {one.backup_id for one in new}
    assert len(list(storage.list(""))) == 3 * len(new)


def test_an_export_that_is_under_way_is_no_remains(storage):
    backups = chain(16, 3)
    store(storage, *backups)
    running, failed = taken(0.2), taken(30)
    for one in (running, failed):
        storage.put(f"{one.place.prefix}resume/dag", b"rows")
    done = expire(storage, decide(known_backups(storage), NOW, timedelta(0), 2))
    assert done.remains == [failed.place.prefix]
    assert list(storage.list(running.place.prefix))


def test_nothing_expires_while_a_manifest_cannot_be_read(storage):
    old, new = chain(40), chain(16, 3)
    store(storage, *old, *new)
    later = taken(1)
    text = json.dumps({"format_version": 99})
    storage.put(later.place.manifest_key, text.encode())
    with pytest.raises(BackupRefusedError, match="nothing expires while it is unknown"):
        known_backups(storage)
