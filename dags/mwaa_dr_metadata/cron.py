"""Steps from one moment of a cron expression to the next, as Airflow does, without Airflow."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}


class Cron:
    """`CronMixin`: croniter on wall-clock times, with the turns of the clock set right.

    It is the croniter that is installed here. Airflow's may be older: before 6.2 it passes over the
    first of March where the days of a month go in steps, before 5 a range like `13-13` means one
    value instead of all, and before 2.0.5 `0-6` as days of the week leaves the days of the month
    alone, and a 29th of February of an earlier year is passed over on the way back.

    Args:
        peeks: as Airflow 2.7 did, take every schedule for one that follows the time that passes,
            not the clock on the wall, whose next two moments are not at the same time of a day;
            since then it has to come at least once an hour.

    Raises:
        ValueError: the expression or the zone is not known.
    """

    def __init__(self, expression: str, zone: str | int, *, peeks: bool = False) -> None:
        # One for all steps, since making one takes five times as long as a step.
        self._croniter = croniter(PRESETS.get(expression, expression))
        self._zone = zone_of(zone)
        self._passes = self._changes() if peeks else self._croniter.expanded[1] == ["*"]
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
        # The hour that the clock repeats must not be left out.
        if self._passes:
            return current + (found - naive)
        return self._localized(found)

    def _changes(self) -> bool:
        first, second = self._croniter.get_next(datetime), self._croniter.get_next(datetime)
        return (first.hour, first.minute) != (second.hour, second.minute)

    def _localized(self, naive: datetime) -> datetime:
        """A time that occurs twice means its second occurrence; one that never occurs, as much
        later as the clock jumped."""
        second = naive.replace(tzinfo=self._zone, fold=1)
        after, before = second.utcoffset(), second.replace(fold=0).utcoffset()
        if after is not None and before is not None and after > before:
            second += after - before
        return second.astimezone(UTC)


def zone_of(value: str | int) -> tzinfo:
    """A name, or an offset in seconds."""
    if isinstance(value, str):
        return ZoneInfo(value)
    return timezone(timedelta(seconds=value))
