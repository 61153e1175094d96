"""The Airflow command-line endpoint of an environment's web server, and its tokens.

MWAA serves it at `https://<WebServerHostname>/aws_mwaa/cli`; here one plain HTTP server on the
loopback interface serves all environments and tells them apart by their tokens.
"""

import base64
import json
import secrets
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from local.mwaa import family
from local.mwaa.lifecycle import Environment
from local.mwaa.runtime import EndedError

TOKEN_SECONDS = 60.0
COMMAND_SECONDS = 300.0
PATH = "/aws_mwaa/cli"

_BOTH = {
    "cheat-sheet": (),
    "connections": ("add", "delete"),
    "dags": (
        *("delete", "list", "list-jobs", "list-import-errors", "list-runs", "next-execution"),
        *("pause", "report", "reserialize", "show", "state", "test", "trigger", "unpause"),
    ),
    "db": ("clean",),
    "providers": None,
    "roles": ("add-perms", "del-perms", "create", "list"),
    "tasks": (*("clear", "failed-deps", "list", "render", "state", "states-for-dag-run", "test"),),
    "variables": ("delete", "get", "set", "list"),
    "version": (),
}
"""Supported sub-commands by command (user guide, Airflow CLI reference); None allows all."""
_MORE: dict[int, dict[str, tuple[str, ...]]] = {
    2: {"dags": ("backfill",), "tasks": ("run",)},
    3: {"assets": ("details", "list", "materialize"), "backfill": ("create",)},
}


def allowed(version: str, arguments: list[str]) -> bool:
    """Whether MWAA runs this command of this Airflow."""
    if not arguments:
        return False
    more = _MORE[family.numbers(version)[0]]
    command, subcommand = arguments[0], "".join(arguments[1:2])
    if command not in _BOTH and command not in more:
        return False
    known = _BOTH.get(command, ())
    if known is None:
        return True
    both = (*known, *more.get(command, ()))
    return subcommand in both if both else True


@dataclass(slots=True)
class Tokens:
    """Short-lived tokens, each for one environment."""

    seconds: float = TOKEN_SECONDS
    now: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[Environment, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self, environment: Environment) -> str:
        token = secrets.token_urlsafe(48)
        with self._lock:
            alive = {key: item for key, item in self._known.items() if item[1] > self.now()}
            self._known = {**alive, token: (environment, self.now() + self.seconds)}
        return token

    def environment(self, token: str) -> Environment | None:
        with self._lock:
            environment, until = self._known.get(token, (None, 0.0))
        return environment if until > self.now() else None


def run(environment: Environment, arguments: list[str]) -> tuple[int, bytes, bytes]:
    """Run `airflow <arguments>` as the web server's container would; code, stdout and stderr.

    Raises:
        EndedError: the environment died meanwhile, or does not run.
    """
    runtime = environment.runtime
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        held = runtime.start_command(environment.document, arguments, out, err)
        try:
            code = held.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            code = 124
        finally:
            runtime.let_go(held)
        if environment.lost:
            raise EndedError
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


class _Handler(BaseHTTPRequestHandler):
    tokens: Tokens

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: commands may carry secrets."""

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length).decode()
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ").strip()
        environment = self.tokens.environment(token)
        if self.path != PATH:
            self._answer(404, {"message": f"only {PATH} is served"})
        elif environment is None:
            self._answer(403, {"message": "the token is not valid, or no longer"})
        else:
            self._run(environment, shlex.split(text))

    def _run(self, environment: Environment, arguments: list[str]) -> None:
        if not allowed(environment.document["AirflowVersion"], arguments):
            self._answer(400, {"message": f"sub command not allowed: {' '.join(arguments[:2])}"})
            return
        try:
            code, out, err = run(environment, arguments)
        except EndedError:
            self.close_connection = True  # a dead Region gives no answer
            return
        answer = {"stdout": out, "stderr": err}
        encoded = {key: base64.b64encode(value).decode() for key, value in answer.items()}
        self._answer(400 if code else 200, encoded)

    def _answer(self, status: int, body: dict[str, str]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Endpoint:
    """The server, on a free loopback port."""

    def __init__(self, tokens: Tokens) -> None:
        handler = type("Handler", (_Handler,), {"tokens": tokens})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True, name="mwaa-cli").start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
