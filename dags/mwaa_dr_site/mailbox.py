"""Reads what the control plane wrote for this site and writes what this site answers.

A site reads from its own bucket, so that it needs no other Region, and answers into the DR bucket,
where the monitor and the recovery look. Every call is bounded, so that a lost Region costs the
agent seconds, not its run.
"""

import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract import keys
from contract.agent_config import AgentConfig
from contract.orders import Ack, Order, OrderStatus
from contract.ownership import INITIAL, Ownership
from contract.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

BOUNDED = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
AWS_ERRORS = (BotoCoreError, ClientError)


def now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True, slots=True)
class Received:
    """An order, and how long it has been lying there."""

    order: Order
    age: timedelta


@dataclass(slots=True)
class Mailbox:
    """The control objects of one site.

    Args:
        config: this environment's place.
        local: S3 client in this environment's Region.
        remote: S3 client in the DR Region; the same Region for the DR site.
    """

    config: AgentConfig
    local: "S3Client" = field(init=False)
    remote: "S3Client" = field(init=False)

    def __post_init__(self) -> None:
        self.local = boto3.client("s3", region_name=self.config.region, config=BOUNDED)
        self.remote = boto3.client("s3", region_name=self.config.dr_region, config=BOUNDED)

    def ownership(self) -> Ownership:
        """The record with the highest epoch that can be read; `INITIAL` if none can.

        Only positive evidence of a higher epoch fences a site: an unreadable record means carry
        on, since losing the DR Region must not stop production.
        """
        places = {
            (self.config.local_bucket, self.local),
            (self.config.dr_bucket, self.remote),
        }
        found = [INITIAL]
        for bucket, client in places:
            text = _read(client, bucket, keys.OWNERSHIP)
            if text is None:
                continue
            try:
                found.append(Ownership.from_json(text))
            except ValueError:
                logger.exception("the ownership mirror in %s cannot be read; carrying on", bucket)
        return max(found, key=lambda record: record.rank)

    def orders(self) -> list[Received]:
        """Every order that lies in this site's own bucket; a spoilt one is reported and left."""
        pages = self.local.get_paginator("list_objects_v2").paginate(
            Bucket=self.config.local_bucket, Prefix=keys.orders(self.config.site)
        )
        found = []
        for item in (item for page in pages for item in page.get("Contents", [])):
            answer = _get(self.local, self.config.local_bucket, item["Key"])
            try:
                order = Order.from_json(answer["Body"].read() if answer else b"")
            except ValueError:
                logger.exception("the order %s cannot be read; it is not carried out", item["Key"])
            else:
                found.append(Received(order, age_of(answer or {})))
        return found

    def answer_to(self, order_id: str) -> Ack | None:
        text = _read(self.remote, self.config.dr_bucket, keys.ack(self.config.site, order_id))
        return None if text is None else Ack.from_json(text)

    def acknowledge(
        self,
        order: Order,
        status: OrderStatus,
        *,
        result: dict[str, Any] | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Write how far an order is. Raises the S3 error: an unanswered order is tried again."""
        ack = Ack(
            order_id=order.order_id,
            site=self.config.site,
            status=status,
            updated_at=now(),
            result=result or {},
            error=None if error is None else {"type": type(error).__name__, "message": str(error)},
        )
        self._write(keys.ack(self.config.site, order.order_id), ack.to_json())

    def pulse(self, pulse: Pulse) -> None:
        self._write(keys.pulse(self.config.site), pulse.to_json())

    def fenced(self, epoch: int, report: dict[str, Any]) -> None:
        """Keep what this site paused and ended, since another one owns `epoch`."""
        body = {"site": self.config.site, "epoch": epoch, "at": now(), **report}
        key = keys.fence(self.config.site, epoch, datetime.now(UTC))
        self._write(key, json.dumps(body, sort_keys=True))

    def _write(self, key: str, text: str) -> None:
        self.remote.put_object(
            Bucket=self.config.dr_bucket,
            Key=key,
            Body=text.encode(),
            ContentType="application/json",
        )


def age_of(answer: "Mapping[str, Any]") -> timedelta:
    """How long S3 has had the object of this answer: by S3's clock, whatever this one says."""
    headers = answer["ResponseMetadata"].get("HTTPHeaders", {})
    answered_at = parsedate_to_datetime(headers["date"]) if "date" in headers else datetime.now(UTC)
    return answered_at - answer["LastModified"]


def _read(client: "S3Client", bucket: str, key: str) -> bytes | None:
    """An object's bytes; None if it does not exist or cannot be read now."""
    answer = _get(client, bucket, key)
    try:
        return None if answer is None else answer["Body"].read()
    except BotoCoreError as error:
        logger.warning("s3://%s/%s cannot be read: %s", bucket, key, error)
    return None


def _get(client: "S3Client", bucket: str, key: str) -> Any:  # noqa: ANN401 - boto3's answer
    """S3's answer for an object; None if it does not exist or cannot be read now."""
    try:
        return client.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            logger.warning("s3://%s/%s cannot be read: %s", bucket, key, error)
    except BotoCoreError as error:
        logger.warning("s3://%s/%s cannot be read: %s", bucket, key, error)
    return None
