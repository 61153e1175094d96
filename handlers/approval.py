"""Waits until a person approves or rejects a recovery, or until the default applies."""

from datetime import datetime, timedelta
from typing import Any

from contract import state
from contract.state import Step
from handlers.adapters import timeline
from handlers.core.errors import NotApprovedError
from handlers.runtime import Event, Runtime, entry, required

LOOK_SECONDS = 5
"""A person waits for the effect of a decision, so that looking often pays."""


def approval(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Ask once, then look for the decision on `incident_id`, which was asked for at `asked_at`.

    Returns:
        `done`, and how long to wait before looking again (`wait_seconds`).

    Raises:
        NotApprovedError: a person rejected it, or nobody answered and the default is to stop.
    """
    incident_id, recovery = required(event, "incident_id"), runtime.config.recovery
    until = datetime.fromisoformat(required(event, "asked_at")) + timedelta(
        seconds=recovery.approval_seconds
    )
    default = "go on" if recovery.proceed_unanswered else "stop"
    timeline.announce(
        runtime.state,
        runtime.notices,
        incident_id,
        Step.APPROVAL_ASKED,
        runtime.at(),
        detail={
            "approve": f"mwaa-dr approve {incident_id}",
            "reject": f"mwaa-dr approve --reject {incident_id}",
            "until": until.isoformat(),
            "unanswered": default,
        },
    )
    decision = runtime.state.incident(incident_id).get("decision") or {}
    if not decision:
        left = (until - runtime.now()).total_seconds()
        if left > 0:
            return {"done": False, "wait_seconds": max(1, min(LOOK_SECONDS, round(left)))}
        decision = {
            "approved": recovery.proceed_unanswered,
            "by": f"the default, {default}: nobody answered in {recovery.approval_seconds} s",
            "at": runtime.at(),
        }
        # One decision counts: a person who was faster makes this a conflict, and is read next.
        changes, undecided = {"decision": decision}, {"decision": {}}
        runtime.state.set(state.incident(incident_id), changes, expected=undecided)
    step = Step.APPROVED if decision["approved"] else Step.REJECTED
    timeline.announce(
        runtime.state,
        runtime.notices,
        incident_id,
        step,
        decision["at"],
        detail={"by": decision["by"]},
    )
    if not decision["approved"]:
        raise NotApprovedError(f"rejected by {decision['by']}")
    return {"done": True, "wait_seconds": 0}


handler = entry(approval)
