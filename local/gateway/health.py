"""AWS Health events: told in the Region in trouble and, if public, in one backup Region as well.

AWS Health user guide, "Creating EventBridge rules for AWS Region coverage" and "AWS Health events
Amazon EventBridge schema".
"""

import uuid
from datetime import UTC, datetime
from typing import Any

from local.gateway.telemetry import Telemetry

SOURCE = "aws.health"
DETAIL_TYPE = "AWS Health Event"
STATUSES = ("open", "closed", "upcoming")


def backup_region(region: str) -> str:
    """Where a public event of `region` is told besides; partition `aws`."""
    return "us-east-1" if region == "us-west-2" else "us-west-2"


class Health:
    """Puts the events that AWS would put."""

    def __init__(self, telemetry: Telemetry, account: str) -> None:
        self._telemetry = telemetry
        self._account = account

    def report(self, raw: dict[str, Any]) -> dict[str, Any]:
        """One public event of trouble in a Region; returns its detail.

        Raises:
            ValueError: naming the key, the value and what is allowed.
        """
        unknown = sorted(set(raw) - {"region", "service", "status", "event"})
        if unknown:
            raise ValueError(f"{unknown[0]}: not a key of an event; use region, service, status")
        region, service = raw.get("region"), raw.get("service") or "EC2"
        status = raw.get("status") or "open"
        if not isinstance(region, str) or not region:
            raise ValueError(f"region: {region!r} is not allowed; name a Region such as us-east-1")
        if status not in STATUSES:
            raise ValueError(f"status: {status!r} is not allowed; use {', '.join(STATUSES)}")
        name = raw.get("event") or uuid.uuid4().hex
        code = f"AWS_{service}_OPERATIONAL_ISSUE"
        detail = {
            "eventArn": f"arn:aws:health:{region}::event/{service}/{code}/{name}",
            "service": service,
            "eventTypeCode": code,
            "eventTypeCategory": "issue",
            "eventScopeCode": "PUBLIC",
            "communicationId": uuid.uuid4().hex,
            "startTime": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "eventRegion": region,
            "statusCode": status,
            "affectedAccount": self._account,
        }
        for place in (region, backup_region(region)):
            self._telemetry.event(place, SOURCE, DETAIL_TYPE, detail, detail["eventArn"])
        return detail
