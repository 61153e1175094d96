"""Reads a point in time as people write it."""

from datetime import UTC, datetime

from contract import keys


def moment(text: str) -> datetime | None:
    """The time that `text` names, UTC unless it says otherwise; None if it names none.

    A backup's id is none, though Python would read it as one: a mistyped id must not quietly
    become the newest backup before it.
    """
    try:
        keys.backup_time(text)
    except ValueError:
        pass
    else:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
