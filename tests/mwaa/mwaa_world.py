"""The MWAA service behind a small HTTP server, called with boto3 as everybody calls MWAA."""

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.mwaa.launch import Timing
from local.mwaa.service import MwaaService

ACCOUNT = "123456789012"
REGION = "us-east-1"
OTHER_REGION = "us-west-2"
VERSION = os.environ.get("MWAA_TEST_AIRFLOW", "2.10.3")
SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/airflow/aws4_request")


class _Handler(BaseHTTPRequestHandler):
    service: MwaaService

    def serve(self) -> None:
        region = SCOPE.search(self.headers["Authorization"])[1]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        status, headers, answer = self.service.handle(region, self.command, path, query, body)
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        pass


@dataclass
class Mwaa:
    """One service and the server in front of it."""

    service: MwaaService

    def __post_init__(self) -> None:
        methods = {
            f"do_{verb}": _Handler.serve for verb in ("GET", "PUT", "POST", "PATCH", "DELETE")
        }
        handler = type("Handler", (_Handler,), {"service": self.service, **methods})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.api = self.client()

    def client(self, region: str = REGION) -> Any:
        return boto3.client(
            "mwaa",
            region_name=region,
            endpoint_url=f"http://127.0.0.1:{self.server.server_address[1]}",
            config=Config(
                inject_host_prefix=False,
                parameter_validation=False,
                retries={"total_max_attempts": 1},
            ),
        )

    def get(self, name: str) -> dict[str, Any]:
        return self.api.get_environment(Name=name)["Environment"]

    def wait(self, name: str, *statuses: str, seconds: float = 120) -> dict[str, Any]:
        until(lambda: self.get(name)["Status"] in statuses, seconds, lambda: self.get(name))
        return self.get(name)

    def describe(self, name: str) -> dict[str, Any]:
        return next(item for item in self.service.describe() if item["name"] == name)

    def close(self) -> None:
        self.service.close()
        self.server.shutdown()
        self.server.server_close()


def until(
    what: Callable[[], Any], seconds: float = 60, state: Callable[[], Any] = lambda: None
) -> Any:
    """The first true answer; fails after so many seconds, saying how things stood."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {state()}"
        time.sleep(0.2)


def client(service: str, endpoint: str, region: str = REGION) -> Any:
    return boto3.client(service, region_name=region, endpoint_url=endpoint)


def open_world(endpoint: str, root: Path, **timing: Any) -> Mwaa:
    settings = {"sync_seconds": 1, "metric_seconds": 2, "script_seconds": 20, **timing}
    return Mwaa(MwaaService(root, endpoint, ACCOUNT, Timing(**settings)))
