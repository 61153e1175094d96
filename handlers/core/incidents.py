"""One incident at a time: when one may open, which course it takes, and what it cost in time."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from contract import state
from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.sites import InFlightRule, Site, Strategy
from contract.state import IncidentKind, IncidentStatus
from handlers.core.errors import RequestError

FIRST_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """The item `open-incident` of the state table; times ISO 8601, UTC."""

    incident_id: str
    epoch: int
    attempt: int
    owner: Site
    status: IncidentStatus
    opened_at: str
    lease_until: str
    closed_at: str = ""

    @property
    def kind(self) -> IncidentKind:
        return state.kind_of(self.incident_id)

    @property
    def is_open(self) -> bool:
        return self.status is IncidentStatus.OPEN

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
            status=IncidentStatus(item["status"]),
            opened_at=item["opened_at"],
            lease_until=item["lease_until"],
            closed_at=item["closed_at"],
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """What to do when an incident is asked for.

    Args:
        incident: the incident to work on; None where there must be none now.
        is_new: whether it must be written.
        given_up: an incident that makes way, as it is to be written: one that nobody closed in its
            time, or a drill that a real incident interrupts.
    """

    incident: OpenIncident | None
    is_new: bool
    reason: str
    given_up: OpenIncident | None = None


def opening(
    last: OpenIncident | None,
    *,
    kind: IncidentKind,
    owner: Site,
    epoch: int,
    by_hand: bool,
    lease: timedelta,
    now: datetime,
) -> Opening:
    """Find the incident for a DOWN verdict or a person's wish: the open one, or the next attempt.

    Args:
        last: the newest incident there is.
        by_hand: whether a person asks; a person need not wait until a failed attempt cools off.
        lease: how long a recovery can take; after it an open incident counts as abandoned.
    """
    given_up = None
    if last is not None and last.is_open:
        closed_at = now.isoformat()
        if now >= datetime.fromisoformat(last.lease_until) or last.epoch != epoch:
            given_up = replace(last, status=IncidentStatus.FAILED, closed_at=closed_at)
        elif last.kind is IncidentKind.DRILL and kind is not IncidentKind.DRILL:
            given_up = replace(last, status=IncidentStatus.SUPERSEDED, closed_at=closed_at)
        elif last.kind is kind:
            return Opening(last, False, f"{last.incident_id} is open")
        else:
            return Opening(None, False, f"{last.incident_id} is open; wait until it is closed")
    elif last is not None and last.epoch == epoch and not by_hand:
        until = _cools_off_until(last)
        if now < until:
            return Opening(None, False, f"{last.incident_id} failed; next attempt at {until}")
    attempt = last.attempt + 1 if last is not None and last.epoch == epoch else 1
    incident = OpenIncident(
        incident_id=state.incident_id(epoch, attempt, kind),
        epoch=epoch,
        attempt=attempt,
        owner=owner,
        status=IncidentStatus.OPEN,
        opened_at=now.isoformat(),
        lease_until=(now + lease).isoformat(),
    )
    return Opening(incident, True, "new", given_up)


HANDED_OVER = state.PLANNED - {IncidentKind.RESTORE}
"""The target gets exactly what the owner had when its tasks had ended: nothing is repeated."""


@dataclass(frozen=True, slots=True)
class Course:
    """What the recovery machine is told beside the incident's id: which way it goes.

    Args:
        planned: the owner works; see `contract.state.PLANNED`.
        create: an environment is made for it.
        reconcile: the target has rows of its own that are to be kept first.
        mode, phase: of the import, as the engine names them.
        in_flight: what becomes of unfinished tasks. What is handed over whole simply goes on.
    """

    owner: Site
    target: Site
    planned: bool
    create: bool
    reconcile: bool
    mode: str
    phase: str
    in_flight: str

    def to_input(self) -> dict[str, Any]:
        return asdict(self)


def course(
    kind: IncidentKind, record: Ownership, strategy: Strategy, wanted: str, rule: InFlightRule
) -> Course:
    """Which way an incident of `kind` goes from the ownership `record`.

    Args:
        rule: for unfinished tasks, where the owner cannot hand them over.
        wanted: the id of the backup that a person wants; "" for the newest.

    Raises:
        RequestError: it cannot begin from here; the message says what can.
    """
    refused = _refusal(kind, record, wanted)
    if refused:
        raise RequestError(refused)
    target = record.owner if kind is IncidentKind.RESTORE else record.owner.other
    stands_by = record.standby is SiteState.STANDBY
    create = (
        strategy is Strategy.BACKUP_RESTORE
        and target is Site.DR
        and kind is not IncidentKind.RESTORE
    )
    if create:
        mode, phase = "restore", "all" if kind is IncidentKind.DRILL else "resume"
    else:
        mode, phase = "replace" if wanted else "follow", "all"
    return Course(
        owner=record.owner,
        target=target,
        planned=kind in state.PLANNED,
        create=create,
        reconcile=not (create or stands_by or kind is IncidentKind.RESTORE),
        mode=mode,
        phase=phase,
        in_flight=(InFlightRule.KEEP if kind in HANDED_OVER else rule).value,
    )


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """What keeps an incident from beginning: where it applies, and what to do about it."""

    kinds: frozenset[IncidentKind]
    applies: Callable[[Ownership, str], bool]
    advice: str


_OBSTACLES = (
    _Obstacle(
        frozenset(IncidentKind),
        lambda record, _: record.state is not SiteState.ACTIVE,
        "which is {record.state}: its incident {record.incident_id} must end first; if it needs "
        "attention, un-pause what was active, and the monitor takes note of it",
    ),
    _Obstacle(
        frozenset({IncidentKind.PLANNED_FAILOVER}),
        lambda record, _: record.owned_by(Site.DR),
        "which is where a planned failover leads to; `failback` leads back",
    ),
    _Obstacle(
        frozenset({IncidentKind.FAILBACK}),
        lambda record, _: record.owned_by(Site.PRIMARY),
        "so that there is nothing to fail back",
    ),
    _Obstacle(
        frozenset({IncidentKind.FAILBACK, IncidentKind.DRILL}),
        lambda record, _: record.standby is SiteState.FENCE_PENDING,
        "and {record.owner.other} has not yet said that its DAGs are paused; wait until "
        "`mwaa-dr status` shows it FENCED",
    ),
    _Obstacle(
        frozenset({IncidentKind.DRILL}),
        lambda record, _: record.standby is not SiteState.STANDBY,
        "and {record.owner.other} is {record.standby}; `failback` reconciles it",
    ),
    _Obstacle(
        frozenset({IncidentKind.RESTORE}),
        lambda _, wanted: not wanted,
        "and going back to an older backup needs to know to which; `mwaa-dr backups list`",
    ),
)


def _refusal(kind: IncidentKind, record: Ownership, wanted: str) -> str:
    for one in _OBSTACLES:
        if kind in one.kinds and one.applies(record, wanted):
            advice = one.advice.format(record=record)
            return f"{kind}: epoch {record.epoch} belongs to {record.owner}, {advice}"
    return ""


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
