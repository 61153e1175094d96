"""Writes a step of the incident, tells people and EventBridge."""

from typing import Any

from contract.state import Step
from handlers.adapters import timeline
from handlers.runtime import Event, Runtime, entry, one_of, required


def record(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Record `step` of `incident_id` at `at` (default: now), with `detail`; `key` tells two apart.

    Raises:
        RequestError: the step is not one of `contract.state.Step`.
    """
    step = one_of(event, "step", Step)
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
