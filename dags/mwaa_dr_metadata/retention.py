"""Decides which backups may go: by a recovery window, and never so that another one is orphaned.

A *point* is a backup that can be restored: a base, or an incremental whose chain down to its base
is there. To go back to any moment of the window one needs every point in it and the newest one from
before it, each with its chain.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from contract import keys
from contract.keys import BackupPlace
from contract.manifest import BackupKind, Manifest
from contract.sites import Site

MINIMUM_POINTS = 2
"""One more than the newest, which may turn out to be the one that holds the mistake."""
UNFINISHED = timedelta(days=1)
"""An export that has not ended by then never will: its DAG run is given up after six hours."""


class Reason(StrEnum):
    """Why a backup stays."""

    WINDOW = "within the window"
    START = "the newest from before the window"
    MINIMUM = "one of the newest"
    NEEDED = "needed by a later one"


@dataclass(frozen=True, slots=True)
class KnownBackup:
    """What a decision needs to know of a backup.

    Args:
        parent_id: of an incremental, the backup that it goes on from, of the same site and epoch.
    """

    site: Site
    epoch: int
    backup_id: str
    at: datetime
    kind: BackupKind
    base_id: str = ""
    parent_id: str = ""

    @classmethod
    def of(cls, manifest: Manifest) -> "KnownBackup":
        return cls(
            site=manifest.site,
            epoch=manifest.epoch,
            backup_id=manifest.backup_id,
            at=keys.backup_time(manifest.backup_id),
            kind=manifest.kind,
            base_id=manifest.base_id,
            parent_id=manifest.parent_id,
        )

    @property
    def place(self) -> BackupPlace:
        return BackupPlace(self.site, self.epoch, self.backup_id)

    @property
    def parent(self) -> BackupPlace:
        return BackupPlace(self.site, self.epoch, self.parent_id or self.base_id)

    @property
    def needs(self) -> frozenset[BackupPlace]:
        """What it rests on directly. A base rests on nothing, even if it knows its parent."""
        if self.kind is BackupKind.BASE:
            return frozenset()
        return frozenset({self.parent, BackupPlace(self.site, self.epoch, self.base_id)})


@dataclass(frozen=True, slots=True)
class RetentionDecision:
    """What stays and what may go.

    Args:
        keep: with the reason, newest first.
        expire: newest first, so that an incremental goes before what it rests on.
        orphans: of `keep`: incrementals within the window whose chain is not whole. They cannot be
            restored, or not yet: a part may still be on its way from the other Region.
        remains_before: objects without a manifest may go if they are older.
    """

    window_start: datetime
    remains_before: datetime
    keep: Mapping[KnownBackup, Reason]
    expire: Sequence[KnownBackup]
    orphans: Sequence[KnownBackup]

    def report(self) -> str:
        """For people: a line per backup, newest first."""
        lines = [
            *((one, f"keep    {reason}") for one, reason in self.keep.items()),
            *((one, "expire") for one in self.expire),
        ]
        orphans = set(self.orphans)
        return "\n".join(
            [
                f"{len(self.keep)} stay, {len(self.expire)} expire; the window starts "
                f"{self.window_start.isoformat(timespec='seconds')}",
                *(
                    f"{one.place.prefix.removeprefix(keys.BACKUPS)}  {one.kind:<11}  {text}"
                    + (", its chain is not whole" if one in orphans else "")
                    for one, text in sorted(lines, key=lambda line: _newest_first(line[0]))
                ),
            ]
        )


def decide(
    backups: Iterable[KnownBackup],
    now: datetime,
    window: timedelta,
    minimum_points: int = MINIMUM_POINTS,
) -> RetentionDecision:
    """Which backups to keep so that every kept moment of the window can be restored.

    Each site is looked at by itself: a site that lost ownership keeps its last points, which a
    failback may need.

    Args:
        now: aware.
        window: how far back one wants to be able to go.
        minimum_points: restorable points of each site that stay whatever their age.

    Raises:
        ValueError: the window is negative, or no point at all would have to stay.
    """
    if window < timedelta(0) or minimum_points < 1:
        raise ValueError(
            f"window: {window} and minimum_points: {minimum_points} are not allowed; use a window "
            "of 0 or more and at least 1 point, so that the newest backup always stays"
        )
    known = {one.place: one for one in sorted(backups, key=_newest_first)}
    start = now.astimezone(UTC) - window
    whole = _whole(known)
    keep: dict[KnownBackup, Reason] = {}
    for site in Site:
        points = [one for one in known.values() if one.site is site and one.place in whole]
        for one in [point for point in points if point.at <= start][:1]:
            keep[one] = Reason.START
        for one in points[:minimum_points]:
            keep.setdefault(one, Reason.MINIMUM)
    for one in known.values():
        if one.at > start:
            keep[one] = Reason.WINDOW
    for one in [*keep]:
        for place in _chain(one, known):
            keep.setdefault(known[place], Reason.NEEDED)
    return RetentionDecision(
        window_start=start,
        remains_before=min(start, now - UNFINISHED),
        keep={one: keep[one] for one in known.values() if one in keep},
        expire=[one for one in known.values() if one not in keep],
        orphans=[one for one in known.values() if one in keep and one.place not in whole],
    )


def _newest_first(one: KnownBackup) -> tuple[float, str, int, str]:
    return (-one.at.timestamp(), one.site, -one.epoch, one.backup_id)


def _chain(one: KnownBackup, known: Mapping[BackupPlace, KnownBackup]) -> set[BackupPlace]:
    """Everything known that a backup rests on."""
    found: set[BackupPlace] = set()
    ahead = [*one.needs]
    while ahead:
        place = ahead.pop()
        if place in known and place not in found:
            found.add(place)
            ahead.extend(known[place].needs)
    return found


def _whole(known: Mapping[BackupPlace, KnownBackup]) -> set[BackupPlace]:
    """Backups that can be restored: each goes on from an older one, down to the base they name."""
    base_of: dict[BackupPlace, str] = {}
    for one in sorted(known.values(), key=lambda one: one.at):
        if one.kind is BackupKind.BASE:
            base_of[one.place] = one.backup_id
        elif one.base_id and base_of.get(one.parent) == one.base_id:
            base_of[one.place] = one.base_id
    return {*base_of}
