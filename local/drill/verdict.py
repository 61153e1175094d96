"""Hands the evidence to the independent checker and writes its findings down as the report."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from contract.sites import Site
from local.drill.journal import Journal
from local.drill.recovery import Facts
from local.drill.stacks import BACKUP_SECONDS, OBJECTIVES, REGIONS, WITNESS
from local.drill.waiting import DrillError, Patience
from local.gateway.process import LocalAws
from local.paths import ROOT

CHECKER = "tests.checker.check"


def write_evidence(
    folder: Path,
    *,
    aws: LocalAws,
    facts: Facts,
    manifest: dict[str, Any],
    workload: Path,
    ledger: Path,
) -> Path:
    """Write down what the checker is told: places and times."""
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
    inputs = folder / "inputs.json"
    environments = {item["region"]: item for item in aws.control.state()["environments"]}
    inputs.write_text(
        json.dumps(
            {
                "ledger": str(ledger),
                "workload": str(workload),
                "manifest": str(folder / "manifest.json"),
                "source": _database(environments[REGIONS[Site.PRIMARY]]),
                "restored": _database(environments[REGIONS[Site.DR]]),
                "outage_at": facts.outage_at.isoformat(),
                "promoted_at": facts.promoted_at.isoformat(),
                "owed_until": facts.owed_until.isoformat(),
                "backup_interval": BACKUP_SECONDS,
                "behind": 60 * Patience.factor,
                "backup_allowance": 30 * Patience.factor,
                "reruns": facts.reruns,
            },
            indent=1,
        )
    )
    return inputs


def _database(environment: dict[str, Any]) -> dict[str, str]:
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
    findings = inputs.with_name("findings.json")
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


def objectives_met(findings: dict[str, Any], facts: Facts, creation_limit: float) -> bool:
    """Whether AWS would have kept the promises too.

    The time in which an environment really started here is replaced by the longest that AWS
    documents for it.
    """
    rto, rpo = findings["rto_seconds"]["max"], findings["rpo_seconds"]
    if rto is None or rpo is None:
        return False
    started_here = (facts.environment_ready_at - facts.environment_asked_at).total_seconds()
    on_aws = rto - started_here + creation_limit
    return timedelta(seconds=on_aws) <= timedelta(minutes=OBJECTIVES["rtoMinutes"]) and timedelta(
        seconds=rpo
    ) <= timedelta(minutes=OBJECTIVES["rpoMinutes"])


def compose(
    *,
    strategy: str,
    airflow_version: str,
    outage: str,
    facts: Facts,
    journal: Journal,
    findings: dict[str, Any],
    forecast: dict[str, Any],
    met: bool,
) -> dict[str, Any]:
    """The report; its names are fixed, other programs read it."""
    runs = findings["runs"]
    return {
        "strategy": strategy,
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
            "rto_seconds": OBJECTIVES["rtoMinutes"] * 60,
            "rpo_seconds": OBJECTIVES["rpoMinutes"] * 60,
        },
        "met": met,
        "steps": [
            step.to_dict() for step in sorted(journal.steps, key=lambda step: step.started_at)
        ],
        "forecast": forecast,
        "tables": findings["tables"],
        "runs": {
            "expected": len(runs["expected"]),
            "completed": len(runs["completed"]),
            "lost": len(runs["lost"]),
            "doubled": len(runs["doubled"]),
            "at_risk": runs["at_risk"],
            "in_flight": runs["in_flight"],
        },
        "verified": findings["verified"],
    }
