"""Says whether a site's environment is usable, still on its way, or failed and why."""

from datetime import datetime
from typing import Any

from handlers.adapters.answers import AWS_ERRORS, is_missing
from handlers.core import pacing
from handlers.core.environment import PROGRESS, Progress
from handlers.core.errors import EnvironmentFailedError, EnvironmentOverdueError
from handlers.runtime import Event, Runtime, entry, required, site_in


def environment_status(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Look at the environment of `site`, which was requested at `requested_at`.

    Returns:
        `ready`, its status, and how long to wait before looking again (`wait_seconds`).

    Raises:
        EnvironmentFailedError: it cannot become usable by waiting.
        EnvironmentOverdueError: it is not usable `within_seconds` after it was requested.
    """
    place = runtime.config.place(site_in(event, "site"))
    try:
        found = runtime.clients.mwaa(place.region).get_environment(Name=place.environment)
    except AWS_ERRORS as error:
        if is_missing(error):
            raise EnvironmentFailedError(
                f"environment {place.environment} does not exist in {place.region}; "
                "`pulumi up` of the site's stack makes it"
            ) from error
        raise
    environment = found["Environment"]
    status = environment.get("Status", "")
    progress = PROGRESS.get(status, Progress.PENDING)
    if progress is Progress.FAILED:
        error = environment.get("LastUpdate", {}).get("Error", {})
        why = f"{error.get('ErrorCode', 'no code')}: {error.get('ErrorMessage', 'no message')}"
        raise EnvironmentFailedError(
            f"environment {place.environment} in {place.region} is {status} ({why}); "
            "mend the cause and delete it, and the next attempt creates it anew"
        )
    requested_at = datetime.fromisoformat(required(event, "requested_at"))
    waited = (runtime.now() - requested_at).total_seconds()
    if progress is Progress.PENDING and waited > float(required(event, "within_seconds")):
        raise EnvironmentOverdueError(
            f"environment {place.environment} in {place.region} is still {status} "
            f"after {waited:.0f} s"
        )
    return {
        "ready": progress is Progress.READY,
        "status": status,
        "wait_seconds": pacing.poll_seconds(waited),
    }


handler = entry(environment_status)
