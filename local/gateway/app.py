"""The WSGI application: finds where a request belongs, lets outages act, and passes it on."""

import contextlib
import logging
import select
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends

from local.gateway import faults
from local.gateway.access.guard import Guard
from local.gateway.control_api import PREFIX, ControlApi
from local.gateway.mwaa import Mwaa
from local.gateway.outage import Mode
from local.gateway.scope import Scope, read
from local.gateway.world import World

log = logging.getLogger(__name__)
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
_DROPPING = (Mode.HANG, Mode.REFUSE)


class Application:
    """One endpoint for every service and Region."""

    def __init__(self, world: World, guard: Guard, mwaa: Mwaa, control: ControlApi) -> None:
        self._world = world
        self._guard = guard
        self._mwaa = mwaa
        self._control = control
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(PREFIX):
            return self._control(environ, start_response)
        started = time.time()
        scope = read(environ, self._bucket_region)
        status: int | None = None
        try:
            line, headers, body = self._answer(environ, scope)
            status = int(line.split(" ", 1)[0])
        finally:
            self._world.requests.add(
                time=started,
                region=scope.region,
                service=scope.service,
                operation=scope.operation,
                status=status,
                seconds=time.time() - started,
            )
        start_response(line, headers)
        return [body]

    def _answer(self, environ: Environ, scope: Scope) -> faults.Reply:
        effect = self._effect(scope)
        if effect is None:
            refusal = self._guard.refusal(environ, scope)
            if refusal is not None:
                return faults.denied(refusal, scope.service, environ)
            reply = self._served(environ, scope)
            effect = self._effect(scope)
            if effect not in _DROPPING:
                return reply
            # The outage began while we worked: the work is done, but nobody hears of it.
        if effect is Mode.HANG:
            self._hold(environ, scope)
        if effect in _DROPPING:
            raise _dropped(environ)
        assert effect is not None  # noqa: S101 -- the other modes answer
        return faults.reply(effect, scope, environ)

    def _effect(self, scope: Scope) -> Mode | None:
        return self._world.outages.effect(scope.regions, scope.service)

    def _served(self, environ: Environ, scope: Scope) -> faults.Reply:
        if scope.service == "airflow" and scope.region is not None:
            return self._environments(environ, scope.region)
        captured: list[Any] = []

        def capture(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:  # noqa: ANN401
            captured[:] = [status, headers]
            return lambda _data: None

        with self._world.turn(scope.service):
            chunks = self._moto(environ, capture)
            try:
                body = b"".join(chunks)
            finally:
                close = getattr(chunks, "close", None)
                if close:
                    close()
        status, headers = captured
        if not any(name.lower() == "x-amzn-requestid" for name, _ in headers):
            headers = [*headers, ("x-amzn-RequestId", str(uuid.uuid4()))]
        return status, headers, body

    def _environments(self, environ: Environ, region: str) -> faults.Reply:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        caller = self._guard.caller(environ)
        try:
            status, headers, answer = self._mwaa.get().handle(
                region,
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                environ.get("QUERY_STRING", ""),
                body,
                subnets=caller.subnets if caller else None,
            )
        except Exception as error:
            log.exception("MWAA %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            fault = faults.Fault(500, "InternalServerException", repr(error))
            return faults.render(fault, "airflow", environ)
        listed = [(k, v) for k, v in headers.items() if k.lower() != "content-length"]
        if not any(name.lower() == "x-amzn-requestid" for name, _ in listed):
            listed.append(("x-amzn-RequestId", str(uuid.uuid4())))
        listed.append(("Content-Length", str(len(answer))))
        return f"{status} {HTTPStatus(status).phrase}", listed, answer

    def _bucket_region(self, bucket: str) -> str | None:
        found = s3_backends[self._world.account]["aws"].buckets.get(bucket)
        return found.region_name if found is not None else None

    def _hold(self, environ: Environ, scope: Scope) -> None:
        """Keep the connection without a word until the outage ends or the caller gives up."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        connection: socket.socket = environ["werkzeug.socket"]
        with contextlib.suppress(OSError):
            while length > 0:  # else unread input would look like a caller who is still there
                length -= len(environ["wsgi.input"].read(min(length, 1 << 20)) or b"\0" * length)
            while self._effect(scope) is Mode.HANG and not self._world.stopping.is_set():
                if select.select([connection], [], [], 0)[0] and not connection.recv(
                    1, socket.MSG_PEEK
                ):
                    return
                self._world.outages.wait(0.5)


def _dropped(environ: Environ) -> ConnectionAbortedError:
    """Close the connection; werkzeug ends the request in silence on this error."""
    with contextlib.suppress(OSError):
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return ConnectionAbortedError("dropped by an outage")
