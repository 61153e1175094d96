"""Computes when a DAG runs next, as Airflow's own timetables do, without Airflow.

Each class follows the class of Airflow's that its docstring names, rule by rule; a test lets both
answer the same questions. All times are aware and in UTC: only a cron expression has a time zone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, partial
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from croniter import croniter
from dateutil.relativedelta import relativedelta, weekday

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
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


class Cron:
    """`CronMixin`: croniter on wall-clock times, with the turns of the clock set right.

    It is the croniter that is installed here. Airflow's may be older: before 6.2 it passes over the
    first of March where the days of a month go in steps, and before 5 a range like `13-13` means
    one value instead of all.

    Raises:
        ValueError: the expression or the zone is not known.
    """

    def __init__(self, expression: str, zone: str | int) -> None:
        # One for all steps, since making one takes five times as long as a step.
        self._croniter = croniter(PRESETS.get(expression, expression))
        self._zone = zone_of(zone)
        # Aligning asks again for steps that were just taken.
        self.next = cache(partial(self._step, self._croniter.get_next))
        self.previous = cache(partial(self._step, self._croniter.get_prev))

    def align_next(self, current: datetime) -> datetime:
        following = self.next(current)
        return current if self.previous(following) == current else following

    def align_previous(self, current: datetime) -> datetime:
        preceding = self.previous(current)
        return current if self.next(preceding) == current else preceding

    def _step(self, find: Callable[..., Any], current: datetime) -> datetime:
        naive = current.astimezone(self._zone).replace(tzinfo=None, fold=0)
        self._croniter.set_current(naive, force=True)
        found: datetime = find(datetime)
        # At least once an hour: the hour that the clock repeats must not be left out.
        if self._croniter.expanded[1] == ["*"]:
            return current + (found - naive)
        return self._localized(found)

    def _localized(self, naive: datetime) -> datetime:
        """A time that occurs twice means its second occurrence; one that never occurs, as much
        later as the clock jumped."""
        second = naive.replace(tzinfo=self._zone, fold=1)
        after, before = second.utcoffset(), second.replace(fold=0).utcoffset()
        if after is not None and before is not None and after > before:
            second += after - before
        return second.astimezone(UTC)


@dataclass(frozen=True)
class CronIntervals:
    """`CronDataIntervalTimetable`."""

    cron: Cron
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
        return _next_interval(earliest, last, limits, self.cron.align_previous, self.cron.next)

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
    """`DeltaDataIntervalTimetable`."""

    delta: Delta
    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
        earliest = limits.earliest
        if not limits.catchup:
            newest = self._rounded(now) - self.delta
            earliest = newest if earliest is None else max(newest, earliest)
        return _next_interval(
            earliest, last, limits, lambda moment: moment, lambda moment: moment + self.delta
        )

    def _rounded(self, moment: datetime) -> datetime:
        seconds = moment.timestamp()
        return datetime.fromtimestamp(seconds - seconds % _seconds(self.delta), tz=UTC)


def _next_interval(
    earliest: datetime | None,
    last: Interval | None,
    limits: Limits,
    align: Callable[[datetime], datetime],
    following: Callable[[datetime], datetime],
) -> Interval | None:
    if last is None:
        start = earliest
    else:
        start = align(last.end)
        if earliest is not None:
            start = max(start, earliest)
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
    """`EventsTimetable`."""

    dates: Sequence[datetime] = field(default_factory=list)
    follows_clock: bool = False

    def next_run(self, last: Interval | None, limits: Limits, now: datetime) -> Interval | None:
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


def zone_of(value: str | int) -> tzinfo:
    """A name, or an offset in seconds."""
    if isinstance(value, str):
        return ZoneInfo(value)
    return timezone(timedelta(seconds=value))


def _positive(value: float | Mapping[str, Any]) -> Delta:
    delta = delta_of(value)
    if _seconds(delta) <= 0:
        raise ValueError(f"a schedule of {value!r} does not go forward")
    return delta


def _triggers(description: Mapping[str, Any]) -> CronTriggers:
    immediately = description.get("run_immediately")
    if immediately is not None and not isinstance(immediately, bool):
        immediately = timedelta(seconds=immediately)
    interval = delta_of(description["interval"])
    return CronTriggers(
        [
            CronTrigger(Cron(expression, description["timezone"]), interval, immediately)
            for expression in description["expressions"]
        ]
    )


_KINDS: dict[str, Callable[[Mapping[str, Any]], Timetable]] = {
    "cron-interval": lambda it: CronIntervals(Cron(it["expression"], it["timezone"])),
    "delta-interval": lambda it: DeltaIntervals(_positive(it["delta"])),
    "cron-trigger": _triggers,
    "delta-trigger": lambda it: DeltaTrigger(_positive(it["delta"]), delta_of(it["interval"])),
    "once": lambda it: Once(it["needs_start"]),
    "continuous": lambda it: Continuous(it["needs_start"]),
    "events": lambda it: Events([datetime.fromisoformat(date) for date in it["dates"]]),
    "never": lambda _: Never(),
    "data": lambda _: Never(),
    "data-or-time": lambda it: timetable_of(it["timetable"]),
}


def timetable_of(description: Mapping[str, Any]) -> Timetable:
    """The timetable that `schedules` described.

    Raises:
        ValueError: it is not known here, or what it says makes no sense; the message says which.
    """
    kind = description["kind"]
    if kind == "unknown":
        raise ValueError(description["reason"])
    try:
        return _KINDS[kind](description)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{kind} schedule {dict(description)} cannot be read: {error}") from error
