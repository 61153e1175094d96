"""Starts a drill when its schedule says so."""

import logging
from typing import Any

from contract import state
from contract.state import IncidentKind
from contract.verdict import Verdict
from handlers.adapters.starting import start_recovery
from handlers.core.errors import OwnershipChangedError, RequestError
from handlers.open_incident import open_incident
from handlers.runtime import Event, Runtime, entry, required

logger = logging.getLogger(__name__)

BY = "the drill schedule"
NOT_NOW = (Verdict.DOWN, Verdict.BLIND)
"""Verdicts at which people have something else to do."""


def rehearse(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Start the drill that was due at `scheduled_at`, once, however often the schedule asks.

    That a drill cannot begin now is no failure: the drill-age alarm says when none has succeeded
    for too long.

    Returns:
        `started`, the drill's `incident_id`, and the `reason` why there is none.
    """
    scheduled_at = required(event, "scheduled_at")
    last = runtime.state.get(state.SCHEDULED_DRILL)
    if last is not None and last["scheduled_at"] == scheduled_at:
        return _answer(last["incident_id"], "it was started before")
    verdict = (runtime.state.get(state.READINGS) or {}).get("verdict")
    if verdict in NOT_NOW:
        return _answer("", f"the verdict is {verdict}")
    record, _ = runtime.state.ownership()
    asked = {
        "kind": IncidentKind.DRILL.value,
        "owner": record.owner.value,
        "epoch": record.epoch,
        "by": BY,
        "reasons": [f"the schedule of {scheduled_at}"],
    }
    try:
        opened = open_incident(asked, runtime)
    except (RequestError, OwnershipChangedError) as error:
        return _answer("", str(error))
    if not opened["start"]:
        return _answer("", opened["reason"])
    # The drill is open: a call that ends here finds it again.
    start_recovery(runtime, opened)
    item = {"scheduled_at": scheduled_at, "incident_id": opened["incident_id"]}
    runtime.state.put(state.SCHEDULED_DRILL, item, expected=last)
    return _answer(opened["incident_id"], "")


handler = entry(rehearse)


def _answer(incident_id: str, reason: str) -> dict[str, Any]:
    if not incident_id:
        logger.warning("no drill is started: %s", reason)
    return {"started": bool(incident_id), "incident_id": incident_id, "reason": reason}
