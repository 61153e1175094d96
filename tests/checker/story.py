"""A small made-up disaster for the checker's own tests: what a perfect recovery leaves behind.

Seconds count from `BEGIN`. The old owner runs everything 1 s after it falls due and needs 3 s; the
snapshot is taken at `SNAPSHOT`, the Region lost at `OUTAGE`, the new owner promoted at `PROMOTED`.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.checker import behaviour, timetable
from tests.checker.findings import Findings
from tests.checker.inputs import Database, Inputs
from tests.checker.ledger import Entry, Ledger
from tests.checker.outcome import Outcome, Run

BEGIN = datetime(2026, 1, 1, 10, tzinfo=UTC)
SNAPSHOT, OUTAGE, PROMOTED, OWED, END = 602.0, 622.0, 700.0, 780.0, 790.0
OLD = Database("old", "us-east-1", "", "")
NEW = Database("new", "us-west-2", "", "")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def row(dag_id: str, **more: Any) -> dict[str, Any]:
    plain = {
        "dag_id": dag_id,
        "business": {"work": 1},
        "every": None,
        "cron": None,
        "datasets": [],
        "catchup": False,
        "user_paused": False,
        "longest_seconds": 20,
        "start": at(0).isoformat(),
    }
    return {**plain, **more}


WORKLOAD = {
    "dags": [
        row("hits", cron="*/2 * * * * 0,20,40"),
        row("billing", every=60, catchup=True),
        row("reader", cron="* * * * * 10"),
        row("counter", every=60, catchup=True, start=at(15).isoformat()),
        row("mapped", cron="* * * * * 50", business={"plan": 1, "work": 2}),
        row("paused", cron="* * * * * 5", user_paused=True),
    ]
}
INPUTS = Inputs(
    ledger=Path("unused"),
    workload=WORKLOAD,
    source=OLD,
    restored=NEW,
    snapshot="",
    snapshot_at=at(SNAPSHOT),
    outage_at=at(OUTAGE),
    promoted_at=at(PROMOTED),
    owed_until=at(OWED),
    backup_interval=30,
)


@dataclass
class Story:
    """Everything the checker gets to see; tests change a detail and look what it says."""

    inputs: Inputs = INPUTS
    entries: list[Entry] = field(default_factory=list)
    source: list[Run] = field(default_factory=list)
    restored: list[Run] = field(default_factory=list)

    def outcome(self) -> Outcome:
        return Outcome(self.inputs, Ledger(self.entries), self.source, self.restored)

    def objections(self) -> Findings:
        findings = Findings()
        behaviour.check(self.outcome(), findings)
        return findings

    def source_run(self, dag_id: str, *, state: str | None = None) -> Run:
        """The newest run of a DAG in the source."""
        return [r for r in self.source if r.dag_id == dag_id and state in (None, r.state)][-1]

    def new_run(self, dag_id: str) -> Run:
        """The first run of a DAG that the new owner made."""
        return self.outcome().new_runs[dag_id][0]

    def fresh_run(self, dag_id: str) -> Run:
        """A run that fell due only after the outage."""
        return next(r for r in self.outcome().new_runs[dag_id] if r.run not in self._known())

    def _known(self) -> set[str]:
        return {run.run for run in self.source}

    def without(self, run: str) -> "Story":
        """Nobody ever worked on this run."""
        return replace(self, entries=[entry for entry in self.entries if entry.run != run])

    def entry_of(self, run: str) -> Entry:
        return next(e for e in self.entries if e.run == run and e.event == "success")


def _work(*, run: Run, spec: dict[str, Any], begun: datetime, where: Database, until: datetime,
          count: int) -> list[Entry]:  # fmt: skip
    """What the tasks of a run write, as far as they get."""
    entries = []
    values = {"reader": {"connection": "c0ffee"}, "counter": {"count": count}}
    for task, instances in spec["business"].items():
        for index in range(instances):
            for event, moment in (("start", begun), ("success", begun + timedelta(seconds=3))):
                if moment <= until:
                    entries.append(
                        Entry(event, run.dag_id, run.run_id, run.run_type, task,
                              index if instances > 1 else -1, 1, moment, where.environment,
                              where.region,
                              values.get(run.dag_id, {}) if event == "success" else {})
                    )  # fmt: skip
    return entries


def perfect() -> Story:
    """A recovery that does everything right, with work in flight and at risk."""
    story = Story()
    for spec in WORKLOAD["dags"]:
        if spec["user_paused"]:
            continue
        known = 0
        for interval in timetable.due(spec, at(0), at(OUTAGE)):
            known += 1
            run = _run(spec["dag_id"], interval, interval.end + timedelta(seconds=1))
            if run.end_date and run.end_date > at(OUTAGE):
                run = replace(run, state="running", end_date=None)
            run = replace(run, visible=bool(run.end_date and run.end_date <= at(SNAPSHOT)))
            story.source.append(run)
            begun = interval.end + timedelta(seconds=1)
            story.entries += _work(
                run=run, spec=spec, begun=begun, where=OLD, until=at(OUTAGE), count=known
            )
            if run.visible:
                story.restored.append(run)
            elif run.created_at <= at(SNAPSHOT):
                story.restored.append(replace(run, state="failed", end_date=at(PROMOTED - 5)))
        _go_on(story, spec, known)
    return story


def _go_on(story: Story, spec: dict[str, Any], count: int) -> None:
    """The new owner's own runs."""
    have = {run.interval_start for run in story.restored if run.dag_id == spec["dag_id"]}
    last = max(start for start in have if start)
    owed = [i for i in timetable.due(spec, at(0), at(END)) if i.start > last]
    if not spec["catchup"]:
        past = [i for i in owed if i.end <= at(PROMOTED)]
        owed = past[-1:] + [i for i in owed if i.end > at(PROMOTED)]
    for interval in owed:
        begun = max(interval.end, at(PROMOTED + 2))
        run = _run(spec["dag_id"], interval, begun)
        story.restored.append(run)
        story.entries += _work(
            run=run,
            spec=spec,
            begun=begun + timedelta(seconds=1),
            where=NEW,
            until=at(END + 60),
            count=count,
        )
        count += 1


def _run(dag_id: str, interval: timetable.Interval, created: datetime) -> Run:
    return Run(
        dag_id=dag_id,
        run_id=f"scheduled__{interval.start.isoformat()}",
        run_type="scheduled",
        state="success",
        interval_start=interval.start,
        interval_end=interval.end,
        queued_at=created,
        end_date=created + timedelta(seconds=4),
        visible=False,
    )
