"""Moves the ownership record by compare-and-set and mirrors it."""

import logging
from typing import Any

from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.sites import Site
from contract.state import IncidentKind, Step, kind_of
from handlers.adapters import mirror, timeline
from handlers.adapters.answers import AWS_ERRORS
from handlers.core import ownership
from handlers.core.errors import NotHandedOverError, RequestError, StateConflictError
from handlers.runtime import Event, Runtime, entry, required, site_in

logger = logging.getLogger(__name__)

ACTIONS = ("begin", "finish", "check", "reconcile", "reconciled")
STANDBY_MOVES = {"reconcile": SiteState.RECONCILING, "reconciled": SiteState.STANDBY}


def promote(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Carry out `action` of `incident_id` for site `target`.

    `begin` makes the target the owner of the epoch after `epoch` (PROMOTING), `finish` says that
    its DAGs run (ACTIVE). `check` changes nothing: it says whether `begin` took effect, for when
    its answer was lost. `reconcile` and `reconciled` move the site without the epoch. Each may be
    called again.

    Args:
        event: `begin` takes `backup`, the manifest that was restored, and `final`, the one that the
            old owner wrote once it was fenced; `planned` demands that they are the same.

    Raises:
        OwnershipChangedError: the record is not this incident's to move.
        NotHandedOverError: the owner works, and an older backup than its last one was restored.
        RequestError: the action is not one of these.
    """
    action, incident_id = required(event, "action"), required(event, "incident_id")
    target = site_in(event, "target")
    if action not in ACTIONS:
        raise RequestError(f"action: {action!r} is not allowed; use one of {', '.join(ACTIONS)}")
    if action == "check":
        record, _ = runtime.state.ownership()
        return _answer(record, promoted=ownership.is_promoted_by(record, target, incident_id))
    at = runtime.at()
    if action in STANDBY_MOVES:
        new = STANDBY_MOVES[action]
        record = runtime.state.change_ownership(
            lambda current: ownership.standby_becomes(current, new, at=at)
        )
    elif action == "begin":
        epoch, handed_over = int(required(event, "epoch")), _handed_over(event)
        # An owner that was heard of last at a moment of its own clock is judged by that clock.
        lost_at = runtime.state.incident(incident_id).get("outage_at", "")
        record = runtime.state.change_ownership(
            lambda current: ownership.begin(
                current,
                site=target,
                epoch=epoch,
                incident_id=incident_id,
                at=at,
                handed_over=handed_over,
                lost_at=lost_at,
            ),
        )
        timeline.add(runtime.state, incident_id, Step.PROMOTING, at, detail={"epoch": record.epoch})
    else:
        record = runtime.state.change_ownership(
            lambda current: ownership.finish(current, site=target, incident_id=incident_id, at=at),
        )
        timeline.add(runtime.state, incident_id, Step.UNPAUSED, event.get("unpaused_at") or at)
    _mirror(runtime, record)
    return _answer(record, promoted=True)


handler = entry(promote)


def _handed_over(event: Event) -> bool:
    backup, final = event.get("backup", ""), event.get("final", "")
    goes_back = kind_of(event["incident_id"]) is IncidentKind.RESTORE
    if event.get("planned") and not goes_back and backup != final:
        raise NotHandedOverError(
            f"{backup} was restored, but the owner's final backup is {final or 'missing'}"
        )
    return bool(final) and backup == final


def _mirror(runtime: Runtime, record: Ownership) -> None:
    """The DR mirror must be written, since the agent there obeys it; the primary may hang."""
    mirror.write(runtime.backups(Site.DR), record)
    try:
        mirror.write(runtime.backups(Site.PRIMARY, probe=True), record)
    except (*AWS_ERRORS, StateConflictError) as error:
        logger.warning("the primary Region's mirror must wait for the monitor: %s", error)


def _answer(record: Ownership, *, promoted: bool) -> dict[str, Any]:
    return {"promoted": promoted, "owner": record.owner.value, "epoch": record.epoch}
