"""The state machines as they are deployed: structure, names and time limits."""

import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from contract.functions import BY_STEP, FUNCTIONS, HASTEN, NOTE_EVENT
from contract.machines import MACHINES, recovery_seconds
from contract.shorthand import targets
from contract.sites import Strategy
from contract.state import Step
from handlers.core import errors
from tests.handlers.installation import CONFIG
from tests.handlers.machine_edges import definition

SERVICE_ERRORS = re.compile(r"(States|Lambda|Sandbox|StepFunctions)\.[A-Za-z]+")
HISTORY_LIMIT = 25_000
"""Events that one execution may have (Step Functions quotas)."""


def states(
    strategy: Strategy = Strategy.BACKUP_RESTORE,
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for machine in MACHINES:
        for name, body in definition(machine, strategy)["States"].items():
            yield machine, name, body


def tasks() -> list[Any]:
    return [
        pytest.param(machine, body, id=f"{machine}-{name}")
        for machine, name, body in states()
        if body["Type"] == "Task"
    ]


def step_of(body: dict[str, Any]) -> str | None:
    name = body["Parameters"].get("FunctionName")
    return None if name is None else name.rsplit(":etl-dr-", 1)[1]


EVERY = pytest.mark.parametrize("strategy", Strategy)


@EVERY
@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_can_be_reached_and_every_target_exists(
    machine: str, strategy: Strategy
) -> None:
    found = definition(machine, strategy)
    reached, front = set(), {found["StartAt"]}
    while front:
        reached |= front
        front = {name for one in front for name in targets(found["States"][one])} - reached
    assert reached == set(found["States"])
    assert found["TimeoutSeconds"] > 0


@pytest.mark.parametrize(("machine", "body"), tasks())
def test_every_task_is_bounded_retried_and_caught(machine: str, body: dict[str, Any]) -> None:
    assert body["Retry"], machine
    assert any("States.ALL" in rule["ErrorEquals"] for rule in body["Catch"])
    assert all("ResultPath" in rule for rule in body["Catch"]), "a catch must keep the state's data"
    step = step_of(body)
    if step is not None:
        assert body["TimeoutSeconds"] > BY_STEP[step].timeout_seconds


@pytest.mark.parametrize(("machine", "body"), tasks())
def test_every_error_that_is_matched_can_be_raised(machine: str, body: dict[str, Any]) -> None:
    ours = {name for name, _ in inspect.getmembers(errors, inspect.isclass)}
    for rule in (*body["Retry"], *body["Catch"]):
        for name in rule["ErrorEquals"]:
            assert name in ours or SERVICE_ERRORS.fullmatch(name), f"{machine}: {name}"


BY_OTHERS = {
    "region-switch": "ARC",
    NOTE_EVENT: "EventBridge",
    "rehearse": "its Scheduler",
    HASTEN: "send-order",
}
"""Functions that no machine calls, and who does."""


@EVERY
def test_every_function_is_called_and_every_call_is_of_a_function(strategy: Strategy) -> None:
    called = {step_of(body) for _, _, body in states(strategy) if body["Type"] == "Task"} - {None}
    deployed = {spec.step for spec in FUNCTIONS if spec.only in (None, strategy)}
    assert called == deployed - set(BY_OTHERS)


def test_a_site_that_stands_by_is_neither_created_nor_removed() -> None:
    created = {name for _, name, _ in states()}
    stands_by = {name for _, name, _ in states(Strategy.ACTIVE_PASSIVE)}
    assert created - stands_by == {
        *("Creates", "CreateEnvironment"),
        *("CleanUp", "CleanedUp", "CleanUpPause"),
    }
    assert stands_by < created


def test_every_recorded_step_is_a_known_one() -> None:
    recorded = {
        body["Parameters"]["Payload"]["step"]
        for _, _, body in states()
        if body["Type"] == "Task" and step_of(body) == "record"
    }
    assert recorded <= {step.value for step in Step}


def test_every_function_has_a_handler() -> None:
    import importlib  # noqa: PLC0415

    for spec in FUNCTIONS:
        module, _, name = spec.handler.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))


def test_before_promotion_every_failure_undoes_itself_and_after_it_none_does() -> None:
    """Follow every path: `Undo` is not reachable once `Promote` has succeeded."""
    found = definition("recovery", Strategy.BACKUP_RESTORE)["States"]

    def reachable(start: str) -> set[str]:
        seen, front = set(), {start}
        while front:
            seen |= front
            front = {name for one in front for name in targets(found[one])} - seen
        return seen

    assert "Undo" not in reachable(found["Promote"]["Next"])
    assert "CloseFailed" not in reachable(found["Promote"]["Next"])
    before = {
        name
        for name in reachable("ChooseBackup") - reachable(found["Promote"]["Next"])
        if found[name]["Type"] == "Task"
    }
    for name in before & {"ChooseBackup", "CreateEnvironment", "EnvironmentStatus", "Restore"}:
        assert found[name]["Catch"][-1]["Next"] == "Undo", name
    assert found["Promote"]["Catch"][-1]["Next"] == "CheckPromoted"


def test_the_longest_recovery_fits_into_its_history() -> None:
    """A poll takes a task (5 events), a choice (2) and a wait (2), every 30 seconds at the end."""
    assert recovery_seconds(CONFIG) / 30 * 9 * 1.5 < HISTORY_LIMIT


def test_the_overall_limit_is_above_that_of_each_step() -> None:
    assert recovery_seconds(CONFIG) > CONFIG.recovery.create_seconds


def test_a_start_that_is_repeated_names_the_same_execution() -> None:
    start = definition("monitor", Strategy.BACKUP_RESTORE)["States"]["StartRecovery"]
    assert start["Parameters"]["Name.$"] == "$.incident.value.incident_id"
    assert start["Parameters"]["Input.$"] == "$.incident.value.input"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_definition_is_far_below_the_limit(machine: str) -> None:
    found = definition(machine, Strategy.BACKUP_RESTORE)
    assert len(json.dumps(found)) < 1_000_000 / 4
