"""What recoveries of an epoch have paused at a site and nobody has un-paused again.

A recovery that failed, or that nobody brought to its end, may leave its fence standing. The next
one finds every DAG paused already: what was active is known only from all of them together.
"""

from contract import keys, state
from contract.orders import Ack, OrderStatus
from contract.sites import Site
from contract.state import IncidentKind
from handlers.adapters.objects import Bucket

PAUSE, UNDO = "-pause", "-undo-pause"
"""Ends of the ids of the two orders of a recovery, as its state machine gives them."""
FENCING = tuple(kind for kind in IncidentKind if kind is not IncidentKind.DRILL)


def standing(bucket: Bucket, site: Site, epoch: int) -> dict[str, object]:
    """`at`, when the first of these fences was said to stand, and the `dags` of all; {} if none."""
    pauses = {
        key.removesuffix(f"{PAUSE}.json"): ack
        for kind in FENCING
        for key in bucket.keys(keys.ack(site, f"{kind}-e{epoch:04d}-").removesuffix(".json"))
        if key.endswith(f"{PAUSE}.json")
        and not key.endswith(f"{UNDO}.json")
        and (ack := _succeeded(bucket, key))
    }
    left = [ack for stem, ack in pauses.items() if not _succeeded(bucket, f"{stem}{UNDO}.json")]
    if not left:
        return {}
    dags = {dag for ack in left for dag in ack.result.get("paused", [])}
    return {"at": min(ack.updated_at for ack in left), "dags": sorted(dags)}


def is_taken_over(newest: dict[str, object] | None, incident_id: str) -> bool:
    """Whether another incident is open, which sees to all fences of its epoch."""
    return (
        newest is not None
        and newest["status"] == state.IncidentStatus.OPEN
        and newest["incident_id"] != incident_id
    )


def _succeeded(bucket: Bucket, key: str) -> Ack | None:
    found = bucket.read(key)
    ack = None if found is None else Ack.from_json(found.body)
    return ack if ack is not None and ack.status is OrderStatus.SUCCEEDED else None
