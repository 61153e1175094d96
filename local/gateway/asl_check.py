"""Finds what AWS refuses in a state machine's definition and moto accepts."""

import json
from typing import Any


def problems(definition: str) -> list[str]:
    """Every reference to a state that does not exist, and every state nobody can reach.

    Source: Step Functions developer guide, "State machine structure"; AWS answers
    `InvalidDefinition` with `MISSING_TRANSITION_TARGET`.
    """
    try:
        machine = json.loads(definition)
    except ValueError as error:
        return [f"INVALID_JSON_DESCRIPTION: {error}"]
    return _check(machine, "")


def _check(machine: Any, path: str) -> list[str]:  # noqa: ANN401
    if not isinstance(machine, dict) or not isinstance(machine.get("States"), dict):
        return [f"SCHEMA_VALIDATION_FAILED: States is missing at {path or '/'}"]
    states: dict[str, Any] = machine["States"]
    found: list[str] = []
    start = machine.get("StartAt")
    if start not in states:
        found.append(f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {start} at {path}/StartAt")
    reached = {start}
    for name, state in states.items():
        where = f"{path}/States/{name}"
        for key, target in _targets(state):
            if target not in states:
                found.append(
                    f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {where}/{key}"
                )
            reached.add(target)
        for inner in (
            *state.get("Branches", ()),
            state.get("ItemProcessor"),
            state.get("Iterator"),
        ):
            if inner is not None:
                found += _check(inner, where)
    found += [
        f'MISSING_TRANSITION_TARGET: State "{name}" is not reachable at {path}/States/{name}'
        for name in states
        if name not in reached
    ]
    return found


def _targets(state: dict[str, Any]) -> list[tuple[str, str]]:
    found = [(key, state[key]) for key in ("Next", "Default") if key in state]
    for key in ("Choices", "Catch"):
        found += [(f"{key}/Next", rule["Next"]) for rule in state.get(key, ()) if "Next" in rule]
    return found
