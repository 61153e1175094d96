"""Mirrors the ownership record into the backup buckets, where the agents read it."""

import logging

from contract import keys
from contract.ownership import Ownership
from handlers.adapters.objects import Bucket, Found
from handlers.core import ownership
from handlers.core.errors import StateConflictError

logger = logging.getLogger(__name__)


def bring_up_to_date(bucket: Bucket, record: Ownership, seen: Found | None) -> bool:
    """Write the mirror if `record` is newer than what was seen; return whether it was written."""
    if seen is not None and not _replaces(record, seen):
        return False
    try:
        bucket.replace(keys.OWNERSHIP, record.to_json(), seen)
    except StateConflictError:
        logger.info("the mirror in %s was just written by someone else", bucket.name)
        return False
    return True


def write(bucket: Bucket, record: Ownership, *, attempts: int = 5) -> None:
    """Write the mirror, whoever else writes it at the same time; an older record never wins.

    Raises:
        StateConflictError: it kept changing.
    """
    for _ in range(attempts):
        seen = bucket.read(keys.OWNERSHIP)
        if seen is not None and not _replaces(record, seen):
            return
        if bring_up_to_date(bucket, record, seen):
            return
    raise StateConflictError(f"the mirror in {bucket.name} kept changing")


def _replaces(record: Ownership, seen: Found) -> bool:
    try:
        mirrored = Ownership.from_json(seen.body)
    except ValueError:
        logger.warning("the ownership mirror was not readable and is written anew")
        return True
    return ownership.is_newer(record, mirrored)
