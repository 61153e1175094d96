"""When each DAG's runs fall due: arithmetic of our own, from the workload's table alone.

A run stands for the interval between two ticks of its schedule and falls due at the second one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    start: datetime
    end: datetime


def _values(field: str, limit: int) -> list[int]:
    """The values that one cron field names: `*`, `*/n` or a list of numbers."""
    if field == "*":
        return list(range(limit))
    if field.startswith("*/"):
        return list(range(0, limit, int(field[2:])))
    return sorted(int(part) for part in field.split(","))


def _cron_ticks(expression: str, since: datetime) -> Iterator[datetime]:
    """Ticks not before `since`. Fields: minute hour day month weekday second.

    Raises ValueError for what the workload does not use.
    """
    minute, *rest, second = expression.split()
    if rest != ["*"] * 4:
        raise ValueError(f"cron {expression!r}: only minutes and seconds are known here")
    minutes, seconds = _values(minute, 60), _values(second, 60)
    hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while True:
        for m in minutes:
            for s in seconds:
                tick = hour + timedelta(minutes=m, seconds=s)
                if tick >= since:
                    yield tick
        hour += timedelta(hours=1)


def _even_ticks(start: datetime, every: timedelta, since: datetime) -> Iterator[datetime]:
    tick = start + max(0, -(-(since - start) // every)) * every
    while True:
        yield tick
        tick += every


def is_timed(row: dict[str, Any]) -> bool:
    """Whether the clock makes this DAG's runs, and not events."""
    return not row["datasets"]


def ticks(row: dict[str, Any], since: datetime) -> Iterator[datetime]:
    start = datetime.fromisoformat(row["start"])
    if row["cron"]:
        return _cron_ticks(row["cron"], max(since, start))
    if not row["catchup"]:
        raise ValueError(
            f"{row['dag_id']}: intervals of a fixed length drift when missed ones are not made up "
            "for, so nobody can say which runs are owed; use cron or catch-up"
        )
    return _even_ticks(start, timedelta(seconds=row["every"]), since)


def due(row: dict[str, Any], after: datetime, until: datetime) -> list[Interval]:
    """Every interval that falls due in (after, until], in order."""
    found: list[Interval] = []
    longest_gap = timedelta(hours=1)
    for start, end in pairwise(ticks(row, after - longest_gap)):
        if end > until:
            return found
        if end > after:
            found.append(Interval(start, end))
    raise AssertionError("ticks never end")


def following(row: dict[str, Any], start: datetime) -> Interval:
    """The interval after the one that starts at `start`."""
    for first, second in pairwise(ticks(row, start + SECOND)):
        return Interval(first, second)
    raise AssertionError("ticks never end")


def is_aligned(row: dict[str, Any], interval: Interval) -> bool:
    """Whether the schedule has exactly this interval."""
    return interval in due(row, interval.end - SECOND, interval.end)
