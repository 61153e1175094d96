"""Sorts every run into what became of it: completed, at risk, in flight, lost, doubled."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from tests.checker import timetable
from tests.checker.inputs import Inputs
from tests.checker.ledger import Entry, Ledger

UNFINISHED = frozenset({"queued", "running", "scheduled", "deferred", "restarting", "up_for_retry",
                        "up_for_reschedule", None})  # fmt: skip
"""States of a run or a task that somebody still has to do something about."""
DYING = timedelta(seconds=3)
"""How long a process may still write after it was stopped: that takes a moment."""
COMMIT = timedelta(seconds=2)
"""How long after its creation a run may become visible to others."""


@dataclass(frozen=True, slots=True)
class Run:
    """A row of `dag_run`.

    Args:
        visible: whether the row, as it is now, was in the backup's snapshot (source only).
    """

    dag_id: str
    run_id: str
    run_type: str
    state: str
    interval_start: datetime | None
    interval_end: datetime | None
    queued_at: datetime | None
    end_date: datetime | None
    visible: bool

    @property
    def run(self) -> str:
        return f"{self.dag_id}/{self.run_id}"

    @property
    def created_at(self) -> datetime:
        """When it came into being; a run is queued as it is created."""
        known = [moment for moment in (self.queued_at, self.interval_end) if moment]
        if not known:
            raise ValueError(f"{self.run}: has neither a queued_at nor an interval")
        return max(known)

    def is_of_after(self, other: "Run") -> bool:
        """Whether its logical date is later, by which Airflow tells newer runs."""
        return (self.interval_start or self.created_at) > (other.interval_start or other.created_at)


class Outcome:
    """What happened, worked out of the ledger, both databases' runs and the clock alone.

    Args:
        source: runs in the old owner's database as the outage left it.
        restored: runs in the new owner's database at the end.
    """

    def __init__(
        self, inputs: Inputs, ledger: Ledger, source: Iterable[Run], restored: Iterable[Run]
    ) -> None:
        self.inputs = inputs
        self.ledger = ledger
        self.source = {run.run: run for run in source}
        self.restored = {run.run: run for run in restored}
        self.rows: dict[str, dict[str, Any]] = {
            row["dag_id"]: row for row in inputs.workload["dags"]
        }

    @cached_property
    def old_entries(self) -> list[Entry]:
        return self.ledger.of(self.inputs.source.environment)

    @cached_property
    def new_entries(self) -> list[Entry]:
        """What the new owner wrote; not what it did in an earlier life, nor until it was fenced."""
        back = self.inputs.back
        entries = self.ledger.of(self.inputs.restored.environment)
        return [e for e in entries if back is None or e.at > back.fenced_at + DYING]

    @cached_property
    def stray(self) -> list[Entry]:
        """What a site wrote between its return and its fence."""
        back = self.inputs.back
        entries = self.ledger.of(self.inputs.restored.environment)
        if back is None:
            return []
        return [e for e in entries if back.returned_at <= e.at <= back.fenced_at + DYING]

    @cached_property
    def made_astray(self) -> set[str]:
        """Runs that a site made between its return and its fence and that the owner never made.

        They need not have started: without catch-up the owner skipped their intervals, so nobody
        was owed them.
        """
        back = self.inputs.back
        if back is None:
            return set()
        return {
            run.run
            for run in self.restored.values()
            if run.dag_id in self.rows
            and run.run not in self.source
            and back.returned_at <= run.created_at <= back.fenced_at + DYING
        }

    @cached_property
    def completed(self) -> set[str]:
        return self.ledger.complete({dag: row["business"] for dag, row in self.rows.items()})

    @cached_property
    def in_flight(self) -> set[str]:
        """Runs that the outage cut off: started or at least created, and not finished."""
        rows = {run.run for run in self.source.values() if run.state in UNFINISHED}
        started = {entry.run for entry in self.old_entries if entry.event == "start"}
        return rows | (started - self.completed_by_old - self._failed_by_old)

    @cached_property
    def completed_by_old(self) -> set[str]:
        business = {dag: row["business"] for dag, row in self.rows.items()}
        return Ledger(self.old_entries).complete(business)

    @cached_property
    def _failed_by_old(self) -> set[str]:
        return {run.run for run in self.source.values() if run.state == "failed"}

    @cached_property
    def at_risk(self) -> set[str]:
        """Runs that went on after the snapshot and were finished before the outage.

        A run that ended, but whose end is not in the snapshot, counts whatever time it carries:
        Airflow sets the time first and commits later.
        """
        after = self.inputs.snapshot_at
        worked = {e.run for e in self.old_entries if e.event != "start" and e.at > after}
        if self.inputs.planned:
            return worked
        closed = {r.run for r in self.source.values() if r.end_date and not r.visible}
        return (worked | closed) - self.in_flight

    @cached_property
    def handed_over(self) -> set[str]:
        """Runs that the old owner gave away unfinished; sooner or later it ends its own copy."""
        if not self.inputs.planned:
            return set()
        return {
            run.run
            for run in self.source.values()
            if (not run.visible or run.state in UNFINISHED)
            and run.created_at <= self.inputs.snapshot_at
        }

    @property
    def excused(self) -> set[str]:
        """Runs that may be missing or done twice: those the loss itself leaves in doubt."""
        own = set() if self.inputs.planned else self.at_risk | self.in_flight
        astray = self.made_astray | {entry.run for entry in self.stray}
        return own | self.inputs.excused | astray

    @cached_property
    def expected(self) -> set[str]:
        """Runs that somebody was owed by `owed_until`.

        Catch-up DAGs owe each interval since their start. The others owe what Airflow made a run
        of: it skips intervals that pass while it is busy, with or without a disaster.
        """
        until = self.inputs.owed_until
        owed: set[str] = set()
        for dag, row in self.rows.items():
            if row["user_paused"]:
                continue
            if timetable.is_timed(row) and row["catchup"]:
                start = datetime.fromisoformat(row["start"])
                owed |= {self.name(dag, i) for i in timetable.due(row, start, until)}
        made = [
            run
            for run in (*self.source.values(), *self.restored.values())
            if run.dag_id in self.rows and run.created_at <= until and run.run_type != "manual"
        ]
        return owed | {run.run for run in made if not self.rows[run.dag_id]["user_paused"]}

    def name(self, dag: str, interval: timetable.Interval) -> str:
        """The run that stands for an interval, by its real id where there is one."""
        return self._by_interval.get(
            (dag, interval.start), f"{dag}/scheduled__{interval.start.isoformat()}"
        )

    @cached_property
    def _by_interval(self) -> dict[tuple[str, datetime], str]:
        runs = (*self.source.values(), *self.restored.values())
        return {
            (run.dag_id, run.interval_start): run.run
            for run in runs
            if run.run_type == "scheduled" and run.interval_start
        }

    @cached_property
    def lost(self) -> set[str]:
        return self.expected - self.completed - self.excused

    @cached_property
    def doubled(self) -> set[str]:
        """Runs of which one task succeeded more than once, without an excuse."""
        twice = {
            run
            for run, tasks in self.ledger.successes().items()
            if any(len(entries) > 1 for entries in tasks.values())
        }
        return twice - self.excused

    @cached_property
    def new_runs(self) -> dict[str, list[Run]]:
        """By DAG, the runs that the new owner made itself, in order."""
        found: dict[str, list[Run]] = {dag: [] for dag in self.rows}
        for run in self.restored.values():
            if run.dag_id in found and self.is_new(run.run):
                found[run.dag_id].append(run)
        return {dag: sorted(runs, key=lambda run: run.created_at) for dag, runs in found.items()}

    def is_new(self, run: str) -> bool:
        """Whether the new owner made this run, even if the old one had made it before.

        A restored run keeps its creation time, unless an operator cleared it.
        """
        row = self.restored.get(run)
        if row is None or (self.inputs.back and row.created_at <= self.inputs.outage_at):
            return False
        late = row.queued_at is not None and row.queued_at > self.inputs.outage_at
        return run not in self.source or (late and run not in self.inputs.reruns)

    def was_in_snapshot(self, run: str) -> bool:
        """Whether the backup held this run.

        A row that changed later no longer shows it, so then its creation time decides; a run that
        was just being committed may be in or not, and there the restored database decides.
        """
        row = self.source.get(run)
        if row is None:
            return False
        if row.visible or row.created_at <= self.inputs.snapshot_at - COMMIT:
            return True
        here = run in self.restored and not self.is_new(run)
        return here and row.created_at <= self.inputs.snapshot_at

    @cached_property
    def resumed_at(self) -> dict[str, datetime]:
        """By DAG, the first success of a business task of a scheduled run at the new owner."""
        first: dict[str, datetime] = {}
        for entry in self.new_entries:
            if entry.event == "success" and entry.is_scheduled and self.is_new(entry.run):
                first.setdefault(entry.dag_id, entry.at)
        return first
