"""How far the work has come, read from the ledger while it is written."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Progress:
    """Follows the ledger; `read` takes in what is new."""

    ledger: Path
    _offset: int = 0
    succeeded: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """environment -> DAGs with a success."""
    scheduled: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """environment -> DAGs with a success in a run that nobody triggered by hand."""
    lines: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    last_at: datetime | None = None

    def read(self) -> None:
        if not self.ledger.exists():
            return
        with self.ledger.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data.rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        place = entry["environment"]
        self.lines[place] += 1
        self.last_at = datetime.fromisoformat(entry["at"])
        if entry["event"] == "success":
            self.succeeded[place].add(entry["dag_id"])
            if entry["run_type"] != "manual":
                self.scheduled[place].add(entry["dag_id"])
