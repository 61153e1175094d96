"""`mwaa-dr rerun`, through the real agent of a site and on a database directly."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from boto3.dynamodb.types import TypeSerializer
from click.testing import CliRunner, Result
from moto import mock_aws

from cli import mailbox
from cli.main import main
from contract import keys, state
from contract.agent_config import AgentConfig
from contract.lifecycle import SiteState
from contract.names import Names
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import Ownership
from contract.sites import CopyMode, Site
from mwaa_dr_metadata import Phase
from mwaa_dr_site.beat import beat
from tests.metadata.metadata_world import Vault, World

pytestmark = pytest.mark.airflow

NAMES = Names("etl", "123456789012")
REGION, PRIMARY = "us-west-2", "us-east-1"
INCIDENT = "failover-e0001-01"
OWNER = Ownership(Site.DR, 2, SiteState.ACTIVE, INCIDENT, "2026-11-26T09:00:00+00:00")


class Agent:
    """The agent of the DR site, as its DAG runs it, whenever it is asked to."""

    def __init__(self, world: World, names: Names = NAMES) -> None:
        self.world = world
        bucket = names.backup_bucket(Site.DR)
        self.config = AgentConfig(
            name=names.name, site=Site.DR, environment=names.environment(Site.DR), region=REGION,
            dr_region=REGION, local_bucket=bucket, dr_bucket=bucket, dag_bucket="none",
            seal_key="none", copy_mode=CopyMode.DIRECT, agent_seconds=60, export_seconds=300,
        )  # fmt: skip
        self.s3 = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(
            Bucket=self.config.dr_bucket,
            CreateBucketConfiguration={"LocationConstraint": REGION},
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def live(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        if self._thread.ident:
            self._thread.join()

    def _live(self) -> None:
        environ = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.world.url,
            "AIRFLOW__CORE__FERNET_KEY": self.world.key,
        }
        while not self._stop.wait(0.2):
            beat(self.config, environ)

    def put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=self.config.dr_bucket, Key=key, Body=text)

    def orders(self) -> list[Order]:
        prefix = keys.orders(Site.DR)
        listed = self.s3.list_objects_v2(Bucket=self.config.dr_bucket, Prefix=prefix)
        return [
            Order.from_json(
                self.s3.get_object(Bucket=self.config.dr_bucket, Key=one["Key"])["Body"].read()
            )
            for one in listed.get("Contents", [])
        ]


def make_state_table(names: Names = NAMES) -> None:
    boto3.client("dynamodb", region_name=REGION).create_table(
        TableName=names.state_table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def put_item(pk: str, item: dict[str, Any], names: Names = NAMES) -> None:
    serialise = TypeSerializer().serialize
    boto3.client("dynamodb", region_name=REGION).put_item(
        TableName=names.state_table,
        Item={key: serialise(value) for key, value in {"pk": pk, **item}.items()},
    )


@pytest.fixture
def agent(target: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(mailbox, "POLL_SECONDS", 0.1)
    with mock_aws():
        make_state_table()
        agent = Agent(target)
        yield agent
        agent.end()


@pytest.fixture
def recovered(filled: World, target: World, vault: Vault, agent: Agent) -> str:
    """The DR site owns what was restored; returns the snapshot's time."""
    return recover(filled, target, vault, agent)


def recover(filled: World, target: World, vault: Vault, agent: Agent, names: Names = NAMES) -> str:
    """Restore the source into the target and leave behind what a recovery does."""
    key, manifest = vault.export(filled)
    report = vault.restore(target, key, Phase.RESUME)
    ack = Ack(f"{INCIDENT}-import", Site.DR, OrderStatus.SUCCEEDED, "now", report.to_dict())
    agent.put(keys.ack(Site.DR, ack.order_id), ack.to_json())
    agent.put(keys.OWNERSHIP, OWNER.to_json())
    put_item(state.OWNERSHIP, json.loads(OWNER.to_json()), names)
    outage = datetime.fromisoformat(manifest.snapshot_at) + timedelta(seconds=30)
    incident = {"incident_id": INCIDENT, "outage_at": outage.isoformat()}
    put_item(state.incident(INCIDENT), incident, names)
    return manifest.snapshot_at


def at_risk(world: World, snapshot_at: str, seconds: float) -> None:
    """A run that was made here for an interval that ended so long after the snapshot."""
    due = datetime.fromisoformat(snapshot_at) + timedelta(seconds=seconds)
    interval = {"data_interval_start": due, "data_interval_end": due}
    later = datetime.now(UTC) + timedelta(hours=1)
    world.run("busy", f"due_after_{seconds}", seconds / 60, queued_at=later, **interval)


def run(*arguments: str) -> Result:
    place = ["--name", "etl", "--region", REGION, "--account", NAMES.account]
    return CliRunner().invoke(main, [*place, "rerun", *arguments])


def answer(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def states(world: World) -> dict[str, str]:
    return dict(world.sql("SELECT run_id, state FROM dag_run WHERE dag_id = 'busy'"))


def names(runs: list[dict[str, Any]]) -> list[str]:
    return [run["run_id"] for run in runs]


def test_the_agent_says_what_is_interrupted_and_at_risk(recovered, target, agent):
    at_risk(target, recovered, 10)
    # Seen last after 30 s, and its pulse comes once a minute: two of them may have been missed.
    at_risk(target, recovered, 140)
    at_risk(target, recovered, 160)
    agent.live()
    found = answer()
    assert names(found["interrupted"]) == ["live", "waiting"]
    assert names(found["at_risk"]) == ["due_after_10", "due_after_140"]
    assert states(target)["live"] == "failed"
    shown = run("--list").output
    for text in ("live", "due_after_10", "mwaa-dr rerun --all"):
        assert text in shown


def test_all_interrupted_runs_run_again_through_the_agent(recovered, target, agent):
    agent.live()
    assert names(answer("--all", "--dry-run")["report"]["runs"]) == ["live", "waiting"]
    assert states(target) == {"live": "failed", "waiting": "failed", "done": "success"}
    found = answer("--all")
    assert names(found["report"]["runs"]) == ["live", "waiting"]
    assert found["interrupted"] == []
    assert states(target) == {"live": "queued", "waiting": "queued", "done": "success"}
    assert answer("--all")["report"]["runs"] == []
    order = agent.orders()[-1]
    assert (order.kind, order.site, order.epoch) == (OrderKind.RERUN, Site.DR, 2)
    assert recovered == order.payload["snapshot_at"]
    assert "none" in run().output


@pytest.mark.usefixtures("recovered")
def test_named_runs_run_again_and_what_was_left_is_an_error(target, agent):
    agent.live()
    result = run("busy/waiting", "busy/done", "etl")
    assert result.exit_code == 1
    assert "--force" in result.output
    assert "none of its runs is interrupted" in result.output
    assert "un-paused: busy" in result.output
    assert states(target) == {"live": "failed", "waiting": "queued", "done": "success"}
    assert names(answer("busy")["report"]["runs"]) == ["live"]


@pytest.mark.usefixtures("recovered")
def test_without_an_agent_the_list_comes_from_the_import(agent):
    found = answer("--wait", "0")
    assert names(found["interrupted"]) == ["live", "waiting"]
    assert found["at_risk"] is None
    assert agent.orders() == []
    result = run("--wait", "0.3")
    assert result.exit_code == 0
    assert "did not answer" in result.stderr
    assert "waiting" in result.stdout


@pytest.mark.usefixtures("recovered")
def test_without_an_agent_nothing_runs_again_later_either(target, agent):
    result = run("--all", "--wait", "0.3")
    assert result.exit_code == 1
    assert "did not answer" in result.output
    agent.live()
    assert names(answer()["interrupted"]) == ["live", "waiting"]
    assert states(target)["live"] == "failed"


@pytest.mark.usefixtures("recovered")
def test_a_site_that_lost_the_ownership_refuses(target, agent):
    newer = Ownership(Site.PRIMARY, 3, SiteState.ACTIVE)
    agent.put(keys.OWNERSHIP, newer.to_json())
    agent.live()
    result = run("--all")
    assert result.exit_code == 1
    assert "epoch 3" in result.output
    assert states(target)["live"] == "failed"


@pytest.mark.usefixtures("agent")
def test_where_nothing_was_restored_it_says_so():
    result = run()
    assert result.exit_code == 1
    assert "primary, was not promoted with a restored backup" in result.output


@pytest.mark.parametrize(
    "arguments",
    [("--list", "--all"), ("--list", "busy"), ("--all", "busy"), ("--all", "--force"),
     ("--all", "--wait", "0"), ("--snapshot-at", "then"), ("--outage-at", "2026-11-26T09:00:00")],
)  # fmt: skip
def test_what_does_not_fit_together_is_wrong_usage(arguments):
    assert run(*arguments).exit_code == 2


def test_a_database_is_worked_on_directly(filled, target, vault):
    key, manifest = vault.export(filled)
    vault.restore(target, key)
    at_risk(target, manifest.snapshot_at, 10)
    url = ("--database-url", target.url)
    found = answer(*url)
    assert names(found["interrupted"]) == ["live", "waiting"]
    assert names(found["at_risk"]) == ["due_after_10"]
    assert found["snapshot_at"] == manifest.snapshot_at
    assert names(answer(*url, "busy/live")["report"]["runs"]) == ["live"]
    assert states(target)["live"] == "queued"
    by_time = answer(*url, "--all", "--snapshot-at", manifest.snapshot_at)
    assert names(by_time["report"]["runs"]) == ["waiting"]


def test_a_database_without_an_import_has_nothing_to_list(source, cluster):
    assert "none" in run("--database-url", source.url).output
    result = run("--database-url", cluster.url_of("postgres"))
    assert result.exit_code == 1
    assert "no Airflow metadata" in result.output
