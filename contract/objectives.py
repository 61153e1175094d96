"""The arithmetic behind a recovery point objective, of one source for settings and rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.sites import CopyMode

REPLICATION_SECONDS = 15 * 60
"""S3 Replication Time Control: 99.99 % of objects within 15 minutes by design (S3 user guide)."""
EXPORT_SECONDS = 60
"""Time an export may take: a million task instances take well under a minute (measured)."""

_HAIR = 1e-6


@dataclass(frozen=True, slots=True)
class Sum:
    """Times that follow each other, by name, in seconds; its text is in minutes."""

    parts: Mapping[str, float]

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())

    @property
    def minutes(self) -> float:
        return self.seconds / 60

    def within(self, minutes: float) -> bool:
        """Whether it takes no longer; a minute's parts are no exact numbers, so a hair is given."""
        return self.seconds <= minutes * 60 + _HAIR

    def __str__(self) -> str:
        terms = " + ".join(f"{name} {value / 60:.4g}" for name, value in self.parts.items())
        return f"{terms} = {self.minutes:.4g} minutes"


def recovery_point(
    interval_seconds: float, mode: CopyMode, export_seconds: float = EXPORT_SECONDS
) -> Sum:
    """How old the newest complete backup in the DR Region can be when all goes as designed.

    Args:
        interval_seconds: time between two backups.
        export_seconds: from a backup's snapshot until it is complete.
    """
    replicated = mode is CopyMode.REPLICATE
    copy = {"copy by S3 replication": REPLICATION_SECONDS} if replicated else {}
    return Sum({"schedule": interval_seconds, "export": export_seconds, **copy})
