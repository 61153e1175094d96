"""`python -m local.drill`: the whole job on one machine, checked by somebody who believes nothing.

A local AWS comes up; `pulumi up` deploys both stacks with the policy pack; the workload runs; the
primary Region is lost; the DR side has to notice and recover by itself; the independent checker
looks at what is left. Ends with 0 only if the checker agrees.
"""

import json
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from contract.sites import Site, Strategy
from local.clocks import Clocks
from local.drill import history, report, verdict
from local.drill.comeback import BACK_EPOCH, LOST_EPOCH, Comeback, standby_follows
from local.drill.journal import Journal
from local.drill.move import Move
from local.drill.operator import Operator
from local.drill.outages import DISTURBANCES, OUTAGES, disturb
from local.drill.picture import picture
from local.drill.recovery import CREATION, Facts, Recovery
from local.drill.stacks import REGIONS, Stacks, environment_of, in_one_region
from local.drill.user import RESTS, User
from local.drill.waiting import DrillError, Patience
from local.drill.watch import Watch
from local.drill.work import Work, write_dags
from local.gateway.outage import Mode
from local.gateway.process import LocalAws, start, stop
from local.mwaa.family import numbers
from local.mwaa.install import RELEASES
from local.mwaa.install import ensure as ensure_airflow
from local.paths import BUILD
from local.pulumi.install import ensure as ensure_pulumi

DRILLS = BUILD / "drill"
DEPLOY_SECONDS = 300


@click.command(help=__doc__)
@click.option(
    "--strategy", type=click.Choice([one.value for one in Strategy]),
    default=Strategy.BACKUP_RESTORE.value, show_default=True,
)  # fmt: skip
@click.option("--airflow", type=click.Choice(list(RELEASES)), default="2.10.3", show_default=True)
@click.option("--outage", type=click.Choice(OUTAGES), default="hang", show_default=True)
@click.option("--same-region", is_flag=True, help="Both sites in one Region.")
@click.option(
    "--past", type=click.IntRange(min=0), default=0, metavar="N",
    help=f"Begin with N task instances of the past, a multiple of {history.STEP:,}.",
)  # fmt: skip
@click.option(
    "--clocks-apart", type=float, default=0.0, metavar="SECONDS",
    help="Airflow's clock is so far ahead and the functions' as far behind; or the reverse.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Web servers that answer in their networks only.")
@click.option("--control", is_flag=True, help="Lose the Region when nothing is in flight.")
@click.option("--keep", is_flag=True, help="Leave the local AWS up afterwards, to look at it.")
@click.option(
    "--patience", type=click.FloatRange(min=1), default=1.0,
    help="Multiplies every time limit, for a machine that is busy with other things.",
)  # fmt: skip
def main(
    *, strategy: str, airflow: str, outage: str, same_region: bool, past: int,
    clocks_apart: float, private: bool, control: bool, keep: bool, patience: float,
) -> None:  # fmt: skip
    _check_past(past, airflow)
    clocks = _chosen_clocks(clocks_apart)
    outage = _chosen(outage, same_region=same_region)
    Patience.factor = patience
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the local AWS is stopped too
    parts = {
        "same-region": same_region, "past": past > 0, f"clocks{clocks_apart:+g}": clocks_apart != 0,
        "private": private, "control": control,
    }  # fmt: skip
    if outage != Mode.HANG and not same_region:
        parts = {outage: True, **parts}
    folder = DRILLS / "-".join([strategy, *(part for part, chosen in parts.items() if chosen)])
    console = Console()
    journal = Journal(f"Drill: {strategy}, Airflow {airflow}, outage: {outage}", console)
    drill = Drill(folder, Strategy(strategy), airflow, journal, clocks, private=private)
    try:
        with journal.showing():
            findings = drill.run(outage, past=past, control=control)
    except (DrillError, RuntimeError, TimeoutError) as error:
        console.print(f"the drill could not be finished: {error}", style="red", highlight=False)
        sys.exit(2)
    finally:
        if keep:
            console.print(f"the local AWS stays up; its files are in {drill.root}")
        else:
            stop(drill.root)
    for objection in findings["objections"][:40]:
        console.print(
            f"{objection['check']}: {objection['subject']}: {objection['reason']}",
            style="red", highlight=False,
        )  # fmt: skip
    console.print(f"report: {folder / 'report.html'}", highlight=False)
    sys.exit(0 if findings["verified"] else 1)


def _chosen(outage: str, *, same_region: bool) -> str:
    """The outage; in one Region the DR site would be lost with it, so that only one makes sense."""
    if not same_region:
        return outage
    if outage not in (Mode.HANG, Mode.ENVIRONMENT):
        raise click.UsageError(
            f"--outage {outage} is not for --same-region, where a recovery needs the Region; "
            f"leave it out or use {Mode.ENVIRONMENT}"
        )
    in_one_region()
    return Mode.ENVIRONMENT.value


def _chosen_clocks(apart: float) -> Clocks:
    """Raises click.UsageError where no clock can be set apart."""
    clocks = Clocks.apart(apart)
    try:
        clocks.check()
    except RuntimeError as error:
        raise click.UsageError(f"--clocks-apart {apart:g}: {error}") from None
    return clocks


def _check_past(past: int, airflow: str) -> None:
    if past % history.STEP:
        raise click.UsageError(f"--past {past}: use a multiple of {history.STEP}")
    if past and numbers(airflow)[:2] != (2, 10):
        raise click.UsageError(f"--past is written for Airflow 2.10, not for {airflow}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """The installation of one drill and everybody around it."""

    aws: LocalAws
    stacks: Stacks
    watch: Watch
    users: dict[Site, User]
    work: Work
    evidence: verdict.Evidence

    def move(self, target: Site, epoch: int) -> Move:
        work = self.work
        return Move(
            self.watch, self.users[target], work.journal, work.progress, target=target, epoch=epoch
        )


class Drill:
    """One drill, with everything it writes in `folder`."""

    def __init__(
        self,
        folder: Path,
        strategy: Strategy,
        airflow: str,
        journal: Journal,
        clocks: Clocks,
        *,
        private: bool,
    ) -> None:
        self.folder = folder
        self.root = folder / "aws"
        self.ledger = folder / "ledger.jsonl"
        self.strategy = strategy
        self.airflow = airflow
        self.journal = journal
        self.clocks = clocks
        self.private = private

    @property
    def creates(self) -> bool:
        """Whether a recovery makes the environment that takes over."""
        return self.strategy is Strategy.BACKUP_RESTORE

    def run(self, outage: str, *, past: int, control: bool) -> dict[str, Any]:
        """Do all of it; return the checker's findings.

        Args:
            past: task instances that the primary environment begins with.

        Raises:
            DrillError: something did not happen in time.
            RuntimeError: a part could not be started or deployed.
        """
        scene = self._deploy()
        work = scene.work
        work.begin()
        if past:
            self._add_past(scene, past)
        work.run()
        disturbance = None
        if outage in DISTURBANCES:
            disturbance = disturb(scene.stacks, scene.watch, self.journal, outage)
        if control:
            work.wait_for_quiet_moment()
        else:
            work.wait_for_busy_moment()
        recovery = Recovery(scene.stacks, scene.move(Site.DR, LOST_EPOCH), creates=self.creates)
        facts = recovery.watch_it(recovery.lose_owner(self._loss(outage)))
        forecast = Operator(scene.stacks).forecast()
        with self.journal.step("the independent checker looks at everything"):
            told = scene.evidence.of_recovery(facts, scene.watch.manifest(facts.backup))
            findings = verdict.ask_checker(told)
        comeback = None
        if not (self.creates or control):
            comeback = self._come_back(scene, facts, findings)
        access = self._access(scene, findings)
        result = verdict.compose(
            strategy=self.strategy,
            airflow_version=self.airflow,
            outage=outage,
            facts=facts,
            journal=self.journal,
            findings=findings,
            forecast=forecast,
            met=verdict.objectives_met(
                findings, facts, self.strategy, CREATION["aws_takes_seconds"][-1]
            ),
            access=access,
            comeback=comeback,
            disturbance=disturbance,
            clocks=self.clocks,
            private=self.private,
        )
        (self.folder / "report.json").write_text(json.dumps(result, indent=1))
        shown = picture(scene.aws, scene.stacks.names, result)
        (self.folder / "dashboard.svg").write_text(shown)
        report.write(self.folder / "report.html", result, findings, shown)
        return {**findings, "verified": result["verified"]}

    def _access(self, scene: Scene, findings: dict[str, Any]) -> dict[str, Any]:
        """What the roles were allowed; a call that was refused is an objection."""
        told = scene.aws.control.access()
        (self.folder / "access.json").write_text(json.dumps(told, indent=1))
        found = verdict.permissions(told)
        findings["objections"] += [
            {"check": "access", "subject": one["caller"], "reason": one["message"]}
            for one in found["refused"]
        ]
        return found

    def _add_past(self, scene: Scene, past: int) -> None:
        """Give the primary environment a past that backups and a standby already hold."""
        with self.journal.step(f"{past:,} task instances of the past are added"):
            history.add(environment_of(scene.aws, Site.PRIMARY)["database_url"], past)
        if not self.creates:
            standby_follows(scene.watch, self.journal, "the standby follows across it", seconds=600)

    @staticmethod
    def _loss(outage: str) -> Mode:
        """What follows a disturbance is the loss that is hardest to tell."""
        return Mode.HANG if outage in DISTURBANCES else Mode(outage)

    def _come_back(self, scene: Scene, facts: Facts, findings: dict[str, Any]) -> dict[str, Any]:
        """The Region returns, work goes back there, and the standby is rehearsed."""
        comeback = Comeback(
            scene.aws, scene.watch, self.journal, Operator(scene.stacks), self.folder
        )
        back = comeback.lost_region_returns()
        handover = comeback.fail_back(scene.move(Site.PRIMARY, BACK_EPOCH))
        with self.journal.step("the independent checker looks at the failback"):
            excused = [*findings["runs"]["at_risk"], *findings["runs"]["in_flight"]]
            manifest = scene.watch.manifest(handover.backup)
            told = scene.evidence.of_failback(facts, back, handover, manifest, excused)
            found = verdict.ask_checker(told)
        findings["objections"] += found["objections"]
        standby_follows(
            scene.watch, self.journal, "the DR site stands by again and follows", seconds=600
        )
        return verdict.compose_comeback(back, handover, found, comeback.rehearse())

    def _deploy(self) -> Scene:
        with self.journal.step("the tools are there"):
            ensure_pulumi()
            ensure_airflow(self.airflow)
        with self.journal.step("a local AWS comes up"):
            stop(self.root)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            aws = start(self.root, clocks=self.clocks)
        workload = write_dags(self.folder / "dags", self.clocks)
        self.ledger.touch()
        stacks = Stacks(self.folder, aws)
        stacks.write(self.strategy, self.airflow, self.folder / "dags", private=self.private)
        for site in (Site.DR, Site.PRIMARY):
            with self.journal.step(f"pulumi up -s {site}, with the policy pack"):
                stacks.run("up", site, timeout=DEPLOY_SECONDS * Patience.factor)
        watch = Watch(aws, stacks.names)
        rest = RESTS[numbers(self.airflow)[0]]
        users = {
            site: User(aws, REGIONS[site], stacks.names.environment(site), rest) for site in Site
        }
        return Scene(
            aws=aws,
            stacks=stacks,
            watch=watch,
            users=users,
            work=Work(users[Site.PRIMARY], watch, self.journal, self.ledger),
            evidence=verdict.Evidence(self.folder, aws, workload, self.ledger),
        )


if __name__ == "__main__":
    main()
