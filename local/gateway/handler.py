"""The HTTP side of the gateway: moto's request handler without a line per request."""

from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler


class QuietHandler(MotoRequestHandler):
    """`local.gateway.request_log` keeps the requests."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: Any = "-", size: Any = "-") -> None:  # noqa: ANN401, ARG002
        return
