"""Moves ownership to the DR site by compare-and-set and mirrors the record."""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from contract.ownership import Ownership
from contract.sites import Site
from contract.state import OWNERSHIP, Step
from handlers.adapters import mirror, timeline
from handlers.adapters.answers import AWS_ERRORS
from handlers.core import ownership
from handlers.core.errors import RequestError, StateConflictError
from handlers.runtime import Event, Runtime, entry, required, site_in

logger = logging.getLogger(__name__)

ACTIONS = ("begin", "finish", "check")


def promote(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Carry out `action` of `incident_id` for site `target`.

    `begin` makes the target the owner of the epoch after `epoch` (PROMOTING), `finish` says that
    its DAGs run (ACTIVE). `check` changes nothing: it says whether `begin` took effect, for when
    its answer was lost. Each may be called again.

    Raises:
        OwnershipChangedError: the record is not this incident's to move.
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
    if action == "begin":
        epoch = int(required(event, "epoch"))
        record = _move(
            runtime,
            lambda current: ownership.begin(
                current, site=target, epoch=epoch, incident_id=incident_id, at=at
            ),
        )
        timeline.add(runtime.state, incident_id, Step.PROMOTING, at, detail={"epoch": record.epoch})
    else:
        record = _move(
            runtime,
            lambda current: ownership.finish(current, site=target, incident_id=incident_id, at=at),
        )
        timeline.add(runtime.state, incident_id, Step.UNPAUSED, event.get("unpaused_at") or at)
    _mirror(runtime, record)
    return _answer(record, promoted=True)


handler = entry(promote)


def _move(runtime: Runtime, change: Callable[[Ownership], Ownership]) -> Ownership:
    """Replace the record by what `change` makes of it, whoever else writes at the same time."""
    for _ in range(5):
        current, stored = runtime.state.ownership()
        moved = change(current)
        if stored is not None and moved == current:
            return current
        try:
            runtime.state.put(OWNERSHIP, asdict(moved), expected=stored)
        except StateConflictError:
            continue
        logger.info("epoch %s belongs to %s, %s", moved.epoch, moved.owner, moved.state)
        return moved
    raise StateConflictError("the ownership record kept changing")


def _mirror(runtime: Runtime, record: Ownership) -> None:
    """The DR mirror must be written, since the agent there obeys it; the primary may hang."""
    mirror.write(runtime.backups(Site.DR), record)
    try:
        mirror.write(runtime.backups(Site.PRIMARY, probe=True), record)
    except (*AWS_ERRORS, StateConflictError) as error:
        logger.warning("the primary Region's mirror must wait for the monitor: %s", error)


def _answer(record: Ownership, *, promoted: bool) -> dict[str, Any]:
    return {"promoted": promoted, "owner": record.owner.value, "epoch": record.epoch}
