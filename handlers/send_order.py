"""Writes an order for a site's agent and asks Airflow to run the agent now."""

import json
import logging
from datetime import timedelta
from typing import Any

from contract import keys, state
from contract.functions import HASTEN
from contract.orders import Order, OrderKind
from contract.sites import Site
from contract.state import IncidentStatus, Step
from handlers.adapters import airflow, fences, timeline
from handlers.adapters.answers import AWS_ERRORS
from handlers.core.errors import IncidentOverError
from handlers.runtime import Event, Runtime, entry, one_of, required, site_in

logger = logging.getLogger(__name__)


def send_order(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Write the order `order_id` of `kind` for `site`, unless it lies there already.

    Args:
        event: `expires_seconds` from now the agent refuses it; `payload` as in `OrderKind`. With
            `undo` an un-pause order is sent for the DAGs that recoveries of the epoch paused there.
            With `fenced`, a site, an order says which DAGs a backup of that site shows as paused
            only since it was fenced in epoch `fenced_epoch`.

    Returns:
        The order's id, site and times, and whether it was sent; not if there is nothing to undo.

    Raises:
        IncidentOverError: the incident is not open any more.
    """
    site, order_id = site_in(event, "site"), required(event, "order_id")
    incident = _open(runtime, required(event, "incident_id"), undo=bool(event.get("undo")))
    now = runtime.now()
    payload = dict(event.get("payload") or {})
    epoch = int(required(event, "epoch"))
    if event.get("undo"):
        paused = fences.standing(runtime.backups(), site, epoch).get("dags")
        if not paused:
            return {"sent": False, "site": site.value, "order_id": order_id, "issued_at": ""}
        payload["dags"] = paused
    if event.get("fenced"):
        fenced, of_epoch = site_in(event, "fenced"), int(required(event, "fenced_epoch"))
        payload["paused"] = fences.standing(runtime.backups(), fenced, of_epoch)
    kind, incident_id = one_of(event, "kind", OrderKind), required(event, "incident_id")
    if kind is OrderKind.IMPORT:
        payload["outage_at"] = _stopped_at(incident)
    order = Order(
        order_id=order_id,
        kind=kind,
        site=site,
        epoch=epoch,
        issued_at=now.isoformat(),
        expires_at=(now + timedelta(seconds=int(required(event, "expires_seconds")))).isoformat(),
        incident_id=incident_id,
        payload=payload,
    )
    # The DR bucket is what recovery cannot do without; the primary Region may hang.
    bucket = runtime.backups(site, probe=site is not Site.DR)
    if not bucket.create(keys.order(site, order_id), order.to_json()):
        found = bucket.read(keys.order(site, order_id))
        order = order if found is None else Order.from_json(found.body)
    timeline.add(
        runtime.state,
        order.incident_id,
        Step.ORDER_SENT,
        order.issued_at,
        key=order_id,
        detail={"kind": order.kind.value, "site": site.value},
    )
    accelerated = _accelerate(runtime, site)
    return {
        "sent": True,
        "site": site.value,
        "order_id": order_id,
        "issued_at": order.issued_at,
        "accelerated": accelerated,
    }


handler = entry(send_order)


def _stopped_at(incident: dict[str, Any]) -> str:
    """When the old owner said that its DAGs are paused, or else its last sign of life."""
    fenced = incident.get("timeline", {}).get(Step.FENCED.value, {})
    return fenced.get("at", "") or incident.get("outage_at", "")


def _open(runtime: Runtime, incident_id: str, *, undo: bool) -> dict[str, Any]:
    """The incident's item.

    A drill that made way, or a recovery that outlived its lease, must not go on beside another. It
    may still undo its fence while nobody else sees to that and the owner is the owner.

    Raises:
        IncidentOverError: the incident is closed.
    """
    found = runtime.state.get(state.incident(incident_id))
    if found is None or found["status"] == IncidentStatus.OPEN:
        return found or {}
    over = f"incident {incident_id} is {found['status']}: {found['reason']}"
    if not undo or found["status"] != IncidentStatus.FAILED:
        raise IncidentOverError(over)
    newest = runtime.state.get(state.OPEN_INCIDENT)
    record, _ = runtime.state.ownership()
    if fences.is_taken_over(newest, incident_id):
        raise IncidentOverError(f"{over}; {(newest or {})['incident_id']} sees to its fence")
    if record.epoch != state.epoch_of(incident_id):
        raise IncidentOverError(f"{over}; {record.owner} owns epoch {record.epoch} by now")
    return found


def _accelerate(runtime: Runtime, site: Site) -> bool:
    """Ask Airflow to run the agent now; it would run by itself soon, so failing is no matter.

    A private web server answers only within its own network, where another function asks it; that
    one is not waited for. The primary site's network is in its Region, which may be lost.
    """
    place = runtime.config.place(site)
    if site is not Site.DR or not runtime.config.hastens_inside:
        return airflow.run_agent(runtime.clients.mwaa(place.region, probe=True), place.environment)
    try:
        runtime.clients.functions(place.region).invoke(
            FunctionName=runtime.config.names.function(HASTEN),
            InvocationType="Event",
            Payload=json.dumps({"site": site.value}),
        )
    except AWS_ERRORS as error:
        logger.info("nothing hastens the agent of %s: %s", site, error)
        return False
    return True
