"""AWS's events that the rules match and the function reads: two sources, each with its shape.

`aws.airflow` says that an environment's status changed ("Amazon Managed Workflows for Apache
Airflow events", EventBridge events reference); what is in its detail is not documented.
`aws.health` says that a service has trouble in a Region (AWS Health user guide, "AWS Health events
Amazon EventBridge schema").
"""

from collections.abc import Sequence
from typing import Any

AIRFLOW = "aws.airflow"
HEALTH = "aws.health"
STATUS_CHANGE = "MWAA Environment Status Change"
ISSUE = "issue"
"""Trouble, in contrast to scheduled changes and notices."""
CLOSED = "closed"

STATUS_CHANGES: dict[str, Any] = {"source": [AIRFLOW], "detail-type": [STATUS_CHANGE]}


def health(regions: Sequence[str]) -> dict[str, Any]:
    """The pattern of trouble in one of the Regions; `region` of an event is where it is told."""
    return {
        "source": [HEALTH],
        "detail": {"eventTypeCategory": [ISSUE], "eventRegion": list(regions)},
    }
