"""The layout of the state table in the DR Region: one item per key, `pk` is the only key.

ownership          the ownership record: attributes as in `contract.ownership.Ownership`
readings           the last readings and what they mean: `Readings` below
open-incident      the newest incident: incident_id, epoch, attempt, owner, status, opened_at,
                   lease_until (after it an incident nobody closed counts as abandoned), closed_at
events             what AWS said of the owner's Region and environment: `NotedEvents` of
                   handlers.core.aws_events
scheduled-drill    the last drill that the schedule began: scheduled_at, incident_id
last-drill         the last drill that succeeded: incident_id, closed_at
watched            since when the installation is looked after: since
incident#<id>      one incident: incident_id, kind, epoch, attempt, owner, target, opened_at,
                   outage_at, reasons, status, closed_at, reason, figures, input (of its execution),
                   decision (of a person: {approved, by, at}) and `timeline`: a map of
                   key -> {step, at, detail}; sort it by `at`. The key is the step, or, where a
                   step can come again, `step#` and what tells one from the other
"""

import re
from enum import StrEnum

from contract.ownership import RECORD_KEY

PK = "pk"
OWNERSHIP = RECORD_KEY
READINGS = "readings"
"""verdict, since (ISO 8601: when that verdict began), last_alive_at (ISO 8601: the newest proof
that the owner ran), version, code (what the owner's environment used to load), and `readings`: a
list, oldest first, of {at, owner, epoch, verdict, reasons, signals: [{signal, state, evidence}],
checks: [{check, state, evidence}]}."""
EVENTS = "events"
OPEN_INCIDENT = "open-incident"
LAST_DRILL = "last-drill"
SCHEDULED_DRILL = "scheduled-drill"
WATCHED = "watched"


class IncidentKind(StrEnum):
    """Why the ownership is to move, or, in a drill, not to move."""

    FAILOVER = "failover"
    """The owner is lost: what it did since the newest backup is lost with it."""
    PLANNED_FAILOVER = "planned-failover"
    """The owner works and hands everything over to the DR site."""
    FAILBACK = "failback"
    """The DR site hands everything over to the primary site, which is reconciled first."""
    RESTORE = "restore"
    """The owner goes back to an older backup of its own."""
    DRILL = "drill"
    """A recovery without promotion, into the standby or an environment made for it."""


PLANNED = frozenset({IncidentKind.PLANNED_FAILOVER, IncidentKind.FAILBACK, IncidentKind.RESTORE})
"""The owner works: it is fenced late, drained, and un-paused again if anything fails."""

_KINDS = "|".join(sorted(IncidentKind, key=len, reverse=True))
_INCIDENT_ID = re.compile(rf"({_KINDS})-e(\d{{4,}})-(\d{{2,}})")


class IncidentStatus(StrEnum):
    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Nothing changed hands; the next DOWN verdict may try again."""
    ATTENTION = "attention"
    """The target owns the epoch, but a person has to finish something."""
    SUPERSEDED = "superseded"
    """A drill that gave way to a real incident."""


class Step(StrEnum):
    """What a timeline can say."""

    OPENED = "opened"
    STARTED = "recovery-started"
    ORDER_SENT = "order-sent"
    APPROVAL_ASKED = "approval-asked"
    APPROVED = "approved"
    REJECTED = "rejected"
    ESCALATED = "escalated"
    FENCED = "fenced"
    NOT_FENCED = "not-fenced"
    DRAINED = "drained"
    FINAL_EXPORT = "final-export"
    NO_FINAL_EXPORT = "no-final-export"
    BACKUP_CHOSEN = "backup-chosen"
    BACKUP_REFUSED = "backup-refused"
    ENVIRONMENT_REQUESTED = "environment-requested"
    ENVIRONMENT_READY = "environment-ready"
    DIVERGENCE_EXPORTED = "divergence-exported"
    RECONCILED = "reconciled"
    RESTORED = "restored"
    PROMOTING = "promoting"
    UNPAUSED = "unpaused"
    ACTIVE = "active"
    HISTORY_RESTORED = "history-restored"
    UNFENCED = "unfenced"
    RUNS_ENDED = "runs-ended"
    """The old owner came back and ended what it had under way."""
    CLEANED_UP = "cleaned-up"
    CLOSED = "closed"


def incident(incident_id: str) -> str:
    """Key of an incident's item."""
    return f"incident#{incident_id}"


def incident_id(epoch: int, attempt: int, kind: IncidentKind = IncidentKind.FAILOVER) -> str:
    """The id of an attempt to take the ownership of `epoch` away from its owner."""
    return f"{kind}-e{epoch:04d}-{attempt:02d}"


def kind_of(identifier: str) -> IncidentKind:
    """The kind in an incident's id. Raises ValueError if it is not such an id."""
    return IncidentKind(_parsed(identifier)[1])


def epoch_of(identifier: str) -> int:
    """The epoch in an incident's id. Raises ValueError if it is not such an id."""
    return int(_parsed(identifier)[2])


def _parsed(identifier: str) -> re.Match[str]:
    match = _INCIDENT_ID.fullmatch(identifier)
    if match is None:
        raise ValueError(f"{identifier!r} is not an incident id such as failover-e0001-01")
    return match
