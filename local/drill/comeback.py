"""The lost Region comes back: its old owner fences itself and gets the epoch back; then a drill."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from contract.lifecycle import SiteState
from contract.sites import Site
from contract.state import IncidentKind, IncidentStatus, Step
from local import postgres
from local.drill.journal import Journal, now
from local.drill.move import Move
from local.drill.operator import Operator
from local.drill.stacks import REGIONS, environment_of
from local.drill.waiting import DrillError, wait_until
from local.drill.watch import Watch
from local.gateway.process import LocalAws

RETURN_SECONDS = 240
"""Until an Airflow of the emulator is up again and its agent has run, on a busy machine."""
LOST_EPOCH, BACK_EPOCH = 2, 3


@dataclass(frozen=True, slots=True)
class Return:
    """How the old owner came back.

    Args:
        returned_at: when its Region was there again.
        heartbeat_at: when its scheduler began to work, by its own database.
        fenced_at: when the last of its DAGs was paused.
        listed: runs that its own reports say it began or ended in between.
    """

    returned_at: datetime
    heartbeat_at: datetime
    fenced_at: datetime
    listed: list[str]


@dataclass(frozen=True, slots=True)
class Handover:
    """What was seen of the failback.

    Args:
        source_url: a copy of the DR site's database from right after it had handed over.
    """

    asked_at: datetime
    fenced_at: datetime
    exported_at: datetime
    promoted_at: datetime
    unpaused_at: datetime
    backup: str
    owed_until: datetime
    source_url: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was seen of the drill on top: all of it should be nothing.

    Args:
        ownership_changed: whether the record is another one than before.
        unpaused: business DAGs of the standby that were not paused at its end.
    """

    incident_id: str
    ownership_changed: bool
    unpaused: list[str]


def standby_follows(watch: Watch, journal: Journal, step: str, seconds: float) -> None:
    """Wait until the DR site holds a state from after this call."""
    since = now()

    def follows() -> bool:
        held = watch.held_snapshot(Site.DR)
        return held is not None and held > since

    with journal.step(step):
        wait_until(
            "the standby held a new state",
            follows,
            seconds=seconds,
            missing=lambda: f"its pulse: {watch.pulse(Site.DR)}",
        )


class Comeback:
    """Watches the return, then acts as the operator who fails back and drills."""

    def __init__(
        self, aws: LocalAws, watch: Watch, journal: Journal, operator: Operator, folder: Path
    ) -> None:
        self.aws = aws
        self.watch = watch
        self.journal = journal
        self.operator = operator
        self.folder = folder

    def lost_region_returns(self) -> Return:
        """End the outage; wait until the old owner has fenced itself."""
        returned_at = now()
        self.aws.control.end_outage(REGIONS[Site.PRIMARY])
        wait_until(
            "the record says that the old owner is fenced",
            lambda: self.watch.ownership().get("standby") == SiteState.FENCED,
            seconds=RETURN_SECONDS,
            missing=lambda: f"record: {self.watch.ownership()}",
        )
        reports = self.watch.fences(Site.PRIMARY, LOST_EPOCH)
        if not reports:
            raise DrillError("the old owner is fenced, but did not report what it stopped")
        found = Return(
            returned_at=returned_at,
            heartbeat_at=self._first_beat(returned_at),
            fenced_at=max(datetime.fromisoformat(report["at"]) for report in reports)
            - self.aws.clocks.of_airflow,
            listed=sorted(
                {
                    f"{run['dag_id']}/{run['run_id']}"
                    for report in reports
                    for run in (*report["started"], *report["ended"])
                }
            ),
        )
        self.journal.add(
            f"{REGIONS[Site.PRIMARY]} is back; its scheduler starts",
            returned_at,
            found.heartbeat_at,
        )
        self.journal.add("the old owner fences itself", found.heartbeat_at, found.fenced_at)
        return found

    def fail_back(self, move: Move) -> Handover:
        """Hand the epoch back to the primary site, as an operator asks."""
        asked_at = now()
        self.operator.start(IncidentKind.FAILBACK)
        reconciled = move.reach(Step.RECONCILED)
        self.journal.add("what the old owner did alone is kept; it is reconciled", asked_at,
                         reconciled)  # fmt: skip
        fenced = move.reach(Step.FENCED)
        drained = move.reach(Step.DRAINED)
        exported = move.reach(Step.FINAL_EXPORT)
        self.journal.add("the DR site is fenced and drained", fenced, drained)
        self.journal.add("it writes its final backup", drained, exported)
        restored = move.reach(Step.RESTORED)
        self.journal.add("the primary site takes it over", exported, restored)
        unpaused = move.reach(Step.UNPAUSED)
        self.journal.add("the primary site is promoted and its DAGs un-paused", restored, unpaused)
        # The standby is about to follow its new owner, and its rows with their ids would be gone.
        with self.journal.step("the DR site's database is copied for the checker"):
            copied = postgres.copy(self._database(Site.DR), self.folder / "handed-over")
        promoted_at = move.promoted_at()
        move.resume(unpaused)
        owed_until = now()
        move.settle(owed_until)
        return Handover(
            asked_at=asked_at,
            fenced_at=fenced,
            exported_at=exported,
            promoted_at=promoted_at,
            unpaused_at=unpaused,
            backup=move.restored_backup(),
            owed_until=owed_until,
            source_url=copied.url,
        )

    def rehearse(self) -> Rehearsal:
        """A drill while production runs."""
        before = self.watch.ownership()
        with self.journal.step("a drill: the standby is brought to the newest backup, no more"):
            incident_id = self.operator.start(IncidentKind.DRILL)
            wait_until(
                "the drill was closed",
                lambda: self.watch.incident_of(incident_id).get("status") != IncidentStatus.OPEN,
                seconds=240,
                missing=lambda: f"drill: {self.watch.incident_of(incident_id)}",
            )
        drill = self.watch.incident_of(incident_id)
        if drill["status"] != IncidentStatus.SUCCEEDED:
            raise DrillError(f"{incident_id} is {drill['status']}: {drill['reason']}")
        with postgres.connect(self._database(Site.DR)) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT dag_id FROM dag WHERE is_paused IS NOT TRUE "
                "AND left(dag_id, 8) <> 'mwaa_dr_' ORDER BY 1"
            )
            unpaused = [row[0] for row in cursor.fetchall()]
        connection.close()
        return Rehearsal(incident_id, self.watch.ownership() != before, unpaused)

    def _database(self, site: Site) -> str:
        return environment_of(self.aws, site)["database_url"]

    def _first_beat(self, since: datetime) -> datetime:
        """When a scheduler of the primary environment first started after it was back."""
        with postgres.connect(self._database(Site.PRIMARY)) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT min(start_date) FROM job WHERE job_type = 'SchedulerJob' "
                "AND start_date > %s",
                [since + self.aws.clocks.of_airflow],
            )
            (found,) = cursor.fetchone() or (None,)
        connection.close()
        if found is None:
            raise DrillError("no scheduler of the old owner started again")
        return found - self.aws.clocks.of_airflow
