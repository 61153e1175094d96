"""`mwaa-dr approve`: a person's word on a recovery that waits for one."""

from datetime import UTC, datetime
from typing import Any

import click

from cli import show, store
from cli.place import Place, pass_place
from contract import state
from contract.state import IncidentStatus


@click.command()
@click.argument("incident")
@click.option("--reject", is_flag=True, help="Stop the recovery; nothing changes hands.")
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a line.")
@pass_place
def approve(place: Place, incident: str, *, reject: bool, json_: bool) -> None:
    """Let the recovery of INCIDENT go on, or stop it with --reject.

    The first decision counts, be it a person's or, once the time is over, the default.
    """
    decision = {"approved": not reject, "by": place.caller, "at": datetime.now(UTC).isoformat()}
    found = store.item(place, state.incident(incident))
    fault = _fault(incident, found)
    if not fault and not store.decide(place, incident, decision):
        fault = _fault(incident, store.item(place, state.incident(incident)))
        fault = fault or f"{incident} changed meanwhile; try again"
    if fault:
        raise click.ClickException(fault)
    if json_:
        show.as_json({"incident_id": incident, "decision": decision})
    else:
        show.line(f"{incident}: {'rejected' if reject else 'approved'} by {decision['by']}")


def _fault(incident: str, found: dict[str, Any] | None) -> str:
    """Why nobody can decide on the incident now; empty if somebody can."""
    if found is None:
        return f"there is no incident {incident}"
    if found["status"] != IncidentStatus.OPEN:
        return f"{incident} is {found['status']}: it is too late to decide"
    decision = found["decision"]
    if decision:
        word = "approved" if decision["approved"] else "rejected"
        return f"{incident} was {word} by {decision['by']} at {decision['at'][:19]}Z"
    if not found["input"]["approval"]:
        return f"{incident} waits for nobody: it was not asked whether it may go on"
    return ""
