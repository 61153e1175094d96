"""Carries out a retention decision where backups may be deleted: never inside an environment.

MWAA's role has no right to delete a backup, so in AWS the buckets' lifecycle rules do this work;
here it is done for folders, and for an operator who has the right.
"""

from dataclasses import dataclass

from contract import keys
from contract.keys import BackupPlace
from contract.sites import Site
from mwaa_dr_metadata.backups import list_backups, load_manifest
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.retention import KnownBackup, RetentionDecision
from mwaa_dr_metadata.storage import ErasableStorage, Storage


@dataclass(frozen=True, slots=True)
class Expired:
    """What an expiry took away; of a dry run, what it would.

    Args:
        backups: prefixes, in the order in which they went.
        remains: prefixes of exports that never ended and of expiries that were interrupted.
    """

    dry_run: bool
    backups: list[str]
    remains: list[str]
    objects: int
    size: int


def known_backups(storage: Storage) -> list[KnownBackup]:
    """What `retention.decide` needs, from every manifest.

    Raises:
        BackupRefusedError: a manifest cannot be read, so nothing is known of what it rests on.
    """
    found = []
    for info in list_backups(storage):
        try:
            found.append(KnownBackup.of(load_manifest(storage, info.manifest_key)))
        except BackupRefusedError as error:
            raise BackupRefusedError(
                f"{error}; nothing expires while it is unknown what that backup rests on: use the "
                f"version that wrote it, or delete {info.manifest_key} if it is spoilt"
            ) from error
    return found


def expire(
    storage: ErasableStorage, decision: RetentionDecision, *, dry_run: bool = False
) -> Expired:
    """Delete what may go, each backup's manifest before its objects.

    So a backup that is half deleted is never taken for a whole one, and one that rests on others
    goes before them. Another call finishes what was interrupted.
    """
    going = [one.place for one in decision.expire]
    remains = _remains(storage, decision, {*going, *(one.place for one in decision.keep)})
    objects = size = 0
    for place in (*going, *remains):
        found = dict(storage.list(place.prefix))
        objects, size = objects + len(found), size + sum(found.values())
        if not dry_run:
            storage.delete([place.manifest_key])
            storage.delete([key for key in found if key != place.manifest_key])
    return Expired(
        dry_run=dry_run,
        backups=[place.prefix for place in going],
        remains=[place.prefix for place in remains],
        objects=objects,
        size=size,
    )


def _remains(
    storage: Storage, decision: RetentionDecision, known: set[BackupPlace]
) -> list[BackupPlace]:
    """Places with objects and no manifest, so old that no export can still be writing there."""
    found = set()
    for key, _ in storage.list(keys.BACKUPS):
        try:
            _, site, epoch, backup_id, _ = key.split("/", 4)
            place = BackupPlace(Site(site), int(epoch), backup_id)
            if place not in known and place.at < decision.remains_before:
                found.add(place)
        except ValueError:
            continue  # not ours
    return sorted(found, key=lambda place: place.at, reverse=True)
