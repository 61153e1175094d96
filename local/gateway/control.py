"""A client of the gateway's control interface; needs nothing but the standard library."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any


class ControlError(RuntimeError):
    """The gateway refused a control request; the message says why."""


class Control:
    """Talks to the gateway at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")

    def healthy(self, pid: int | None = None) -> bool:
        """Whether a gateway answers; with `pid`, whether it is that process."""
        try:
            answer = self._call("GET", "health", timeout=2)
        except (OSError, ControlError, ValueError):
            return False
        return answer["healthy"] and pid in (None, answer["pid"])

    def wait_healthy(self, seconds: float = 60) -> None:
        """Raises TimeoutError if it does not answer in time."""
        deadline = time.monotonic() + seconds
        while not self.healthy():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the local AWS at {self.endpoint} did not answer")
            time.sleep(0.1)

    def state(self) -> dict[str, Any]:
        """Endpoint, account, Regions, outages, environments, replication, failed deliveries."""
        return self._call("GET", "state")

    def begin_outage(
        self,
        region: str,
        *,
        services: Sequence[str] | None = None,
        mode: str = "hang",
        lose_environments: bool = False,
        flap_seconds: float = 15,
        environment: str = "",
    ) -> dict[str, Any]:
        """Let a Region, some services or an environment of it fail.

        Raises ControlError on a bad value.
        """
        return self._call(
            "POST",
            "outage",
            {
                "region": region,
                "services": list(services) if services else None,
                "mode": mode,
                "lose_environments": lose_environments,
                "flap_seconds": flap_seconds,
                "environment": environment,
            },
        )

    def end_outage(self, region: str | None = None) -> list[dict[str, Any]]:
        """End the outage of a Region, or all; returns those that were ended."""
        return self._call("DELETE", "outage", {"region": region} if region else {})

    def requests(
        self,
        *,
        after: int = 0,
        region: str | None = None,
        service: str | None = None,
        limit: int = 1000,
    ) -> list[dict[str, Any]]:
        """The newest requests, oldest first; `number` of the last one is the next `after`."""
        wanted = {"after": after, "region": region, "service": service, "limit": limit}
        return self._call("GET", "requests", query=wanted)

    def notifications(self, *, region: str | None = None, since: float = 0) -> list[dict[str, Any]]:
        """Every SNS publication since a Unix time."""
        return self._call("GET", "notifications", query={"region": region, "since": since})

    def access(self) -> dict[str, list[dict[str, Any]]]:
        """What roles and services asked for since the start.

        `calls` counts what was allowed, `uses` are the policies' words that allowed it, `unused`
        are grants that nobody has needed so far, `refused` is what was refused, and why.
        """
        return self._call("GET", "access")

    def set_replication_lag(self, seconds: float) -> dict[str, Any]:
        return self._call("POST", "replication", {"lag_seconds": seconds})

    def health_event(
        self, region: str, *, service: str = "EC2", status: str = "open", event: str = ""
    ) -> dict[str, Any]:
        """Let AWS Health tell of trouble in a Region; `event` names the one that goes on."""
        body = {"region": region, "service": service, "status": status, "event": event}
        return self._call("POST", "health", body)

    def shutdown(self) -> None:
        self._call("POST", "shutdown")

    def _call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, Any] | None = None,
        timeout: float = 60,
    ) -> Any:  # noqa: ANN401
        given = {key: value for key, value in (query or {}).items() if value is not None}
        suffix = f"?{urllib.parse.urlencode(given)}" if given else ""
        request = urllib.request.Request(  # noqa: S310 -- always our own http address
            f"{self.endpoint}/_local/{path}{suffix}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise ControlError(json.loads(error.read()).get("error", str(error))) from error
