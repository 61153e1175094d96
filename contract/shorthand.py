"""Short forms for the states that our state machines are made of.

A file in `handlers/state_machines` is Amazon States Language in which three more types of state may
stand. Each becomes plain states, with the time-outs, the retries and the data flow that all of
their kind have:

- `Step` calls a function: `Step` names it, `Payload` is its event, `Result` where its answer goes.
- `Record` writes a step of the incident, and goes on whether or not that worked.
- `Order` sends an order to a site's agent and asks for the answer until it is there: `Order` is
  what `send-order` takes, `Within` its time limit in seconds.

A state of any type may be there under one strategy `Only`; under the other its place is taken by
the state that `Else` names, and what nothing leads to any more is left out.

`Attempts` says how often a failure that may pass is tried again. What else stands in such a state
(`Next`, `Catch`, `Comment`) is kept as it is; a `Catch` without a `ResultPath` throws the error
away.
"""

from collections.abc import Iterator
from typing import Any

from contract.functions import BY_STEP
from contract.sites import Strategy

State = dict[str, Any]

TRANSIENT = (
    "TransientError",
    "StateConflictError",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Sandbox.Timedout",
    "States.Timeout",
)
"""Errors after which the same call may work: ours by name, and those of the Lambda service."""

GRACE_SECONDS = 5
"""A task waits so much longer than its function may run, so that the function's error is seen."""
FIRST_LOOK_SECONDS = 3
"""From an order to the first look for its answer."""
IGNORED = "$.ignored"
ATTEMPTS = 3
POLL_ATTEMPTS = 6
KEPT = ("Next", "Comment")


def expand(definition: dict[str, Any], strategy: Strategy) -> dict[str, Any]:
    """The definition in plain Amazon States Language, as far as `strategy` goes its ways."""
    states: dict[str, State] = {}
    instead: dict[str, str] = {}
    for name, state in definition["States"].items():
        only, other = state.get("Only", strategy), state.get("Else", "")
        if only != strategy:
            instead[name] = other
        plain = {key: value for key, value in state.items() if key not in ("Only", "Else")}
        states |= dict(_SHORT[state["Type"]](name, plain) if _is_short(state) else [(name, plain)])
    return {**definition, "States": _without(states, definition.get("StartAt", ""), instead)}


def _without(states: dict[str, State], start: str, instead: dict[str, str]) -> dict[str, State]:
    """The states that are left when others take the place of some."""
    if not instead:
        return states
    led = {name: _redirected(state, instead) for name, state in states.items()}
    reached, front = set[str](), {start}
    while front:
        reached |= front
        front = {target for name in front for target in targets(led[name])} - reached
    return {name: state for name, state in led.items() if name in reached}


def _redirected(state: State, instead: dict[str, str]) -> State:
    def led(one: State) -> State:
        return {
            key: instead.get(value, value) if key in ("Next", "Default") else value
            for key, value in one.items()
        }

    return {
        key: [led(rule) for rule in value] if key in ("Choices", "Catch") else value
        for key, value in led(state).items()
    }


def targets(state: State) -> set[str]:
    """Where a plain state may lead."""
    found = {state[key] for key in ("Next", "Default") if key in state}
    return found | {rule["Next"] for key in ("Choices", "Catch") for rule in state.get(key, ())}


def _is_short(state: State) -> bool:
    return state["Type"] in _SHORT


def _step(name: str, state: State) -> Iterator[tuple[str, State]]:
    yield (
        name,
        {
            "Type": "Task",
            "Resource": "arn:${partition}:states:::lambda:invoke",
            "Parameters": {
                "FunctionName": f"${{function-{state['Step']}}}",
                "Payload": state["Payload"],
            },
            "ResultSelector": {"value.$": "$.Payload"},
            "ResultPath": state.get("Result", IGNORED),
            "TimeoutSeconds": BY_STEP[state["Step"]].timeout_seconds + GRACE_SECONDS,
            "Retry": [
                {
                    "ErrorEquals": list(TRANSIENT),
                    "IntervalSeconds": 1,
                    "MaxAttempts": state.get("Attempts", ATTEMPTS),
                    "BackoffRate": 2,
                    "JitterStrategy": "FULL",
                }
            ],
            "Catch": [{"ResultPath": IGNORED, **rule} for rule in state["Catch"]],
            **{key: state[key] for key in KEPT if key in state},
        },
    )


def _record(name: str, state: State) -> Iterator[tuple[str, State]]:
    payload = {"incident_id.$": "$.incident_id", "step": state["Step"], **state.get("With", {})}
    yield from _step(
        name,
        {
            "Step": "record",
            "Payload": payload,
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": state["Next"]}],
            "Next": state["Next"],
        },
    )


def _order(name: str, state: State) -> Iterator[tuple[str, State]]:
    sent, answer = f"$.sent.{name}", state["Result"]
    status, done, pause = f"{name}Status", f"{name}Done", f"{name}Pause"
    yield from _step(
        name,
        {
            **state,
            "Step": "send-order",
            "Payload": {
                "incident_id.$": "$.incident_id",
                "expires_seconds": state["Within"],
                **state["Order"],
            },
            "Result": sent,
            "Next": f"{name}Wait",
        },
    )
    yield f"{name}Wait", {"Type": "Wait", "Seconds": FIRST_LOOK_SECONDS, "Next": status}
    yield from _step(
        status,
        {
            "Step": "order-status",
            "Payload": {
                "site.$": f"{sent}.value.site",
                "order_id.$": f"{sent}.value.order_id",
                "issued_at.$": f"{sent}.value.issued_at",
                "within_seconds": state["Within"],
            },
            "Result": answer,
            "Attempts": POLL_ATTEMPTS,
            "Catch": state["Catch"],
            "Next": done,
        },
    )
    yield (
        done,
        {
            "Type": "Choice",
            "Choices": [
                {"Variable": f"{answer}.value.done", "BooleanEquals": True, "Next": state["Next"]}
            ],
            "Default": pause,
        },
    )
    yield pause, {"Type": "Wait", "SecondsPath": f"{answer}.value.wait_seconds", "Next": status}


_SHORT = {"Step": _step, "Record": _record, "Order": _order}
