"""Reads the state table and the DR backup bucket."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from cli.options import time_of
from cli.place import Place
from contract import keys, state
from contract.created import CreatedEnvironment
from contract.keys import BackupPlace
from contract.manifest import BackupObject, Manifest
from contract.orders import Ack, OrderStatus
from contract.ownership import INITIAL, Ownership
from contract.sites import Site
from contract.state import IncidentStatus

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


def ownership(place: Place) -> Ownership:
    """The record in the DR Region; the first one while there is none."""
    found = item(place, state.OWNERSHIP)
    return INITIAL if found is None else Ownership.from_dict(found)


def decide(place: Place, incident_id: str, decision: dict[str, Any]) -> bool:
    """Write a person's decision into an open incident without one; return whether it was."""
    write = TypeSerializer().serialize
    try:
        place.dynamodb.update_item(
            TableName=place.names.state_table,
            Key={state.PK: {"S": state.incident(incident_id)}},
            UpdateExpression="SET decision = :decision",
            ConditionExpression="#status = :open AND decision = :none",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":decision": write(decision),
                ":open": write(IncidentStatus.OPEN.value),
                ":none": write({}),
            },
        )
    except place.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


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


def chosen(place: Place, to: str) -> tuple[BackupPlace, Manifest]:
    """The complete backup that `to` names: an id, or a time its snapshot may not be later than.

    Raises:
        click.ClickException: there is none.
    """
    at = time_of(to)
    for backup in backups(place):
        if backup.backup_id != to and (at is None or backup.at > at):
            continue
        try:
            found = manifest(place, backup)
        except ValueError as error:
            found, fault = None, str(error)
        else:
            fault = "it has no manifest: it was never finished"
        if backup.backup_id == to and found is None:
            raise click.ClickException(f"{to} cannot be restored: {fault}")
        if found is None:
            continue
        if backup.backup_id == to or (
            at is not None and datetime.fromisoformat(found.snapshot_at) <= at
        ):
            return backup, found
    raise click.ClickException(
        f"there is no backup {to!r}; say an id that `mwaa-dr backups list` shows, or a time in "
        "ISO 8601"
        if at is None
        else f"no complete backup is as old as {at.isoformat()}; `mwaa-dr backups list`"
    )


def created_environment(place: Place) -> CreatedEnvironment | None:
    """The environment that a recovery asked for last; None if none ever did."""
    body = _read(place, keys.created_environment(Site.DR))
    return None if body is None else CreatedEnvironment.from_json(body)


def keep_created_environment(place: Place, made: CreatedEnvironment) -> None:
    """Write down what became of it."""
    place.s3.put_object(
        Bucket=_bucket(place),
        Key=keys.created_environment(Site.DR),
        Body=made.to_json().encode(),
        ContentType="application/json",
    )


def fences(place: Place, site: Site, epoch: int) -> Iterator[dict[str, Any]]:
    """What a site paused and ended since it lost `epoch`, oldest report first."""
    for key in sorted(_sizes(place, keys.fences(site, epoch))):
        yield json.loads(_read(place, key) or b"{}")


def document(place: Place, backup: BackupPlace, one: BackupObject) -> bytes:
    """A whole object of a backup, as the manifest says it is.

    Raises:
        click.ClickException: it is missing or another one.
    """
    body = _read(place, backup.prefix + one.key)
    if body is None or hashlib.sha256(body).hexdigest() != one.sha256:
        raise click.ClickException(
            f"{one.key} of backup {backup.backup_id} is not what the manifest says; "
            f"`mwaa-dr backups verify {backup.backup_id}`"
        )
    return body


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
