"""Carries out what an operator asks about interrupted runs, for every host of the engine."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.engine import Engine

from contract.reruns import RerunRequest, RunName
from mwaa_dr_metadata.interruptions import at_risk_runs, interrupted_runs, snapshot_of_import
from mwaa_dr_metadata.rerun import rerun

NEVER = "-infinity"
"""No run ended then, so none is as an import left it."""


def answer(engine: Engine, request: RerunRequest) -> dict[str, Any]:
    """Do what is asked; return it as JSON with what is interrupted and at risk afterwards.

    Where no import can be told, nothing is interrupted and nobody can say what is at risk (None).

    Raises:
        TargetRefusedError: this is no Airflow database.
    """
    known = request.snapshot_at or snapshot_of_import(engine)
    at = known or NEVER
    names, missing = request.runs, []
    if names is not None:
        names, missing = _by_name(names, [one.name for one in interrupted_runs(engine, at)])
    report = rerun(
        engine, at, names, force=request.force, whole=request.whole, dry_run=request.dry_run
    )
    report.left.extend(missing)
    at_risk = at_risk_runs(engine, known, request.outage_at) if known else None
    return {
        "snapshot_at": known,
        "report": report.to_dict(),
        "interrupted": [asdict(one) for one in interrupted_runs(engine, at)],
        "at_risk": None if at_risk is None else [asdict(one) for one in at_risk],
    }


def _by_name(
    asked: Sequence[RunName], interrupted: Sequence[RunName]
) -> tuple[list[RunName], list[dict[str, str]]]:
    """The runs behind the names, and the DAGs that were named in vain."""
    dags = {name.dag_id for name in asked if not name.run_id}
    names = [name for name in asked if name.run_id]
    names += [name for name in interrupted if name.dag_id in dags]
    in_vain = sorted(dags - {name.dag_id for name in interrupted})
    reason = "none of its runs is interrupted"
    return names, [{"dag_id": name, "run_id": "", "reason": reason} for name in in_vain]
