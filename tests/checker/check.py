"""The independent checker: recomputes every claim of a drill and believes none.

python -m tests.checker.check inputs.json findings.json
"""

import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.checker import behaviour, equality
from tests.checker.database import reading
from tests.checker.equality import TableResult
from tests.checker.findings import Findings
from tests.checker.inputs import Inputs
from tests.checker.ledger import Ledger
from tests.checker.outcome import Outcome


def check(inputs: Inputs) -> dict[str, Any]:
    """Everything the checker found; `verified` only if it objects to nothing."""
    findings = Findings()
    with (
        reading(inputs.source, inputs.snapshot, inputs.past) as source,
        reading(inputs.restored, inputs.snapshot, inputs.past) as restored,
    ):
        outcome = Outcome(inputs, Ledger.load(inputs.ledger), source.runs(), restored.runs())
        behaviour.check(outcome, findings)
        tables = equality.check(outcome, source, restored, findings)
    rto = {dag: (at - inputs.outage_at).total_seconds() for dag, at in outcome.resumed_at.items()}
    return {
        "verified": not findings.objections,
        "objections": [asdict(objection) for objection in findings.objections],
        "checks": findings.made,
        "tables": [
            {
                "name": table.name,
                "expected_rows": table.expected_rows,
                "restored_rows": table.restored_rows,
                "match": table.match,
            }
            for table in tables
        ],
        "past": {table.name: table.past_rows for table in tables if table.past_rows},
        "runs": {
            "expected": sorted(outcome.expected),
            "completed": sorted(outcome.expected & outcome.completed),
            "lost": sorted(outcome.lost),
            "doubled": sorted(outcome.doubled),
            "at_risk": sorted(outcome.at_risk),
            "in_flight": sorted(outcome.in_flight),
        },
        "resumed_at": {
            dag: (at - inputs.ahead).isoformat() for dag, at in sorted(outcome.resumed_at.items())
        },
        "rto_seconds": {
            "p50": statistics.median(rto.values()) if rto else None,
            "max": max(rto.values(), default=None),
        },
        "rpo_seconds": _rpo(inputs, tables),
    }


def _rpo(inputs: Inputs, tables: list[TableResult]) -> float | None:
    """From the outage back to the newest change that came along."""
    times = [table.newest for table in tables if table.newest]
    return (inputs.outage_at - max(times)).total_seconds() if times else None


def main() -> int:
    source, target = (Path(argument) for argument in sys.argv[1:3])
    result = check(Inputs.load(source))
    target.write_text(json.dumps(result, indent=1))
    for objection in result["objections"]:
        sys.stderr.write(f"{objection['check']}: {objection['subject']}: {objection['reason']}\n")
    return 0 if result["verified"] else 1


if __name__ == "__main__":
    sys.exit(main())
