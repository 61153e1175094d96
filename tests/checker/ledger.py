"""The ledger: what tasks wrote about themselves, and what follows from it for each run."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

SCHEDULED = ("scheduled", "dataset_triggered", "asset_triggered")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `event` is start, success or callback."""

    event: str
    dag_id: str
    run_id: str
    run_type: str
    task_id: str
    map_index: int
    try_number: int
    at: datetime
    environment: str
    region: str
    values: dict[str, Any]

    @property
    def run(self) -> str:
        return f"{self.dag_id}/{self.run_id}"

    @property
    def task(self) -> tuple[str, int]:
        return self.task_id, self.map_index

    @property
    def is_scheduled(self) -> bool:
        return self.run_type in SCHEDULED

    @classmethod
    def from_json(cls, line: str) -> "Entry":
        raw = json.loads(line)
        raw["at"] = datetime.fromisoformat(raw["at"])
        return cls(**{name: raw[name] for name in cls.__slots__})


class Ledger:
    """All entries, in the order of their times."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.at)

    @classmethod
    def load(cls, path: Path) -> "Ledger":
        return cls(Entry.from_json(line) for line in path.read_text().splitlines() if line)

    def of(self, environment: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.environment == environment]

    def successes(self) -> dict[str, dict[tuple[str, int], list[Entry]]]:
        """run -> task -> its successes."""
        found: dict[str, dict[tuple[str, int], list[Entry]]] = defaultdict(dict)
        for entry in self.entries:
            if entry.event == "success":
                found[entry.run].setdefault(entry.task, []).append(entry)
        return found

    def complete(self, business: dict[str, dict[str, int]]) -> set[str]:
        """Runs whose business tasks have all succeeded, each on as many instances as it has.

        Args:
            business: dag_id -> task_id -> number of instances.
        """
        complete = set()
        for run, tasks in self.successes().items():
            wanted = business.get(run.partition("/")[0])
            if wanted is not None and all(
                sum(task == task_id for task, _ in tasks) >= instances
                for task_id, instances in wanted.items()
            ):
                complete.add(run)
        return complete
