"""Asks an Airflow with a private web server to run the agent now, from inside its network."""

from typing import Any

from handlers.adapters import airflow
from handlers.runtime import Event, Runtime, entry, site_in


def hasten(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Ask the Airflow of `site`, in whose network this runs.

    It calls nothing but MWAA: a network without a way out has no endpoint for anything else.

    Returns:
        Whether Airflow took the run. Nobody waits for it: the agent runs by itself soon.
    """
    place = runtime.config.place(site_in(event, "site"))
    client = runtime.clients.mwaa(place.region, probe=True)
    return {"taken": airflow.run_agent(client, place.environment)}


handler = entry(hasten)
