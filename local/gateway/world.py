"""What every part of the gateway shares: where it is, what fails, and clients that call it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.gateway.notifications import Notifications
from local.gateway.outage import Outages
from local.gateway.request_log import RequestLog

ACCOUNT = "123456789012"
ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105 -- the local AWS checks no signature


class Clients:
    """boto3 clients of this very endpoint, made once per service, Region and patience."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        session = boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY)
        self._make: Any = session.client  # its overloads know services by literal names only
        self._clients: dict[tuple[str, str, float, bool], Any] = {}
        self._lock = threading.Lock()

    def get(
        self, service: str, region: str, *, read_seconds: float = 30, validate: bool = True
    ) -> Any:  # noqa: ANN401
        """A client without retries, since each caller has its own rule for them."""
        key = (service, region, read_seconds, validate)
        client = self._clients.get(key)
        if client is None:
            with self._lock:  # a session is not safe to use from two threads
                client = self._clients.get(key) or self._make(
                    service,
                    region_name=region,
                    endpoint_url=self._endpoint,
                    config=Config(
                        parameter_validation=validate,
                        inject_host_prefix=False,
                        connect_timeout=5,
                        read_timeout=read_seconds,
                        retries={"total_max_attempts": 1},
                        max_pool_connections=50,
                    ),
                )
                self._clients[key] = client
        return client


@dataclass(frozen=True, slots=True)
class World:
    """One local AWS.

    Args:
        endpoint: URL of the gateway.
        root: folder for everything it writes.
    """

    endpoint: str
    root: Path
    account: str = ACCOUNT
    outages: Outages = field(default_factory=Outages)
    requests: RequestLog = field(default_factory=RequestLog)
    notifications: Notifications = field(default_factory=Notifications)
    stopping: threading.Event = field(default_factory=threading.Event)
    clients: Clients = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clients", Clients(self.endpoint))
