"""Closes the incident with its measured RTO and RPO, or with the reason it failed."""

import json
import logging
from typing import Any

from contract import events, state
from contract.state import IncidentKind, IncidentStatus, Step
from handlers.adapters import timeline
from handlers.core.errors import RequestError, StateConflictError
from handlers.core.incidents import figures
from handlers.runtime import Event, Runtime, entry, required

logger = logging.getLogger(__name__)

OUTCOMES = {
    IncidentStatus.SUCCEEDED: "done",
    IncidentStatus.FAILED: "not done; nothing changed hands and it can be started again",
    IncidentStatus.ATTENTION: "the new owner needs attention",
    IncidentStatus.SUPERSEDED: "interrupted by a real incident",
}


def close_incident(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Close `incident_id` as `outcome`.

    Args:
        event: `failure` is the error that Step Functions caught (`Error`, `Cause`), `note` what
            to add to it; `backup` is what choose-backup returned, if it came so far.

    Raises:
        RequestError: there is no such incident or no such outcome.
    """
    incident_id, outcome = required(event, "incident_id"), _outcome(event)
    key = state.incident(incident_id)
    incident = runtime.state.get(key)
    if incident is None:
        raise RequestError(f"incident_id: there is no incident {incident_id}")
    if incident["status"] == IncidentStatus.OPEN:
        told = (reason_of(event.get("failure") or {}), event.get("note"))
        at, reason = runtime.at(), "; ".join(part for part in told if part)
        measured = _figures(incident, event.get("backup") or {})
        changes = {
            "status": outcome.value,
            "closed_at": at,
            "reason": reason,
            "figures": measured,
        }
        _close(runtime, incident_id, changes)
        incident |= changes
        _remember_drill(runtime, incident)
    detail = {
        "incident_id": incident_id,
        "status": incident["status"],
        "reason": incident["reason"],
        "figures": incident["figures"],
    }
    if timeline.add(runtime.state, incident_id, Step.CLOSED, incident["closed_at"], detail=detail):
        runtime.notices.event(events.DetailType.INCIDENT_CLOSED, detail)
        words = OUTCOMES[IncidentStatus(incident["status"])]
        runtime.notices.tell(f"{incident_id}: {words}", detail)
    return detail


handler = entry(close_incident)


def reason_of(failure: dict[str, str]) -> str:
    """What a person should read of an error that Step Functions caught.

    A function's failure comes as JSON text in `Cause`, with `errorType` and `errorMessage`.
    """
    name, cause = failure.get("Error", ""), failure.get("Cause", "")
    try:
        parsed = json.loads(cause)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and "errorMessage" in parsed:
        name, cause = parsed.get("errorType", name), parsed["errorMessage"]
    return ": ".join(part for part in (name, cause) if part)


def _outcome(event: Event) -> IncidentStatus:
    allowed = [status.value for status in OUTCOMES]
    if required(event, "outcome") not in allowed:
        raise RequestError(
            f"outcome: {event['outcome']!r} is not allowed; use one of {', '.join(allowed)}"
        )
    return IncidentStatus(event["outcome"])


def _figures(incident: dict[str, Any], backup: dict[str, Any]) -> dict[str, float]:
    steps = incident["timeline"]
    unpaused, fenced = (steps.get(step.value, {}) for step in (Step.UNPAUSED, Step.FENCED))
    return figures(
        # Where the owner worked, the outage is what the hand-over itself made.
        outage_at=incident["outage_at"] or fenced.get("at", ""),
        opened_at=incident["opened_at"],
        unpaused_at=unpaused.get("at", ""),
        snapshot_at=backup.get("snapshot_at", ""),
    )


def _remember_drill(runtime: Runtime, incident: dict[str, Any]) -> None:
    """When a drill last succeeded is what its alarm goes by."""
    kind = state.kind_of(incident["incident_id"])
    if kind is IncidentKind.DRILL and incident["status"] == IncidentStatus.SUCCEEDED:
        item = {key: incident[key] for key in ("incident_id", "closed_at")}
        last = runtime.state.get(state.LAST_DRILL)
        runtime.state.put(state.LAST_DRILL, item, expected=last)


def _close(runtime: Runtime, incident_id: str, changes: dict[str, Any]) -> None:
    still_open = {"status": IncidentStatus.OPEN.value}
    item = {key: changes[key] for key in ("status", "closed_at")}
    for key, values, expected in (
        (state.incident(incident_id), changes, still_open),
        (state.OPEN_INCIDENT, item, {**still_open, "incident_id": incident_id}),
    ):
        try:
            runtime.state.set(key, values, expected=expected)
        except StateConflictError:
            logger.info("%s is closed already", key)
