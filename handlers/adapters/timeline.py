"""Writes an incident's timeline; what is written twice stands there once."""

from collections.abc import Mapping
from typing import Any

from contract import events
from contract.state import Step
from handlers.adapters.notices import Notices
from handlers.adapters.state_table import StateTable

TITLES: dict[Step, str] = {
    Step.OPENED: "an incident is opened",
    Step.STARTED: "work on it started",
    Step.APPROVAL_ASKED: "a person has to approve or reject",
    Step.APPROVED: "approved",
    Step.REJECTED: "rejected",
    Step.ESCALATED: "nobody has dealt with it: escalated",
    Step.FENCED: "the old owner says that its DAGs are paused",
    Step.NOT_FENCED: "the old owner did not answer; it fences itself when it returns",
    Step.FINAL_EXPORT: "the old owner wrote a final backup",
    Step.NO_FINAL_EXPORT: "no final backup; the newest one is used",
    Step.BACKUP_REFUSED: "a backup was refused; an older one is tried",
    Step.ENVIRONMENT_READY: "the environment that takes over is ready",
    Step.DIVERGENCE_EXPORTED: "what the target did alone is kept in an export of its own",
    Step.RECONCILED: "the target's rows are reconciled with the owner's",
    Step.RUNS_ENDED: "the old owner is back; what it had under way was ended",
    Step.RESTORED: "the metadata is restored",
    Step.ACTIVE: "the new owner runs the DAGs",
    Step.HISTORY_RESTORED: "the history is restored",
    Step.UNFENCED: "the old owner's DAGs were un-paused again",
}
"""What people are told; steps that are not listed are for the timeline only."""


def add(
    table: StateTable,
    incident_id: str,
    step: Step,
    at: str,
    *,
    key: str = "",
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Write one entry; return whether it is new.

    Args:
        key: tells entries of the same step apart.
    """
    entry = {"step": step.value, "at": at, "detail": dict(detail or {})}
    return table.add_to_timeline(incident_id, f"{step}#{key}" if key else step.value, entry)


def announce(
    table: StateTable,
    notices: Notices,
    incident_id: str,
    step: Step,
    at: str,
    *,
    key: str = "",
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Write one entry and, if it is new, tell people and EventBridge; return whether it is new."""
    new = add(table, incident_id, step, at, key=key, detail=detail)
    if new:
        body = {"incident_id": incident_id, "step": step.value, "at": at, **(detail or {})}
        kind = (
            events.DetailType.INCIDENT_OPENED
            if step is Step.OPENED
            else events.DetailType.INCIDENT_STEP
        )
        notices.event(kind, body)
        title = TITLES.get(step)
        if title:
            notices.tell(f"{incident_id}: {title}", body)
    return new
