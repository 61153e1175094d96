"""The control interface below `/_local/`: outages, replication lag, and a look inside."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from local.gateway.access.guard import Guard
from local.gateway.health import Health
from local.gateway.lambda_runtime.runner import Runner
from local.gateway.mwaa import Mwaa
from local.gateway.outage import parse
from local.gateway.world import World

log = logging.getLogger(__name__)
PREFIX = "/_local/"
Query = dict[str, str]
Body = dict[str, Any]


class ControlApi:
    """Every call takes and gives JSON; a mistake in a request is answered with 400.

    Args:
        stop: ends the gateway.
        replication: object with `lag_seconds` and `describe()`.
    """

    def __init__(
        self,
        *,
        world: World,
        guard: Guard,
        mwaa: Mwaa,
        runner: Runner,
        replication: Any,  # noqa: ANN401
        deliveries: Any,  # noqa: ANN401
        health: Health,
        stop: Callable[[], None],
    ) -> None:
        self._world = world
        self._guard = guard
        self._mwaa = mwaa
        self._runner = runner
        self._replication = replication
        self._deliveries = deliveries
        self._stop = stop
        self._seen: set[str] = set()
        self._routes: dict[tuple[str, str], Callable[[Query, Body], Any]] = {
            ("GET", "health"): lambda _q, _b: {"healthy": True, "pid": os.getpid()},
            ("GET", "state"): self._state,
            ("GET", "requests"): self._requests,
            ("GET", "notifications"): self._notifications,
            ("GET", "access"): lambda _q, _b: self._guard.describe(),
            ("POST", "outage"): self._begin_outage,
            ("DELETE", "outage"): self._end_outage,
            ("POST", "replication"): self._set_replication,
            ("POST", "health"): lambda _q, body: health.report(body),
            ("POST", "shutdown"): self._shutdown,
        }

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        status, answer = HTTPStatus.OK, {}
        name = environ["PATH_INFO"].removeprefix(PREFIX)
        route = self._routes.get((environ["REQUEST_METHOD"], name))
        query = {k: v[-1] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
        length = int(environ.get("CONTENT_LENGTH") or 0)
        raw = environ["wsgi.input"].read(length) if length else b""
        if route is None:
            known = ", ".join(f"{method} {PREFIX}{path}" for method, path in self._routes)
            status, answer = HTTPStatus.NOT_FOUND, {"error": f"unknown; use one of {known}"}
        else:
            try:
                answer = route(query, json.loads(raw or b"{}"))
            except ValueError as error:
                status, answer = HTTPStatus.BAD_REQUEST, {"error": str(error)}
        body = json.dumps(answer, default=str).encode()
        start_response(
            f"{status.value} {status.phrase}",
            [("Content-Type", "application/json"), ("Content-Length", str(len(body)))],
        )
        return [body]

    def _state(self, _query: Query, _body: Body) -> dict[str, Any]:
        environments = self._mwaa.made.describe() if self._mwaa.made else []
        outages = self._world.outages.current()
        recent = self._world.requests.read(limit=5000)
        self._seen |= {entry["region"] for entry in recent if entry["region"]}
        return {
            "endpoint": self._world.endpoint,
            "account": self._world.account,
            "time": time.time(),
            "regions": sorted(self._seen | {outage.region for outage in outages}),
            "outages": [outage.describe() for outage in outages],
            "environments": environments,
            "replication": self._replication.describe(),
            "failed_deliveries": list(self._deliveries.failed),
        }

    def _requests(self, query: Query, _body: Body) -> list[dict[str, Any]]:
        return self._world.requests.read(
            after=int(query.get("after", 0)),
            region=query.get("region"),
            service=query.get("service"),
            limit=int(query.get("limit", 1000)),
        )

    def _notifications(self, query: Query, _body: Body) -> list[dict[str, Any]]:
        return self._world.notifications.read(
            region=query.get("region"), since=float(query.get("since", 0))
        )

    def _begin_outage(self, _query: Query, body: Body) -> dict[str, Any]:
        outage = parse(body, time.time())
        if outage.environment:
            self._mwaa.get().lose_environment(outage.region, outage.environment)
        self._world.outages.begin(outage)
        log.warning("outage begins: %s", outage.describe())
        if outage.lose_environments:
            self._runner.kill(outage.region)
            self._mwaa.get().lose_region(outage.region)
        return outage.describe()

    def _end_outage(self, query: Query, body: Body) -> list[dict[str, Any]]:
        region = query.get("region") or body.get("region")
        ended = self._world.outages.end(region)
        for outage in ended:
            log.warning("outage ends: %s", outage.describe())
            if outage.lose_environments:
                self._mwaa.get().restore_region(outage.region)
            if outage.environment:
                self._mwaa.get().restore_environment(outage.region, outage.environment)
        return [outage.describe() for outage in ended]

    def _set_replication(self, _query: Query, body: Body) -> dict[str, Any]:
        lag = body.get("lag_seconds")
        if not isinstance(lag, int | float) or isinstance(lag, bool) or lag < 0:
            raise ValueError(f"lag_seconds: {lag!r} is not allowed; use a number from 0")
        self._replication.lag_seconds = float(lag)
        return self._replication.describe()

    def _shutdown(self, _query: Query, _body: Body) -> dict[str, Any]:
        threading.Thread(target=self._stop, daemon=True).start()
        return {"stopping": True}
