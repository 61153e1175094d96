"""The emulator's own calls to AWS: what MWAA does with its service-linked role."""

import os
import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

CONFIG = Config(
    connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 2}, inject_host_prefix=False
)
CONTROL_PLANE = CONFIG.merge(Config(read_timeout=3, retries={"total_max_attempts": 1}))
"""For IAM, which answers from one Region only and may be lost with it."""


class Aws:
    """Clients by service and Region, made once, for one endpoint.

    Args:
        credentials: as STS gives them; by default those of MWAA itself.
    """

    def __init__(self, endpoint: str, credentials: Mapping[str, str] | None = None) -> None:
        self.endpoint = endpoint
        own = credentials or {}
        self._session: Any = boto3.Session(
            aws_access_key_id=own.get("AccessKeyId", os.environ.get("AWS_ACCESS_KEY_ID", "local")),
            aws_secret_access_key=own.get(
                "SecretAccessKey", os.environ.get("AWS_SECRET_ACCESS_KEY", "local")
            ),
            aws_session_token=own.get("SessionToken"),
        )
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401
        with self._lock:
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self.endpoint,
                    config=CONTROL_PLANE if service == "iam" else CONFIG,
                )
            return self._clients[key]

    def assuming(self, role_arn: str, region: str, session: str) -> "Aws":
        """The same AWS with the credentials of a role, as STS of a Region gives them.

        Raises:
            botocore.exceptions.ClientError, BotoCoreError: STS refuses, or cannot be asked.
        """
        answer = self.client("sts", region).assume_role(RoleArn=role_arn, RoleSessionName=session)
        return Aws(self.endpoint, answer["Credentials"])

    def variables(self) -> dict[str, str]:
        """How a process of an environment reaches the same AWS."""
        own = self._session.get_credentials()
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": own.access_key,
            "AWS_SECRET_ACCESS_KEY": own.secret_key,
            **({"AWS_SESSION_TOKEN": own.token} if own.token else {}),
            "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
