"""The monitor machine with readings that the test chooses, and one real recovery it starts."""

from collections.abc import Callable
from typing import Any

import pytest

from contract.machines import MONITOR
from contract.sites import Site
from tests.handlers.stage import InjectedError, ServiceError, Stage, TransientError

pytestmark = pytest.mark.engine

FIRST = "failover-e0001-01"
GOOD = {"recover": False, "capture": False, "wait_seconds": 20, "owner": "primary", "epoch": 1,
        "reasons": []}  # fmt: skip
DOWN = {**GOOD, "recover": True, "reasons": ["pulse: bad"]}
STALE = {**GOOD, "capture": True}


def minute(stage: Stage, *readings: dict[str, Any]) -> str:
    """Run the machine for a minute in which `assess` gives these answers; the execution."""
    left = list(readings)
    stage.instead["assess"] = lambda _event: left.pop(0) if len(left) > 1 else left[0]
    execution = stage.start(MONITOR, {})
    assert stage.end(execution) == "SUCCEEDED"
    return execution


@pytest.fixture
def lost(stage: Stage) -> Stage:
    """A primary site that answers nothing, and a backup of it."""
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    return stage


def recoveries(stage: Stage) -> list[str]:
    """Ids of all recoveries that were started, ended now."""
    found = stage.recoveries()
    for execution in found.values():
        stage.end(execution)
    return sorted(found)


def test_a_quiet_minute_takes_its_readings_and_starts_nothing(stage: Stage) -> None:
    execution = minute(stage, GOOD)
    assert stage.story(execution).count("Assess") == 3
    assert recoveries(stage) == []


def test_what_is_down_starts_one_recovery_however_often_it_is_read(lost: Stage) -> None:
    minute(lost, DOWN)
    assert recoveries(lost)[0] == FIRST
    assert lost.ownership.owner is Site.DR
    assert lost.agents.kinds().count("unpause") == 1


def test_a_start_that_another_monitor_made_first_changes_nothing(lost: Stage) -> None:
    opened = lost.open("failover")
    lost.start("recovery", {**opened["input"], "wanted": ""}, FIRST)
    minute(lost, DOWN, GOOD)
    assert recoveries(lost) == [FIRST]


def test_a_configuration_that_changed_is_captured(stage: Stage) -> None:
    seen: list[Any] = []
    stage.instead["capture"] = lambda event: seen.append(event["owner"]) or {}
    minute(stage, STALE, GOOD)
    assert seen == ["primary"]


@pytest.mark.parametrize(
    "fault",
    [lambda: TransientError("not now"), lambda: ServiceError("TooManyRequestsException", "slow")],
    ids=["transient", "throttled"],
)
def test_each_step_of_a_reading_may_fail_once(lost: Stage, fault: Callable[[], Exception]) -> None:
    lost.instead["capture"] = lambda _event: {}
    lost.faults = {name: [fault()] for name in ("Assess", "OpenIncident", "Capture", "Oversee")}
    lost.instead["oversee"] = lambda _event: {}
    execution = minute(lost, DOWN, STALE, GOOD)
    assert lost.story(execution).count("Assess") == 3
    assert recoveries(lost) == [FIRST]


@pytest.mark.parametrize("task", ["Assess", "OpenIncident", "Capture", "Oversee"])
def test_a_step_that_fails_for_good_costs_a_reading_and_not_the_minute(
    lost: Stage, task: str
) -> None:
    lost.instead["capture"] = lambda _event: {}
    lost.faults[task] = [InjectedError("broken")] * 9
    execution = minute(lost, DOWN if task == "OpenIncident" else STALE)
    assert lost.story(execution).count("Assess") == 3
    assert recoveries(lost) == []
    assert task in lost.story(execution)


def test_a_failed_attempt_cools_off_before_the_next(stage: Stage) -> None:
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover() == "FAILED"
    execution = minute(stage, DOWN)
    assert "StartRecovery" not in stage.story(execution)
    assert recoveries(stage) == [FIRST]
    stage.clock.forward(60)
    minute(stage, DOWN)
    assert recoveries(stage)[:2] == [FIRST, "failover-e0001-02"]


@pytest.mark.parametrize("times", [1, 99], ids=["once", "for-good"])
def test_a_start_that_is_refused_is_tried_again(lost: Stage, times: int) -> None:
    with lost.refusing_starts(times):
        execution = minute(lost, DOWN, GOOD)
    assert "StartRecovery" in lost.story(execution)
    assert recoveries(lost) == ([FIRST] if times == 1 else [])
    if times > 1:
        minute(lost, DOWN, GOOD)
        assert recoveries(lost) == [FIRST]
