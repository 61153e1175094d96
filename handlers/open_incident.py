"""Opens the one incident there may be, or finds the one that is open."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from contract import state
from contract.machines import recovery_seconds
from contract.sites import Site
from contract.state import IncidentKind, IncidentStatus, Step
from handlers.adapters import timeline
from handlers.core.errors import OwnershipChangedError, RequestError, StateConflictError
from handlers.core.incidents import OpenIncident, Opening, course, opening
from handlers.runtime import Event, Runtime, entry, one_of, required, site_in

logger = logging.getLogger(__name__)


def open_incident(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Give the incident that the recovery is to be started for.

    Args:
        event: `kind` of the incident, `reasons`, and what the one who asks saw: `owner`, `epoch`.
            A person's wish has `by`, and may have `wanted`, the id of a backup. With `dry_run`
            nothing is written: the answer is what it would be.

    Returns `start`: whether there is one, `incident_id` (the execution's name), `new`: whether this
    call opens it, and `input` (the execution's input, the same each time, so that a second start
    finds the first).

    Raises:
        OwnershipChangedError: the epoch that was looked at is not the current one.
        RequestError: an incident of this kind cannot begin from here.
    """
    owner, epoch = site_in(event, "owner"), int(required(event, "epoch"))
    record, _ = runtime.state.ownership()
    if (record.owner, record.epoch) != (owner, epoch):
        raise OwnershipChangedError(
            f"this was about epoch {epoch} of {owner}, but epoch {record.epoch} belongs to "
            f"{record.owner}"
        )
    kind = one_of(event, "kind", IncidentKind)
    by, wanted = event.get("by", ""), event.get("wanted", "")
    config = runtime.config
    way = course(kind, record, config.strategy, wanted, config.recovery.in_flight)
    asked, dry_run = _Asked(kind, owner, epoch, bool(by)), bool(event.get("dry_run"))
    found = (
        _opening(runtime, asked, runtime.state.get(state.OPEN_INCIDENT))
        if dry_run
        else _claim(runtime, asked)
    )
    if found.given_up is not None and not dry_run:
        _give_up(runtime, found.given_up)
    incident = found.incident
    if incident is None:
        logger.info("no incident: %s", found.reason)
        return _answer(found, {})
    given = {
        "incident_id": incident.incident_id,
        "kind": kind.value,
        "epoch": epoch,
        "wanted": wanted,
        "approval": not by and config.recovery.approval_seconds > 0,
        **way.to_input(),
    }
    if dry_run:
        return _answer(found, given)
    detail = {
        "owner": owner,
        "epoch": epoch,
        "by": by or "the monitor",
        "reasons": list(event.get("reasons") or []),
    }
    given = _written(runtime, incident, given, detail)
    if by and given["wanted"] != wanted:
        raise RequestError(
            f"{incident.incident_id} is open and goes to {given['wanted'] or 'the newest backup'}; "
            "wait until it is closed"
        )
    timeline.announce(
        runtime.state,
        runtime.notices,
        incident.incident_id,
        Step.OPENED,
        incident.opened_at,
        detail=detail,
    )
    return _answer(found, given)


handler = entry(open_incident)


@dataclass(frozen=True, slots=True)
class _Asked:
    kind: IncidentKind
    owner: Site
    epoch: int
    by_hand: bool


def _answer(found: Opening, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "start": found.incident is not None,
        "new": found.is_new,
        "reason": found.reason,
        "incident_id": found.incident.incident_id if found.incident else "",
        "input": given,
    }


def _opening(runtime: Runtime, asked: _Asked, stored: dict[str, Any] | None) -> Opening:
    """The incident there is or may be, by the stored item."""
    return opening(
        OpenIncident.from_item(stored),
        kind=asked.kind,
        owner=asked.owner,
        epoch=asked.epoch,
        by_hand=asked.by_hand,
        lease=timedelta(seconds=recovery_seconds(runtime.config)),
        now=runtime.now(),
    )


def _claim(runtime: Runtime, asked: _Asked) -> Opening:
    def claimed(stored: dict[str, Any] | None) -> tuple[dict[str, Any] | None, Opening]:
        found = _opening(runtime, asked, stored)
        if found.incident is None or not found.is_new:
            return None, found
        return found.incident.to_item(), found

    return runtime.state.change(state.OPEN_INCIDENT, claimed, told_by=("incident_id", "status"))


def _written(
    runtime: Runtime, incident: OpenIncident, given: dict[str, Any], detail: dict[str, Any]
) -> dict[str, Any]:
    """Write the incident's own item unless an earlier call did; return its execution's input."""
    readings = runtime.state.get(state.READINGS) or {}
    lost = incident.kind is IncidentKind.FAILOVER
    item = {
        **incident.to_item(),
        "kind": incident.kind.value,
        "target": given["target"],
        "outage_at": readings.get("last_alive_at", "") if lost else "",
        "reasons": detail["reasons"],
        "reason": "",
        "figures": {},
        "input": given,
        "decision": {},
        "timeline": {},
    }
    key = state.incident(incident.incident_id)
    try:
        runtime.state.put(key, item, expected=None)
    except StateConflictError:
        logger.info("incident %s is written already", incident.incident_id)
        written = runtime.state.get(key) or {}
        return written.get("input", given)
    return given


def _give_up(runtime: Runtime, incident: OpenIncident) -> None:
    """Say in the old incident's item why nobody works on it any more."""
    changes = {
        "status": incident.status.value,
        "closed_at": incident.closed_at,
        "reason": "a real incident interrupted the drill"
        if incident.status is IncidentStatus.SUPERSEDED
        else f"its recovery did not close it before {incident.lease_until}",
    }
    try:
        runtime.state.set(
            state.incident(incident.incident_id),
            changes,
            expected={"status": IncidentStatus.OPEN.value},
        )
    except StateConflictError:
        logger.info("incident %s is closed already", incident.incident_id)
