"""One move of the ownership, as it can be seen from outside: its steps, and work that goes on."""

from datetime import datetime
from typing import Any

from contract.orders import OrderKind
from contract.sites import Site
from contract.state import IncidentStatus, Step
from local.drill.journal import Journal, now
from local.drill.progress import Progress
from local.drill.user import REST_ERRORS, User
from local.drill.waiting import DrillError, Patience, wait_until
from local.drill.watch import Watch
from local.drill.work import ACTIVE

LIMITS: dict[Step, float] = {
    Step.OPENED: 180,
    Step.BACKUP_CHOSEN: 120,
    Step.ENVIRONMENT_READY: 300,
    Step.RECONCILED: 600,
    Step.DRAINED: 180,
    Step.FINAL_EXPORT: 120,
    Step.RESTORED: 300,
    Step.UNPAUSED: 120,
    Step.ACTIVE: 60,
}
"""Seconds from one step to the next, on a busy machine; a base of a long past goes in whole."""
RESUME_SECONDS = 240
SETTLE_SECONDS = 180


class Move:
    """Watches one incident until work goes on at the site that it promotes.

    Args:
        target: the site.
        epoch: the one that it gets.
        user: somebody at its environment.
    """

    def __init__(
        self,
        watch: Watch,
        user: User,
        journal: Journal,
        progress: Progress,
        *,
        target: Site,
        epoch: int,
    ) -> None:
        self.watch = watch
        self.user = user
        self.journal = journal
        self.progress = progress
        self.target = target
        self.epoch = epoch
        self._seen: dict[str, datetime] = {}
        # What this environment did in an earlier life is no success of this one.
        progress.scheduled[user.environment].clear()

    @property
    def here(self) -> str:
        return self.user.environment

    def reach(self, step: Step) -> datetime:
        """Wait for a step of the incident; return when it was seen.

        Raises:
            DrillError: it did not come in time, or the incident says that it failed.
        """

        def there() -> bool:
            incident = self.incident()
            reached, at = incident.get("timeline", {}), now()
            for name in reached:
                self._seen.setdefault(name, at)
            self.journal.status(
                f"last verdicts: {self.watch.verdict()}   incident: "
                f"{incident.get('incident_id', 'none')} {' > '.join(list(self._seen)[-4:])}"
            )
            return step.value in reached

        wait_until(
            f"the incident came to {step.value!r}",
            there,
            seconds=LIMITS.get(step, 60),
            every=0.25,
            missing=lambda: f"last verdicts: {self.watch.verdict()}; incident: {self.incident()}",
        )
        return self._seen[step.value]

    def incident(self) -> dict[str, Any]:
        """The incident on the epoch before this move's.

        Raises:
            DrillError: it says that it failed.
        """
        incident = self.watch.incident()
        if incident and incident["epoch"] != self.epoch - 1:
            return {}
        if incident.get("status") in (IncidentStatus.FAILED, IncidentStatus.ATTENTION):
            raise DrillError(
                f"incident {incident['incident_id']} is {incident['status']}: "
                f"{incident.get('reason')}"
            )
        return incident

    def promoted_at(self) -> datetime:
        """When the mirror first said that the target owns the epoch."""
        promoted = self.watch.promoted_at(self.epoch)
        if promoted is None:
            raise DrillError(f"DAGs were un-paused, but no record of epoch {self.epoch} is there")
        return promoted

    def resume(self, since: datetime) -> None:
        """Until every DAG that was active has succeeded at the new owner."""

        def resumed() -> bool:
            self.progress.read()
            done = self.progress.scheduled[self.here]
            self.journal.status(f"{len(done & ACTIVE)} of {len(ACTIVE)} DAGs run again")
            return done >= ACTIVE

        wait_until(
            "every active DAG succeeded at the new owner",
            resumed,
            seconds=RESUME_SECONDS,
            missing=lambda: (
                f"not yet: {sorted(ACTIVE - self.progress.scheduled[self.here])}; "
                f"unfinished: {self.user.unfinished_runs()}"
            ),
        )
        self.journal.add("every DAG succeeds again", since, now())

    def settle(self, owed_until: datetime) -> None:
        """Until all that fell due by then is done, and the incident is closed."""
        with self.journal.step("what fell due is worked off; the incident is closed"):
            wait_until(
                "the incident was closed",
                lambda: self.incident()["status"] == IncidentStatus.SUCCEEDED,
                seconds=SETTLE_SECONDS,
                missing=lambda: f"incident: {self.incident()}",
            )
            wait_until(
                "everything that fell due was done",
                lambda: not self._behind(owed_until),
                seconds=SETTLE_SECONDS,
                missing=lambda: f"behind: {self._behind(owed_until)}",
            )
            wait_until(
                "the new owner took a backup of its own",
                lambda: self.watch.backups(self.target, self.epoch),
                seconds=90 * Patience.factor,
            )

    def restored_backup(self) -> str:
        """Manifest key of the backup that the target was last brought to."""
        return self.watch.answers(OrderKind.IMPORT, self.target)[-1][0].payload["backup"]

    def _behind(self, owed_until: datetime) -> list[str]:
        """Runs that were owed by then and are not done, and DAGs that still have to make some."""
        try:
            by = owed_until + self.watch.aws.clocks.of_airflow
            late = self.user.with_a_run_due(by) & ACTIVE
            return [*sorted(late), *self.user.unfinished_runs(by)]
        except REST_ERRORS as error:
            return [str(error)]
