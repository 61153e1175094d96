"""What every part of the gateway shares: where it is, what fails, and clients that call it."""

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.clocks import RIGHT, Clocks
from local.gateway.notifications import Notifications
from local.gateway.outage import Outages
from local.gateway.request_log import RequestLog

ACCOUNT = "123456789012"
ACCESS_KEY = "local"
SECRET_KEY = "local"  # noqa: S105 -- the local AWS checks no signature


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller signs with."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def variables(self) -> dict[str, str]:
        """As the AWS SDKs read them from a process's environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            **({"AWS_SESSION_TOKEN": self.token} if self.token else {}),
        }


OPERATOR = Credentials(ACCESS_KEY, SECRET_KEY)
ONE_AT_A_TIME = ("dynamodb", "ec2", "iam", "kms", "logs", "s3")
"""Services whose calls read and change dictionaries of moto that bear one thread only, and wait for
nothing: two conditional writes at once would both find their condition true."""


class Clients:
    """boto3 clients of this very endpoint, made once per service, Region, patience and caller."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._make: Any = boto3.Session().client  # its overloads know literal names only
        self._clients: dict[tuple[str, str, float, bool, str], Any] = {}
        self._lock = threading.Lock()

    def get(
        self,
        service: str,
        region: str,
        *,
        read_seconds: float = 30,
        validate: bool = True,
        credentials: Credentials = OPERATOR,
    ) -> Any:  # noqa: ANN401
        """A client without retries, since each caller has its own rule for them."""
        key = (service, region, read_seconds, validate, credentials.access_key)
        client = self._clients.get(key)
        if client is None:
            with self._lock:  # a session is not safe to use from two threads
                client = self._clients.get(key) or self._make(
                    service,
                    region_name=region,
                    endpoint_url=self._endpoint,
                    aws_access_key_id=credentials.access_key,
                    aws_secret_access_key=credentials.secret_key,
                    aws_session_token=credentials.token,
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
        clocks: of what runs in it.
    """

    endpoint: str
    root: Path
    clocks: Clocks = RIGHT
    account: str = ACCOUNT
    outages: Outages = field(default_factory=Outages)
    requests: RequestLog = field(default_factory=RequestLog)
    notifications: Notifications = field(default_factory=Notifications)
    stopping: threading.Event = field(default_factory=threading.Event)
    clients: Clients = field(init=False)
    _turns: dict[str, threading.RLock] = field(
        default_factory=lambda: {service: threading.RLock() for service in ONE_AT_A_TIME}
    )

    def turn(self, service: str | None) -> AbstractContextManager[Any]:
        """Held while moto works for one caller of this service."""
        return self._turns.get(service or "") or nullcontext()

    def __post_init__(self) -> None:
        object.__setattr__(self, "clients", Clients(self.endpoint))
