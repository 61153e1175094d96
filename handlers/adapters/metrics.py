"""Publishes our own metrics of an installation."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from contract import metrics

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient


def publish(
    client: "CloudWatchClient",
    installation: str,
    at: datetime,
    values: Mapping[str, tuple[float, str]],
) -> None:
    """Put one value of each metric.

    Args:
        values: by metric: the value and CloudWatch's name of its unit.
    """
    data: list[Any] = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": metrics.INSTALLATION, "Value": installation}],
            "Timestamp": at,
            "Value": value,
            "Unit": unit,
        }
        for name, (value, unit) in values.items()
    ]
    client.put_metric_data(Namespace=metrics.NAMESPACE, MetricData=data)
