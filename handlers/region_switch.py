"""Entry point for ARC Region switch: a custom action Lambda block of a plan calls it.

The block's payload is `{"target": "dr"}` or `{"target": "primary"}`; Region switch adds who asks
(`ExecutionId` and more, see `Lambdas.payload` in its API model). The block retries until this
returns, so that it never waits itself.
"""

from typing import Any

from contract import state
from contract.lifecycle import SiteState
from contract.sites import Site
from contract.state import IncidentKind
from contract.verdict import Verdict
from handlers.adapters.starting import start_recovery
from handlers.core.errors import RequestError, StillMovingError
from handlers.open_incident import open_incident
from handlers.runtime import Event, Runtime, entry, site_in


def region_switch(event: Event, runtime: Runtime) -> dict[str, Any]:
    """See that `target` owns the epoch: start what leads there, and say when it is done.

    Args:
        event: `target`, and optionally `kind`; without it a failover where the verdict on the owner
            is DOWN, and a planned move where it is not.

    Raises:
        StillMovingError: it is on its way; ask again.
        RequestError: it cannot begin from here.
    """
    target = site_in(event, "target")
    record, _ = runtime.state.ownership()
    if record.owned_by(target) and record.state is SiteState.ACTIVE:
        return {"owner": record.owner.value, "epoch": record.epoch, "state": record.state.value}
    if record.owned_by(target):
        raise StillMovingError(f"{target} owns epoch {record.epoch} and is {record.state}")
    asked = {
        "kind": event.get("kind") or _kind(runtime, target).value,
        "owner": record.owner.value,
        "epoch": record.epoch,
        "by": f"ARC Region switch {event.get('ExecutionId', '')}".strip(),
        "reasons": ["a Region switch plan asked for it"],
    }
    opened = open_incident(asked, runtime)
    if not opened["start"]:
        raise RequestError(opened["reason"])
    start_recovery(runtime, opened)
    raise StillMovingError(f"{opened['incident_id']} moves the ownership to {target}")


handler = entry(region_switch)


def _kind(runtime: Runtime, target: Site) -> IncidentKind:
    readings = runtime.state.get(state.READINGS) or {}
    if readings.get("verdict") == Verdict.DOWN:
        return IncidentKind.FAILOVER
    return IncidentKind.PLANNED_FAILOVER if target is Site.DR else IncidentKind.FAILBACK
