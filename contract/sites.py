"""The fixed vocabulary of places and choices."""

from enum import StrEnum


class Site(StrEnum):
    """One half of the installation: a fixed place, part of every physical name."""

    PRIMARY = "primary"
    DR = "dr"

    @property
    def other(self) -> "Site":
        return Site.DR if self is Site.PRIMARY else Site.PRIMARY


class Strategy(StrEnum):
    """How the DR site gets ready to run the DAGs."""

    BACKUP_RESTORE = "backup-restore"
    ACTIVE_PASSIVE = "active-passive"


class CopyMode(StrEnum):
    """How a backup reaches the DR Region: by S3 replication, or written there directly."""

    REPLICATE = "replicate"
    DIRECT = "direct"


class InFlightRule(StrEnum):
    """What happens at promotion to tasks that were unfinished when the backup was taken."""

    FAIL = "fail"
    RERUN = "rerun"
    KEEP = "keep"
