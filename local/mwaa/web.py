"""HTTP to an environment's own web server, as the emulator's user."""

import base64
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from local.mwaa import errors
from local.mwaa.family import Family

USER = "mwaa-service"
SECONDS = 10
"""InvokeRestApi waits no longer for Airflow."""
MOST_BYTES = 6 * 1024 * 1024
"""InvokeRestApi's greatest answer."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
UNAUTHORIZED, UNAVAILABLE, TOO_LARGE, TIMED_OUT = 401, 503, 413, 504


@dataclass(slots=True)
class WebServer:
    """One environment's web server."""

    family: Family
    port: int
    password: str
    _token: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def health(self) -> dict[str, Any]:
        """What Airflow says of itself; empty when it does not answer."""
        try:
            with _DIRECT.open(
                f"http://127.0.0.1:{self.port}{self.family.health}", timeout=5
            ) as got:
                return json.load(got)
        except (OSError, ValueError):
            return {}

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None,
        body: Any | None,  # noqa: ANN401
    ) -> tuple[int, Any]:
        """Forward a request to the REST API; status and decoded answer.

        Raises:
            ApiError: RestApiClientException for a 4xx of Airflow, RestApiServerException for a
                5xx, no answer within `SECONDS`, or an answer above `MOST_BYTES`.
        """
        try:
            status, text = self._request(method, path, query, body)
            if status == UNAUTHORIZED and self.family.bearer:
                self._token = ""
                status, text = self._request(method, path, query, body)
        except TimeoutError:
            raise errors.rest(
                TIMED_OUT, f"Airflow did not answer within {SECONDS} seconds"
            ) from None
        except OSError as error:
            raise errors.rest(UNAVAILABLE, f"Airflow cannot be reached: {error}") from None
        if len(text) > MOST_BYTES:
            raise errors.rest(TOO_LARGE, f"the answer has more than {MOST_BYTES} bytes")
        answer = _decoded(text)
        if status >= 400:  # noqa: PLR2004
            raise errors.rest(status, answer)
        return status, answer

    def _request(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None,
        body: Any | None,  # noqa: ANN401
    ) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self.port}{self.family.api}/{path.lstrip('/')}"
        if query:
            url += "?" + urllib.parse.urlencode(query, doseq=True)
        return _send(
            urllib.request.Request(  # noqa: S310
                url,
                method=method,
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json", "Authorization": self.authorization()},
            )
        )

    def authorization(self) -> str:
        """Value of the Authorization header for the REST API."""
        if not self.family.bearer:
            pair = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
            return f"Basic {pair}"
        with self._lock:
            if not self._token:
                status, text = _send(
                    urllib.request.Request(
                        f"http://127.0.0.1:{self.port}/auth/token",
                        method="POST",
                        data=json.dumps({"username": USER, "password": self.password}).encode(),
                        headers={"Content-Type": "application/json"},
                    )
                )
                if status >= 400:  # noqa: PLR2004
                    raise errors.rest(status, _decoded(text))
                self._token = json.loads(text)["access_token"]
            return f"Bearer {self._token}"


def _send(request: urllib.request.Request) -> tuple[int, bytes]:
    try:
        with _DIRECT.open(request, timeout=SECONDS) as got:
            return got.status, got.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except urllib.error.URLError as error:
        raise error.reason if isinstance(error.reason, OSError) else error from None


def _decoded(text: bytes) -> Any:  # noqa: ANN401
    if not text:
        return {}
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")


def scheduler_ready(health: dict[str, Any]) -> bool:
    """Whether a scheduler beats and the database answers."""
    return all(
        health.get(part, {}).get("status") == "healthy" for part in ("metadatabase", "scheduler")
    )
