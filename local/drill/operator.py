"""What an operator does during the drill: the product's own command, as a person would call it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.state import IncidentKind
from local.drill.stacks import Stacks
from local.drill.waiting import DrillError, Patience

COMMAND = Path(sys.executable).parent / "mwaa-dr"
SECONDS = 240


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody in the folder of the stack files, with credentials of the DR Region."""

    stacks: Stacks

    def start(self, kind: IncidentKind) -> str:
        """Ask for an incident of a kind; return its id, without waiting for its end."""
        return self._run(kind.value, "--yes", "--no-wait")["incident_id"]

    def interrupted(self) -> list[dict[str, Any]]:
        """The runs that the import interrupted."""
        return self._rerun("--list")["interrupted"]

    def rerun(self, dag_ids: list[str]) -> list[str]:
        """Run all interrupted runs of these DAGs again; return them as "dag_id/run_id"."""
        report = self._rerun(*dag_ids)["report"]
        return [f"{run['dag_id']}/{run['run_id']}" for run in report["runs"]]

    def forecast(self) -> dict[str, Any]:
        """What the product foretold before it promoted the DR site."""
        return self._run("report")["forecast"] or {"headline": "there is none"}

    def _rerun(self, *arguments: str) -> dict[str, Any]:
        return self._run("rerun", *arguments)

    def _run(self, *arguments: str) -> dict[str, Any]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        done = subprocess.run(
            [COMMAND, *arguments, "--json"],
            cwd=self.stacks.folder,
            env={**clean, **self.stacks.aws.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS * Patience.factor,
            check=False,
        )
        if done.returncode:
            raise DrillError(f"`mwaa-dr {' '.join(arguments)}` failed: {done.stderr}")
        return json.loads(done.stdout)
