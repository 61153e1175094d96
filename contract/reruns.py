"""What an operator asks when runs shall be run again: of the agent, or of a database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RunName:
    """What names a run in every environment.

    Args:
        run_id: empty for all interrupted runs of the DAG.
    """

    dag_id: str
    run_id: str = ""

    def __str__(self) -> str:
        return f"{self.dag_id}/{self.run_id}" if self.run_id else self.dag_id

    @classmethod
    def parse(cls, text: str) -> "RunName":
        """`DAG_ID` or `DAG_ID/RUN_ID`; a run id may hold slashes, a DAG id cannot."""
        dag_id, _, run_id = text.partition("/")
        return cls(dag_id, run_id)


@dataclass(frozen=True, slots=True)
class RerunRequest:
    """Which runs to run again, and how.

    Args:
        snapshot_at: of the restored backup, ISO 8601; empty to tell it from the database.
        outage_at: the old owner's last sign of life, ISO 8601; empty if nobody knows.
        runs: None for all that are interrupted; an empty list for none, which only lists.
        force: also runs that are not as the import left them.
        whole: also tasks that are done.
        dry_run: say what would be done and do nothing.
    """

    snapshot_at: str = ""
    outage_at: str = ""
    runs: list[RunName] | None = None
    force: bool = False
    whole: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        for name in ("snapshot_at", "outage_at"):
            value = getattr(self, name)
            try:
                aware = not value or datetime.fromisoformat(value).tzinfo is not None
            except ValueError:
                aware = False
            if not aware:
                raise ValueError(
                    f"{name}: {value!r} is not allowed; use a time with its offset, such as "
                    "2026-11-26T09:30:00+00:00"
                )

    def to_payload(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "RerunRequest":
        """Raises ValueError on anything that is not a whole request."""
        try:
            runs = payload["runs"]
            named = None if runs is None else [RunName(**run) for run in runs]
            return cls(**{**payload, "runs": named})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a request to run again: {error!r}") from error
