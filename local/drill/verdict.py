"""Hands the evidence to the independent checker and writes its findings down as the report."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from contract.sites import Site, Strategy
from local.clocks import RIGHT, Clocks
from local.drill import history
from local.drill.comeback import Handover, Rehearsal, Return
from local.drill.journal import Journal
from local.drill.recovery import Facts
from local.drill.stacks import BACKUP_SECONDS, OBJECTIVES, REGIONS, WITNESS, environment_of
from local.drill.waiting import DrillError, Patience
from local.gateway.process import LocalAws
from local.paths import ROOT

CHECKER = "tests.checker.check"
FENCE_SECONDS = 90
"""From the first heartbeat of a returning owner until its DAGs are paused."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the evidence of a drill lies.

    Args:
        folder: what the checker is told is written there.
    """

    folder: Path
    aws: LocalAws
    workload: Path
    ledger: Path

    def of_recovery(self, facts: Facts, manifest: dict[str, Any]) -> Path:
        """What the checker is told of the recovery: places and times."""
        return self._write(
            "",
            manifest,
            Site.PRIMARY,
            {
                "outage_at": facts.outage_at.isoformat(),
                "promoted_at": facts.promoted_at.isoformat(),
                "owed_until": facts.owed_until.isoformat(),
                "reruns": facts.reruns,
            },
        )

    def of_failback(
        self,
        facts: Facts,
        back: Return,
        handover: Handover,
        manifest: dict[str, Any],
        excused: list[str],
    ) -> Path:
        """What it is told of the return and the failback.

        Args:
            excused: runs that its findings on the recovery excused.
        """
        inputs = self._write(
            "failback-",
            manifest,
            Site.DR,
            {
                "planned": True,
                "outage_at": (
                    datetime.fromisoformat(manifest["snapshot_at"]) - self.aws.clocks.of_airflow
                ).isoformat(),
                "promoted_at": handover.promoted_at.isoformat(),
                "owed_until": handover.owed_until.isoformat(),
                "excused": excused,
                "back": {
                    "lost_at": facts.outage_at.isoformat(),
                    "returned_at": back.returned_at.isoformat(),
                    "heartbeat_at": back.heartbeat_at.isoformat(),
                    "fenced_at": back.fenced_at.isoformat(),
                    "listed": back.listed,
                    "allowed_seconds": FENCE_SECONDS,
                },
            },
        )
        told = json.loads(inputs.read_text())
        told["source"]["url"] = handover.source_url
        inputs.write_text(json.dumps(told, indent=1))
        return inputs

    def _write(
        self, name: str, manifest: dict[str, Any], source: Site, told: dict[str, Any]
    ) -> Path:
        document = self.folder / f"{name}manifest.json"
        document.write_text(json.dumps(manifest, indent=1))
        common = {
            "ledger": str(self.ledger),
            "workload": str(self.workload),
            "manifest": str(document),
            "source": self._database(source),
            "restored": self._database(source.other),
            "backup_interval": BACKUP_SECONDS,
            "past": history.PREFIX,
            "behind": 60 * Patience.factor,
            "backup_allowance": 30 * Patience.factor,
            "airflow_ahead": self.aws.clocks.airflow,
        }
        inputs = self.folder / f"{name}inputs.json"
        inputs.write_text(json.dumps({**common, **told}, indent=1))
        return inputs

    def _database(self, site: Site) -> dict[str, str]:
        environment = environment_of(self.aws, site)
        return {
            "environment": environment["name"],
            "region": environment["region"],
            "url": environment["database_url"],
            "fernet_key": Path(environment["fernet_key_path"]).read_text().strip(),
        }


def ask_checker(inputs: Path) -> dict[str, Any]:
    """Run the checker in a process of its own.

    Raises:
        DrillError: it could not finish; that it objects is a result, not an error.
    """
    findings = inputs.with_name(inputs.name.replace("inputs", "findings"))
    findings.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", CHECKER, inputs, findings],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not findings.exists():
        raise DrillError(f"the checker ended without findings: {done.stderr[-2000:]}")
    return json.loads(findings.read_text())


def objectives_met(
    findings: dict[str, Any], facts: Facts, strategy: Strategy, creation_limit: float
) -> bool:
    """Whether AWS would have kept the promises too.

    The time in which an environment really started here is replaced by the longest that AWS
    documents for it; where one stood by there is nothing to replace.
    """
    promised = OBJECTIVES[strategy]
    rto, rpo = findings["rto_seconds"]["max"], findings["rpo_seconds"]
    if rto is None or rpo is None:
        return False
    on_aws = rto
    if strategy is Strategy.BACKUP_RESTORE:
        started_here = (facts.environment_ready_at - facts.environment_asked_at).total_seconds()
        on_aws += creation_limit - started_here
    return timedelta(seconds=on_aws) <= timedelta(minutes=promised["rtoMinutes"]) and timedelta(
        seconds=rpo
    ) <= timedelta(minutes=promised["rpoMinutes"])


def permissions(told: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Calls that roles made, and those that their policies did not allow: there should be none.

    Args:
        told: what the local AWS kept of them.
    """
    calls: Counter[str] = Counter()
    for one in told["calls"]:
        calls[one["caller"]] += one["count"]
    return {"calls": dict(sorted(calls.items())), "refused": told["refused"]}


def compose(
    *,
    strategy: Strategy,
    airflow_version: str,
    outage: str,
    facts: Facts,
    journal: Journal,
    findings: dict[str, Any],
    forecast: dict[str, Any],
    met: bool,
    access: dict[str, Any],
    comeback: dict[str, Any] | None = None,
    disturbance: dict[str, Any] | None = None,
    clocks: Clocks = RIGHT,
    private: bool = False,
) -> dict[str, Any]:
    """The report; its names are fixed, other programs read it.

    Args:
        access: what `permissions` says of the calls of every role.
        disturbance: what came before the loss and was none; None if nothing did.
        clocks: under which functions and Airflow ran.
        private: whether the web servers answered in their own networks only.
        comeback: what came after the recovery; None if the drill ended there.
    """
    runs = findings["runs"]
    return {
        "strategy": strategy.value,
        "airflow_version": airflow_version,
        "outage": outage,
        "regions": {**{site.value: region for site, region in REGIONS.items()}, "witness": WITNESS},
        "outage_at": facts.outage_at.isoformat(),
        "detected_at": facts.detected_at.isoformat(),
        "environment_ready_at": facts.environment_ready_at.isoformat(),
        "restored_at": facts.restored_at.isoformat(),
        "unpaused_at": facts.unpaused_at.isoformat(),
        "resumed_at": findings["resumed_at"],
        "rto_seconds": findings["rto_seconds"],
        "rpo_seconds": findings["rpo_seconds"],
        "objectives": {
            "rto_seconds": OBJECTIVES[strategy]["rtoMinutes"] * 60,
            "rpo_seconds": OBJECTIVES[strategy]["rpoMinutes"] * 60,
        },
        "met": met,
        "steps": [
            step.to_dict() for step in sorted(journal.steps, key=lambda step: step.started_at)
        ],
        "forecast": forecast,
        "tables": findings["tables"],
        **({"past": findings["past"]} if findings["past"] else {}),
        "runs": {
            "expected": len(runs["expected"]),
            "completed": len(runs["completed"]),
            "lost": len(runs["lost"]),
            "doubled": len(runs["doubled"]),
            "at_risk": runs["at_risk"],
            "in_flight": runs["in_flight"],
        },
        "access": access,
        "verified": findings["verified"]
        and not access["refused"]
        and (comeback is None or comeback["verified"]),
        **({} if comeback is None else {"comeback": comeback}),
        **({} if disturbance is None else {"disturbance": disturbance}),
        **({"clocks_ahead": asdict(clocks)} if clocks != RIGHT else {}),
        **({"private": True} if private else {}),
    }


def compose_comeback(
    back: Return, handover: Handover, findings: dict[str, Any], rehearsal: Rehearsal
) -> dict[str, Any]:
    """What the report says of the return, the failback and the drill on top."""
    runs = findings["runs"]
    quiet = not rehearsal.ownership_changed and not rehearsal.unpaused
    return {
        "returned_at": back.returned_at.isoformat(),
        "heartbeat_at": back.heartbeat_at.isoformat(),
        "fenced_at": back.fenced_at.isoformat(),
        "fence_seconds": (back.fenced_at - back.heartbeat_at).total_seconds(),
        "listed": back.listed,
        "failback": {
            "fenced_at": handover.fenced_at.isoformat(),
            "unpaused_at": handover.unpaused_at.isoformat(),
            "pause_seconds": (handover.unpaused_at - handover.fenced_at).total_seconds(),
            "tables": findings["tables"],
            "runs": {
                "expected": len(runs["expected"]),
                "completed": len(runs["completed"]),
                "lost": len(runs["lost"]),
                "doubled": len(runs["doubled"]),
            },
        },
        "drill": {
            "incident_id": rehearsal.incident_id,
            "ownership_changed": rehearsal.ownership_changed,
            "unpaused": rehearsal.unpaused,
        },
        "verified": findings["verified"] and quiet,
    }
