"""Computes when a DAG runs next, as Airflow's own timetables do, without Airflow.

Each class follows the class of Airflow's that its docstring names, rule by rule; a test lets both
answer the same questions. Where releases differ, so does what they get. All times are aware and in
UTC: only a cron expression has a time zone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from dateutil.relativedelta import relativedelta, weekday

from mwaa_dr_metadata.cron import Cron

Release = tuple[int, ...]
LATEST: Release = (99,)
"""Of an environment that did not say its release: the rules of the newest one known here."""
Delta = timedelta | relativedelta


class Interval(NamedTuple):
    """A run's data interval: `start` is its logical date, and it is due at `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """What a DAG allows: no run earlier or later than this, and whether missed ones are made up."""

    earliest: datetime | None
    latest: datetime | None
    catchup: bool


class Timetable(Protocol):
    """Finds the run after `last`, or the first one if there was none.

    Args:
        follows_clock: a run may take its time from the moment of the decision, so that it cannot
            be foretold exactly.
    """

    @property
    def follows_clock(self) -> bool: ...

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None: ...


@dataclass(frozen=True)
class CronIntervals:
    """`CronDataIntervalTimetable`.

    Args:
        passes_moments: see `_next_interval`.
    """

    cron: Cron
    passes_moments: bool
    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        earliest = limits.earliest
        if earliest is not None:
            earliest = self.cron.align_next(earliest)
        if not limits.catchup:
            newest = self._newest(now)
            if newest is None:
                return None
            earliest = newest if earliest is None else max(newest, earliest)
        align = self.cron.align_previous
        return _next_interval(earliest, last, limits, align, self.cron.next, self.passes_moments)

    def _newest(self, now: datetime) -> datetime | None:
        """Start of the latest interval that is over, or that begins right now.

        None in the hour or so after some turns of the clock: Airflow fails there, and plans no run
        until it parses the file again.
        """
        start = self.cron.previous(now)
        following = self.cron.next(start)
        if following < now:
            return None
        return start if following == now else self.cron.previous(start)


@dataclass(frozen=True)
class DeltaIntervals:
    """`DeltaDataIntervalTimetable`.

    Args:
        follows_clock: without catch-up an interval ends now, not at a multiple of the delta (until
            Airflow 2.7).
        anchored: months and years are counted from the start date, not from 1970 as if all had the
            same length (since Airflow 3.3).
        passes_moments: see `_next_interval`.
    """

    delta: Delta
    follows_clock: bool
    anchored: bool
    passes_moments: bool

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        earliest = limits.earliest
        if not limits.catchup:
            newest = self._rounded(now, earliest or now) - self.delta
            earliest = newest if earliest is None else max(newest, earliest)
        return _next_interval(
            earliest, last, limits, lambda moment: moment, self._following, self.passes_moments
        )

    def _following(self, moment: datetime) -> datetime:
        return moment + self.delta

    def _rounded(self, moment: datetime, anchor: datetime) -> datetime:
        if self.follows_clock:
            return moment
        delta = self.delta
        if self.anchored and isinstance(delta, relativedelta) and (delta.months or delta.years):
            while (following := self._following(anchor)) <= moment:
                anchor = following
            return anchor
        seconds = moment.timestamp()
        return datetime.fromtimestamp(seconds - seconds % _seconds(delta), tz=UTC)


def _next_interval(  # noqa: PLR0917
    earliest: datetime | None,
    last: Interval | None,
    limits: Limits,
    align: Callable[[datetime], datetime],
    following: Callable[[datetime], datetime],
    passes_moments: bool,
) -> Interval | None:
    """`_DataIntervalTimetable`.

    Args:
        passes_moments: after a run that took no time, as another timetable makes them, none begins
            at the moment of that run again (since Airflow 3.3).
    """
    if last is None:
        start = earliest
    else:
        start = align(last.end)
        if earliest is not None:
            start = max(start, earliest)
        if passes_moments and last.start == last.end == start:
            start = following(start)
    if start is None or (limits.latest is not None and start > limits.latest):
        return None
    return Interval(start, following(start))


@dataclass(frozen=True)
class CronTrigger:
    """`CronTriggerTimetable`.

    Args:
        interval: from a run's logical date until it is due.
        immediately: how fresh the latest moment must be for the first run of a DAG that has no
            start date; None in Airflow 2.10 and earlier, which did not have it.
    """

    cron: Cron
    interval: Delta
    immediately: bool | timedelta | None = None
    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        first = last is None and limits.earliest is None and self.immediately is not None
        candidates = [self._first(now)] if first else []
        if last is not None:
            candidates.append(self.cron.next(last.end))
        if limits.earliest is not None and not (limits.catchup and last is not None):
            candidates.append(self.cron.align_next(limits.earliest))
        if not limits.catchup:
            candidates.append(self.cron.align_previous(now))
        return _moment(max(candidates, default=None), limits, self.interval)

    def _first(self, now: datetime) -> datetime:
        past, future = self.cron.align_previous(now), self.cron.align_next(now)
        if self.immediately is True:
            return past
        fresh = self.immediately or max((future - past) / 10, timedelta(minutes=5))
        return past if now - past <= fresh else future


@dataclass(frozen=True)
class CronTriggers:
    """`MultipleCronTriggerTimetable`: whichever of its expressions comes first."""

    triggers: Sequence[CronTrigger]
    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        found = [
            run
            for trigger in self.triggers
            if (run := trigger.next_run(last, limits, now)) is not None
        ]

        def without_catchup(run: Interval) -> float:
            # The latest of the past, and only if there is none the nearest of the future.
            moment = run.start.timestamp()
            return -moment if moment <= now.timestamp() else moment

        def with_catchup(run: Interval) -> float:
            return run.start.timestamp()

        return min(found, key=with_catchup if limits.catchup else without_catchup, default=None)


@dataclass(frozen=True)
class DeltaTrigger:
    """`DeltaTriggerTimetable`: without catch-up a run that is late gets the present time."""

    delta: Delta
    interval: Delta
    follows_clock: bool = True

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        candidates = [last.end + self.delta] if last is not None else []
        if limits.earliest is not None and not (limits.catchup and last is not None):
            candidates.append(limits.earliest)
        if not limits.catchup or (last is None and limits.earliest is None):
            candidates.append(now)
        return _moment(max(candidates, default=None), limits, self.interval)


def _moment(due: datetime | None, limits: Limits, interval: Delta) -> Interval | None:
    if due is None or (limits.latest is not None and limits.latest < due):
        return None
    return Interval(due - interval, due)


@dataclass(frozen=True)
class Once:
    """`OnceTimetable`.

    Args:
        needs_start: a DAG without a start date never runs (Airflow 2), or runs now (Airflow 3).
    """

    needs_start: bool
    follows_clock: bool = True

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        if last is not None:
            return None
        moment = limits.earliest or (None if self.needs_start else now)
        return _moment(moment, limits, timedelta())


@dataclass(frozen=True)
class Continuous:
    """`ContinuousTimetable`: from the end of the last run until now."""

    needs_start: bool
    follows_clock: bool = True

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        start = limits.earliest or (None if self.needs_start else now)
        if start is None:
            return None
        found = Interval(start, max(start, now)) if last is None else Interval(last.end, now)
        return None if limits.latest is not None and found.end > limits.latest else found


@dataclass(frozen=True)
class Events:
    """`EventsTimetable`.

    Args:
        limited: it heeds the DAG's limits (since Airflow 2.8).
    """

    dates: Sequence[datetime]
    limited: bool
    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        if not self.limited:
            limits = Limits(None, None, catchup=True)
        earliest = limits.earliest
        if not limits.catchup:
            earliest = now if earliest is None else max(now, earliest)
        for date in self.dates:
            if (earliest is None or date >= earliest) and (last is None or date > last.end):
                return _moment(date, limits, timedelta())
        return None


@dataclass(frozen=True)
class Never:
    """`NullTimetable`, and what only data triggers: no run comes with time."""

    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:  # noqa: ARG002
        return None


def _seconds(delta: Delta) -> float:
    """As Airflow counts: a year of 365 days, a month of 30."""
    if isinstance(delta, timedelta):
        return delta.total_seconds()
    days = delta.years * 365 + delta.months * 30 + delta.days
    return ((days * 24 + delta.hours) * 60 + delta.minutes) * 60 + delta.seconds


def delta_of(value: float | Mapping[str, Any]) -> Delta:
    """Seconds, or the fields of a relativedelta as Airflow serialises it."""
    if isinstance(value, Mapping):
        fields = dict(value)
        if "weekday" in fields:
            fields["weekday"] = weekday(*fields["weekday"])
        return relativedelta(**fields)
    return timedelta(seconds=value)


def _positive(value: float | Mapping[str, Any]) -> Delta:
    delta = delta_of(value)
    if _seconds(delta) <= 0:
        raise ValueError(f"a schedule of {value!r} does not go forward")
    return delta


def _cron(expression: str, description: Mapping[str, Any], release: Release) -> Cron:
    return Cron(expression, description["timezone"], peeks=release < (2, 8))


def _triggers(description: Mapping[str, Any], release: Release) -> CronTriggers:
    immediately = description.get("run_immediately")
    if immediately is not None and not isinstance(immediately, bool):
        immediately = timedelta(seconds=immediately)
    interval = delta_of(description["interval"])
    return CronTriggers(
        [
            CronTrigger(_cron(expression, description, release), interval, immediately)
            for expression in description["expressions"]
        ]
    )


_KINDS: dict[str, Callable[[Mapping[str, Any], Release], Timetable]] = {
    "cron-interval": lambda it, release: CronIntervals(
        _cron(it["expression"], it, release), passes_moments=release >= (3, 3)
    ),
    "delta-interval": lambda it, release: DeltaIntervals(
        _positive(it["delta"]),
        follows_clock=release < (2, 8),
        anchored=release >= (3, 3),
        passes_moments=release >= (3, 3),
    ),
    "cron-trigger": _triggers,
    "delta-trigger": lambda it, _: DeltaTrigger(_positive(it["delta"]), delta_of(it["interval"])),
    "once": lambda it, _: Once(it["needs_start"]),
    "continuous": lambda it, _: Continuous(it["needs_start"]),
    "events": lambda it, release: Events(
        [datetime.fromisoformat(date) for date in it["dates"]], limited=release >= (2, 8)
    ),
    "never": lambda _it, _release: Never(),
    "data": lambda _it, _release: Never(),
    "data-or-time": lambda it, release: timetable_of(it["timetable"], release),
}


def release_of(version: str) -> Release:
    """Airflow 2.10.3 is (2, 10, 3); `LATEST` for a version that says nothing."""
    numbers = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in numbers[0].split(".")) if numbers else LATEST


def timetable_of(description: Mapping[str, Any], release: Release = LATEST) -> Timetable:
    """The timetable that `schedules` described, as a release of Airflow follows it.

    Raises:
        ValueError: it is not known here, or what it says makes no sense; the message says which.
    """
    kind = description["kind"]
    if kind == "unknown":
        raise ValueError(description["reason"])
    try:
        return _KINDS[kind](description, release)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{kind} schedule {dict(description)} cannot be read: {error}") from error
