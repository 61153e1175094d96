"""Each way in which things go wrong, and what the monitor makes of it: the real probes against the
outage switch of the local AWS."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from contract import keys, metrics, state
from contract.pulse import Pulse
from contract.sites import Site
from contract.verdict import Verdict
from handlers.adapters.clients import Clients
from handlers.assess import assess
from handlers.runtime import Runtime
from local.gateway import process
from local.gateway.process import LocalAws
from tests.handlers.installation import CONFIG, REGIONS, START, Clock, Installation
from tests.handlers.mwaa_double import BUSY_SECONDS, CREATED

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

DOUBLE = "tests.handlers.mwaa_double:MwaaDouble"
PRIMARY, DR, WITNESS = REGIONS[Site.PRIMARY], REGIONS[Site.DR], CONFIG.witness_region
STALE = 2.0
"""Seconds after which a pulse is stale here."""


@dataclass
class Owner(Installation):
    """The primary environment as the monitor sees it."""

    aws: LocalAws = dataclasses.field(kw_only=True)

    def beats(self) -> None:
        """Its agent's pulse, its scheduler's heartbeat, a backup a minute ago."""
        place, now = self.runtime.config.primary, datetime.now(UTC)
        pulse = Pulse(Site.PRIMARY, place.environment, now.isoformat(), 1, 3, 3, 0)
        self.put(keys.pulse(Site.PRIMARY), pulse.to_json())
        self.metric(metrics.AIRFLOW_NAMESPACE, "SchedulerHeartbeat", Function="Scheduler")
        self.clock.at = now
        self.backup(60)

    def metric(self, namespace: str, name: str, **dimensions: str) -> None:
        """A data point of the environment in its own Region."""
        wanted = {**dimensions, "Environment": self.runtime.config.primary.environment}
        pairs = [{"Name": key, "Value": value} for key, value in wanted.items()]
        boto3.client("cloudwatch", region_name=PRIMARY).put_metric_data(
            Namespace=namespace,
            MetricData=[{"MetricName": name, "Dimensions": pairs, "Value": 1.0, "Unit": "Count"}],
        )

    def readings(self, count: int = 3, *, alive: bool) -> list[str]:
        """The decided verdict after each of some readings, an interval apart."""
        found = []
        for _ in range(count):
            if alive:
                pulse = Pulse(
                    Site.PRIMARY, "etl-primary", datetime.now(UTC).isoformat(), 1, 3, 3, 0
                )
                self.put(keys.pulse(Site.PRIMARY), pulse.to_json())
            event = {"index": 1, "started_at": datetime.now(UTC).isoformat()}
            found.append(assess(event, self.runtime)["verdict"])
        return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("modes")


@pytest.fixture(scope="module")
def gateway(root: Path) -> Iterator[LocalAws]:
    with process.running(root, mwaa=DOUBLE) as running:
        yield running


@pytest.fixture(scope="module")
def made(gateway: LocalAws, root: Path) -> Iterator[Owner]:
    """What the stacks would have made, as far as a reading looks."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in gateway.environment.items():
            patch.setenv(key, value)
        detection = dataclasses.replace(
            CONFIG.detection, pulse_seconds=STALE, heartbeat_seconds=120, probe_seconds=1.0
        )
        config = dataclasses.replace(CONFIG, detection=detection)
        owner = Owner(Runtime(config, Clients(1.0)), Clock(START), aws=gateway)
        boto3.client("dynamodb", region_name=DR).create_table(
            TableName=config.names.state_table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for site, region in REGIONS.items():
            location = {} if region == "us-east-1" else {"LocationConstraint": region}
            owner.s3(site).create_bucket(
                Bucket=config.place(site).backup_bucket,
                **({"CreateBucketConfiguration": location} if location else {}),
            )
        boto3.client("sns", region_name=DR).create_topic(Name="etl-dr-alerts")
        folder = root / "mwaa"
        folder.mkdir(exist_ok=True)
        (folder / f"{CREATED}-{config.primary.environment}").write_text("AVAILABLE")
        boto3.client("mwaa", region_name=PRIMARY).create_environment(
            Name=config.primary.environment,
            ExecutionRoleArn=CONFIG.target.execution_role_arn,
            SourceBucketArn=f"arn:aws:s3:::{config.primary.dag_bucket}",
            DagS3Path="dags",
            NetworkConfiguration={"SubnetIds": ["s-1", "s-2"], "SecurityGroupIds": ["sg-1"]},
        )
        time.sleep(BUSY_SECONDS)
        yield owner


@pytest.fixture
def owner(made: Owner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Owner]:
    for key, value in made.aws.environment.items():
        monkeypatch.setenv(key, value)  # other tests here use none
    made.beats()
    table = boto3.client("dynamodb", region_name=DR)
    table.delete_item(TableName=CONFIG.names.state_table, Key={state.PK: {"S": state.READINGS}})
    yield made
    made.aws.control.end_outage()


def lose(owner: Owner, mode: str, services: Sequence[str] = (), region: str = PRIMARY, **more: Any):
    owner.aws.control.begin_outage(region, mode=mode, services=services or None, **more)


def test_what_works_is_healthy(owner: Owner) -> None:
    assert owner.readings(2, alive=True) == [Verdict.HEALTHY] * 2


@pytest.mark.parametrize("mode", ["hang", "refuse", "5xx"])
def test_a_region_that_is_lost_is_down_by_the_second_reading(owner: Owner, mode: str) -> None:
    lose(owner, mode)
    time.sleep(STALE + 1)
    found = owner.readings(alive=False)
    assert found == [Verdict.DEGRADED, Verdict.DOWN, Verdict.DOWN]


def test_a_region_that_is_lost_and_flaps_is_down_while_it_is_down(owner: Owner) -> None:
    lose(owner, "flapping", flap_seconds=30)
    time.sleep(STALE + 1)
    assert owner.readings(2, alive=False)[-1] == Verdict.DOWN


@pytest.mark.parametrize("alive", [True, False])
def test_throttling_is_never_a_loss(owner: Owner, alive: bool) -> None:
    """Nobody can tell a Region that refuses from one that is gone; the pulse alone is no proof."""
    lose(owner, "throttle")
    if not alive:
        time.sleep(STALE + 1)
    assert set(owner.readings(4, alive=alive)) == {Verdict.DEGRADED}


@pytest.mark.parametrize("mode", ["hang", "refuse", "throttle", "5xx"])
def test_losing_cloudwatch_alone_is_no_loss(owner: Owner, mode: str) -> None:
    lose(owner, mode, ["cloudwatch"])
    assert set(owner.readings(4, alive=True)) == {Verdict.DEGRADED}


@pytest.mark.parametrize("mode", ["hang", "refuse", "5xx", "flapping"])
def test_a_region_that_does_not_answer_while_its_pulse_comes_is_no_loss(
    owner: Owner, mode: str
) -> None:
    lose(owner, mode, flap_seconds=30)
    assert set(owner.readings(4, alive=True)) == {Verdict.DEGRADED}


def test_a_monitor_that_is_cut_off_is_blind(owner: Owner) -> None:
    for region in (PRIMARY, WITNESS):
        lose(owner, "hang", region=region)
    time.sleep(STALE + 1)
    assert set(owner.readings(alive=False)) == {Verdict.BLIND}


def test_an_environment_that_is_lost_in_a_region_that_works_is_down(owner: Owner) -> None:
    lose(owner, "environment", environment=owner.runtime.config.primary.environment)
    time.sleep(STALE + 1)
    assert owner.readings(alive=False)[1:] == [Verdict.DOWN] * 2


def test_a_dead_scheduler_is_told_from_a_late_cloudwatch(owner: Owner) -> None:
    detection = dataclasses.replace(owner.runtime.config.detection, heartbeat_seconds=60)
    config = dataclasses.replace(owner.runtime.config, detection=detection)
    later = datetime.now(UTC).timestamp() + 3600

    def now() -> datetime:
        return datetime.fromtimestamp(later, UTC)

    runtime = dataclasses.replace(owner.runtime, config=config, now=now)
    quiet = dataclasses.replace(owner, runtime=runtime)
    time.sleep(STALE + 1)
    assert set(quiet.readings(alive=False)) == {Verdict.DEGRADED}, "no metric at all arrives"
    client = boto3.client("cloudwatch", region_name=PRIMARY)
    client.put_metric_data(
        Namespace=metrics.INFRASTRUCTURE_NAMESPACE,
        MetricData=[
            {
                "MetricName": "CPUUtilization",
                "Dimensions": [
                    {"Name": "Cluster", "Value": "Scheduler"},
                    {"Name": "Environment", "Value": config.primary.environment},
                ],
                "Timestamp": datetime.fromtimestamp(later - 20, UTC),
                "Value": 1.0,
                "Unit": "Percent",
            }
        ],
    )
    assert quiet.readings(alive=False)[-1] == Verdict.DOWN
