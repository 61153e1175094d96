"""Writes a step of the incident, tells people and EventBridge."""

from typing import Any

from contract.state import Step
from handlers.adapters import timeline
from handlers.core.errors import RequestError
from handlers.runtime import Event, Runtime, entry, required


def record(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Record `step` of `incident_id` at `at` (default: now), with `detail`; `key` tells two apart.

    Raises:
        RequestError: the step is not one of `contract.state.Step`.
    """
    try:
        step = Step(required(event, "step"))
    except ValueError:
        raise RequestError(
            f"step: {event['step']!r} is not allowed; use one of {', '.join(Step)}"
        ) from None
    new = timeline.announce(
        runtime.state,
        runtime.notices,
        required(event, "incident_id"),
        step,
        event.get("at") or runtime.at(),
        key=event.get("key", ""),
        detail=event.get("detail"),
    )
    return {"step": step.value, "new": new}


handler = entry(record)
