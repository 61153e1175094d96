"""One incident at a time: when one may open, and what it cost in time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contract import state
from contract.sites import Site

FIRST_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """The item `open-incident` of the state table; times ISO 8601, UTC."""

    incident_id: str
    epoch: int
    attempt: int
    owner: Site
    status: state.IncidentStatus
    opened_at: str
    lease_until: str
    closed_at: str = ""

    def to_item(self) -> dict[str, Any]:
        return {
            "incident_id": self.incident_id,
            "epoch": self.epoch,
            "attempt": self.attempt,
            "owner": self.owner.value,
            "status": self.status.value,
            "opened_at": self.opened_at,
            "lease_until": self.lease_until,
            "closed_at": self.closed_at,
        }

    @classmethod
    def from_item(cls, item: dict[str, Any] | None) -> "OpenIncident | None":
        if item is None:
            return None
        return cls(
            incident_id=item["incident_id"],
            epoch=int(item["epoch"]),
            attempt=int(item["attempt"]),
            owner=Site(item["owner"]),
            status=state.IncidentStatus(item["status"]),
            opened_at=item["opened_at"],
            lease_until=item["lease_until"],
            closed_at=item["closed_at"],
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """What to do about a DOWN verdict.

    Args:
        incident: the incident to recover from; None while a failed attempt cools off.
        is_new: whether it must be written.
        abandoned: an incident that nobody closed in its time; it is closed as failed.
    """

    incident: OpenIncident | None
    is_new: bool
    reason: str
    abandoned: OpenIncident | None = None


def opening(
    last: OpenIncident | None, *, owner: Site, epoch: int, lease: timedelta, now: datetime
) -> Opening:
    """Find the incident for a DOWN verdict on `epoch`: the open one, or the next attempt.

    Args:
        last: the newest incident there is.
        lease: how long a recovery can take; after it an open incident counts as abandoned.
    """
    same_epoch = last is not None and last.epoch == epoch
    if last is not None and same_epoch and last.status is state.IncidentStatus.OPEN:
        if now < datetime.fromisoformat(last.lease_until):
            return Opening(last, False, f"{last.incident_id} is open")
    elif last is not None and same_epoch and now < (until := _cools_off_until(last)):
        return Opening(None, False, f"{last.incident_id} failed; next attempt at {until}")
    attempt = last.attempt + 1 if last is not None and same_epoch else 1
    incident = OpenIncident(
        incident_id=state.incident_id(epoch, attempt),
        epoch=epoch,
        attempt=attempt,
        owner=owner,
        status=state.IncidentStatus.OPEN,
        opened_at=now.isoformat(),
        lease_until=(now + lease).isoformat(),
    )
    still_open = last is not None and last.status is state.IncidentStatus.OPEN
    return Opening(incident, True, "new", abandoned=last if still_open else None)


def _cools_off_until(closed: OpenIncident) -> datetime:
    """Each failed attempt doubles the pause before the next, so that a fault is not hammered."""
    pause = min(FIRST_PAUSE * 2 ** min(closed.attempt - 1, 10), LONGEST_PAUSE)
    return datetime.fromisoformat(closed.closed_at) + pause


def figures(
    *, outage_at: str, opened_at: str, unpaused_at: str, snapshot_at: str
) -> dict[str, float]:
    """Seconds that the incident cost, as far as the times are known (ISO 8601 or "").

    RTO here ends when the DAGs are un-paused; the first success of each DAG comes later and only
    its own history knows it. RPO runs from the backup's snapshot to the last sign of life.
    """

    def between(start: str, end: str) -> float | None:
        if not start or not end:
            return None
        seconds = datetime.fromisoformat(end) - datetime.fromisoformat(start)
        return max(0.0, round(seconds.total_seconds(), 3))

    found = {
        "detection_seconds": between(outage_at, opened_at),
        "recovery_seconds": between(opened_at, unpaused_at),
        "rto_unpaused_seconds": between(outage_at, unpaused_at),
        "rpo_seconds": between(snapshot_at, outage_at),
    }
    return {name: value for name, value in found.items() if value is not None}
