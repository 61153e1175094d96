"""How soon somebody has to look at an alarm."""

from enum import StrEnum


class Severity(StrEnum):
    """What becomes of an alarm; whoever is told of tickets is told of pages too."""

    PAGE = "page"
    """Somebody is woken: data or the recovery itself is at risk now."""
    TICKET = "ticket"
    """The next working day is soon enough."""
