"""`python -m local.drill`: the whole job on one machine, checked by somebody who believes nothing.

A local AWS comes up; `pulumi up` deploys both stacks with the policy pack; the workload runs; the
primary Region is lost; the DR side has to notice and recover by itself; the independent checker
looks at what is left. Ends with 0 only if the checker agrees.
"""

import json
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from contract.sites import Site, Strategy
from local.drill import report, verdict
from local.drill.journal import Journal
from local.drill.operator import Operator
from local.drill.recovery import CREATION, Recovery
from local.drill.stacks import REGIONS, Stacks
from local.drill.user import RESTS, User
from local.drill.waiting import DrillError, Patience
from local.drill.watch import Watch
from local.drill.work import Work, write_dags
from local.gateway.process import LocalAws, start, stop
from local.mwaa.family import numbers
from local.mwaa.install import RELEASES
from local.mwaa.install import ensure as ensure_airflow
from local.paths import BUILD
from local.pulumi.install import ensure as ensure_pulumi

DRILLS = BUILD / "drill"
OUTAGES = ("hang", "refuse", "5xx")
DEPLOY_SECONDS = 300


@click.command(help=__doc__)
@click.option(
    "--strategy", type=click.Choice([Strategy.BACKUP_RESTORE.value]),
    default=Strategy.BACKUP_RESTORE.value, show_default=True,
)  # fmt: skip
@click.option("--airflow", type=click.Choice(list(RELEASES)), default="2.10.3", show_default=True)
@click.option("--outage", type=click.Choice(OUTAGES), default="hang", show_default=True)
@click.option("--control", is_flag=True, help="Lose the Region when nothing is in flight.")
@click.option("--keep", is_flag=True, help="Leave the local AWS up afterwards, to look at it.")
@click.option(
    "--patience", type=click.FloatRange(min=1), default=1.0,
    help="Multiplies every time limit, for a machine that is busy with other things.",
)  # fmt: skip
def main(
    *, strategy: str, airflow: str, outage: str, control: bool, keep: bool, patience: float
) -> None:
    Patience.factor = patience
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the local AWS is stopped too
    folder = DRILLS / (f"{strategy}-control" if control else strategy)
    console = Console()
    journal = Journal(f"Drill: {strategy}, Airflow {airflow}, outage: {outage}", console)
    drill = Drill(folder, Strategy(strategy), airflow, journal)
    try:
        with journal.showing():
            findings = drill.run(outage, control=control)
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


class Drill:
    """One drill, with everything it writes in `folder`."""

    def __init__(self, folder: Path, strategy: Strategy, airflow: str, journal: Journal) -> None:
        self.folder = folder
        self.root = folder / "aws"
        self.ledger = folder / "ledger.jsonl"
        self.strategy = strategy
        self.airflow = airflow
        self.journal = journal

    def run(self, outage: str, *, control: bool) -> dict[str, Any]:
        """Do all of it; return the checker's findings.

        Raises:
            DrillError: something did not happen in time.
            RuntimeError: a part could not be started or deployed.
        """
        aws, stacks, workload = self._deploy()
        watch = Watch(aws, stacks.names)
        work = Work(self._user(aws, stacks, Site.PRIMARY), watch, self.journal, self.ledger)
        work.begin()
        work.run()
        if control:
            work.wait_for_quiet_moment()
        else:
            work.wait_for_busy_moment()
        user = self._user(aws, stacks, Site.DR)
        recovery = Recovery(stacks, watch, user, self.journal, work.progress)
        facts = recovery.watch_it(recovery.lose_region(outage))
        with self.journal.step("the independent checker looks at everything"):
            inputs = verdict.write_evidence(
                self.folder,
                aws=aws,
                facts=facts,
                manifest=watch.manifest(facts.backup),
                workload=workload,
                ledger=self.ledger,
            )
            findings = verdict.ask_checker(inputs)
        result = verdict.compose(
            strategy=self.strategy.value,
            airflow_version=self.airflow,
            outage=outage,
            facts=facts,
            journal=self.journal,
            findings=findings,
            forecast=Operator(stacks).forecast(),
            met=verdict.objectives_met(findings, facts, CREATION["aws_takes_seconds"][-1]),
        )
        (self.folder / "report.json").write_text(json.dumps(result, indent=1))
        report.write(self.folder / "report.html", result, findings)
        return findings

    def _deploy(self) -> tuple[LocalAws, Stacks, Path]:
        with self.journal.step("the tools are there"):
            ensure_pulumi()
            ensure_airflow(self.airflow)
        with self.journal.step("a local AWS comes up"):
            stop(self.root)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            aws = start(self.root)
        workload = write_dags(self.folder / "dags")
        self.ledger.touch()
        stacks = Stacks(self.folder, aws)
        stacks.write(self.strategy, self.airflow, self.folder / "dags")
        for site in (Site.DR, Site.PRIMARY):
            with self.journal.step(f"pulumi up -s {site}, with the policy pack"):
                stacks.run("up", site, timeout=DEPLOY_SECONDS * Patience.factor)
        return aws, stacks, workload

    def _user(self, aws: LocalAws, stacks: Stacks, site: Site) -> User:
        rest = RESTS[numbers(self.airflow)[0]]
        return User(aws, REGIONS[site], stacks.names.environment(site), rest)


if __name__ == "__main__":
    main()
