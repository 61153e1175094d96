"""Both machines on real Step Functions with the real functions; the test plays the agents."""

import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from click.testing import CliRunner

from cli.main import main
from components.execution_role import PURPOSE
from components.functions import policies
from components.grants import DrKeys
from components.machines import statements
from components.packaging import functions_archive
from contract import keys, state
from contract.functions import FUNCTIONS
from contract.handler_config import VARIABLE, Detection, HandlerConfig, Recovery
from contract.lifecycle import SiteState
from contract.machines import MACHINES, MONITOR, RECOVERY, render, substitutions
from contract.names import Names
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.sites import InFlightRule, Site
from handlers.adapters.clients import Clients
from handlers.core.captured import Captured
from handlers.runtime import Runtime
from local.gateway import process
from local.gateway.process import LocalAws
from tests.handlers.installation import CONFIG, REGIONS, Clock, Installation
from tests.handlers.mwaa_double import CREATED
from tests.handlers.permissions import KEYS, make_role, place_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

DOUBLE = "tests.handlers.mwaa_double:MwaaDouble"
FOLDER = Path(__file__).parents[2] / "handlers" / "state_machines"
FIRST = "failover-e0001-01"
CAPTURED = {
    "AirflowVersion": "2.10.3",
    "DagS3Path": "dags",
    "EnvironmentClass": "mw1.small",
    "AirflowConfigurationOptions": {"mwaa_dr.site": "primary"},
    "Tags": {},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway's folder."""
    return tmp_path_factory.mktemp("aws")


@pytest.fixture(scope="module")
def local_aws(root: Path) -> Iterator[LocalAws]:
    with process.running(root, mwaa=DOUBLE) as running:
        yield running


class Agents:
    """Both sites' agents: they answer each order once, as `answers` says by kind and site."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.silent: set[Site] = set()
        self.answers: dict[OrderKind, Callable[[Order], tuple[dict[str, Any], str]]] = {}
        self.done: list[Order] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def kinds(self, site: Site) -> list[str]:
        return [order.kind.value for order in self.done if order.site is site]

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        seen: set[str] = set()
        while not self._stop.wait(0.2):
            for site in set(Site) - self.silent:
                for key in self.world.keys(keys.orders(site), site):
                    order = Order.from_json(self.world.text(key, site))
                    if order.order_id not in seen:
                        seen.add(order.order_id)
                        self._answer(order)

    def _answer(self, order: Order) -> None:
        result, error = self.answers.get(order.kind, lambda _: ({}, ""))(order)
        status = OrderStatus.FAILED if error else OrderStatus.SUCCEEDED
        fault = {"type": error, "message": "said the agent"} if error else None
        at = datetime.now(UTC).isoformat()
        ack = Ack(order.order_id, order.site, status, at, result=result, error=fault)
        self.world.put(keys.ack(order.site, order.order_id), ack.to_json())
        self.done.append(order)


@dataclass
class World(Installation):
    """An installation on the gateway, with functions and machines deployed."""

    aws: LocalAws = field(kw_only=True)
    root: Path = field(kw_only=True)
    agents: Agents = field(init=False)

    @property
    def config(self) -> HandlerConfig:
        return self.runtime.config

    def client(self, service: str, region: str = "us-west-2") -> Any:
        return boto3.client(service, region_name=region, config=Config(read_timeout=60))

    def s3(self, site: Site = Site.DR):
        return self.runtime.clients.s3(REGIONS[site])

    def bucket(self, site: Site) -> str:
        return self.config.place(site).backup_bucket

    def put(self, key: str, body: str | bytes, site: Site = Site.DR, bucket: str = "") -> str:
        return super().put(key, body, site, bucket or self.bucket(site))

    def text(self, key: str, site: Site = Site.DR, bucket: str = "") -> str:
        return super().text(key, site, bucket or self.bucket(site))

    def keys(self, prefix: str, site: Site = Site.DR) -> list[str]:
        found = self.s3(site).list_objects_v2(Bucket=self.bucket(site), Prefix=prefix)
        return [item["Key"] for item in found.get("Contents", [])]

    def becomes(self, status: str) -> None:
        """What becomes of the DR environment once it is created."""
        for site in Site:
            name = self.config.place(site).environment
            text = status if site is Site.DR else "AVAILABLE"
            folder = self.root / "mwaa"
            folder.mkdir(exist_ok=True)
            (folder / f"{CREATED}-{name}").write_text(text)

    def run(self, machine: str, given: dict[str, Any], name: str = "") -> str:
        return self.client("stepfunctions").start_execution(
            stateMachineArn=self.config.names.state_machine_arn(machine, "us-west-2"),
            input=json.dumps(given),
            **({"name": name} if name else {}),
        )["executionArn"]

    def end(self, execution: str, seconds: float = 120) -> str:
        client, deadline = self.client("stepfunctions"), time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = client.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING":
                return found["status"]
            time.sleep(0.3)
        raise AssertionError(f"{execution} did not end: {self.story(execution)}")

    def story(self, execution: str) -> list[str]:
        """The states that an execution entered."""
        pages = self.client("stepfunctions").get_execution_history(executionArn=execution)
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in pages["events"]
            if "stateEnteredEventDetails" in event
        ]

    def last_events(self, execution: str) -> list[Any]:
        """What went wrong, for a failed assertion."""
        return self.client("stepfunctions").get_execution_history(executionArn=execution)["events"][
            -4:
        ]

    def recover(self, **asked: Any) -> str:
        """Open the incident as the monitor would, and run the recovery to its end."""
        opened = self.client("lambda").invoke(
            FunctionName=self.config.names.function("open-incident"),
            Payload=json.dumps(
                {"kind": "failover", "owner": "primary", "epoch": 1, "reasons": ["test"], **asked}
            ),
        )
        found = json.loads(opened["Payload"].read())
        assert found.get("start"), found
        self.execution = self.run(RECOVERY, found["input"], found["incident_id"])
        return self.end(self.execution)

    def incident(self, incident_id: str = FIRST) -> dict[str, Any]:
        found = self.runtime.state.get(state.incident(incident_id))
        assert found is not None
        return found

    def steps(self, incident_id: str = FIRST) -> set[str]:
        return {entry["step"] for entry in self.incident(incident_id)["timeline"].values()}

    @property
    def ownership(self) -> Ownership:
        return self.runtime.state.ownership()[0]


def _config(name: str) -> HandlerConfig:
    names = Names(name, CONFIG.account)
    places = {
        site: dataclasses.replace(
            CONFIG.place(site),
            environment=names.environment(site),
            dag_bucket=names.dag_bucket(site),
            backup_bucket=names.backup_bucket(site),
        )
        for site in Site
    }
    return dataclasses.replace(
        CONFIG,
        name=name,
        primary=places[Site.PRIMARY],
        dr=places[Site.DR],
        topic_arn=f"arn:aws:sns:us-west-2:{CONFIG.account}:{names.topic(Site.DR)}",
        detection=Detection(4, 2, 3, 60, 12, 600, 2.0),
        recovery=Recovery(True, InFlightRule.FAIL, 30, 8, 60),
        target=dataclasses.replace(
            CONFIG.target,
            execution_role_arn=f"arn:aws:iam::{CONFIG.account}:role/{names.role(Site.DR, PURPOSE)}",
        ),
    )


@pytest.fixture
def world(
    local_aws: LocalAws,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[World]:
    for key, value in local_aws.environment.items():
        monkeypatch.setenv(key, value)
    # The execution of one test must not find the name of another's.
    name = "t" + format(abs(hash(request.node.name)) % 10**8, "08d")
    config = _config(name)
    runtime, clock = Runtime(config, Clients(2.0)), Clock(datetime.now(UTC))
    made = World(runtime, clock, aws=local_aws, root=root)
    _deploy(made)
    made.agents = Agents(made)
    try:
        yield made
    finally:
        made.agents.stop()
        local_aws.control.end_outage()


def _deploy(world: World) -> None:
    """What the stacks make, as far as the machines need it."""
    config, names = world.config, world.config.names
    world.client("dynamodb").create_table(
        TableName=names.state_table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for site, region in REGIONS.items():
        place = config.place(site)
        for bucket in (place.backup_bucket, place.dag_bucket):
            location = {} if region == "us-east-1" else {"LocationConstraint": region}
            world.s3(site).create_bucket(
                Bucket=bucket, **({"CreateBucketConfiguration": location} if location else {})
            )
            world.s3(site).put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
    world.client("sns").create_topic(Name=names.topic(Site.DR))
    place, iam = place_of(config.name), world.client("iam")
    code = functions_archive().read_bytes()
    for spec in FUNCTIONS:
        access = policies(spec, place, DrKeys(data=KEYS[Site.DR]))
        world.client("lambda").create_function(
            FunctionName=names.function(spec.step),
            Runtime="python3.13",
            Role=make_role(iam, names.role(Site.DR, spec.step), "lambda", access),
            Handler=spec.handler,
            Code={"ZipFile": code},
            Timeout=spec.timeout_seconds,
            MemorySize=spec.memory_mb,
            Environment={"Variables": {VARIABLE: config.to_json()}},
        )
    for machine in MACHINES:
        text = (FOLDER / f"{machine}.asl.json").read_text()
        definition = render(text, substitutions(config))
        access = {"access": statements(definition)}
        world.client("stepfunctions").create_state_machine(
            name=names.state_machine(machine),
            definition=json.dumps(definition),
            roleArn=make_role(iam, names.role(Site.DR, f"{machine}-machine"), "states", access),
        )
    kept = Captured(datetime.now(UTC).isoformat(), CAPTURED)
    world.put(keys.captured_environment(Site.PRIMARY), kept.to_json())
    world.becomes("AVAILABLE")


def test_a_lost_region_is_recovered_from(world: World) -> None:
    world.agents.silent = {Site.PRIMARY}
    world.backup(60, installation=world.config.name)
    world.aws.control.begin_outage("us-east-1")
    assert world.recover() == "SUCCEEDED", world.incident()
    assert (world.ownership.owner, world.ownership.epoch) == (Site.DR, 2)
    assert world.ownership.state is SiteState.ACTIVE
    assert Ownership.from_json(world.text(keys.OWNERSHIP)) == world.ownership
    assert world.agents.kinds(Site.DR) == ["import", "unpause", "import"]
    orders = {order.order_id: order for order in world.agents.done}
    phases = [order.payload.get("phase") for order in world.agents.done]
    assert phases == ["resume", None, "history"]
    assert [order.epoch for order in orders.values()] == [1, 2, 2]
    assert world.incident()["status"] == "succeeded"
    assert {"not-fenced", "environment-ready", "restored", "promoting", "active"} <= world.steps()
    told = world.aws.control.notifications(region="us-west-2")
    subjects = [one.get("subject", "") for one in told if world.config.name in str(one)]
    assert any("done" in subject for subject in subjects), told
    place = ["--name", world.config.name, "--region", "us-west-2", "--account", CONFIG.account]
    report = CliRunner().invoke(main, [*place, "report"])
    assert report.exit_code == 0, report.output
    assert "outage to un-paused" in report.output or "incident to un-paused" in report.output
    for step in ("not-fenced", "environment-ready", "restored", "unpaused", "active"):
        assert step in report.output
    assert CliRunner().invoke(main, [*place, "status"]).exit_code == 0


def test_a_refused_backup_makes_way_for_an_older_one(world: World) -> None:
    world.agents.silent = {Site.PRIMARY}
    older = world.backup(300, installation=world.config.name)
    newest = world.backup(60, installation=world.config.name)
    world.agents.answers[OrderKind.IMPORT] = lambda order: (
        ({}, "BackupRefusedError") if order.payload["backup"] == newest else ({"rows": 1}, "")
    )
    world.aws.control.begin_outage("us-east-1")
    assert world.recover() == "SUCCEEDED", world.incident()
    assert [order.payload["backup"] for order in world.agents.done] == [newest, older, older, older]
    assert "backup-refused" in world.steps()
    refusals = [
        entry
        for entry in world.incident()["timeline"].values()
        if entry["step"] == "backup-refused"
    ]
    assert "said the agent" in json.dumps(refusals)


def test_a_failed_creation_is_undone_and_the_fenced_owner_goes_on(world: World) -> None:
    world.becomes("CREATE_FAILED")
    world.backup(60, installation=world.config.name)
    world.agents.answers[OrderKind.PAUSE] = lambda _: ({"paused": ["sales", "stock"]}, "")
    assert world.recover() == "FAILED"
    assert world.ownership.epoch == 1
    assert world.ownership.owner is Site.PRIMARY
    assert world.agents.kinds(Site.PRIMARY) == ["pause", "export", "unpause"]
    undo = world.agents.done[-1]
    assert undo.payload == {"dags": ["sales", "stock"]}
    incident = world.incident()
    assert incident["status"] == "failed"
    assert "is CREATE_FAILED" in incident["reason"]
    assert {"fenced", "final-export", "unfenced", "closed"} <= world.steps()


def test_without_a_backup_nothing_changes_hands_and_the_next_attempt_may_start(
    world: World,
) -> None:
    world.agents.silent = {Site.PRIMARY}
    assert world.recover() == "FAILED"
    assert world.incident()["reason"].startswith("NoBackupError: no backup of primary")
    item = world.runtime.state.get(state.OPEN_INCIDENT)
    assert item is not None
    assert item["status"] == "failed"
    assert world.ownership.epoch == 1


def test_un_pausing_that_keeps_failing_needs_attention_and_never_goes_back(world: World) -> None:
    world.agents.silent = {Site.PRIMARY}
    world.backup(60, installation=world.config.name)
    world.agents.answers[OrderKind.UNPAUSE] = lambda _: ({}, "OperationalError")
    world.aws.control.begin_outage("us-east-1")
    assert world.recover() == "FAILED"
    assert world.agents.kinds(Site.DR) == ["import", "unpause", "unpause", "unpause"]
    assert (world.ownership.owner, world.ownership.state) == (Site.DR, SiteState.PROMOTING)
    assert world.incident()["status"] == "attention"
    assert "OperationalError: said the agent" in world.incident()["reason"]


def test_the_monitor_notices_a_lost_region_and_starts_one_recovery(world: World) -> None:
    world.agents.silent = {Site.PRIMARY}
    world.backup(30, installation=world.config.name)
    primary = world.config.primary
    world.client("mwaa", "us-east-1").create_environment(
        Name=primary.environment,
        ExecutionRoleArn=CONFIG.target.execution_role_arn,
        SourceBucketArn=f"arn:aws:s3:::{primary.dag_bucket}",
        DagS3Path="dags",
        NetworkConfiguration={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    )
    pulse = Pulse(Site.PRIMARY, primary.environment, datetime.now(UTC).isoformat(), 1, 30, 30, 0)
    world.put(keys.pulse(Site.PRIMARY), pulse.to_json())
    world.aws.control.begin_outage("us-east-1")
    outage = datetime.now(UTC)
    execution = world.run(MONITOR, {})
    deadline = time.monotonic() + 90
    while world.ownership.epoch == 1:
        assert time.monotonic() < deadline, world.runtime.state.get(state.READINGS)
        time.sleep(0.5)
    machine = world.config.names.state_machine_arn(RECOVERY, "us-west-2")
    started = world.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert [one["name"] for one in started] == [FIRST]
    assert world.end(started[0]["executionArn"]) == "SUCCEEDED"
    assert world.end(execution) == "SUCCEEDED", world.last_events(execution)
    incident = world.incident()
    assert incident["outage_at"] == pulse.at
    detected = datetime.fromisoformat(incident["opened_at"]) - outage
    assert timedelta(seconds=12) < detected < timedelta(seconds=40)
    readings = world.runtime.state.get(state.READINGS)
    assert readings is not None
    assert readings["readings"][-1]["owner"] == "dr"
    assert world.story(execution).count("Assess") == 15
