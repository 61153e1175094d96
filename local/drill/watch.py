"""Reads what the recovery leaves behind: state table, orders, answers, backups. It only looks."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from contract import keys, state
from contract.names import Names
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.sites import Site
from local.drill.stacks import REGIONS
from local.drill.user import REST_ERRORS, client
from local.gateway.process import LocalAws


@dataclass(frozen=True, slots=True)
class Watch:
    """A look at the DR Region from outside."""

    aws: LocalAws
    names: Names
    _s3: Any = field(init=False)
    _dynamodb: Any = field(init=False)

    def __post_init__(self) -> None:
        made = {site: client(self.aws, "s3", region) for site, region in REGIONS.items()}
        object.__setattr__(self, "_s3", made)
        object.__setattr__(self, "_dynamodb", client(self.aws, "dynamodb", REGIONS[Site.DR]))

    @property
    def bucket(self) -> str:
        return self.names.backup_bucket(Site.DR)

    def item(self, key: str) -> dict[str, Any]:
        """An item of the state table; empty if there is none."""
        answer = self._dynamodb.get_item(
            TableName=self.names.state_table, Key={state.PK: {"S": key}}, ConsistentRead=True
        )
        read = TypeDeserializer().deserialize
        return {name: read(value) for name, value in answer.get("Item", {}).items()}

    def incident_of(self, incident_id: str) -> dict[str, Any]:
        """One incident with its timeline; empty if there is none."""
        return self.item(state.incident(incident_id))

    def incident(self) -> dict[str, Any]:
        """The newest incident with its timeline; empty while there is none."""
        known = self.item(state.OPEN_INCIDENT)
        return self.item(state.incident(known["incident_id"])) if known else {}

    def verdict(self) -> str:
        """The monitor's current verdict, and how often in a row it was read."""
        readings = self.item(state.READINGS).get("readings", [])
        return " ".join(str(reading["verdict"]) for reading in readings[-3:])

    def answers(self, kind: OrderKind, site: Site) -> list[tuple[Order, Ack]]:
        """Orders of this kind for a site that were carried out, in the order given."""
        found = []
        for key in self._keys(keys.orders(site), site):
            order = Order.from_json(self._read(key, site) or b"")
            answer = self._read(keys.ack(site, order.order_id))
            if order.kind is kind and answer:
                found.append((order, Ack.from_json(answer)))
        done = [pair for pair in found if pair[1].status is OrderStatus.SUCCEEDED]
        return sorted(done, key=lambda pair: pair[0].issued_at)

    def backups(self, site: Site, epoch: int | None = None) -> list[str]:
        """Manifest keys of a site's complete backups, of one epoch or of all, oldest first."""
        prefix = keys.site_backups(site) if epoch is None else keys.epoch_backups(site, epoch)
        return sorted(key for key in self._keys(prefix) if key.endswith(keys.MANIFEST))

    def fences(self, site: Site, epoch: int) -> list[dict[str, Any]]:
        """What a site reported that it stopped, since it had lost the epoch."""
        return [
            json.loads(self._read(key) or b"{}") for key in self._keys(keys.fences(site, epoch))
        ]

    def pulse(self, site: Site) -> Pulse | None:
        text = self._read(keys.pulse(site))
        return None if text is None else Pulse.from_json(text)

    def ownership(self) -> dict[str, Any]:
        """The record; empty while there is none."""
        return self.item(state.OWNERSHIP)

    def manifest(self, key: str) -> dict[str, Any]:
        return json.loads(self._read(key) or b"{}")

    def newest_snapshot(self, site: Site) -> datetime | None:
        """When the newest complete backup's snapshot was taken, by our clock."""
        found = self.backups(site)
        if not found:
            return None
        at = datetime.fromisoformat(self.manifest(found[-1])["snapshot_at"])
        return at - self.aws.clocks.of_airflow

    def held_snapshot(self, site: Site) -> datetime | None:
        """When the snapshot that a standby holds was taken, by our clock."""
        pulse = self.pulse(site)
        if pulse is None or not pulse.holds:
            return None
        return datetime.fromisoformat(pulse.holds) - self.aws.clocks.of_airflow

    def promoted_at(self, epoch: int) -> datetime | None:
        """When S3 got the first ownership record of an epoch; None if it has none."""
        versions = self._s3[Site.DR].list_object_versions(Bucket=self.bucket, Prefix=keys.OWNERSHIP)
        written = [
            version["LastModified"]
            for version in versions.get("Versions", [])
            if self._record(version["VersionId"]).epoch == epoch
        ]
        return min(written, default=None)

    def _record(self, version_id: str) -> Ownership:
        answer = self._s3[Site.DR].get_object(
            Bucket=self.bucket, Key=keys.OWNERSHIP, VersionId=version_id
        )
        return Ownership.from_json(answer["Body"].read())

    def _keys(self, prefix: str, site: Site = Site.DR) -> list[str]:
        pages = (
            self._s3[site]
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.names.backup_bucket(site), Prefix=prefix)
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _read(self, key: str, site: Site = Site.DR) -> bytes | None:
        try:
            found = self._s3[site].get_object(Bucket=self.names.backup_bucket(site), Key=key)
            return found["Body"].read()
        except REST_ERRORS:
            return None
