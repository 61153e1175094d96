"""Finds backups in the DR bucket and proves that their objects are what the manifest says."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from contract import keys
from contract.keys import BackupPlace
from contract.manifest import BackupObject, Manifest, ObjectSet
from contract.sites import Site
from handlers.adapters.objects import Bucket

NEEDED_TO_RESUME = frozenset({ObjectSet.RESUME, ObjectSet.ORACLE})
THREADS = 8


def newest_first(
    bucket: Bucket, site: Site, *, since: datetime | None = None
) -> Iterator[BackupPlace]:
    """Every backup of a site, from the newest epoch and time backwards; those after `since`."""
    for epoch in sorted(_folders(bucket, keys.site_backups(site)), reverse=True):
        if not epoch.isdigit():
            continue
        prefix = f"{keys.site_backups(site)}{epoch}/"
        after = "" if since is None else f"{prefix}{keys.backup_id(since)}"
        for identifier in sorted(_folders(bucket, prefix, after=after), reverse=True):
            place = BackupPlace(site, int(epoch), identifier)
            if _is_backup_id(identifier):
                yield place


def newest_complete_at(bucket: Bucket, site: Site, *, recent: datetime) -> datetime | None:
    """Time of the newest backup that has a manifest; looks first at those after `recent`."""
    for since in (recent, None):
        for place in newest_first(bucket, site, since=since):
            if bucket.version_exists(place.manifest_key, ""):
                return place.at
    return None


def read_manifest(bucket: Bucket, place: BackupPlace) -> Manifest | None:
    """A backup's manifest; None while there is none. Raises ValueError if it is not one."""
    found = bucket.read(place.manifest_key)
    return None if found is None else Manifest.from_json(found.body)


def manifests_since(bucket: Bucket, place: BackupPlace, base_id: str) -> dict[str, Manifest]:
    """Manifests by backup id from a base up to a backup of its epoch; what is none is left out.

    Read side by side: a day of incrementals would take seconds one after the other.
    """
    prefix = keys.epoch_backups(place.site, place.epoch)
    found = [
        BackupPlace(place.site, place.epoch, identifier)
        for identifier in _folders(bucket, prefix, after=f"{prefix}{base_id}")
        if identifier < place.backup_id and _is_backup_id(identifier)
    ]

    def read(one: BackupPlace) -> Manifest | None:
        try:
            return read_manifest(bucket, one)
        except ValueError:
            return None

    with ThreadPoolExecutor(THREADS) as pool:
        return {item.backup_id: item for item in pool.map(read, found) if item is not None}


@dataclass(frozen=True, slots=True)
class Verification:
    """What was checked. `faults` is empty for a backup that can be restored."""

    faults: list[str]
    objects: int
    hashed: int
    not_hashed: int


def verify(
    bucket: Bucket, place: BackupPlace, manifest: Manifest, *, seconds: float
) -> Verification:
    """Check that every object is there in its size, and re-hash those that a resume needs.

    Args:
        seconds: no hashing is begun after so long; the import hashes everything again anyway.
    """
    sizes = _sizes(bucket, place.prefix)
    faults = []
    for item in manifest.objects:
        size = sizes.get(item.key)
        if size is None:
            faults.append(f"{item.key} is missing")
        elif size != item.size:
            faults.append(f"{item.key} has {size} bytes, {item.size} expected")
    needed = [item for item in manifest.objects if item.set in NEEDED_TO_RESUME]
    if not any(item.set is ObjectSet.ORACLE for item in needed):
        faults.append("it has no oracle")
    if faults:
        return Verification(faults, len(manifest.objects), 0, len(needed))
    end = time.monotonic() + seconds

    def check(item: BackupObject) -> str | None:
        if time.monotonic() > end:
            return None
        digest, _ = bucket.sha256(f"{place.prefix}{item.key}")
        return "" if digest == item.sha256 else f"{item.key} has another content (sha256)"

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(check, needed))
    return Verification(
        faults=[result for result in results if result],
        objects=len(manifest.objects),
        hashed=sum(result is not None for result in results),
        not_hashed=results.count(None),
    )


def _is_backup_id(text: str) -> bool:
    try:
        keys.backup_time(text)
    except ValueError:
        return False
    return True


def _folders(bucket: Bucket, prefix: str, *, after: str = "") -> list[str]:
    pages = bucket.client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket.name,
        Prefix=prefix,
        Delimiter="/",
        StartAfter=after or prefix,
    )
    return [
        found.get("Prefix", "")[len(prefix) :].rstrip("/")
        for page in pages
        for found in page.get("CommonPrefixes", [])
    ]


def _sizes(bucket: Bucket, prefix: str) -> dict[str, int]:
    pages = bucket.client.get_paginator("list_objects_v2").paginate(
        Bucket=bucket.name, Prefix=prefix
    )
    return {
        item.get("Key", "")[len(prefix) :]: item.get("Size", 0)
        for page in pages
        for item in page.get("Contents", [])
    }
