"""One call for each of the user's own checks."""

import http.client
import ssl
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from contract.checks import CheckKind, DeclaredCheck
from handlers.adapters.clients import Clients
from handlers.core.declared import Page

BODY_BYTES = 64 * 1024
"""So much of an answer is looked at."""


def calls(
    checks: Iterable[DeclaredCheck], clients: Clients, now: datetime
) -> dict[str, Callable[[], Any]]:
    """By the check's name: what to call for it. Clients are made here, outside of threads."""
    made = {CheckKind.METRIC: _metric, CheckKind.ALARM: _alarm, CheckKind.HTTPS: _https}
    return {check.name: made[check.kind](check, clients, now) for check in checks}


def _metric(check: DeclaredCheck, clients: Clients, now: datetime) -> Callable[[], Any]:
    client = clients.cloudwatch(check.region, probe=True)
    query: Any = {
        "Id": "m",
        "MetricStat": {
            "Metric": {
                "Namespace": check.namespace,
                "MetricName": check.metric,
                "Dimensions": [
                    {"Name": key, "Value": value} for key, value in check.dimensions.items()
                ],
            },
            "Period": check.period_seconds,
            "Stat": check.statistic,
        },
    }

    def call() -> float | None:
        # Two periods: the newest one may have begun just now.
        start = now - timedelta(seconds=2 * check.period_seconds)
        answer = client.get_metric_data(
            MetricDataQueries=[query], StartTime=start, EndTime=now, ScanBy="TimestampDescending"
        )
        values = answer["MetricDataResults"][0].get("Values", [])
        return values[0] if values else None

    return call


def _alarm(check: DeclaredCheck, clients: Clients, _: datetime) -> Callable[[], Any]:
    client = clients.cloudwatch(check.region, probe=True)

    def call() -> str | None:
        found = client.describe_alarms(AlarmNames=[check.alarm], AlarmTypes=["MetricAlarm"])
        alarms = found.get("MetricAlarms", [])
        return alarms[0].get("StateValue") if alarms else None

    return call


def _https(check: DeclaredCheck, clients: Clients, _: datetime) -> Callable[[], Any]:
    """Redirects are not followed: the check is of this address."""

    def call() -> Page:
        parts = urlsplit(check.url)
        connection = http.client.HTTPSConnection(
            parts.hostname or "",
            parts.port,
            timeout=clients.probe_seconds,
            context=ssl.create_default_context(),
        )
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            connection.request("GET", target, headers={"User-Agent": "mwaa-dr"})
            answer = connection.getresponse()
            return Page(answer.status, answer.read(BODY_BYTES).decode(errors="replace"))
        except ssl.SSLCertVerificationError as error:
            return Page(None, f"its certificate is not valid: {error.verify_message}", False)
        except (OSError, http.client.HTTPException) as error:
            return Page(None, f"no answer: {error or type(error).__name__}")
        finally:
            connection.close()

    return call
