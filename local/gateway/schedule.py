"""Schedule expressions of EventBridge: `rate(...)`, `cron(...)` and `at(...)`.

Source: EventBridge Scheduler user guide, "Schedule types", and EventBridge user guide,
"Cron expressions". `L`, `W` and `#` are refused: they are not silently misread.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNITS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RATE = re.compile(r"rate\((\d+) (minute|minutes|hour|hours|day|days)\)")
_LATEST_YEAR = 2199


@dataclass(frozen=True, slots=True)
class Rate:
    """Every `seconds`, counted from the start."""

    seconds: int


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Cron:
    """Minutes that match all fields; days are Sunday 1 to Saturday 7."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]
    zone: ZoneInfo

    def next_after(self, moment: datetime) -> datetime | None:
        """The first match after `moment` (aware), or None if there is none."""
        local = moment.astimezone(self.zone).replace(second=0, microsecond=0)
        local += timedelta(minutes=1)
        while local.year <= _LATEST_YEAR:
            if local.year not in self.years or local.month not in self.months:
                first = local.replace(day=1, hour=0, minute=0)
                local = (first + timedelta(days=32)).replace(day=1)
            elif not self._day_matches(local):
                local = local.replace(hour=0, minute=0) + timedelta(days=1)
            elif local.hour not in self.hours:
                local = local.replace(minute=0) + timedelta(hours=1)
            elif local.minute not in self.minutes:
                local += timedelta(minutes=1)
            else:
                return local.astimezone(UTC)
        return None

    def _day_matches(self, local: datetime) -> bool:
        if self.days is not None:
            return local.day in self.days
        return self.weekdays is None or local.isoweekday() % 7 + 1 in self.weekdays


Expression = Rate | At | Cron


def parse(text: str, zone: str = "UTC") -> Expression:
    """The schedule that `text` means.

    Args:
        text: e.g. `rate(1 minute)`, `cron(0 4 * * ? *)`, `at(2026-11-22T04:00:00)`.
        zone: time zone of `cron` and `at`.

    Raises:
        ValueError: it is not one that AWS accepts, or not one that is understood here.
    """
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"ScheduleExpressionTimezone: {zone!r} is no time zone") from error
    rate = _RATE.fullmatch(text)
    if rate:
        number, unit = int(rate[1]), rate[2]
        if number < 1 or (number == 1) == unit.endswith("s"):
            raise ValueError(f"{text!r}: use a number above 0 and `minute` for 1, else `minutes`")
        return Rate(number * _UNITS[unit.removesuffix("s")])
    if text.startswith("at(") and text.endswith(")"):
        moment = datetime.strptime(text[3:-1], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007
        return At(moment.replace(tzinfo=place).astimezone(UTC))
    if text.startswith("cron(") and text.endswith(")"):
        return _cron(text, place)
    raise ValueError(f"{text!r} is no schedule; use rate(5 minutes), cron(0 4 * * ? *) or at(...)")


def first_due(expression: Expression, now: float) -> float | None:
    """A rate fires at once and then counts from there; the others fire when they say."""
    match expression:
        case Rate():
            return now
        case At(moment=moment):
            return moment.timestamp()
        case Cron():
            return _cron_due(expression, now)


def next_due(expression: Expression, due: float, now: float) -> float | None:
    """The due time after `due`; periods that were missed are skipped, not caught up."""
    match expression:
        case Rate(seconds=seconds):
            return due + seconds * (1 + int((now - due) // seconds))
        case At():
            return None
        case Cron():
            return _cron_due(expression, now)


def _cron_due(expression: Cron, now: float) -> float | None:
    moment = expression.next_after(datetime.fromtimestamp(now, UTC))
    return moment.timestamp() if moment else None


def _cron(text: str, zone: ZoneInfo) -> Cron:
    fields = text[5:-1].split()
    if len(fields) != 6:  # noqa: PLR2004
        raise ValueError(f"{text!r}: cron needs 6 fields, not {len(fields)}")
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        raise ValueError(f"{text!r}: exactly one of day-of-month and day-of-week must be `?`")
    return Cron(
        minutes=_field(minute, 0, 59),
        hours=_field(hour, 0, 23),
        days=None if day == "?" else _field(day, 1, 31),
        months=_field(month, 1, 12, _MONTHS),
        weekdays=None if weekday in ("?", "*") else _field(weekday, 1, 7, _DAYS),
        years=_field(year, 1970, _LATEST_YEAR),
        zone=zone,
    )


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    def number(part: str) -> int:
        value = names.index(part.upper()) + 1 if part.upper() in names else int(part)
        if not low <= value <= high:
            raise ValueError(f"{part!r} is not between {low} and {high}")
        return value

    result: set[int] = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = (number(part) for part in span.split("-", 1))
        else:
            first = number(span)
            last = high if step else first
        result.update(range(first, last + 1, int(step) if step else 1))
    return frozenset(result)
