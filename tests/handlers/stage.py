"""Both machines on moto's real Step Functions in this process, with the real functions.

Time is the test's: a wait moves the clock on, lets the sites' agents act, and takes no time. Each
state's calls can be made to fail. What ran is taken from the execution histories.
"""

import importlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from moto.core.config import default_user_config
from moto.core.exceptions import JsonRESTError

from contract import keys, state
from contract.functions import FUNCTIONS
from contract.lifecycle import SiteState
from contract.machines import MACHINES, RECOVERY, render, substitutions
from contract.ownership import INITIAL, Ownership
from contract.sites import Site, Strategy
from handlers import runtime as handler_runtime
from handlers.core.captured import Captured
from handlers.runtime import Runtime
from tests.handlers.agents import Agents
from tests.handlers.installation import CONFIG, REGIONS, Installation
from tests.handlers.moto_machines import HOSTS, Raw, made, patch_moto, state_now, to_double
from tests.handlers.mwaa_double import CREATED, MwaaDouble
from tests.handlers.permissions import as_role_of

FOLDER = Path(__file__).parents[2] / "handlers" / "state_machines"
ROLE = f"arn:aws:iam::{CONFIG.account}:role/test"
STATES_REGION = "us-west-2"
METADATA = {"HTTPStatusCode": 503, "RequestId": "refused"}
CAPTURED = {
    "AirflowVersion": "2.10.3",
    "DagS3Path": "dags",
    "EnvironmentClass": "mw1.small",
    "AirflowConfigurationOptions": {"mwaa_dr.site": "primary"},
    "Tags": {},
}


class InjectedError(Exception):
    """A failure of a function that no retry mends."""


class TransientError(Exception):
    """Named as the one that the machines try again."""


class ServiceError(JsonRESTError):
    """Lambda itself refuses the call."""

    def __init__(self, kind: str, message: str, code: int = 429) -> None:
        super().__init__(kind, message)
        self.code = code


@dataclass
class Stage(Installation):
    """An installation with its machines, ready to recover.

    Args:
        faults: by state: what its next calls raise, None where one goes through.
        lost: states whose next call does its work and then fails, so that its answer is lost.
        before: by state: what the test does right before the next call.
        instead: by step: what its function answers in place of the real one.
        executions: all that were started here, by name.
    """

    folder: Path = field(kw_only=True)
    agents: Agents = field(init=False)
    faults: dict[str, list[Exception | None]] = field(default_factory=dict)
    lost: dict[str, Exception] = field(default_factory=dict)
    before: dict[str, Callable[[], Any]] = field(default_factory=dict)
    instead: dict[str, Callable[[dict[str, Any]], Any]] = field(default_factory=dict)
    executions: dict[str, str] = field(default_factory=dict)
    over: bool = False

    def __post_init__(self) -> None:
        self.agents = Agents(self)
        self.mwaa = MwaaDouble(self.folder, "", CONFIG.account)
        self.mwaa.now = self.seconds
        self.lock = threading.RLock()
        self.running = threading.local()
        self.becomes("AVAILABLE")

    # time

    def pass_time(self, seconds: float) -> None:
        if self.over:
            raise SystemExit
        with self.lock:
            self.clock.forward(max(seconds, 0.01))
            self.agents.act()

    def seconds(self) -> float:
        return self.clock.at.timestamp()

    def age(self, at: str) -> float:
        return (self.clock.at - datetime.fromisoformat(at)).total_seconds()

    # environments

    def becomes(self, status: str, site: Site = Site.DR) -> None:
        """What a site's environment is once it is created."""
        (self.folder / f"{CREATED}-{CONFIG.place(site).environment}").write_text(status)

    def environment(self, site: Site) -> None:
        """Make a site's environment, as a stack would have; it is ready."""
        self.becomes("AVAILABLE", site)
        place = CONFIG.place(site)
        self.runtime.clients.mwaa(place.region).create_environment(
            Name=place.environment,
            ExecutionRoleArn=CONFIG.target.execution_role_arn,
            SourceBucketArn=f"arn:aws:s3:::{place.dag_bucket}",
            DagS3Path="dags",
            NetworkConfiguration={"SubnetIds": ["s-1", "s-2"], "SecurityGroupIds": ["sg-1"]},
        )
        self.clock.forward(60)

    @property
    def environments(self) -> list[str]:
        return [one["name"] for one in self.mwaa.describe()]

    # machines

    def deploy(self) -> None:
        for machine in MACHINES:
            text = (FOLDER / f"{machine}.asl.json").read_text()
            _client("stepfunctions").create_state_machine(
                name=CONFIG.names.state_machine(machine),
                definition=json.dumps(render(text, substitutions(self.runtime.config))),
                roleArn=ROLE,
            )

    @property
    def machines(self) -> Any:
        """A client of Step Functions."""
        return _client("stepfunctions")

    def execution_arn(self, incident_id: str) -> str:
        machine = CONFIG.names.state_machine_arn(RECOVERY, STATES_REGION)
        return f"{machine.replace(':stateMachine:', ':execution:')}:{incident_id}"

    def start(self, machine: str, given: dict[str, Any], name: str = "") -> str:
        arn = _client("stepfunctions").start_execution(
            stateMachineArn=CONFIG.names.state_machine_arn(machine, STATES_REGION),
            input=json.dumps(given, sort_keys=True),
            **({"name": name} if name else {}),
        )["executionArn"]
        self.executions[arn] = machine
        return arn

    def recoveries(self) -> dict[str, str]:
        """Every recovery that was started, by anybody: name -> execution."""
        machine = CONFIG.names.state_machine_arn(RECOVERY, STATES_REGION)
        found = self.machines.list_executions(stateMachineArn=machine)["executions"]
        for one in found:
            self.executions[one["executionArn"]] = RECOVERY
        return {one["name"]: one["executionArn"] for one in found}

    @contextmanager
    def refusing_starts(self, times: int) -> Iterator[None]:
        """Step Functions refuses the next starts by a machine."""
        client, left = made("stepfunctions", STATES_REGION), iter(range(times))

        def refuse(model: Any, **_more: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
            # Not `before-send`: there moto would carry the call out all the same.
            if model.name != "StartExecution" or next(left, None) is None:
                return None
            error = {"Code": "ServiceUnavailable", "Message": "not now"}
            parsed = {"Error": error, "ResponseMetadata": METADATA}
            return AWSResponse("", 503, {}, Raw(b"")), parsed

        client.meta.events.register_first("before-call", refuse)
        try:
            yield
        finally:
            client.meta.events.unregister("before-call", refuse)

    def end(self, execution: str, seconds: float = 60) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status = _client("stepfunctions").describe_execution(executionArn=execution)["status"]
            if status != "RUNNING":
                return status
            time.sleep(0.01)
        raise AssertionError(f"{execution} did not end: {self.story(execution)[-10:]}")

    def history(self, execution: str) -> list[dict[str, Any]]:
        pages = _client("stepfunctions").get_paginator("get_execution_history")
        return [
            event for page in pages.paginate(executionArn=execution) for event in page["events"]
        ]

    def story(self, execution: str) -> list[str]:
        """The states that an execution entered."""
        return [
            event["stateEnteredEventDetails"]["name"]
            for event in self.history(execution)
            if "stateEnteredEventDetails" in event
        ]

    def open(self, kind: str, **asked: Any) -> dict[str, Any]:
        """Ask for an incident as a person or the monitor would; the function's answer."""
        record = self.ownership
        event = {"kind": kind, "owner": record.owner.value, "epoch": record.epoch, **asked}
        return self.call("open-incident", {"reasons": ["test"], **event})

    def call(self, step: str, event: dict[str, Any]) -> dict[str, Any]:
        answer = _client("lambda").invoke(
            FunctionName=CONFIG.names.function(step), Payload=json.dumps(event)
        )
        return json.loads(answer["Payload"].read())

    def recover(self, kind: str = "failover", **asked: Any) -> str:
        """Open an incident and run its recovery to the end; `execution` tells its story."""
        found = self.open(kind, **asked)
        assert found.get("start"), found
        self.incident_id = found["incident_id"]
        self.execution = self.start(RECOVERY, found["input"], found["incident_id"])
        return self.end(self.execution)

    # what is there now

    def own(self, record: Ownership) -> None:
        """Write the ownership record and its mirrors."""
        stored = self.runtime.state.ownership()[1]
        self.runtime.state.put(state.OWNERSHIP, asdict(record), expected=stored)
        for site in Site:
            self.put(keys.OWNERSHIP, record.to_json(), site)

    @property
    def ownership(self) -> Ownership:
        return self.runtime.state.ownership()[0]

    def incident(self, incident_id: str = "") -> dict[str, Any]:
        found = self.runtime.state.get(state.incident(incident_id or self.incident_id))
        assert found is not None
        return found

    def steps(self, incident_id: str = "") -> list[str]:
        """The timeline's steps, without the orders, in order."""
        entries = sorted(self.incident(incident_id)["timeline"].values(), key=lambda one: one["at"])
        return [one["step"] for one in entries if one["step"] != "order-sent"]

    # what the machines call

    def answer(self, name: str, body: str | bytes, headers: dict[str, str]) -> bytes:
        """One call of a function, as Lambda answers it."""
        step = name.rsplit(f"{CONFIG.name}-dr-", 1)[1]
        at = state_now()
        do = self.before.pop(at, None)
        if do is not None:
            do()
        fault = self.faults[at].pop(0) if self.faults.get(at) else None
        if isinstance(fault, ServiceError):
            raise fault
        answer, error = None, fault
        if error is None:
            answer, error = self._called(step, json.loads(body or b"{}"))
        error = error or self.lost.pop(at, None)
        if error is None:
            return json.dumps(answer).encode()
        headers["x-amz-function-error"] = "Unhandled"
        told = {"errorMessage": str(error), "errorType": type(error).__name__}
        return json.dumps(told).encode()

    def own_runtime(self) -> Runtime:
        """The means of the function that runs in this thread, with its role's permissions."""
        return as_role_of(self.running.step, self.runtime)

    def _called(self, step: str, event: dict[str, Any]) -> tuple[Any, Exception | None]:
        self.running.step = step
        try:
            if step in self.instead:
                return self.instead[step](event), None
            return _handler(step)(event, None), None
        except Exception as error:
            return None, error


@cache
def _client(service: str) -> Any:
    return boto3.client(
        service, region_name=STATES_REGION, config=Config(retries={"total_max_attempts": 1})
    )


@cache
def _handler(step: str) -> Callable[[Any, Any], dict[str, Any]]:
    spec = next(spec for spec in FUNCTIONS if spec.step == step)
    module, _, name = spec.handler.rpartition(".")
    return getattr(importlib.import_module(module), name)


@contextmanager
def staged(
    installation: Installation, folder: Path, patch: pytest.MonkeyPatch, **config: Any
) -> Iterator[Stage]:
    """An installation on stage; `config` changes fields of the handlers' configuration."""
    patch_moto()
    # moto takes its settings back at the end of each mock.
    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    runtime = replace(installation.runtime, config=replace(CONFIG, **config))
    stage = Stage(runtime, installation.clock, folder=folder)
    _answer_mwaa(stage)
    HOSTS.append(stage)
    patch.setattr(handler_runtime, "_runtime", stage.own_runtime)
    stage.deploy()
    kept = Captured(stage.runtime.at(), CAPTURED)
    for site in Site:
        stage.put(keys.captured_environment(site), kept.to_json())
    try:
        yield stage
    finally:
        stage.over = True
        HOSTS.remove(stage)


def _answer_mwaa(stage: Stage) -> None:
    """moto has no MWAA: its clients' requests go to the double of whichever stage there is."""
    for region in REGIONS.values():
        for probe in (True, False):
            client = stage.runtime.clients.mwaa(region, probe=probe)
            client.meta.events.register_first("before-send", to_double, "double")


PASSIVE = pytest.mark.parametrize(
    "stage", [{"strategy": Strategy.ACTIVE_PASSIVE}], indirect=True, ids=["passive"]
)
"""An installation with a passive environment."""


def nothing_moved(stage: Stage, before: Ownership = INITIAL) -> None:
    """The owner is as it was and at work, and another incident may begin."""
    assert (stage.ownership.owner, stage.ownership.epoch) == (before.owner, before.epoch)
    assert stage.ownership.state is SiteState.ACTIVE
    stored = stage.runtime.state.get(state.OPEN_INCIDENT)
    assert stored is not None
    assert stored["status"] != "open"
