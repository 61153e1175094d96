"""Clients with an explicit Region and bounded time, made once per function instance."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_mwaa import MWAAClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

STEADY = Config(
    connect_timeout=2,
    read_timeout=6,
    retries={"total_max_attempts": 3, "mode": "standard"},
    max_pool_connections=32,
)
"""For calls in the DR Region that a step cannot do without."""


@dataclass(slots=True)
class Clients:
    """Makes and keeps clients. Making one is not safe in threads; using it is.

    Args:
        probe_seconds: time-out of a probe: one attempt, so that a Region that hangs costs no more.
    """

    probe_seconds: float
    _made: dict[tuple[str, str, bool], Any] = field(default_factory=dict)

    def _get(self, service: str, region: str, probe: bool) -> Any:  # noqa: ANN401
        key = (service, region, probe)
        if key not in self._made:
            bounds = self._probe_bounds() if probe else STEADY
            self._made[key] = boto3.client(service, region_name=region, config=bounds)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return self._made[key]

    def _probe_bounds(self) -> Config:
        return Config(
            connect_timeout=self.probe_seconds,
            read_timeout=self.probe_seconds,
            retries={"total_max_attempts": 1},
            max_pool_connections=32,
        )

    def s3(self, region: str, *, probe: bool = False) -> "S3Client":
        return self._get("s3", region, probe)

    def mwaa(self, region: str, *, probe: bool = False) -> "MWAAClient":
        return self._get("mwaa", region, probe)

    def cloudwatch(self, region: str, *, probe: bool = False) -> "CloudWatchClient":
        return self._get("cloudwatch", region, probe)

    def functions(self, region: str) -> "LambdaClient":
        return self._get("lambda", region, probe=True)

    def sts(self, region: str, *, probe: bool = False) -> "STSClient":
        return self._get("sts", region, probe)

    def dynamodb(self, region: str) -> "DynamoDBClient":
        return self._get("dynamodb", region, probe=False)

    def sns(self, region: str) -> "SNSClient":
        return self._get("sns", region, probe=False)

    def stepfunctions(self, region: str) -> "SFNClient":
        return self._get("stepfunctions", region, probe=False)

    def events(self, region: str) -> "EventBridgeClient":
        return self._get("events", region, probe=False)
