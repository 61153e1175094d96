"""Finds the newest backup that is complete and whose objects are what the manifest says."""

import logging
import time
from typing import Any

from contract.keys import BackupPlace
from contract.machines import MAX_REFUSED_BACKUPS
from contract.manifest import Manifest
from contract.sites import Site
from contract.state import Step
from handlers.adapters import backups, timeline
from handlers.adapters.objects import Bucket
from handlers.core.errors import NoBackupError
from handlers.runtime import Event, Runtime, entry, required, site_in

logger = logging.getLogger(__name__)

MAX_LOOKED_AT = 50
BUDGET_SECONDS = 200
"""Below the function's time-out; hashing stops after it, and so does the search."""


def choose_backup(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Choose for `incident_id` among the backups of site `owner`.

    Args:
        event: `exclude` lists the manifest keys that imports refused before, `refused` is the one
            that was refused just now, if any; the answer's `exclude` has both. `wanted` is the id
            of the only backup that will do.

    Raises:
        NoBackupError: none can be restored; the message says why each was passed over.
    """
    exclude = [key for key in (*(event.get("exclude") or []), event.get("refused")) if key]
    if len(exclude) >= MAX_REFUSED_BACKUPS:
        raise NoBackupError(f"{len(exclude)} backups were refused at import: {', '.join(exclude)}")
    bucket, owner, wanted = runtime.backups(), site_in(event, "owner"), event.get("wanted") or ""
    end = time.monotonic() + BUDGET_SECONDS
    passed_over: list[str] = []
    sites = Site if wanted else (owner,)
    for place in (one for site in sites for one in backups.newest_first(bucket, site)):
        if wanted and place.backup_id != wanted:
            continue
        left = end - time.monotonic()
        if left <= 0 or len(passed_over) >= MAX_LOOKED_AT:
            break
        if place.manifest_key in exclude:
            passed_over.append(f"{place.backup_id}: refused at import")
            continue
        manifest, faults, verified = _examine(bucket, place, runtime.config.name, left)
        if manifest is None or faults:
            logger.warning("backup %s is passed over: %s", place.backup_id, "; ".join(faults))
            passed_over.append(f"{place.backup_id}: {'; '.join(faults[:3])}")
            continue
        chosen = {
            "key": place.manifest_key,
            "id": place.backup_id,
            "epoch": place.epoch,
            "snapshot_at": manifest.snapshot_at,
            "airflow_version": manifest.airflow_version,
            "exclude": exclude,
        }
        timeline.add(
            runtime.state,
            required(event, "incident_id"),
            Step.BACKUP_CHOSEN,
            runtime.at(),
            key=place.backup_id if exclude else "",
            detail={**chosen, "verified": verified, "passed_over": passed_over},
        )
        return chosen
    reasons = "; ".join(passed_over) or "there is none"
    which = f"backup {wanted}" if wanted else f"no backup of {owner}"
    can = "cannot" if wanted else "can"
    raise NoBackupError(f"{which} in {bucket.name} {can} be restored: {reasons}")


handler = entry(choose_backup)


def _examine(
    bucket: Bucket, place: BackupPlace, installation: str, seconds: float
) -> tuple[Manifest | None, list[str], dict[str, int]]:
    """A backup's manifest, its faults, and how much of it was checked."""
    try:
        manifest = backups.read_manifest(bucket, place)
    except ValueError as error:
        return None, [str(error)], {}
    if manifest is None:
        return None, ["it has no manifest: it was never finished"], {}
    faults = _mismatches(manifest, place, installation)
    if faults:
        return manifest, faults, {}
    found = backups.verify(bucket, place, manifest, seconds=seconds)
    faults = list(found.faults)
    if manifest.base_id:
        faults += _chain_faults(bucket, place, manifest)
    checked = {
        "objects": found.objects,
        "hashed": found.hashed,
        "not_hashed": found.not_hashed,
    }
    return manifest, faults, checked


def _mismatches(manifest: Manifest, place: BackupPlace, installation: str) -> list[str]:
    """A manifest must be the one of the place where it lies."""
    pairs = (
        ("installation", manifest.installation, installation),
        ("site", manifest.site, place.site),
        ("epoch", manifest.epoch, place.epoch),
        ("backup_id", manifest.backup_id, place.backup_id),
    )
    return [f"its {key} is {found}, not {due}" for key, found, due in pairs if found != due]


def _chain_faults(bucket: Bucket, place: BackupPlace, manifest: Manifest) -> list[str]:
    """An incremental backup is worth nothing for the history without all that it rests on."""
    earlier = backups.manifests_since(bucket, place, manifest.base_id)
    link = manifest
    while link.base_id:
        parent = earlier.get(link.parent_id)
        if parent is None:
            return [f"{link.backup_id} goes on from {link.parent_id}, which has no usable manifest"]
        link = parent
    base = BackupPlace(place.site, place.epoch, link.backup_id)
    found = backups.verify(bucket, base, link, seconds=0)
    return [f"its base {link.backup_id}: {fault}" for fault in found.faults]
