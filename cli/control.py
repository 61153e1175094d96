"""Asks the control plane for an incident and starts its recovery.

Who may begin what, and which way it goes, is decided by the function `open-incident` alone; this
command shows it and says it in words.
"""

import json
from dataclasses import dataclass
from typing import Any

import click

from cli.place import Place
from contract.machines import RECOVERY
from contract.ownership import Ownership
from contract.state import IncidentKind

STEP = "open-incident"
REFUSALS = ("RequestError", "OwnershipChangedError", "StateConflictError")
"""Errors that a person can do something about; others are faults of the function."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for.

    Args:
        wanted: the id of a backup; empty for the newest.
        ownership: what the person saw; the function refuses if it is not so any more.
    """

    kind: IncidentKind
    ownership: Ownership
    wanted: str = ""


def ask(place: Place, wish: Wish, *, dry_run: bool) -> dict[str, Any]:
    """What the function `open-incident` answers, see there.

    Raises:
        click.ClickException: it refuses, or it is not there.
    """
    event = {
        "kind": wish.kind.value,
        "owner": wish.ownership.owner.value,
        "epoch": wish.ownership.epoch,
        "by": place.caller,
        "wanted": wish.wanted,
        "reasons": [f"{place.caller} asked for it"],
        "dry_run": dry_run,
    }
    client, name = place.functions, place.names.function(STEP)
    try:
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event))
    except client.exceptions.ResourceNotFoundException:
        raise click.ClickException(
            f"there is no function {name} in {place.region}; `pulumi up -s dr` makes it"
        ) from None
    found = json.loads(answer["Payload"].read() or b"{}")
    if "FunctionError" in answer:
        kind, message = found.get("errorType", "error"), found.get("errorMessage", "no message")
        refused = kind in REFUSALS
        raise click.ClickException(message if refused else f"{name} failed: {kind}: {message}")
    if not found["start"]:
        raise click.ClickException(found["reason"])
    return found


def start(place: Place, answer: dict[str, Any]) -> str:
    """Start the recovery that `answer` speaks of, unless it runs already; return its execution."""
    client, incident_id = place.machines, answer["incident_id"]
    machine = place.names.state_machine_arn(RECOVERY, place.region)
    try:
        client.start_execution(
            stateMachineArn=machine,
            name=incident_id,
            input=json.dumps(answer["input"], sort_keys=True),
        )
    except client.exceptions.ExecutionAlreadyExists:
        click.echo(f"{incident_id} is under way already", err=True)
    return execution(place, incident_id)


def execution(place: Place, incident_id: str) -> str:
    """The ARN of an incident's recovery."""
    machine = place.names.state_machine_arn(RECOVERY, place.region)
    return f"{machine.replace(':stateMachine:', ':execution:')}:{incident_id}"


def ended(place: Place, arn: str) -> str:
    """How a recovery ended; empty while it runs."""
    status = place.machines.describe_execution(executionArn=arn)["status"]
    return "" if status in ("RUNNING", "PENDING_REDRIVE") else status
