"""Which Retry, Catch and Choice edges the machines have, and which of them an execution took."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from contract.machines import MACHINES, render, substitutions
from contract.sites import Strategy
from tests.handlers.installation import CONFIG

FOLDER = Path(__file__).parents[2] / "handlers" / "state_machines"
TABLE = Path(__file__).parents[2] / "docs" / "machine-edges.md"
RECORDS = Path(__file__).parents[2] / "build" / "machine-edges"
"""A file per test: several processes share the tests of one run."""
RECORDED = "test_machine_"
"""Files of tests that count; others that use the machines run in other tiers."""
FAILED = ("taskFailedEventDetails", "taskTimedOutEventDetails", "taskStartFailedEventDetails")
_SHARED = "sending an order raises no such error; both calls of an order share its rules"
UNTAKEN: dict[str, str] = {"recovery.Restore catch 0 -> RecordRefused": _SHARED}
"""Edges that no test can take, each with the reason."""
HEAD = """\
# Every edge of the state machines, and the test that took it

<!-- Made by the tests of the machines (`pytest tests/handlers -k machine`). Do not edit. -->

Taken from the histories of executions on real Step Functions (moto's interpreter) with the real
functions. An edge is a rule of a Choice or its default, a Retry or a Catch; `Next` is no choice.
"""


@cache
def definition(machine: str, strategy: Strategy) -> dict[str, Any]:
    """The expanded definition, as it is deployed under a strategy."""
    config = replace(CONFIG, strategy=strategy)
    return render((FOLDER / f"{machine}.asl.json").read_text(), substitutions(config))


def name_of(machine: str, state: str, kind: str, index: int | str, target: str) -> str:
    return f"{machine}.{state} {kind} {index} -> {target}"


def edges(machine: str) -> list[str]:
    """All edges of a machine under either strategy."""
    found = [edge for strategy in Strategy for edge in _edges(machine, strategy)]
    return list(dict.fromkeys(found))


def _edges(machine: str, strategy: Strategy) -> Iterator[str]:
    for state, body in definition(machine, strategy)["States"].items():
        for index, rule in enumerate(body.get("Choices", ())):
            yield name_of(machine, state, "choice", index, rule["Next"])
        if "Default" in body:
            yield name_of(machine, state, "choice", "default", body["Default"])
        for index, rule in enumerate(body.get("Retry", ())):
            if rule.get("MaxAttempts") != 0:  # such a rule says that nothing is tried again
                yield name_of(machine, state, "retry", index, state)
        for index, rule in enumerate(body.get("Catch", ())):
            yield name_of(machine, state, "catch", index, rule["Next"])


def all_edges() -> list[str]:
    return [edge for machine in MACHINES for edge in edges(machine)]


def taken(machine: str, strategy: Strategy, history: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The edges that an execution took, once per time.

    Raises:
        AssertionError: it went a way that the definition does not have.
    """
    states = definition(machine, strategy)["States"]
    for state, errors, caught, target in _visits(history):
        body = states[state]
        if body["Type"] == "Choice":
            rules = [*((i, rule["Next"]) for i, rule in enumerate(body["Choices"]))]
            rules.append(("default", body["Default"]))
            (index,) = (index for index, to in rules if to == target)
            yield name_of(machine, state, "choice", index, target)
            continue
        retried = errors[:-1] if caught else errors
        for error in retried:
            index = _match(body["Retry"], error)
            yield name_of(machine, state, "retry", index, state)
        if caught and target:
            index = _match(body["Catch"], errors[-1])
            assert body["Catch"][index]["Next"] == target
            yield name_of(machine, state, "catch", index, target)


def _visits(
    history: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, list[str], bool, str]]:
    """Each state that was entered and left: its errors, whether the last ended it, what came."""
    state, errors, failed, left = "", [], False, False
    for event in history:
        entered = event.get("stateEnteredEventDetails")
        if entered:
            if left:
                yield state, errors, failed, entered["name"]
            state, errors, failed, left = entered["name"], [], False, False
        elif any(key in event for key in FAILED):
            (details,) = (event[key] for key in FAILED if key in event)
            errors = [*errors, details.get("error", "States.Timeout")]
            failed = True
        elif "taskSucceededEventDetails" in event:
            failed = False
        elif "stateExitedEventDetails" in event:
            left = True


def _match(rules: list[Any], error: str) -> int:
    for index, rule in enumerate(rules):
        if error in rule["ErrorEquals"] or "States.ALL" in rule["ErrorEquals"]:
            return index
    raise AssertionError(f"no rule matches {error}: {rules}")


def table(found: Mapping[str, str]) -> str:
    """The page `docs/machine-edges.md`: edge -> test."""
    lines = [HEAD]
    for machine in MACHINES:
        lines += [f"## {machine}\n", "| edge | test |", "|---|---|"]
        for edge in edges(machine):
            how = f"`{found[edge]}`" if edge in found else f"none: {UNTAKEN.get(edge, '')}"
            lines.append(f"| {edge.removeprefix(machine + '.')} | {how} |")
        lines.append("")
    return "\n".join(lines)


def read_table() -> dict[str, str]:
    """Edge -> test, as the page says."""
    found, machine = {}, ""
    for line in TABLE.read_text().splitlines() if TABLE.exists() else ():
        if line.startswith("## "):
            machine = line.removeprefix("## ")
        elif line.startswith("| ") and "->" in line:
            edge, test = (cell.strip() for cell in line.strip("|").split("|"))
            found[f"{machine}.{edge}"] = test.strip("`")
    return found


def fingerprint() -> str:
    """Of the definitions of now: what was recorded of others says nothing."""
    all_of_them = [definition(machine, strategy) for machine in MACHINES for strategy in Strategy]
    text = json.dumps(all_of_them, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def record(
    node_id: str,
    test: str,
    strategy: Strategy,
    executions: Iterable[tuple[str, Iterable[Mapping[str, Any]]]],
) -> None:
    """Keep which edges a test took.

    Args:
        executions: machine and history of each.
    """
    found = {edge for machine, history in executions for edge in taken(machine, strategy, history)}
    text = {"test": test, "definitions": fingerprint(), "edges": sorted(found)}
    RECORDS.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(node_id.encode()).hexdigest()[:24]
    (RECORDS / f"{name}.json").write_text(json.dumps(text, indent=1) + "\n")


def recorded(known: Container[str]) -> dict[str, set[str]]:
    """Test -> edges that it took, as far as the definitions are those of now.

    Args:
        known: names of tests that there still are, without their parameters.
    """
    tests: dict[str, set[str]] = defaultdict(set)
    definitions = fingerprint()
    for file in RECORDS.glob("*.json"):
        found = json.loads(file.read_text())
        if found["definitions"] == definitions and found["test"].partition("[")[0] in known:
            tests[found["test"]].update(found["edges"])
    return dict(tests)


def first(tests: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Edge -> the first of its tests by name, so that the page is the same each time."""
    found: dict[str, str] = {}
    for test in sorted(tests):
        for edge in tests[test]:
            found.setdefault(edge, test)
    return found
