"""Notes what AWS itself says of the owner's Region or environment; EventBridge calls it."""

import logging
from typing import Any

from contract import state
from handlers.core.aws_events import Note, NotedEvents, notes
from handlers.runtime import Event, Runtime, entry

logger = logging.getLogger(__name__)


def note_event(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Keep an event of AWS for the next readings.

    Returns:
        `noted`: what it says of this installation; empty where it is about something else.
    """
    found = notes(event, runtime.config, runtime.at())
    for note in found:
        logger.info("%s", note.text)
    if found:
        _keep(runtime, found)
    return {"noted": [note.text for note in found]}


handler = entry(note_event)


def _keep(runtime: Runtime, found: list[Note]) -> None:
    runtime.state.change(
        state.EVENTS,
        lambda stored: (NotedEvents.from_item(stored).with_notes(found).to_item(), None),
        told_by=("version",),
    )
