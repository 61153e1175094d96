"""Which backup goes on from which: when an incremental can be taken, and what one rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract import keys
from contract.manifest import BackupKind, Manifest

XID_HALF = 1 << 31
"""A row's age is known only within half of the 32 bit circle of transaction ids."""


@dataclass(frozen=True, slots=True)
class Database:
    """What tells one database's history from another's.

    Args:
        system_identifier: of the cluster; empty where the role may not see it.
        timeline: likewise; a restore to a point in time begins a new one.
        snapshot: `xmin:xmax:in progress`.
        heads: schema versions.
    """

    system_identifier: str
    timeline: str
    snapshot: str
    heads: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What kind of backup to take.

    Args:
        reason: of the kind, for the manifest and the log.
        goes_on: whether the changes since the parent can be told; a base carries them as well, so
            that a standby can follow across it.
    """

    kind: BackupKind
    reason: str
    goes_on: bool


def bounds(snapshot: str) -> tuple[int, int]:
    """(xmin, xmax) of a snapshot: below xmin all is decided, from xmax on nothing is seen."""
    xmin, xmax, _ = snapshot.split(":")
    return int(xmin), int(xmax)


def decide(
    parent: Manifest | None,
    database: Database,
    now: datetime,
    base_every: timedelta,
    asked: BackupKind | None = None,
) -> Decision:
    """A base where there is nothing to go on from or it is time for one, else an incremental."""
    broken = "there is no earlier backup of this site and epoch"
    if parent is not None:
        broken = _broken(parent, database)
    if parent is None or broken:
        return Decision(BackupKind.BASE, broken, goes_on=False)
    if asked is BackupKind.BASE:
        return Decision(BackupKind.BASE, "asked for", goes_on=True)
    age = now - keys.backup_time(parent.base_id or parent.backup_id)
    if asked is None and age >= base_every:
        return Decision(BackupKind.BASE, f"the last base is {age} old", goes_on=True)
    return Decision(BackupKind.INCREMENTAL, f"goes on from {parent.backup_id}", goes_on=True)


def _broken(parent: Manifest, database: Database) -> str:
    """Why the parent's transaction ids say nothing here; empty if they do."""
    for what, then, now in (
        ("system identifier", parent.system_identifier, database.system_identifier),
        ("timeline", parent.timeline, database.timeline),
        ("schema", parent.alembic_heads, dict(database.heads)),
    ):
        if then != now:
            return f"the database changed since {parent.backup_id}: {what} {now}, it was {then}"
    (old_xmin, old_xmax), (_, xmax) = bounds(parent.snapshot), bounds(database.snapshot)
    if xmax < old_xmax:
        return f"the database went back: transaction {xmax}, {parent.backup_id} had {old_xmax}"
    if xmax - old_xmin >= XID_HALF:
        return f"{parent.backup_id} is {xmax - old_xmin} transactions old: too many to tell apart"
    return ""
