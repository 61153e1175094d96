"""Writes an order for a site's agent and asks Airflow to run the agent now."""

import logging
from datetime import timedelta
from typing import Any

from contract import keys, state
from contract.names import AGENT_DAG
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.sites import Site
from contract.state import IncidentStatus, Step
from handlers.adapters import timeline
from handlers.adapters.answers import AWS_ERRORS
from handlers.core.errors import IncidentOverError
from handlers.runtime import Event, Runtime, entry, one_of, required, site_in

logger = logging.getLogger(__name__)

RUNS = f"/dags/{AGENT_DAG}/dagRuns"


def send_order(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Write the order `order_id` of `kind` for `site`, unless it lies there already.

    Args:
        event: `expires_seconds` from now the agent refuses it; `payload` as in `OrderKind`. With
            `undo`, the id of a pause order, an un-pause order is sent for the DAGs that it paused.
            With `paused_by`, the id of the pause order that the site `paused_at` got, an un-pause
            order says which DAGs a backup shows as paused only since it fenced that site.

    Returns:
        The order's id, site and times, and whether it was sent; not if there is nothing to undo.

    Raises:
        IncidentOverError: the incident is not open any more.
    """
    site, order_id = site_in(event, "site"), required(event, "order_id")
    incident = _open(runtime, required(event, "incident_id"))
    now = runtime.now()
    payload = dict(event.get("payload") or {})
    if event.get("undo"):
        paused = _paused_by(runtime, site, event["undo"])
        if not paused:
            return {"sent": False, "site": site.value, "order_id": order_id, "issued_at": ""}
        payload["dags"] = paused
    if event.get("paused_by"):
        payload["paused"] = _fence_of(runtime, site_in(event, "paused_at"), event["paused_by"])
    kind, incident_id = one_of(event, "kind", OrderKind), required(event, "incident_id")
    if kind is OrderKind.IMPORT:
        payload["outage_at"] = _stopped_at(incident)
    order = Order(
        order_id=order_id,
        kind=kind,
        site=site,
        epoch=int(required(event, "epoch")),
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


def _open(runtime: Runtime, incident_id: str) -> dict[str, Any]:
    """The incident's item.

    A drill that made way, or a recovery that outlived its lease, must not go on beside another.

    Raises:
        IncidentOverError: the incident is closed.
    """
    found = runtime.state.get(state.incident(incident_id))
    if found is not None and found["status"] != IncidentStatus.OPEN:
        raise IncidentOverError(f"incident {incident_id} is {found['status']}: {found['reason']}")
    return found or {}


def _paused_by(runtime: Runtime, site: Site, pause_order: str) -> list[str]:
    """The DAGs that a pause order paused; none if the agent never said so."""
    return _fence_of(runtime, site, pause_order).get("dags", [])


def _fence_of(runtime: Runtime, site: Site, pause_order: str) -> dict[str, Any]:
    """When a pause order was carried out and what it paused; nothing if the agent never said so."""
    found = runtime.backups().read(keys.ack(site, pause_order))
    ack = None if found is None else Ack.from_json(found.body)
    if ack is None or ack.status is not OrderStatus.SUCCEEDED:
        return {}
    return {"at": ack.updated_at, "dags": ack.result.get("paused", [])}


def _accelerate(runtime: Runtime, site: Site) -> bool:
    """Ask Airflow to run the agent now; it would run by itself soon, so failing is no matter."""
    place = runtime.config.place(site)
    client = runtime.clients.mwaa(place.region, probe=True)
    bodies: tuple[dict[str, Any], ...] = (
        {"conf": {}},  # Airflow 2
        {"conf": {}, "logical_date": None},  # Airflow 3 demands the key
    )
    for body in bodies:
        try:
            client.invoke_rest_api(Name=place.environment, Path=RUNS, Method="POST", Body=body)
        except client.exceptions.RestApiClientException as error:
            logger.info("Airflow did not take the run: %s", error)
        except AWS_ERRORS as error:
            logger.info("the agent of %s is not reachable by REST: %s", site, error)
            return False
        else:
            return True
    return False
