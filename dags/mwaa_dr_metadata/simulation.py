"""Plays through what a scheduler does with one DAG between two moments.

Airflow finds a DAG's next run from its latest scheduled one, whenever it parses the DAG's file and
whenever it makes a run. It makes one as soon as it is due, unless `max_active_runs` are unfinished
already; only work that a promotion gives back does not hold up the first one, since nobody counts
before it is made.
"""

import heapq
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from mwaa_dr_metadata.timetables import Interval, Limits, Timetable

MOST_RUNS = 5000
"""Runs followed of one DAG: a minute's schedule that catches up three days."""
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Load:
    """What keeps a DAG's runs from starting at once.

    Args:
        most: `max_active_runs`.
        unfinished: runs that the promotion gives back.
        seconds: how long a run takes.
        blocked: whether runs never end, because their tasks wait for one that failed.
    """

    most: int
    unfinished: int
    seconds: float
    blocked: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A run that the scheduler makes.

    Args:
        starts: None if it is after the end.
        exact: whether its times could be told without knowing when the scheduler decides.
    """

    interval: Interval
    starts: datetime | None
    exact: bool


@dataclass(frozen=True, slots=True)
class Course:
    """What happens to a DAG.

    Args:
        made: in order.
        skipped: intervals left out because the DAG does not catch up.
        following: the first run after the end.
        complete: False if there were more of a kind than were followed.
    """

    made: list[Made] = field(default_factory=list)
    skipped: list[Interval] = field(default_factory=list)
    following: Made | None = None
    complete: bool = True


class _Slots:
    """Runs under `max_active_runs`."""

    def __init__(self, load: Load, since: datetime) -> None:
        self.load = load
        self._ends: list[datetime] = []
        for _ in range(load.unfinished):
            self.take(self.free(since))

    def free(self, moment: datetime) -> datetime:
        """When a run that is made at `moment` can start."""
        unfinished = sorted(end for end in self._ends if end > moment)
        return moment if len(unfinished) < self.load.most else unfinished[-self.load.most]

    def take(self, start: datetime) -> None:
        # Nobody looks at what ended before: starts never go back.
        while self._ends and self._ends[0] <= start:
            heapq.heappop(self._ends)
        ends = self.load.blocked or start == NEVER
        heapq.heappush(self._ends, NEVER if ends else start + timedelta(seconds=self.load.seconds))


def simulate(
    timetable: Timetable,
    last: Interval | None,
    limits: Limits,
    load: Load,
    *,
    parsed: datetime,
    begin: datetime,
    end: datetime,
    most: int = MOST_RUNS,
) -> Course:
    """Follow a DAG whose latest scheduled run was `last`, from `begin` to `end`.

    Args:
        parsed: when its file was parsed last before `begin`; that chose its next run.
        most: runs that are followed.
    """
    slots = _Slots(load, begin)
    made: list[Made] = []
    following: Made | None = None
    decided, clock, exact = parsed, begin, True
    run = timetable.next_run(last, limits, decided)
    while run is not None and len(made) < most:
        exact = exact and not (timetable.follows_clock and decided in run)
        due = max(run.end, clock)
        starts = slots.free(due)
        # Only the first is made beside work that fills all slots; it then waits for one.
        clock = max(due, starts) if made else due
        if clock > end:
            following = Made(run, None if starts == NEVER else starts, exact)
            break
        made.append(Made(run, starts if starts <= end else None, exact))
        slots.take(starts)
        # What is due while all slots are taken is passed over, unless the DAG catches up.
        free = clock if limits.catchup else slots.free(clock)
        decided = clock if free == NEVER else free
        run = timetable.next_run(run, limits, decided)
    skipped = _skipped(timetable, last, limits, made, begin, most)
    return Course(made, skipped, following, max(len(made), len(skipped)) < most)


def _skipped(  # noqa: PLR0917
    timetable: Timetable,
    last: Interval | None,
    limits: Limits,
    made: list[Made],
    begin: datetime,
    most: int,
) -> list[Interval]:
    """What catching up would have made, and is not made."""
    if limits.catchup or last is None:
        return []
    until = made[0].interval.start if made else begin
    everything = replace(limits, catchup=True)
    skipped: list[Interval] = []
    run = timetable.next_run(last, everything, begin)
    while run is not None and run.end <= begin and run.start < until and len(skipped) < most:
        skipped.append(run)
        run = timetable.next_run(run, everything, begin)
    return skipped
