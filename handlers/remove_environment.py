"""Removes the environment that a drill made and its startup script; waits until it is gone."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from contract import keys
from contract.created import CreatedEnvironment
from contract.machines import REMOVAL_SECONDS
from contract.metrics import TAG_INCIDENT
from contract.sites import Site
from contract.state import IncidentStatus, Step
from handlers.adapters import timeline
from handlers.adapters.answers import AWS_ERRORS, is_missing
from handlers.core import pacing
from handlers.core.errors import EnvironmentOverdueError
from handlers.runtime import Event, Runtime, entry, required

DELETABLE = ("AVAILABLE", "UPDATE_FAILED", "CREATE_FAILED", "UNAVAILABLE")
"""While an environment is on its way to one of these, MWAA refuses to delete it."""


def remove_environment(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Delete the DR environment if `incident_id` created it and still is the incident to work on.

    A recovery that interrupted the drill takes its environment over, so that it stays then.

    Args:
        event: `since` is when the drill began.

    Returns:
        `done`, and how long to wait before asking again (`wait_seconds`).

    Raises:
        EnvironmentOverdueError: it is still there two hours after `since`.
    """
    incident_id, place = required(event, "incident_id"), runtime.config.dr
    client = runtime.clients.mwaa(place.region)
    try:
        found = client.get_environment(Name=place.environment)["Environment"]
    except AWS_ERRORS as error:
        if not is_missing(error):
            raise
        _note_gone(runtime)
        runtime.code(Site.DR).remove(keys.startup_script(incident_id))
        return _done(runtime, incident_id, "it is gone")
    if found.get("Tags", {}).get(TAG_INCIDENT) != incident_id:
        return _done(runtime, incident_id, "the drill made none")
    incident = runtime.state.incident(incident_id)
    if incident.get("status") != IncidentStatus.OPEN:
        return _done(runtime, incident_id, f"the drill is {incident.get('status')}")
    waited = (runtime.now() - datetime.fromisoformat(required(event, "since"))).total_seconds()
    status = str(found.get("Status"))
    if waited > REMOVAL_SECONDS:
        raise EnvironmentOverdueError(
            f"environment {place.environment} in {place.region} is still {status} after "
            f"{waited:.0f} s; delete it, or it costs money and the next drill uses it again"
        )
    if status in DELETABLE:
        client.delete_environment(Name=place.environment)
    return {"done": False, "wait_seconds": pacing.poll_seconds(waited)}


handler = entry(remove_environment)


def _note_gone(runtime: Runtime) -> None:
    """Nobody is to look for an environment that is not there any more."""
    bucket, key = runtime.backups(), keys.created_environment(Site.DR)
    found = bucket.read(key)
    if found is None:
        return
    made = CreatedEnvironment.from_json(found.body)
    if not made.gone_at:
        bucket.replace(key, replace(made, gone_at=runtime.at()).to_json(), found)


def _done(runtime: Runtime, incident_id: str, why: str) -> dict[str, Any]:
    timeline.add(
        runtime.state, incident_id, Step.CLEANED_UP, runtime.at(), detail={"environment": why}
    )
    return {"done": True, "wait_seconds": 0}
