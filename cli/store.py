"""Reads the state table and the DR backup bucket."""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from cli.place import Place
from contract import keys, state
from contract.keys import BackupPlace
from contract.manifest import BackupObject, Manifest
from contract.orders import Ack, OrderStatus
from contract.sites import Site

_CHUNK = 1 << 20


def item(place: Place, key: str) -> dict[str, Any] | None:
    """One item of the state table as plain values; None if there is none."""
    found = place.dynamodb.get_item(
        TableName=place.names.state_table, Key={state.PK: {"S": key}}, ConsistentRead=True
    ).get("Item")
    if found is None:
        return None
    read = TypeDeserializer().deserialize
    return {name: _plain(read(value)) for name, value in found.items() if name != state.PK}


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def backups(place: Place) -> Iterator[BackupPlace]:
    """The backups of both sites, newest first."""
    found: list[BackupPlace] = []
    for site in Site:
        for epoch in _folders(place, keys.site_backups(site)):
            for identifier in _folders(place, f"{keys.site_backups(site)}{epoch}/"):
                try:
                    keys.backup_time(identifier)
                    found.append(BackupPlace(site, int(epoch), identifier))
                except ValueError:
                    continue
    yield from sorted(found, key=lambda backup: backup.backup_id, reverse=True)


def manifest(place: Place, backup: BackupPlace) -> Manifest | None:
    """The backup's manifest; None while there is none. Raises ValueError if it is not one."""
    body = _read(place, backup.prefix + keys.MANIFEST)
    return None if body is None else Manifest.from_json(body)


def newest_complete(place: Place, site: Site) -> BackupPlace | None:
    """The newest backup of `site` that has a manifest."""
    for backup in backups(place):
        if backup.site is site and _sizes(place, backup.prefix + keys.MANIFEST):
            return backup
    return None


def ack(place: Place, site: Site, order_id: str) -> Ack | None:
    """What a site's agent answered to an order so far; None while it did not."""
    body = _read(place, keys.ack(site, order_id))
    return None if body is None else Ack.from_json(body)


def acks(place: Place, site: Site, incident_id: str) -> Iterator[Ack]:
    """Every answer of a site's agent to the orders of an incident."""
    prefix = keys.ack(site, incident_id).removesuffix(".json")
    for key in _sizes(place, f"{prefix}-"):
        body = _read(place, key)
        if body is not None:
            yield Ack.from_json(body)


def import_report(place: Place, site: Site, incident_id: str) -> dict[str, Any] | None:
    """What a site's agent said of the import it was promoted with; None if it did not."""
    reports = [
        one
        for one in acks(place, site, incident_id)
        if one.status is OrderStatus.SUCCEEDED and one.result.get("phase") in ("resume", "all")
    ]
    newest = max(reports, key=lambda one: one.updated_at, default=None)
    return None if newest is None else newest.result


def faults(
    place: Place, backup: BackupPlace, found: Manifest
) -> Iterator[tuple[BackupObject, str]]:
    """Every object with what is wrong with it: "" if it is what the manifest says."""
    sizes = _sizes(place, backup.prefix)
    for one in found.objects:
        size = sizes.get(backup.prefix + one.key)
        if size is None:
            yield one, "missing"
        elif size != one.size:
            yield one, f"{size} bytes, {one.size} expected"
        elif _sha256(place, backup.prefix + one.key) != one.sha256:
            yield one, "another content (sha256)"
        else:
            yield one, ""


def _read(place: Place, key: str) -> bytes | None:
    try:
        found = place.s3.get_object(Bucket=_bucket(place), Key=key)
    except place.s3.exceptions.NoSuchKey:
        return None
    return found["Body"].read()


def _sha256(place: Place, key: str) -> str:
    digest = hashlib.sha256()
    for chunk in place.s3.get_object(Bucket=_bucket(place), Key=key)["Body"].iter_chunks(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _bucket(place: Place) -> str:
    return place.names.backup_bucket(Site.DR)


def _folders(place: Place, prefix: str) -> list[str]:
    pages = place.s3.get_paginator("list_objects_v2").paginate(
        Bucket=_bucket(place), Prefix=prefix, Delimiter="/"
    )
    return [
        found.get("Prefix", "")[len(prefix) :].rstrip("/")
        for page in pages
        for found in page.get("CommonPrefixes", [])
    ]


def _sizes(place: Place, prefix: str) -> dict[str, int]:
    pages = place.s3.get_paginator("list_objects_v2").paginate(Bucket=_bucket(place), Prefix=prefix)
    return {
        one.get("Key", ""): one.get("Size", 0) for page in pages for one in page.get("Contents", [])
    }
