"""The agent reads from its own bucket, answers into the DR bucket and survives a lost Region."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from contract import keys
from contract.agent_config import AgentConfig
from contract.lifecycle import SiteState
from contract.orders import Order, OrderKind, OrderStatus
from contract.ownership import INITIAL, Ownership
from contract.pulse import Pulse
from contract.sites import CopyMode, Site
from mwaa_dr_site.mailbox import Mailbox, age_of

CONFIG = AgentConfig(
    name="etl",
    site=Site.PRIMARY,
    environment="etl-primary",
    region="us-east-1",
    dr_region="us-west-2",
    local_bucket="etl-primary-backups",
    dr_bucket="etl-dr-backups",
    dag_bucket="etl-primary-dags",
    seal_key="alias/etl-primary-seal",
    copy_mode=CopyMode.DIRECT,
    agent_seconds=60,
    export_seconds=300,
)
ORDER = Order("o-1", OrderKind.PAUSE, Site.PRIMARY, 1, "now", "later", "failover-e0001-01")


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        box = Mailbox(CONFIG)
        box.local.create_bucket(Bucket=CONFIG.local_bucket)
        box.remote.create_bucket(
            Bucket=CONFIG.dr_bucket,
            CreateBucketConfiguration={"LocationConstraint": "us-west-2"},
        )
        yield box


def put(bucket: str, key: str, text: str) -> None:
    boto3.client("s3", region_name="us-east-1").put_object(Bucket=bucket, Key=key, Body=text)


def test_without_a_record_the_primary_site_owns_the_first_epoch(mailbox: Mailbox) -> None:
    assert mailbox.ownership() == INITIAL


@pytest.mark.parametrize("bucket", [CONFIG.local_bucket, CONFIG.dr_bucket])
def test_a_higher_epoch_counts_wherever_it_is_read(mailbox: Mailbox, bucket: str) -> None:
    promoted = Ownership(Site.DR, 2, SiteState.ACTIVE)
    put(CONFIG.local_bucket, keys.OWNERSHIP, INITIAL.to_json())
    put(CONFIG.dr_bucket, keys.OWNERSHIP, INITIAL.to_json())
    put(bucket, keys.OWNERSHIP, promoted.to_json())
    assert mailbox.ownership() == promoted


def test_an_unreadable_record_does_not_stop_production(mailbox: Mailbox) -> None:
    put(CONFIG.local_bucket, keys.OWNERSHIP, "{half a rec")
    assert mailbox.ownership().owned_by(Site.PRIMARY)


def test_a_lost_dr_bucket_does_not_stop_production(mailbox: Mailbox) -> None:
    mailbox.remote.delete_bucket(Bucket=CONFIG.dr_bucket)
    assert mailbox.ownership() == INITIAL


def test_orders_come_from_the_sites_own_bucket_only(mailbox: Mailbox) -> None:
    put(CONFIG.local_bucket, keys.order(Site.PRIMARY, "o-1"), ORDER.to_json())
    put(CONFIG.local_bucket, keys.order(Site.DR, "o-2"), ORDER.to_json())
    put(CONFIG.dr_bucket, keys.order(Site.PRIMARY, "o-3"), ORDER.to_json())
    assert [one.order for one in mailbox.orders()] == [ORDER]


def test_a_spoilt_order_does_not_hide_the_others(mailbox: Mailbox) -> None:
    put(CONFIG.local_bucket, keys.order(Site.PRIMARY, "a-spoilt"), "{}")
    put(CONFIG.local_bucket, keys.order(Site.PRIMARY, "o-1"), ORDER.to_json())
    assert [one.order for one in mailbox.orders()] == [ORDER]


def test_an_answer_says_what_went_wrong(mailbox: Mailbox) -> None:
    mailbox.acknowledge(ORDER, OrderStatus.FAILED, error=ValueError("no such backup"))
    answer = mailbox.answer_to("o-1")
    assert answer is not None
    assert answer.error == {"type": "ValueError", "message": "no such backup"}


def test_the_pulse_lands_in_the_dr_bucket(mailbox: Mailbox) -> None:
    pulse = Pulse(Site.PRIMARY, "etl-primary", "2026-11-22T12:00:00+00:00", 1, 30, 29, 0)
    mailbox.pulse(pulse)
    stored = mailbox.remote.get_object(Bucket=CONFIG.dr_bucket, Key=keys.pulse(Site.PRIMARY))
    assert Pulse.from_json(stored["Body"].read()) == pulse


def test_an_object_is_as_old_as_s3_says_whatever_the_clock_here() -> None:
    headers = {"date": "Thu, 26 Nov 2026 12:02:30 GMT"}
    answer = {
        "ResponseMetadata": {"HTTPHeaders": headers},
        "LastModified": datetime(2026, 11, 26, 12, 0, tzinfo=UTC),
    }
    assert age_of(answer) == timedelta(seconds=150)
