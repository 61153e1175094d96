"""The outage, and what can be seen of the recovery; nobody tells the DR side anything."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contract.orders import OrderKind
from contract.sites import Site
from contract.state import IncidentStatus, Step
from local.drill.journal import Emulated, Journal, now
from local.drill.operator import Operator
from local.drill.progress import Progress
from local.drill.stacks import REGIONS, Stacks
from local.drill.user import REST_ERRORS, User
from local.drill.waiting import DrillError, Patience, wait_until
from local.drill.watch import Watch
from local.drill.work import ACTIVE
from local.drill.workload import ROWS

CREATION: Emulated = {
    "aws_takes_seconds": [1200, 1800],
    "source": "Amazon MWAA User Guide, Create an Amazon MWAA environment: about twenty to thirty "
    "minutes; here an Airflow on this machine starts instead",
}
LIMITS: dict[Step, float] = {
    Step.OPENED: 180,
    Step.BACKUP_CHOSEN: 120,
    Step.ENVIRONMENT_READY: 300,
    Step.RESTORED: 150,
    Step.UNPAUSED: 120,
    Step.ACTIVE: 60,
}
"""Seconds from one step of the recovery to the next, on a machine that is busy."""
RESUME_SECONDS = 240
SETTLE_SECONDS = 180
IN_ORDER = {row.dag_id for row in ROWS if row.depends_on_past}


@dataclass(slots=True)
class Facts:
    """What was seen, with times."""

    outage_at: datetime
    detected_at: datetime
    environment_asked_at: datetime
    environment_ready_at: datetime
    restored_at: datetime
    promoted_at: datetime
    unpaused_at: datetime
    backup: str
    owed_until: datetime
    reruns: list[str] = field(default_factory=list)


class Recovery:
    """Watches one recovery from the outage until work goes on as before."""

    def __init__(
        self, stacks: Stacks, watch: Watch, user: User, journal: Journal, progress: Progress
    ) -> None:
        self.stacks = stacks
        self.watch = watch
        self.user = user
        self.journal = journal
        self.progress = progress
        self.reruns: list[str] = []

    @property
    def here(self) -> str:
        return self.user.environment

    def lose_region(self, mode: str) -> datetime:
        """Take the primary Region away, with every process in it; return when."""
        at = now()
        self.stacks.aws.control.begin_outage(
            REGIONS[Site.PRIMARY], mode=mode, lose_environments=True
        )
        self.journal.add(f"OUTAGE: {REGIONS[Site.PRIMARY]} is lost ({mode})", at, now())
        return at

    def watch_it(self, outage_at: datetime) -> Facts:
        """Follow the recovery to its end.

        Raises:
            DrillError: a step did not come in time, or the recovery says that it failed.
        """
        deploying = _Background(self._deploy_meanwhile)
        try:
            facts = self._follow(outage_at)
        finally:
            deploying.wait()
        deploying.result()
        return facts

    def _follow(self, outage_at: datetime) -> Facts:
        opened = self._reach(Step.OPENED)
        self.journal.add("the monitor notices, by itself", outage_at, opened)
        chosen = self._reach(Step.BACKUP_CHOSEN)
        self.journal.add(
            "the old owner does not answer; the newest backup is verified", opened, chosen
        )
        ready = self._reach(Step.ENVIRONMENT_READY)
        self.journal.add("the environment is created in the DR Region", chosen, ready, CREATION)
        restored = self._reach(Step.RESTORED)
        self.journal.add("the metadata is restored", ready, restored)
        unpaused = self._reach(Step.UNPAUSED)
        promoted = self.watch.promoted_at()
        if promoted is None:
            raise DrillError("DAGs were un-paused, but no new ownership record was written")
        self.journal.add("the DR site is promoted and its DAGs un-paused", restored, unpaused)
        self._resume(unpaused)
        owed_until = now()
        self._settle(owed_until)
        return Facts(
            outage_at=outage_at,
            detected_at=opened,
            environment_asked_at=chosen,
            environment_ready_at=ready,
            restored_at=restored,
            promoted_at=promoted,
            unpaused_at=unpaused,
            backup=self._restored_backup(),
            owed_until=owed_until,
            reruns=self.reruns,
        )

    def _deploy_meanwhile(self) -> None:
        """People must be able to change the DR site while the primary Region hangs."""
        for command in ("preview", "up"):
            with self.journal.step(f"pulumi {command} -s dr while the primary Region is lost"):
                self.stacks.run(command, Site.DR, timeout=180 * Patience.factor)

    def _reach(self, step: Step) -> datetime:
        """Wait for a step of the incident; return when the recovery took it."""

        def there() -> bool:
            incident = self._incident()
            reached = list(_by_time(incident))
            self.journal.status(
                f"last verdicts: {self.watch.verdict()}   incident: "
                f"{incident.get('incident_id', 'none')} {' > '.join(reached[-4:])}"
            )
            return step.value in incident.get("timeline", {})

        wait_until(
            f"the recovery came to {step.value!r}",
            there,
            seconds=LIMITS.get(step, 60),
            missing=lambda: f"last verdicts: {self.watch.verdict()}; incident: {self._incident()}",
        )
        return datetime.fromisoformat(self._incident()["timeline"][step.value]["at"])

    def _incident(self) -> dict[str, Any]:
        incident = self.watch.incident()
        if incident.get("status") in (IncidentStatus.FAILED, IncidentStatus.ATTENTION):
            raise DrillError(
                f"incident {incident['incident_id']} is {incident['status']}: "
                f"{incident.get('reason')}"
            )
        return incident

    def _resume(self, since: datetime) -> None:
        """Until every DAG that was active has succeeded at the new owner."""
        self._rerun_what_others_wait_for()

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

    def _rerun_what_others_wait_for(self) -> None:
        """An operator re-runs interrupted runs of DAGs in which the next run waits for the last."""
        operator = Operator(self.stacks)
        dag_ids = sorted({run["dag_id"] for run in operator.interrupted()} & IN_ORDER)
        if dag_ids:
            with self.journal.step(f"an operator re-runs interrupted runs of {len(dag_ids)} DAGs"):
                self.reruns = operator.rerun(dag_ids)

    def _settle(self, owed_until: datetime) -> None:
        """Until all that fell due by then is done, and the recovery has closed its incident."""
        with self.journal.step("what fell due is worked off; the history is restored"):
            wait_until(
                "the recovery closed its incident",
                lambda: self._incident()["status"] == IncidentStatus.SUCCEEDED,
                seconds=SETTLE_SECONDS,
                missing=lambda: f"incident: {self._incident()}",
            )
            wait_until(
                "everything that fell due was done",
                lambda: not self._behind(owed_until),
                seconds=SETTLE_SECONDS,
                missing=lambda: f"behind: {self._behind(owed_until)}",
            )
            wait_until(
                "the new owner took a backup of its own",
                lambda: self.watch.backups(Site.DR),
                seconds=90,
            )

    def _behind(self, owed_until: datetime) -> list[str]:
        """Runs that were owed by then and are not done, and DAGs that still have to make some."""
        try:
            late = self.user.with_a_run_due(owed_until) & ACTIVE
            return [*sorted(late), *self.user.unfinished_runs(owed_until)]
        except REST_ERRORS as error:
            return [str(error)]

    def _restored_backup(self) -> str:
        return self.watch.answers(OrderKind.IMPORT)[-1][0].payload["backup"]


def _by_time(incident: dict[str, Any]) -> list[str]:
    entries = incident.get("timeline", {}).values()
    return [str(entry["step"]) for entry in sorted(entries, key=lambda entry: entry["at"])]


class _Background:
    """Work beside the watching, whose failure is not forgotten."""

    def __init__(self, work: Any) -> None:  # noqa: ANN401
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Any) -> None:  # noqa: ANN401
        try:
            work()
        except BaseException as error:  # raised again in `result`
            self._error = error

    def wait(self) -> None:
        self._thread.join()

    def result(self) -> None:
        """Raise what the work raised."""
        if self._error is not None:
            raise self._error
