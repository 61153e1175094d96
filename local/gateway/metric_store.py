"""Keeps metric samples by series and works out statistics as CloudWatch does.

A series is a namespace, a name and exactly its dimensions: a query without dimensions does not
see samples that have some (CloudWatch user guide, "Dimensions").
"""

import bisect
import math
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Dimensions = tuple[tuple[str, str], ...]
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")


@dataclass(frozen=True, slots=True)
class Series:
    namespace: str
    name: str
    dimensions: Dimensions


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """A value that was seen `count` times, or a set of statistics.

    Args:
        time: Unix time.
        values: the values with their counts; empty if only statistics were given.
    """

    time: float
    count: float
    total: float
    low: float
    high: float
    unit: str
    values: tuple[tuple[float, float], ...] = ()


def dimensions_of(pairs: Iterable[dict[str, str]] | None) -> Dimensions:
    return tuple(sorted((pair["Name"], pair["Value"]) for pair in pairs or ()))


def statistic(samples: Sequence[Sample], name: str) -> float:  # noqa: PLR0911 -- a case each
    """One statistic over samples, of which there is at least one.

    Raises:
        ValueError: a statistic that is not known here.
    """
    count = sum(sample.count for sample in samples)
    match name:
        case "SampleCount":
            return count
        case "Sum":
            return sum(sample.total for sample in samples)
        case "Average":
            return sum(sample.total for sample in samples) / count if count else 0.0
        case "Minimum":
            return min(sample.low for sample in samples)
        case "Maximum":
            return max(sample.high for sample in samples)
    percentile = _PERCENTILE.fullmatch(name)
    if not percentile:
        raise ValueError(
            f"statistic {name!r} is not known here; use {', '.join(STATISTICS)} or a percentile"
        )
    values = sorted(pair for sample in samples for pair in sample.values)
    if not values:
        raise ValueError(f"{name} cannot be told from statistic sets")
    wanted = math.ceil(float(percentile[1]) / 100 * sum(number for _, number in values))
    seen = 0.0
    for value, number in values:
        seen += number
        if seen >= wanted:
            return value
    return values[-1][0]


class MetricStore:
    """All series of one Region."""

    def __init__(self) -> None:
        self._series: dict[Series, list[Sample]] = defaultdict(list)
        self._lock = threading.Lock()

    def add(self, series: Series, sample: Sample) -> None:
        with self._lock:
            bisect.insort(self._series[series], sample, key=lambda known: known.time)

    def between(
        self, series: Series, start: float, end: float, unit: str | None = None
    ) -> list[Sample]:
        """Samples from `start` up to, not including, `end`."""
        with self._lock:
            known = self._series.get(series, [])
            first = bisect.bisect_left(known, start, key=lambda sample: sample.time)
            last = bisect.bisect_left(known, end, key=lambda sample: sample.time)
            chosen = known[first:last]
        return [sample for sample in chosen if unit in (None, sample.unit)]

    def periods(
        self,
        series: Series,
        start: float,
        end: float,
        period: int,
        unit: str | None = None,
    ) -> dict[float, list[Sample]]:
        """Samples by the start of their period; periods are aligned to the clock."""
        first = start - start % period
        grouped: dict[float, list[Sample]] = defaultdict(list)
        for sample in self.between(series, first, end, unit):
            grouped[sample.time - sample.time % period].append(sample)
        return dict(grouped)

    def series(
        self, namespace: str | None, name: str | None, wanted: Iterable[dict[str, str]]
    ) -> list[Series]:
        """Series that match a ListMetrics filter, in order."""
        filters = [(pair["Name"], pair.get("Value")) for pair in wanted]
        with self._lock:
            known = sorted(self._series, key=lambda s: (s.namespace, s.name, s.dimensions))
        return [
            series
            for series in known
            if namespace in (None, series.namespace)
            and name in (None, series.name)
            and all(
                any(key == k and value in (None, v) for k, v in series.dimensions)
                for key, value in filters
            )
        ]
