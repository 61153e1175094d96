"""The primary environment's ordinary life before the outage."""

import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.sites import Site
from local.clocks import RIGHT, Clocks
from local.drill import workload
from local.drill.journal import Journal, now
from local.drill.progress import Progress
from local.drill.user import REST_ERRORS, User
from local.drill.waiting import DrillError, wait_until
from local.drill.watch import Watch

BUSY = range(14, 64)
"""Seconds of the workload's cycle in which work of every kind is under way."""
QUIET = range(76, 117)
"""Seconds of the cycle in which nothing falls due."""
SETUP_SECONDS = 120
RUN_SECONDS = 300

CONNECTION = {
    "connection_id": workload.CONNECTION,
    "conn_type": "postgres",
    "host": "warehouse.example.com",
    "login": "loader",
    "password": "p@ss/w\u00f6rd",
    "port": 5432,
    "extra": '{"sslmode": "require"}',
}
ACTIVE = {row.dag_id for row in workload.ROWS if not row.user_paused}
USER_PAUSED = {row.dag_id for row in workload.ROWS if row.user_paused}


def write_dags(folder: Path, clocks: Clocks = RIGHT) -> Path:
    """Put the workload's DAG files into `folder`; return the table beside them.

    Its schedules begin now by the clock of the Airflow that follows them.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source = Path(__file__).parent / "dags"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "workload.json"
    table.write_text(workload.to_json(workload.anchor_near(now() + clocks.of_airflow)))
    return table


class Work:
    """A user at the primary environment.

    Args:
        ledger: file that the tasks write to.
    """

    def __init__(self, user: User, watch: Watch, journal: Journal, ledger: Path) -> None:
        self.user = user
        self.watch = watch
        self.journal = journal
        self.progress = Progress(ledger)
        self.ledger = ledger

    @property
    def here(self) -> str:
        return self.user.environment

    def _cycle_second(self) -> int:
        """How far the workload's cycle is, by the clock of the Airflow that follows it."""
        at = now() + self.watch.aws.clocks.of_airflow
        return int((at - workload.anchor_near(at)).total_seconds())

    def begin(self) -> None:
        """Wait until every DAG is parsed, add what they need, un-pause them."""
        wanted = ACTIVE | USER_PAUSED
        with self.journal.step(f"{len(wanted)} DAGs are parsed"):
            seen: set[str] = set()

            def parsed() -> bool:
                seen.update(self._dags())
                return wanted <= seen

            wait_until(
                "all DAGs were parsed",
                parsed,
                seconds=SETUP_SECONDS,
                missing=lambda: f"missing: {sorted(wanted - seen)}; {self._import_errors()}",
            )
        with self.journal.step("a user adds variables, a connection, a pool, and un-pauses"):
            self.user.add_variable(workload.LEDGER_VARIABLE, str(self.ledger))
            self.user.add_variable(
                workload.GREETING_VARIABLE, "gr\u00fc\u00df Gott\nand 'hello' \\"
            )
            self.user.add_connection(CONNECTION)
            self.user.add_pool(workload.POOL, 2)
            self._set_paused(wanted, paused=False)

    def _dags(self) -> set[str]:
        try:
            return set(self.user.dags())
        except REST_ERRORS:
            return set()

    def _import_errors(self) -> str:
        errors = self.user.import_errors()
        return f"import errors: {errors}" if errors else ""

    def run(self) -> None:
        """Let it work until every DAG has succeeded and two backups are complete."""
        with self.journal.step("every DAG succeeds at least once; backups are taken"):
            paused = False

            def done() -> bool:
                nonlocal paused
                self.progress.read()
                ran = self.progress.scheduled[self.here]
                if not paused and ran >= USER_PAUSED:
                    paused = self._pause_some()
                taken = len(self.watch.backups(Site.PRIMARY))
                self.journal.status(
                    f"{len(ran)} of {len(ACTIVE | USER_PAUSED)} DAGs succeeded, "
                    f"{self.progress.lines[self.here]} ledger lines, {taken} backups"
                )
                return paused and ran >= ACTIVE and taken > 1

            wait_until(
                "every DAG succeeded once and two backups were complete",
                done,
                seconds=RUN_SECONDS,
                missing=lambda: (
                    f"not yet: {sorted((ACTIVE | USER_PAUSED) - self._ran())}; "
                    f"{len(self.watch.backups(Site.PRIMARY))} backups"
                ),
            )
            self.user.trigger("rates", {"asked": "by hand"}, "a user wanted this run")

    def _ran(self) -> set[str]:
        return self.progress.scheduled[self.here]

    def _pause_some(self) -> bool:
        """Pause what a user pauses, unless a run of it is under way; tell whether it was done.

        Airflow does not go on with the runs of a paused DAG, so one that is under way would stay so
        for ever, and no moment would be quiet.
        """
        if self._under_way(USER_PAUSED):
            return False
        self._set_paused(USER_PAUSED, paused=True)
        if not self._under_way(USER_PAUSED):
            return True
        self._set_paused(USER_PAUSED, paused=False)
        return False

    def _set_paused(self, dag_ids: set[str], *, paused: bool) -> None:
        for dag_id in sorted(dag_ids):
            self.user.set_paused(dag_id, paused=paused)

    def _under_way(self, dag_ids: set[str]) -> bool:
        return any(run.partition("/")[0] in dag_ids for run in self.user.unfinished_runs())

    def wait_for_busy_moment(self) -> None:
        """Until the middle of a cycle, with the pauses of a user in a backup."""
        with self.journal.step("waiting for a busy moment"):
            since = now()
            wait_until(
                "a backup was taken after the user paused some DAGs",
                lambda: self._newest_snapshot() > since,
                seconds=120,
            )
            wait_until(
                "the cycle came to its busy part",
                lambda: self._cycle_second() in BUSY,
                seconds=150,
                every=0.2,
            )

    def wait_for_quiet_moment(self) -> None:
        """Until nothing is in flight, everything is in a backup, and nothing falls due just now."""
        with self.journal.step("waiting for a moment with nothing in flight"):
            for _ in range(3):
                wait_until(
                    "the cycle came to its quiet part",
                    lambda: self._cycle_second() in QUIET,
                    seconds=150,
                    every=0.2,
                )
                if self._is_backed_up_quietly():
                    return
            raise DrillError("three quiet parts passed without a backup of everything")

    def _is_backed_up_quietly(self) -> bool:
        quiet_since = None
        while self._cycle_second() in QUIET:
            if self.user.unfinished_runs():
                quiet_since = None
            elif quiet_since is None:
                quiet_since = now()
            elif self._newest_snapshot() > quiet_since + timedelta(seconds=1):
                return True
            time.sleep(0.5)
        return False

    def _newest_snapshot(self) -> datetime:
        return self.watch.newest_snapshot(Site.PRIMARY) or datetime.min.replace(tzinfo=UTC)
