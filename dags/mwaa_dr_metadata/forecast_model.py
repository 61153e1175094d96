"""What a forecast says, as values that turn into JSON, and as a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Runs":
        last = raw["last"]
        return cls(
            **{
                **raw,
                "first": [PlannedRun(**run) for run in raw["first"]],
                "last": None if last is None else PlannedRun(**last),
            }
        )

    def cut(self, most: int) -> "Runs":
        """With at most so many in `first`."""
        last = self.last or (self.first[-1] if len(self.first) > most else None)
        return replace(self, first=self.first[:most], last=last)

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
        more_interrupted: how many are left out of `interrupted`.
        more_after: how many are left out of `after`.
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
    more_interrupted: int = 0
    more_after: int = 0

    def cut(self, most: int) -> "DagForecast":
        """With at most so many entries of each list; the others are counted."""
        return replace(
            self,
            **{name: getattr(self, name).cut(most) for name in LISTS},
            interrupted=self.interrupted[:most],
            more_interrupted=self.more_interrupted + len(self.interrupted[most:]),
            after=self.after[:most],
            more_after=self.more_after + len(self.after[most:]),
        )

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "DagForecast":
        next_run = raw["next_run"]
        return cls(
            **{
                **raw,
                "outlook": Outlook(raw["outlook"]),
                **{name: Runs.from_dict(raw[name]) for name in LISTS},
                "interrupted": [
                    InterruptedForecast(**{**run, "fate": Fate(run["fate"])})
                    for run in raw["interrupted"]
                ],
                "next_run": None if next_run is None else PlannedRun(**next_run),
            }
        )


LISTS = ("runs", "repeats", "never", "elsewhere")
"""Fields of a `DagForecast` that hold runs."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers over all DAGs, those that a forecast leaves out included.

    Args:
        running: DAGs that make at least one run.
        by_hand: interrupted runs that nobody but a person runs again.
        complete: False if there are more runs than were computed.
    """

    dags: int = 0
    running: int = 0
    runs: int = 0
    repeats: int = 0
    never: int = 0
    elsewhere: int = 0
    interrupted: int = 0
    by_hand: int = 0
    blocked: int = 0
    unknown: int = 0
    complete: bool = True

    @classmethod
    def of(cls, dags: Sequence[DagForecast]) -> "Totals":
        outlooks = [dag.outlook for dag in dags]
        return cls(
            dags=len(dags),
            running=sum(dag.runs.count > 0 for dag in dags),
            runs=_sum(dag.runs for dag in dags),
            repeats=_sum(dag.repeats for dag in dags),
            never=_sum(dag.never for dag in dags),
            elsewhere=_sum(dag.elsewhere for dag in dags),
            interrupted=sum(len(dag.interrupted) for dag in dags),
            by_hand=sum(run.fate is Fate.FAIL for dag in dags for run in dag.interrupted),
            blocked=outlooks.count(Outlook.BLOCKED),
            unknown=outlooks.count(Outlook.UNKNOWN),
            # Of a schedule that cannot be computed nobody knows how many there are.
            complete=all(dag.runs.complete or dag.outlook is Outlook.UNKNOWN for dag in dags),
        )

    def __str__(self) -> str:
        """One line for a person who has no time, with what is not nothing."""
        said = (
            (self.repeats, "may repeat"),
            (self.never, "are never run"),
            (self.elsewhere, "perhaps ran before and are not run again"),
            (self.interrupted, "were interrupted"),
            (self.by_hand, "of those need a person"),
        )
        dags = (
            (self.blocked, "DAGs wait for an interrupted run"),
            (self.unknown, "DAGs cannot be foretold"),
        )
        words = [f"{count} {text}" for count, text in (*said, *dags) if count]
        runs = f"{'' if self.complete else 'at least '}{self.runs} runs of {self.running} DAGs"
        return "; ".join([runs, *words])


@dataclass(frozen=True, slots=True)
class Forecast:
    """What Airflow will run by itself after a promotion.

    Runs that people, APIs or tasks of other DAGs start are in no schedule, so they are not in it.

    Args:
        outage_at: None if it is not known; then everything due before the promotion may repeat.
        until: end of the forecast.
        dags: those with something to say first.
        left_out: how many DAGs were cut off the end of `dags`.
    """

    snapshot_at: str
    outage_at: str | None
    promoted_at: str
    until: str
    in_flight: InFlightRule
    dags: list[DagForecast]
    totals: Totals
    left_out: int = 0

    def cut(self, dags: int, entries: int = SHOWN) -> "Forecast":
        """So small that it can travel with an answer: the totals stay those of the whole.

        Args:
            entries: of each DAG's lists.
        """
        kept = [dag.cut(entries) for dag in self.dags[:dags]]
        return replace(self, dags=kept, left_out=self.left_out + len(self.dags) - len(kept))

    def to_dict(self) -> dict[str, Any]:
        """With a `headline`, for those who read no more than that."""
        return {"headline": str(self.totals), **asdict(self)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Forecast":
        """What `to_dict` or its JSON says. Raises ValueError on anything else."""
        try:
            fields = {name: value for name, value in raw.items() if name != "headline"}
            return cls(
                **{
                    **fields,
                    "in_flight": InFlightRule(raw["in_flight"]),
                    "dags": [DagForecast.from_dict(dag) for dag in raw["dags"]],
                    "totals": Totals(**raw["totals"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a forecast: {error!r}") from error

    def table(self) -> list[tuple[str, ...]]:
        """A heading and a row of text per DAG, without the columns in which nothing stands."""
        rows = [_row(dag) for dag in self.dags]
        wanted = [n for n in range(len(HEADING)) if not rows or any(row[n] for row in rows)]
        return [tuple(line[n] for n in wanted) for line in (HEADING, *rows)]


def in_order(dags: Iterable[DagForecast]) -> list[DagForecast]:
    """Those with something to say first."""
    places = {outlook: number for number, outlook in enumerate(Outlook)}

    def key(dag: DagForecast) -> tuple[bool, int, str]:
        # What was interrupted needs a person, whatever becomes of its DAG.
        quiet = not dag.interrupted and dag.outlook not in (Outlook.RUNS, Outlook.BLOCKED)
        return quiet, places[dag.outlook], dag.dag_id

    return sorted(dags, key=key)


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
        more = f" and {dag.more_after} more" if dag.more_after else ""
        remarks.append("after " + ", ".join(dag.after) + more)
    return (
        dag.dag_id,
        dag.schedule,
        dag.outlook.value,
        str(dag.runs),
        _when(first),
        _when(last),
        str(dag.repeats),
        str(dag.never),
        f"{len(dag.interrupted) + dag.more_interrupted} ({', '.join(fates)})" if fates else "",
        "; ".join(remarks),
    )


def _when(run: PlannedRun | None) -> str:
    if run is None:
        return ""
    return ("" if run.exact else "about ") + (run.logical_date or run.due_at)
