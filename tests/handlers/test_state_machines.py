"""The state machines as they are deployed: structure, names and time limits."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.functions import BY_STEP, FUNCTIONS, NOTE_EVENT
from contract.machines import MACHINES, recovery_seconds, render, substitutions
from contract.state import Step
from handlers.core import errors
from tests.handlers.installation import CONFIG

FOLDER = Path(__file__).parents[2] / "handlers" / "state_machines"
SERVICE_ERRORS = re.compile(r"(States|Lambda|Sandbox|StepFunctions)\.[A-Za-z]+")
HISTORY_LIMIT = 25_000
"""Events that one execution may have (Step Functions quotas)."""


def definition(machine: str) -> dict[str, Any]:
    return render((FOLDER / f"{machine}.asl.json").read_text(), substitutions(CONFIG))


def states() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for machine in MACHINES:
        for name, body in definition(machine)["States"].items():
            yield machine, name, body


def tasks() -> list[Any]:
    return [
        pytest.param(machine, body, id=f"{machine}-{name}")
        for machine, name, body in states()
        if body["Type"] == "Task"
    ]


def targets(body: dict[str, Any]) -> set[str]:
    found = {body[key] for key in ("Next", "Default") if key in body}
    return found | {rule["Next"] for key in ("Choices", "Catch") for rule in body.get(key, ())}


def step_of(body: dict[str, Any]) -> str | None:
    name = body["Parameters"].get("FunctionName")
    return None if name is None else name.rsplit(":etl-dr-", 1)[1]


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_can_be_reached_and_every_target_exists(machine: str) -> None:
    found = definition(machine)
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


BY_OTHERS = {"region-switch": "ARC", NOTE_EVENT: "EventBridge", "rehearse": "its Scheduler"}
"""Functions that no machine calls, and who does."""


def test_every_function_is_called_and_every_call_is_of_a_function() -> None:
    called = {step_of(body) for _, _, body in states() if body["Type"] == "Task"} - {None}
    assert called == {spec.step for spec in FUNCTIONS} - set(BY_OTHERS)


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
    found = definition("recovery")["States"]

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
    start = definition("monitor")["States"]["StartRecovery"]
    assert start["Parameters"]["Name.$"] == "$.incident.value.incident_id"
    assert start["Parameters"]["Input.$"] == "$.incident.value.input"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_definition_is_far_below_the_limit(machine: str) -> None:
    assert len(json.dumps(definition(machine))) < 1_000_000 / 4
