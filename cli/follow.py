"""Follows an incident until it is closed."""

import time
from typing import Any

import click
from rich.console import Console

from cli import control, show, store
from cli.place import Place
from contract import state
from contract.state import IncidentStatus, Step

POLL_SECONDS = 2.0
GRACE_LOOKS = 3
"""So often an incident may still be open after its execution ended, since reads come in between."""


def follow(place: Place, incident_id: str, *, quiet: bool) -> dict[str, Any]:
    """Show each step as it comes, and what is waited for; return the closed incident.

    Raises:
        click.ClickException: its recovery ended without closing it.
    """
    console = Console(stderr=True, quiet=quiet)
    arn, seen, over = control.execution(place, incident_id), set[str](), 0
    with console.status(f"{incident_id}: starting") as status:
        while True:
            found = _read(place, incident_id)
            entries = sorted(found["timeline"].items(), key=lambda item: item[1]["at"])
            for key, entry in entries:
                if key not in seen:
                    seen.add(key)
                    console.print(_line(entry), highlight=False)
            if found["status"] != IncidentStatus.OPEN:
                return found
            over += bool(control.ended(place, arn))
            if over > GRACE_LOOKS:
                raise click.ClickException(
                    f"the recovery {arn} ended without closing {incident_id}; its history says "
                    f"why. The incident counts as abandoned at {found['lease_until']}"
                )
            since = show.duration(show.seconds_since(found["opened_at"]))
            status.update(f"{incident_id}, {since}: {_waits_for(found)}")
            time.sleep(POLL_SECONDS)


def _read(place: Place, incident_id: str) -> dict[str, Any]:
    found = store.item(place, state.incident(incident_id))
    if found is None:
        raise click.ClickException(f"there is no incident {incident_id}")
    return found


def _line(entry: dict[str, Any]) -> str:
    detail = show.escaped(show.short(entry["detail"]))
    return f"{entry['at'][11:19]}  {entry['step']:<22} [dim]{detail}[/]"


def _waits_for(found: dict[str, Any]) -> str:
    """What the newest entry of the timeline means for whoever looks on."""
    newest = max(found["timeline"].values(), key=lambda entry: entry["at"], default=None)
    if newest is None:
        return "starting"
    detail = newest["detail"]
    if newest["step"] == Step.APPROVAL_ASKED:
        return f"waiting for a person until {detail['until'][:19]}Z: `{detail['approve']}`"
    if newest["step"] == Step.ORDER_SENT:
        return f"waiting for {detail['site']}: {detail['kind']}"
    if newest["step"] == Step.ENVIRONMENT_REQUESTED:
        return f"waiting for the environment {detail['environment']}"
    return f"after {newest['step']}"
