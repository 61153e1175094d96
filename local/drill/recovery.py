"""The outage, and what can be seen of the recovery; nobody tells the DR side anything."""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contract.sites import Site
from contract.state import Step
from local.drill import outages
from local.drill.journal import Emulated, now
from local.drill.move import Move
from local.drill.operator import Operator
from local.drill.stacks import Stacks
from local.drill.waiting import Patience
from local.drill.workload import ROWS
from local.gateway.outage import Mode

CREATION: Emulated = {
    "aws_takes_seconds": [1200, 1800],
    "source": "Amazon MWAA User Guide, Create an Amazon MWAA environment: about twenty to thirty "
    "minutes; here an Airflow on this machine starts instead",
}
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
    """Watches one recovery from the outage until work goes on as before.

    Args:
        creates: whether it makes the environment that takes over.
    """

    def __init__(self, stacks: Stacks, move: Move, *, creates: bool) -> None:
        self.stacks = stacks
        self.move = move
        self.journal = move.journal
        self.creates = creates

    def lose_owner(self, mode: Mode) -> datetime:
        """Take the primary environment away, by most modes with its Region; return when."""
        at = now()
        what = outages.begin(self.stacks, mode)
        self.journal.add(f"OUTAGE: {what}", at, now())
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
        move = self.move
        opened = move.reach(Step.OPENED)
        self.journal.add("the monitor notices, by itself", outage_at, opened)
        chosen = move.reach(Step.BACKUP_CHOSEN)
        self.journal.add(
            "the old owner does not answer; the newest backup is verified", opened, chosen
        )
        ready = move.reach(Step.ENVIRONMENT_READY)
        if self.creates:
            self.journal.add("the environment is created in the DR Region", chosen, ready, CREATION)
        else:
            self.journal.add("the environment that stands by is ready", chosen, ready)
        restored = move.reach(Step.RESTORED)
        self.journal.add("the metadata is restored", ready, restored)
        unpaused = move.reach(Step.UNPAUSED)
        promoted = move.promoted_at()
        self.journal.add("the DR site is promoted and its DAGs un-paused", restored, unpaused)
        reruns = self._rerun_what_others_wait_for()
        move.resume(unpaused)
        owed_until = now()
        move.settle(owed_until)
        return Facts(
            outage_at=outage_at,
            detected_at=opened,
            environment_asked_at=chosen,
            environment_ready_at=ready,
            restored_at=restored,
            promoted_at=promoted,
            unpaused_at=unpaused,
            backup=move.restored_backup(),
            owed_until=owed_until,
            reruns=reruns,
        )

    def _deploy_meanwhile(self) -> None:
        """People must be able to change the DR site while the primary Region hangs."""
        for command in ("preview", "up"):
            with self.journal.step(f"pulumi {command} -s dr while the owner is lost"):
                self.stacks.run(command, Site.DR, timeout=180 * Patience.factor)

    def _rerun_what_others_wait_for(self) -> list[str]:
        """An operator re-runs interrupted runs of DAGs in which the next run waits for the last."""
        operator = Operator(self.stacks)
        dag_ids = sorted({run["dag_id"] for run in operator.interrupted()} & IN_ORDER)
        if not dag_ids:
            return []
        with self.journal.step(f"an operator re-runs interrupted runs of {len(dag_ids)} DAGs"):
            return operator.rerun(dag_ids)


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
