"""What a backup says about its predecessors: runs that changed or went, hours that lost rows."""

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from contract.manifest import Manifest, ObjectSet
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.changes import CHANGED, GONE, RESUMED, UNIT
from mwaa_dr_metadata.errors import MassDeleteError
from mwaa_dr_metadata.parts import OutOfDate, RunKey


@dataclass(frozen=True, slots=True)
class Deletions:
    """What one backup says of its parent.

    Args:
        changed: runs that the backup carries whole.
        gone: runs that are not there any more.
        resume: runs that are in the backup's resume set.
        units: ledger -> hours that lost rows; the backup carries what is left of them.
    """

    changed: frozenset[RunKey] = frozenset()
    gone: frozenset[RunKey] = frozenset()
    resume: frozenset[RunKey] = frozenset()
    units: dict[str, frozenset[int]] = field(default_factory=dict)


def read_deletions(backup: Backup) -> Deletions:
    """Raises BackupRefusedError if the object is not what the manifest says."""
    keys: dict[bytes, set[RunKey]] = {CHANGED: set(), GONE: set(), RESUMED: set()}
    units: dict[str, set[int]] = defaultdict(set)
    for item in backup.objects(ObjectSet.DELETIONS):
        for line in backup.whole(item).splitlines():
            kind, first, second = line.split(b"\t")
            if kind == UNIT:
                units[first.decode()].add(int(second))
            else:
                keys[kind].add((first, second))
    return Deletions(
        changed=frozenset(keys[CHANGED]),
        gone=frozenset(keys[GONE]),
        resume=frozenset(keys[RESUMED]),
        units={table: frozenset(found) for table, found in units.items()},
    )


def out_of_date(newer: Iterable[Deletions]) -> OutOfDate:
    """What an older backup of a chain must not bring back, once the newer ones are written."""
    runs: set[RunKey] = set()
    units: dict[str, set[int]] = defaultdict(set)
    for one in newer:
        runs |= one.changed | one.gone | one.resume
        for table, found in one.units.items():
            units[table] |= found
    return OutOfDate(frozenset(runs), {table: frozenset(found) for table, found in units.items()})


def refuse_suspects(manifest: Manifest, backup_ids: Container[str] | None = None) -> None:
    """Stop before a mistake in the source is repeated in the target.

    Args:
        backup_ids: the backups that are about to be applied; None for all of the chain.

    Raises:
        MassDeleteError: a large part of a table was deleted in the source.
    """
    for backup_id, what in sorted(manifest.suspects.items()):
        if backup_ids is None or backup_id in backup_ids:
            raise MassDeleteError(
                f"{what} in the source just before backup {backup_id}; if that was meant, allow "
                "the mass delete, else restore an earlier backup (--to)"
            )
