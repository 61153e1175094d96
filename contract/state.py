"""The layout of the state table in the DR Region: one item per key, `pk` is the only key.

ownership          the ownership record: attributes as in `contract.ownership.Ownership`
readings           the last readings and what they mean: `Readings` below
open-incident      the newest incident: incident_id, epoch, attempt, owner, status, opened_at,
                   lease_until (after it an incident nobody closed counts as abandoned), closed_at
incident#<id>      one incident: incident_id, epoch, attempt, owner, target, opened_at, outage_at,
                   reasons, status, closed_at, reason, figures, and `timeline`: a map of
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
that the owner ran), version, and `readings`: a list, oldest first, of
{at, owner, epoch, verdict, reasons, signals: [{signal, state, evidence}]}."""
OPEN_INCIDENT = "open-incident"

_INCIDENT_ID = re.compile(r"failover-e(\d{4,})-(\d{2,})")


class IncidentStatus(StrEnum):
    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Nothing changed hands; the next DOWN verdict may try again."""
    ATTENTION = "attention"
    """The DR site owns the epoch, but a person has to finish something."""


class Step(StrEnum):
    """What a timeline can say."""

    OPENED = "opened"
    STARTED = "recovery-started"
    ORDER_SENT = "order-sent"
    FENCED = "fenced"
    NOT_FENCED = "not-fenced"
    FINAL_EXPORT = "final-export"
    NO_FINAL_EXPORT = "no-final-export"
    BACKUP_CHOSEN = "backup-chosen"
    BACKUP_REFUSED = "backup-refused"
    ENVIRONMENT_REQUESTED = "environment-requested"
    ENVIRONMENT_READY = "environment-ready"
    RESTORED = "restored"
    PROMOTING = "promoting"
    UNPAUSED = "unpaused"
    ACTIVE = "active"
    HISTORY_RESTORED = "history-restored"
    UNFENCED = "unfenced"
    CLOSED = "closed"


def incident(incident_id: str) -> str:
    """Key of an incident's item."""
    return f"incident#{incident_id}"


def incident_id(epoch: int, attempt: int) -> str:
    """The id of an attempt to take the ownership of `epoch` away from its owner."""
    return f"{incident_id_prefix(epoch)}{attempt:02d}"


def incident_id_prefix(epoch: int) -> str:
    """What the ids of all attempts at an epoch begin with."""
    return f"failover-e{epoch:04d}-"


def epoch_of(identifier: str) -> int:
    """The epoch in an incident's id. Raises ValueError if it is not such an id."""
    match = _INCIDENT_ID.fullmatch(identifier)
    if match is None:
        raise ValueError(f"{identifier!r} is not an incident id such as failover-e0001-01")
    return int(match[1])
