"""An alarm as data, and the words that its columns use."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from components.base import Place
from contract import metrics
from contract.severity import Severity

MINUTE = 60
FIVE = 300
"""The period of the alarms that AWS recommends for MWAA (CloudWatch user guide)."""
HOUR = 3600

BELOW, ABOVE, AT_LEAST = (
    "LessThanThreshold",
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
)
SILENCE_IS_BAD, SILENCE_IS_FINE = "breaching", "notBreaching"


class Runbook(StrEnum):
    """Headings of docs/runbook.md, by their anchors."""

    SCHEDULER = "the-scheduler-is-silent"
    DOWN = "the-owner-is-down"
    BLIND = "nobody-watches"
    DEGRADED = "the-verdict-is-degraded"
    BACKUPS = "backups-are-old"
    UNPROTECTED = "the-owner-is-not-protected"
    CODE = "dags-are-missing-or-broken"
    STANDBY = "the-standby-is-behind-or-differs"
    REHEARSAL = "nothing-was-rehearsed"
    RECOVERY = "a-recovery-did-not-end-well"
    MONITOR = "the-monitor-or-a-function-fails"
    REPLICATION = "replication-fails-or-lags"
    CAPACITY = "the-environment-is-short-of-capacity"
    TELLING = "messages-or-events-do-not-arrive"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """One alarm.

    Args:
        subject: the end of its name.
        severity: whether somebody is woken.
        reason: what has happened and what it puts at risk, for the one who gets it.
        runbook: where it says what to do.
        missing: `breaching` where silence is bad news, else `notBreaching`.
        needed, window: so many of the last `window` periods must break the threshold.
    """

    subject: str
    severity: Severity
    reason: str
    runbook: Runbook
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    comparison: str
    threshold: float
    missing: str
    period: int = MINUTE
    needed: int = 1
    window: int = 1


def ours(place: Place) -> dict[str, str]:
    """The dimension of the installation's own metrics."""
    return {metrics.INSTALLATION: place.settings.name}
