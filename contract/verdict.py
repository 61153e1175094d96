"""How a signal can read, and what all signals together can mean."""

from enum import StrEnum


class SignalState(StrEnum):
    """`UNKNOWN` (access denied, throttled, our own time-out) is never taken for `BAD`."""

    GOOD = "good"
    BAD = "bad"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    PLANNED = "planned"


class Verdict(StrEnum):
    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    PLANNED = "PLANNED"
    BLIND = "BLIND"
    DOWN = "DOWN"


METRIC_VALUE: dict[Verdict, int] = {
    Verdict.HEALTHY: 0,
    Verdict.PLANNED: 1,
    Verdict.DEGRADED: 2,
    Verdict.BLIND: 3,
    Verdict.DOWN: 4,
}
"""What the `Verdict` metric carries."""
