"""What a forecast says, as values that turn into JSON, and as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from contract.sites import InFlightRule

SHOWN = 5
"""Entries of a list that are shown before its last; its count is always the whole."""


class Outlook(StrEnum):
    """What becomes of a DAG in the forecast's time."""

    RUNS = "runs"
    """Time or waiting data starts at least one run."""
    BLOCKED = "blocked"
    """Runs are made, but the tasks that depend on their past wait for an interrupted run."""
    LATER = "later"
    """Its next run is due after the forecast's end."""
    ON_DATA = "on-data"
    """It waits for datasets or assets."""
    BY_HAND = "by-hand"
    """It has no schedule."""
    FINISHED = "finished"
    """Its schedule has come to its end."""
    PAUSED = "paused"
    """It was paused at the snapshot and stays so."""
    GONE = "gone"
    """Airflow no longer found its file at the snapshot."""
    UNKNOWN = "unknown"
    """Its schedule cannot be computed here; `reason` says why."""


class Fate(StrEnum):
    """What the in-flight rule does to an interrupted run."""

    RERUN = "rerun"
    """Its unfinished tasks run again from their beginning."""
    KEEP = "keep"
    """What waited goes on waiting; what ran, runs again."""
    FAIL = "fail"
    """It stays failed until somebody runs it again."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that Airflow will make by itself.

    Args:
        logical_date: None for a run that assets trigger in Airflow 3: it has none.
        due_at: when its schedule wants it.
        starts_about: when it can start: after promotion, and after the runs before it where
            `max_active_runs` makes it wait; None if that is later than the forecast's end.
        exact: False if its times come from the moment at which the scheduler decides.
        may_repeat: it was due before the outage, so the old owner may have run it after the
            snapshot.
    """

    logical_date: str | None
    data_interval_start: str | None
    data_interval_end: str | None
    due_at: str
    starts_about: str | None
    exact: bool = True
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Runs:
    """A list of runs that may be long.

    Args:
        count: how many there are.
        complete: False if there are more than were computed.
        first: the first of them.
        last: the last one, unless `first` has it.
    """

    count: int = 0
    complete: bool = True
    first: list[PlannedRun] = field(default_factory=list)
    last: PlannedRun | None = None

    @classmethod
    def of(cls, runs: Sequence[PlannedRun], complete: bool, shown: int) -> "Runs":
        return cls(
            count=len(runs),
            complete=complete,
            first=list(runs[:shown]),
            last=runs[-1] if len(runs) > shown else None,
        )

    def __str__(self) -> str:
        return f"{self.count}{'' if self.complete else ' or more'}" if self.count else ""


@dataclass(frozen=True, slots=True)
class InterruptedForecast:
    """A run that did not survive the outage.

    Args:
        tasks: of its tasks, those that had begun or were due.
        explanation: what happens to it, in words.
    """

    run_id: str
    state_before: str | None
    tasks: int
    fate: Fate
    explanation: str


@dataclass(frozen=True, slots=True)
class DagForecast:
    """One DAG.

    Args:
        schedule: in words.
        reason: why, where the outlook does not say it all.
        runs: what starts, in order.
        repeats: of those, the ones that the old owner may have run already.
        never: due after the outage, and left out since the DAG does not catch up: nobody runs them.
        elsewhere: due between the snapshot and the outage, and not run again here: the old owner
            may have run them, and there is no record of that.
        next_run: the first one after the forecast's end, if it can be told.
        after: DAGs that will run and update what this DAG waits for: it runs after them.
    """

    dag_id: str
    outlook: Outlook
    schedule: str = ""
    reason: str = ""
    runs: Runs = field(default_factory=Runs)
    repeats: Runs = field(default_factory=Runs)
    never: Runs = field(default_factory=Runs)
    elsewhere: Runs = field(default_factory=Runs)
    interrupted: list[InterruptedForecast] = field(default_factory=list)
    next_run: PlannedRun | None = None
    after: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What Airflow will run by itself after a promotion.

    Runs that people, APIs or tasks of other DAGs start are in no schedule, so they are not in it.

    Args:
        outage_at: None if it is not known; then everything due before the promotion may repeat.
        until: end of the forecast.
    """

    snapshot_at: str
    outage_at: str | None
    promoted_at: str
    until: str
    in_flight: InFlightRule
    dags: list[DagForecast]

    def totals(self) -> dict[str, int]:
        """Numbers over all DAGs, for a headline."""
        return {
            "dags": len(self.dags),
            "runs": _sum(dag.runs for dag in self.dags),
            "repeats": _sum(dag.repeats for dag in self.dags),
            "never": _sum(dag.never for dag in self.dags),
            "elsewhere": _sum(dag.elsewhere for dag in self.dags),
            "interrupted": sum(len(dag.interrupted) for dag in self.dags),
            "by_hand": sum(run.fate is Fate.FAIL for dag in self.dags for run in dag.interrupted),
            "blocked": sum(dag.outlook is Outlook.BLOCKED for dag in self.dags),
            "unknown": sum(dag.outlook is Outlook.UNKNOWN for dag in self.dags),
        }

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "totals": self.totals()}

    def table(self) -> list[tuple[str, ...]]:
        """A heading and a row of text per DAG, those with something to say first."""
        rows = sorted(self.dags, key=lambda dag: (list(Outlook).index(dag.outlook), dag.dag_id))
        return [HEADING, *(_row(dag) for dag in rows)]


HEADING = (
    *("DAG", "Schedule", "Outlook", "Runs", "First", "Last"),
    *("May repeat", "Never run", "Interrupted", "Remark"),
)


def _sum(several: Iterable[Runs]) -> int:
    return sum(runs.count for runs in several)


def _row(dag: DagForecast) -> tuple[str, ...]:
    first = dag.runs.first[0] if dag.runs.first else dag.next_run
    last = dag.runs.last or (dag.runs.first[-1] if dag.runs.count > 1 else None)
    fates = sorted({run.fate.value for run in dag.interrupted})
    remarks = [dag.reason] if dag.reason else []
    if dag.after:
        remarks.append("after " + ", ".join(dag.after))
    return (
        dag.dag_id,
        dag.schedule,
        dag.outlook.value,
        str(dag.runs),
        _when(first),
        _when(last),
        str(dag.repeats),
        str(dag.never),
        f"{len(dag.interrupted)} ({', '.join(fates)})" if fates else "",
        "; ".join(remarks),
    )


def _when(run: PlannedRun | None) -> str:
    if run is None:
        return ""
    return ("" if run.exact else "about ") + (run.logical_date or run.due_at)
