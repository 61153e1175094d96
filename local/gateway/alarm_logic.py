"""Decides an alarm's state from its data points. Pure.

Source: CloudWatch user guide, "Using Amazon CloudWatch alarms" (evaluation, M out of N) and
"Configuring how CloudWatch alarms treat missing data" (its tables are tests).
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

OK = "OK"
ALARM = "ALARM"
INSUFFICIENT_DATA = "INSUFFICIENT_DATA"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
RANGE_EXTRA = 2
"""CloudWatch looks at more points than EvaluationPeriods; its examples use two more."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """The part of an alarm that decides.

    Args:
        evaluation_periods: N: how many points count.
        datapoints_to_alarm: M: how many of them must breach.
        missing: one of `TREATMENTS`.
    """

    comparison: str
    threshold: float
    evaluation_periods: int
    datapoints_to_alarm: int
    missing: str = "missing"

    @property
    def range(self) -> int:
        """How many periods to look at."""
        return self.evaluation_periods + RANGE_EXTRA


def decide(  # noqa: PLR0911 -- one return per case of the user guide
    rule: Rule, points: Sequence[float | None], current: str
) -> str:
    """The state for `points`, oldest first, `None` for a period without data.

    Raises:
        ValueError: a comparison that is not known here (anomaly detection).
    """
    compare = COMPARISONS.get(rule.comparison)
    if compare is None:
        raise ValueError(f"ComparisonOperator {rule.comparison!r} is not known here")
    breaching = [None if p is None else compare(p, rule.threshold) for p in points[-rule.range :]]
    recent = breaching[-rule.evaluation_periods :]
    needed, size = rule.datapoints_to_alarm, rule.evaluation_periods
    real = [b for b in breaching if b is not None]
    if None not in recent:
        return ALARM if recent.count(True) >= needed else OK
    if len(real) >= size:
        return ALARM if real[-size:].count(True) >= needed else OK
    if not real and rule.missing == "missing":
        return INSUFFICIENT_DATA
    bad, good = real.count(True), real.count(False)
    filled = size - len(real)
    match rule.missing:
        case "breaching":
            return ALARM if bad + filled >= needed else OK
        case "notBreaching":
            return ALARM if bad >= needed else OK
        case "missing" | "ignore":
            if bad >= needed:
                return ALARM
            if good > size - needed:
                return OK
            if rule.missing == "missing" and _old_breach(breaching, needed) and not good:
                return ALARM
            return current
    raise ValueError(f"TreatMissingData {rule.missing!r} is not known; use {', '.join(TREATMENTS)}")


def _old_breach(breaching: Sequence[bool | None], needed: int) -> bool:
    """A breach so old that the alarm would have gone off, had the data not stopped."""
    return True in breaching and len(breaching) - breaching.index(True) >= needed
