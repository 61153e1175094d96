"""What AWS itself said of the owner: fewer readings have to agree for a while, and no more.

Delivery is best effort and may be late, and what MWAA puts into its events is not documented: an
event is a reason to believe the readings sooner, never a reading.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from contract import aws_events
from contract.handler_config import Detection, HandlerConfig, SitePlace
from contract.sites import Site
from contract.verdict import SignalState
from handlers.core.signals import ENVIRONMENT_STATES

FRESH = timedelta(minutes=15)
"""So long an event counts after it arrived."""
KEPT = 20
"""The item must stay small; a Region in trouble sends many."""


@dataclass(frozen=True, slots=True)
class Note:
    """One event.

    Args:
        key: tells it from others; the copy by way of the backup Region has the same.
        at: when it was noted, ISO 8601.
        site: whose trouble it is.
        alarming: whether it speaks of trouble that lasts.
        text: for people.
    """

    key: str
    at: str
    site: Site
    alarming: bool
    text: str


@dataclass(frozen=True, slots=True)
class NotedEvents:
    """The item `events` of the state table, newest last."""

    notes: tuple[Note, ...] = ()
    version: int = 0

    def with_notes(self, new: Iterable[Note]) -> "NotedEvents":
        """The item after some more; an event that comes again replaces what it said before."""
        kept = {note.key: note for note in self.notes}
        for note in new:
            kept.pop(note.key, None)
            kept[note.key] = note
        return NotedEvents(tuple(kept.values())[-KEPT:], self.version + 1)

    def alarming(self, site: Site, now: datetime) -> list[Note]:
        """What counts for a site now."""
        return [
            one
            for one in self.notes
            if one.alarming
            and one.site is site
            and timedelta(0) <= now - datetime.fromisoformat(one.at) <= FRESH
        ]

    def to_item(self) -> dict[str, Any]:
        return {"notes": [asdict(note) for note in self.notes], "version": self.version}

    @classmethod
    def from_item(cls, item: Mapping[str, Any] | None) -> "NotedEvents":
        if item is None:
            return cls()
        notes = tuple(Note(**{**raw, "site": Site(raw["site"])}) for raw in item["notes"])
        return cls(notes, int(item["version"]))


def notes(event: Mapping[str, Any], config: HandlerConfig, at: str) -> list[Note]:
    """What an event of EventBridge says of this installation; empty if nothing."""
    detail = event.get("detail")
    if not isinstance(detail, Mapping):
        return []
    read = {aws_events.AIRFLOW: _status, aws_events.HEALTH: _health}.get(str(event.get("source")))
    return [] if read is None else list(read(event, detail, config, at))


def _status(
    event: Mapping[str, Any], detail: Mapping[str, Any], config: HandlerConfig, at: str
) -> Iterator[Note]:
    """The environment's name and a status may stand anywhere in it."""
    words = [*_texts(detail), *_texts(event.get("resources", []))]
    states = sorted({word for word in words if word in ENVIRONMENT_STATES})
    for site in Site:
        place = config.place(site)
        if event.get("region") == place.region and _names(words, place):
            yield Note(
                key=str(event.get("id", at)),
                at=at,
                site=site,
                alarming=any(ENVIRONMENT_STATES[word] is SignalState.BAD for word in states),
                text=f"{place.environment}: {', '.join(states) or 'its status changed'}",
            )


def _names(words: list[str], place: SitePlace) -> bool:
    name = place.environment
    return any(word == name or word.endswith(f"environment/{name}") for word in words)


def _health(
    event: Mapping[str, Any], detail: Mapping[str, Any], config: HandlerConfig, at: str
) -> Iterator[Note]:
    del event  # its Region is where it is told, not where the trouble is
    for site in Site:
        if detail.get("eventRegion") == config.place(site).region:
            service, kind = detail.get("service", "?"), detail.get("eventTypeCode", "?")
            yield Note(
                key=f"{site}:{detail.get('eventArn', at)}",
                at=at,
                site=site,
                alarming=detail.get("eventTypeCategory") == aws_events.ISSUE
                and detail.get("statusCode") != aws_events.CLOSED,
                text=f"{service} in {detail['eventRegion']}: {kind} "
                f"({detail.get('statusCode', 'open')})",
            )


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def needed(detection: Detection, events: Sequence[Note]) -> int:
    """How many readings must say DOWN: one less for an event, and one at least."""
    return max(1, detection.needed - 1) if events else detection.needed
