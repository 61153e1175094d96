"""The entry point that a plan of ARC Region switch calls again and again."""

import dataclasses
import json

import boto3
import pytest

from contract import state
from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.sites import Site, Strategy
from handlers.core.errors import RequestError, StillMovingError
from handlers.region_switch import region_switch
from tests.handlers.installation import NAMES, Installation

ASKED = {"target": "dr", "InvokedBy": "arc-region-switch", "ExecutionId": "e-1", "StepName": "s"}
PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}


@pytest.fixture
def switchable(installation: Installation) -> Installation:
    """With a recovery machine, active-passive."""
    config = dataclasses.replace(installation.runtime.config, strategy=Strategy.ACTIVE_PASSIVE)
    installation.runtime = dataclasses.replace(installation.runtime, config=config)
    boto3.client("stepfunctions", region_name="us-west-2").create_state_machine(
        name=NAMES.state_machine("recovery"),
        definition=json.dumps(PASS),
        roleArn="arn:aws:iam::123456789012:role/x",
    )
    return installation


def executions() -> list[dict]:
    client = boto3.client("stepfunctions", region_name="us-west-2")
    machine = NAMES.state_machine_arn("recovery", "us-west-2")
    found = client.list_executions(stateMachineArn=machine)["executions"]
    return [
        json.loads(client.describe_execution(executionArn=one["executionArn"])["input"])
        for one in found
    ]


def test_it_starts_one_move_however_often_it_is_called(switchable: Installation) -> None:
    for _ in range(3):
        with pytest.raises(StillMovingError, match="planned-failover-e0001-01"):
            region_switch(ASKED, switchable.runtime)
    (given,) = executions()
    assert (given["kind"], given["owner"], given["target"]) == ("planned-failover", "primary", "dr")
    assert given["approval"] is False
    incident = switchable.runtime.state.get(state.incident("planned-failover-e0001-01"))
    assert incident is not None
    assert "ARC Region switch e-1" in str(incident["timeline"]["opened"]["detail"])


def test_it_is_done_when_the_target_is_active(switchable: Installation) -> None:
    promoting = Ownership(Site.DR, 2, SiteState.PROMOTING, "planned-failover-e0001-01", "t")
    switchable.runtime.state.put(state.OWNERSHIP, dataclasses.asdict(promoting), expected=None)
    with pytest.raises(StillMovingError, match="dr owns epoch 2 and is PROMOTING"):
        region_switch(ASKED, switchable.runtime)
    active = dataclasses.replace(promoting, state=SiteState.ACTIVE)
    expected = dataclasses.asdict(promoting)
    switchable.runtime.state.put(state.OWNERSHIP, dataclasses.asdict(active), expected=expected)
    answer = region_switch(ASKED, switchable.runtime)
    assert answer == {"owner": "dr", "epoch": 2, "state": "ACTIVE"}
    assert executions() == []


def test_an_owner_that_is_down_is_failed_over_from(switchable: Installation) -> None:
    switchable.runtime.state.put(state.READINGS, {"verdict": "DOWN"}, expected=None)
    with pytest.raises(StillMovingError, match="failover-e0001-01"):
        region_switch(ASKED, switchable.runtime)
    assert [given["kind"] for given in executions()] == ["failover"]


def test_what_is_in_the_way_is_said(switchable: Installation) -> None:
    with pytest.raises(StillMovingError):
        region_switch(ASKED, switchable.runtime)
    with pytest.raises(RequestError, match="planned-failover-e0001-01 is open"):
        region_switch({**ASKED, "kind": "failover"}, switchable.runtime)
    with pytest.raises(RequestError, match="'mars' is not allowed"):
        region_switch({"target": "mars"}, switchable.runtime)
