"""Opens the one incident of this epoch, or finds the one that is open."""

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

from contract import state
from contract.machines import recovery_seconds
from contract.sites import Site
from contract.state import IncidentStatus, Step
from handlers.adapters import timeline
from handlers.core.errors import OwnershipChangedError, StateConflictError
from handlers.core.incidents import OpenIncident, Opening, opening
from handlers.runtime import Event, Runtime, entry, required, site_in

logger = logging.getLogger(__name__)


def open_incident(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Give the incident that the recovery is to be started for.

    Returns `start`: whether there is one, `incident_id` (the execution's name) and `input` (the
    execution's input, the same each time, so that a second start finds the first).

    Raises:
        OwnershipChangedError: the epoch that was DOWN is not the current one.
    """
    owner, epoch = site_in(event, "owner"), int(required(event, "epoch"))
    record, _ = runtime.state.ownership()
    if (record.owner, record.epoch) != (owner, epoch):
        raise OwnershipChangedError(
            f"epoch {epoch} of {owner} was DOWN, but epoch {record.epoch} belongs to {record.owner}"
        )
    found = _claim(runtime, owner=owner, epoch=epoch)
    if found.abandoned is not None:
        _close_abandoned(runtime, found.abandoned)
    incident = found.incident
    if incident is None:
        logger.info("no incident: %s", found.reason)
        return {"start": False, "reason": found.reason, "incident_id": "", "input": {}}
    _write(runtime, incident, list(event.get("reasons") or []))
    timeline.announce(
        runtime.state,
        runtime.notices,
        incident.incident_id,
        Step.OPENED,
        incident.opened_at,
        detail={"owner": owner, "epoch": epoch, "reasons": list(event.get("reasons") or [])},
    )
    return {
        "start": True,
        "reason": found.reason,
        "incident_id": incident.incident_id,
        "input": {
            "incident_id": incident.incident_id,
            "epoch": epoch,
            "owner": owner.value,
            "target": owner.other.value,
        },
    }


handler = entry(open_incident)


def _claim(runtime: Runtime, *, owner: Site, epoch: int) -> Opening:
    lease = timedelta(seconds=recovery_seconds(runtime.config))
    for _ in range(5):
        stored = runtime.state.get(state.OPEN_INCIDENT)
        found = opening(
            OpenIncident.from_item(stored), owner=owner, epoch=epoch, lease=lease, now=runtime.now()
        )
        if found.incident is None or not found.is_new:
            return found
        keys = ("incident_id", "status")
        expected = None if stored is None else {key: stored[key] for key in keys}
        try:
            runtime.state.put(state.OPEN_INCIDENT, found.incident.to_item(), expected=expected)
        except StateConflictError:
            continue
        return found
    raise StateConflictError("the open incident kept changing")


def _write(runtime: Runtime, incident: OpenIncident, reasons: list[str]) -> None:
    """Write the incident's own item, unless an earlier call did."""
    readings = runtime.state.get(state.READINGS) or {}
    item = {
        **incident.to_item(),
        "target": incident.owner.other.value,
        "outage_at": readings.get("last_alive_at", ""),
        "reasons": reasons,
        "reason": "",
        "figures": {},
        "timeline": {},
    }
    try:
        runtime.state.put(state.incident(incident.incident_id), item, expected=None)
    except StateConflictError:
        logger.info("incident %s is written already", incident.incident_id)


def _close_abandoned(runtime: Runtime, incident: OpenIncident) -> None:
    """Say in the old incident's item why nobody works on it any more."""
    closed = replace(incident, status=IncidentStatus.FAILED, closed_at=runtime.at())
    changes = {
        "status": closed.status.value,
        "closed_at": closed.closed_at,
        "reason": f"its recovery did not close it before {incident.lease_until}",
    }
    try:
        runtime.state.set(
            state.incident(incident.incident_id),
            changes,
            expected={"status": IncidentStatus.OPEN.value},
        )
    except StateConflictError:
        logger.info("incident %s is closed already", incident.incident_id)
