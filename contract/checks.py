"""What users let the monitor look at besides: their own metrics, alarms and HTTPS addresses."""

from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from typing import Any


class CheckKind(StrEnum):
    METRIC = "metric"
    ALARM = "alarm"
    HTTPS = "https"


class Comparison(StrEnum):
    """Which side of the threshold is bad."""

    BELOW = "below"
    ABOVE = "above"


class NoData(StrEnum):
    """What it means that a metric has no data point in its period."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One check; which of the members count is up to its kind.

    Args:
        counts: whether it can be the second proof, beside a stale pulse, that the owner is down.
        region: of the metric or the alarm.
        alarm: name of a metric alarm.
        url: an https address.
        status: the HTTP status that is good.
        pattern: a regular expression that the body's beginning must hold; empty for none.
    """

    name: str
    kind: CheckKind
    counts: bool = False
    region: str = ""
    namespace: str = ""
    metric: str = ""
    dimensions: dict[str, str] = field(default_factory=dict)
    statistic: str = "Average"
    period_seconds: int = 300
    comparison: Comparison = Comparison.BELOW
    threshold: float = 0
    no_data: NoData = NoData.UNKNOWN
    alarm: str = ""
    url: str = ""
    status: int = 200
    pattern: str = ""


def to_dict(check: DeclaredCheck) -> dict[str, Any]:
    """Only what differs from the defaults: a function's variables have little room."""
    found: dict[str, Any] = {}
    for one in fields(check):
        value = getattr(check, one.name)
        default = {} if one.default is MISSING and one.default_factory is dict else one.default
        if value != default:
            found[one.name] = value
    return found


def from_dict(raw: dict[str, Any]) -> DeclaredCheck:
    """Raises TypeError or ValueError on anything that is not a check."""
    words = {"kind": CheckKind, "comparison": Comparison, "no_data": NoData}
    return DeclaredCheck(
        **{key: words[key](value) if key in words else value for key, value in raw.items()}
    )
