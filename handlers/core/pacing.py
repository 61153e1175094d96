"""How long to wait: between readings and between polls."""

from datetime import datetime

POLL_SECONDS = 4
"""Poll interval while an answer is expected any moment."""


def until_next_reading(
    *, started_at: datetime, index: int, interval_seconds: int, now: datetime
) -> int:
    """Whole seconds from now until reading `index + 1` of an execution is due.

    A reading that took long shortens the wait, so that a minute's readings fit into the minute.
    `started_at` is of another clock. Where the two cannot be of one minute, only the interval
    counts: readings that have to agree must be taken neither all at once nor minutes apart.
    """
    due = (index + 1) * interval_seconds
    wait = round(due - (now - started_at).total_seconds())
    return max(0, wait) if abs(wait) <= interval_seconds else interval_seconds


def poll_seconds(waited_seconds: float) -> int:
    """Seconds until the next poll: a tenth of the time waited, within 4 and 30.

    A wait of hours then stays far below the 25,000 events that an execution's history may hold.
    """
    return max(POLL_SECONDS, min(30, int(waited_seconds / 10)))
