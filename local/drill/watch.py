"""Reads what the recovery leaves behind: state table, orders, answers, backups. It only looks."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from contract import keys, state
from contract.names import Names
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import INITIAL, Ownership
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
        region = REGIONS[Site.DR]
        object.__setattr__(self, "_s3", client(self.aws, "s3", region))
        object.__setattr__(self, "_dynamodb", client(self.aws, "dynamodb", region))

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

    def incident(self) -> dict[str, Any]:
        """The newest incident with its timeline; empty while there is none."""
        known = self.item(state.OPEN_INCIDENT)
        return self.item(state.incident(known["incident_id"])) if known else {}

    def verdict(self) -> str:
        """The monitor's current verdict, and how often in a row it was read."""
        readings = self.item(state.READINGS).get("readings", [])
        return " ".join(str(reading["verdict"]) for reading in readings[-3:])

    def answers(self, kind: OrderKind) -> list[tuple[Order, Ack]]:
        """Orders of this kind for the DR site that were carried out, in the order given."""
        found = []
        for key in self._keys(keys.orders(Site.DR)):
            order = Order.from_json(self._read(key) or b"")
            answer = self._read(keys.ack(Site.DR, order.order_id))
            if order.kind is kind and answer:
                found.append((order, Ack.from_json(answer)))
        done = [pair for pair in found if pair[1].status is OrderStatus.SUCCEEDED]
        return sorted(done, key=lambda pair: pair[0].issued_at)

    def backups(self, site: Site) -> list[str]:
        """Manifest keys of a site's complete backups, oldest first."""
        return sorted(
            key for key in self._keys(keys.site_backups(site)) if key.endswith(keys.MANIFEST)
        )

    def manifest(self, key: str) -> dict[str, Any]:
        return json.loads(self._read(key) or b"{}")

    def newest_snapshot(self, site: Site) -> datetime | None:
        """When the newest complete backup's snapshot was taken."""
        found = self.backups(site)
        if not found:
            return None
        return datetime.fromisoformat(self.manifest(found[-1])["snapshot_at"])

    def promoted_at(self) -> datetime | None:
        """When S3 got the first ownership record of a later epoch; None if it has none."""
        versions = self._s3.list_object_versions(Bucket=self.bucket, Prefix=keys.OWNERSHIP)
        written = [
            version["LastModified"]
            for version in versions.get("Versions", [])
            if self._record(version["VersionId"]).epoch > INITIAL.epoch
        ]
        return min(written, default=None)

    def _record(self, version_id: str) -> Ownership:
        answer = self._s3.get_object(Bucket=self.bucket, Key=keys.OWNERSHIP, VersionId=version_id)
        return Ownership.from_json(answer["Body"].read())

    def _keys(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def _read(self, key: str) -> bytes | None:
        try:
            return self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except REST_ERRORS:
            return None
