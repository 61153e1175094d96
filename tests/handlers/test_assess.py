"""A whole reading against moto; silent Regions are made by replacing endpoints."""

import dataclasses
import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace

import boto3
import pytest
from botocore.config import Config

from contract import keys, metrics, state
from contract.lifecycle import SiteState
from contract.ownership import INITIAL, Ownership
from contract.sites import Site
from handlers.assess import assess
from tests.handlers.installation import NAMES, REGIONS, Installation

SERVICES = ("cloudwatch", "mwaa", "s3", "sts")
ALL_REGIONS = ("us-east-1", "us-west-2", "eu-west-1")


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An endpoint that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def silence(installation: Installation, region: str, endpoint: str, *services: str) -> None:
    """Let the probes of a Region talk to the black hole instead of moto."""
    for service in services or SERVICES:
        client = boto3.client(
            service,
            region_name=region,
            endpoint_url=endpoint,
            config=Config(
                connect_timeout=0.3,
                read_timeout=0.3,
                retries={"total_max_attempts": 1},
                inject_host_prefix=False,
            ),
        )
        installation.runtime.clients._made[service, region, True] = client


def environments(installation: Installation, status: str = "AVAILABLE") -> None:
    """moto has no MWAA: every Region's probe gets its answers here."""
    for region in ALL_REGIONS:
        answers = SimpleNamespace(
            list_environments=lambda **_: {"Environments": []},
            get_environment=lambda **_: {"Environment": {"Status": status}},
        )
        installation.runtime.clients._made["mwaa", region, True] = answers


def heartbeat(installation: Installation, name: str = "SchedulerHeartbeat", value: float = 1):
    installation.runtime.clients.cloudwatch("us-east-1").put_metric_data(
        Namespace="AmazonMWAA",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [
                    {"Name": "Function", "Value": name.removesuffix("Heartbeat")},
                    {"Name": "Environment", "Value": "etl-primary"},
                ],
                "Timestamp": installation.clock.at - timedelta(seconds=30),
                "Value": value,
            }
        ],
    )


def take(installation: Installation, index: int = 0):
    event = {"index": index, "started_at": installation.clock.at.isoformat()}
    return assess(event, installation.runtime)


@pytest.fixture
def healthy(installation: Installation) -> Installation:
    environments(installation)
    heartbeat(installation)
    installation.pulse(10)
    installation.backup(60)
    return installation


def signals(installation: Installation) -> dict[str, str]:
    item = installation.runtime.state.get(state.READINGS)
    return {one["signal"]: one["state"] for one in item["readings"][-1]["signals"]}


def published(installation: Installation, name: str) -> list[float]:
    found = installation.runtime.clients.cloudwatch("us-west-2").get_metric_statistics(
        Namespace=metrics.NAMESPACE,
        MetricName=name,
        Dimensions=[{"Name": metrics.INSTALLATION, "Value": "etl"}],
        StartTime="2026-11-22T11:00:00Z",
        EndTime="2026-11-22T13:00:00Z",
        Period=7200,
        Statistics=["Maximum"],
    )
    return [point["Maximum"] for point in found["Datapoints"]]


def test_a_healthy_reading_is_kept_published_and_mirrored(healthy: Installation) -> None:
    result = take(healthy)
    assert result["verdict"] == "HEALTHY", healthy.runtime.state.get(state.READINGS)
    assert (result["recover"], result["capture"], result["owner"]) == (False, True, "primary")
    assert set(signals(healthy).values()) == {"good"}
    assert published(healthy, metrics.PRIMARY_HEARTBEAT) == [1]
    assert published(healthy, metrics.VERDICT) == [0]
    assert published(healthy, metrics.BACKUP_AGE_SECONDS) == [60]
    for site in Site:
        assert Ownership.from_json(healthy.text(keys.OWNERSHIP, site)) == INITIAL
    primary = healthy.runtime.clients.cloudwatch("us-east-1").list_metrics(
        Namespace=metrics.NAMESPACE
    )
    assert [found["MetricName"] for found in primary["Metrics"]] == [metrics.MONITOR_HEARTBEAT]


def test_a_region_that_hangs_is_down_after_enough_readings(
    healthy: Installation, black_hole: str
) -> None:
    take(healthy)
    healthy.clock.forward(400)
    silence(healthy, "us-east-1", black_hole)
    started = time.monotonic()
    first = take(healthy)
    assert time.monotonic() - started < 3
    assert signals(healthy)["region"] == "unreachable"
    assert signals(healthy)["pulse"] == "bad"
    assert (first["verdict"], first["recover"]) == ("DEGRADED", False)
    healthy.clock.forward(20)
    second = take(healthy)
    assert (second["verdict"], second["recover"]) == ("DOWN", True)
    assert published(healthy, metrics.PRIMARY_HEARTBEAT) == [1]
    alive = healthy.runtime.state.get(state.READINGS)["last_alive_at"]
    assert alive == (healthy.clock.at - timedelta(seconds=430)).isoformat()


def test_a_monitor_that_is_cut_off_is_blind_and_does_nothing(
    healthy: Installation, black_hole: str
) -> None:
    healthy.clock.forward(400)
    for region in ("us-east-1", "eu-west-1"):
        silence(healthy, region, black_hole)
    for _ in range(4):
        result = take(healthy)
    assert (result["verdict"], result["recover"]) == ("BLIND", False)


def test_losing_cloudwatch_alone_is_degraded(healthy: Installation, black_hole: str) -> None:
    silence(healthy, "us-east-1", black_hole, "cloudwatch")
    for _ in range(4):
        result = take(healthy)
    assert (result["verdict"], result["recover"]) == ("DEGRADED", False)
    assert signals(healthy)["heartbeat"] == "unreachable"


def test_a_dead_scheduler_beside_a_live_triggerer_is_down(healthy: Installation) -> None:
    healthy.clock.forward(400)
    heartbeat(healthy, "TriggererHeartbeat")
    results = [take(healthy) for _ in range(2)]
    assert [result["verdict"] for result in results] == ["DEGRADED", "DOWN"]


def test_an_update_is_planned(healthy: Installation) -> None:
    environments(healthy, "UPDATING")
    healthy.clock.forward(400)
    assert take(healthy)["verdict"] == "PLANNED"


def test_a_failover_that_is_not_automatic_only_reports(installation: Installation) -> None:
    config = installation.runtime.config
    manual = dataclasses.replace(config.recovery, automatic=False)
    runtime = dataclasses.replace(
        installation.runtime, config=dataclasses.replace(config, recovery=manual)
    )
    environments(installation, "DELETED")
    installation.pulse(1000)
    event = {"index": 0, "started_at": installation.clock.at.isoformat()}
    results = [assess(event, runtime) for _ in range(2)]
    assert results[-1]["verdict"] == "DOWN"
    assert not results[-1]["recover"]


def test_after_a_promotion_the_new_owner_is_watched(healthy: Installation) -> None:
    record = Ownership(Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", "2026-11-22T11:59:00")
    healthy.runtime.state.put(state.OWNERSHIP, json.loads(record.to_json()), expected=None)
    healthy.pulse(5, Site.DR)
    result = take(healthy)
    assert (result["owner"], result["epoch"]) == ("dr", 2)
    item = healthy.runtime.state.get(state.READINGS)["readings"][-1]
    evidence = {one["signal"]: one["evidence"] for one in item["signals"]}
    assert evidence["region"] == "us-west-2 answers"
    assert evidence["sight"] == "eu-west-1 answer"
    assert Ownership.from_json(healthy.text(keys.OWNERSHIP, Site.PRIMARY)) == record


def test_a_mirror_never_goes_back(healthy: Installation) -> None:
    newer = Ownership(Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", "2026-11-22T11:59:00")
    healthy.put(keys.OWNERSHIP, newer.to_json())
    take(healthy)
    assert Ownership.from_json(healthy.text(keys.OWNERSHIP)) == newer


def test_a_spoilt_mirror_is_written_anew(healthy: Installation) -> None:
    healthy.put(keys.OWNERSHIP, "{")
    take(healthy)
    assert Ownership.from_json(healthy.text(keys.OWNERSHIP)) == INITIAL


def test_a_changed_verdict_is_an_event(healthy: Installation) -> None:
    region = REGIONS[Site.DR]
    events = healthy.runtime.clients.events(region)
    sqs = boto3.client("sqs", region_name=region)
    queue = sqs.create_queue(QueueName="seen")["QueueUrl"]
    arn = f"arn:aws:sqs:{region}:{NAMES.account}:seen"
    events.put_rule(Name="all", EventPattern=json.dumps({"source": ["mwaa-dr"]}))
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
    take(healthy)
    take(healthy)
    environments(healthy, "UPDATING")
    take(healthy)
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    details = [json.loads(message["Body"])["detail"] for message in found]
    assert [(one["from"], one["to"]) for one in details] == [
        (None, "HEALTHY"),
        ("HEALTHY", "PLANNED"),
    ]


def test_only_the_first_reading_of_a_minute_captures(healthy: Installation) -> None:
    assert [take(healthy, index)["capture"] for index in (0, 1, 2)] == [True, False, False]


def test_the_wait_makes_up_for_a_slow_reading(healthy: Installation) -> None:
    started = healthy.clock.at
    healthy.clock.forward(8)
    event = {"index": 0, "started_at": started.isoformat()}
    assert assess(event, healthy.runtime)["wait_seconds"] == 12
