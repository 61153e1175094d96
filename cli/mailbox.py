"""Gives a site's agent an order from the operator's desk, and waits for its answer."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import click

from cli import store
from cli.place import BOUNDED, STACK_FILE, Place
from contract import keys, state
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import Ownership
from contract.sites import Site

POLL_SECONDS = 2.0


class UnansweredError(Exception):
    """The agent did not answer in time."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Orders go into the owner's own bucket; answers come into the DR bucket."""

    place: Place

    def ownership(self) -> Ownership:
        """The record in the DR Region; the first one while there is none."""
        return store.ownership(self.place)

    def outage_at(self, incident_id: str) -> str:
        """The old owner's last sign of life before an incident; empty if nobody knows."""
        found = store.item(self.place, state.incident(incident_id)) or {}
        return str(found.get("outage_at") or "")

    def import_report(self, ownership: Ownership) -> dict[str, Any] | None:
        """What the owner's agent said of the import it was promoted with; None if it did not."""
        return store.import_report(self.place, ownership.owner, ownership.incident_id)

    def ask(
        self, kind: OrderKind, ownership: Ownership, payload: dict[str, Any], seconds: float
    ) -> Ack:
        """Give the owner's agent an order and wait until it is done with it.

        Raises:
            UnansweredError: it did not answer within `seconds`, after which it refuses the order.
        """
        now = datetime.now(UTC)
        order = Order(
            order_id=f"{ownership.incident_id}-{kind}-{keys.backup_id(now)}",
            kind=kind,
            site=ownership.owner,
            epoch=ownership.epoch,
            issued_at=now.isoformat(),
            expires_at=(now + timedelta(seconds=seconds)).isoformat(),
            incident_id=ownership.incident_id,
            payload=payload,
        )
        self._give(order)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ack = store.ack(self.place, order.site, order.order_id)
            if ack is not None and ack.status is not OrderStatus.RUNNING:
                return ack
            time.sleep(POLL_SECONDS)
        raise UnansweredError(
            f"the agent of {order.site} did not answer the order {order.order_id} within "
            f"{seconds:.0f} s; it refuses the order from now on"
        )

    def _give(self, order: Order) -> None:
        place = self.place
        if order.site is Site.PRIMARY and not place.primary_region:
            raise click.UsageError(
                f"the owner is {order.site}, and its Region is not known here; run in a folder "
                f"with {STACK_FILE}, or use --database-url"
            )
        region = place.region if order.site is Site.DR else place.primary_region
        s3 = boto3.client("s3", region_name=region, config=BOUNDED)
        s3.put_object(
            Bucket=place.names.backup_bucket(order.site),
            Key=keys.order(order.site, order.order_id),
            Body=order.to_json().encode(),
            ContentType="application/json",
        )
