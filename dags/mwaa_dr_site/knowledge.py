"""Which ownership a site goes by: the newest record that it has ever read.

The mirrors cannot always be read, and then nothing may go back: a fenced site must not think that
it owns its old epoch again, and an owner must not think that it never became one.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING

from contract.ownership import INITIAL, Ownership
from mwaa_dr_metadata import notes
from mwaa_dr_metadata.database import transaction

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from mwaa_dr_site.mailbox import Mailbox


def newest(*records: Ownership) -> Ownership:
    """The record that counts among those that a site has read, now or ever."""
    return max(records, key=lambda record: record.rank)


def known(mailbox: "Mailbox", engine: "Engine", *, remember: bool = False) -> Ownership:
    """What this site goes by now.

    Args:
        remember: keep it in the database if it is news; the agent does so each minute.
    """
    read = mailbox.ownership()
    with transaction(engine) as session:
        remembered = _remembered(notes.read(session, notes.OWNERSHIP))
        found = newest(remembered, read)
        if remember and found != remembered:
            notes.write(session, notes.OWNERSHIP, asdict(found))
    return found


def _remembered(note: dict[str, object]) -> Ownership:
    try:
        return Ownership.from_dict(note)
    except ValueError:
        return INITIAL
