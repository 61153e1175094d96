"""What the checker is told: places and times, never a result.

Everything else it finds out for itself from the ledger and from the two databases.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

RECOVERY_PREFIX = "mwaa_dr_"
"""DAGs of the recovery itself; they are no part of what is recovered."""


@dataclass(frozen=True, slots=True)
class Database:
    """One environment's metadata database.

    Args:
        environment: the environment's name, as tasks write it into the ledger.
        region: its Region.
        url: `postgresql...://user:password@host:port/database`.
        fernet_key: what opens its ciphertexts.
    """

    environment: str
    region: str
    url: str
    fernet_key: str


@dataclass(frozen=True, slots=True)
class Return:
    """How a site that had lost the epoch came back.

    Args:
        lost_at: when its Region was lost.
        returned_at: when it was there again.
        heartbeat_at: when its scheduler began to work.
        fenced_at: when it had stopped itself.
        listed: runs ("dag_id/run_id") that its own reports say it had under way.
        allowed_seconds: from the heartbeat to the fence.
    """

    lost_at: datetime
    returned_at: datetime
    heartbeat_at: datetime
    fenced_at: datetime
    listed: frozenset[str]
    allowed_seconds: float

    @classmethod
    def load(cls, raw: dict[str, Any], ahead: timedelta) -> "Return":
        return cls(
            **_moments(raw, ahead, "lost_at", "returned_at", "heartbeat_at", "fenced_at"),
            listed=frozenset(raw["listed"]),
            allowed_seconds=float(raw["allowed_seconds"]),
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """One drill.

    Args:
        workload: the table of DAGs, as the DAG files read it.
        snapshot: `pg_current_snapshot()` of the backup that was restored.
        snapshot_at: the database's clock then.
        outage_at: when the old owner's Region was lost.
        promoted_at: when ownership moved; nothing may run at the new owner before.
        owed_until: runs due by then must have been completed when the drill ended.
        backup_interval: seconds between two backups.
        backup_allowance: seconds that a backup may take until it counts.
        behind: seconds that a busy machine may be behind its schedules.
        reruns: runs ("dag_id/run_id") that the operator cleared by hand after the recovery.
        planned: whether the old owner worked and handed over all it had; then nothing is excused.
            `outage_at` is when the backup's snapshot was taken, since nothing worked after it.
        back: for a planned move back to where work was before: how that site had come back.
        excused: runs that an earlier move had excused.
        past: how the ids of DAGs begin whose rows are too many to be read one by one; empty for
            none.
        ahead: by how much the clocks of both environments were ahead. What others saw is told here
            as those clocks showed it, since the ledger, the rows and the snapshot are theirs.
    """

    ledger: Path
    workload: dict[str, Any]
    source: Database
    restored: Database
    snapshot: str
    snapshot_at: datetime
    outage_at: datetime
    promoted_at: datetime
    owed_until: datetime
    backup_interval: float
    backup_allowance: float = 30
    behind: float = 60
    reruns: frozenset[str] = field(default_factory=frozenset)
    planned: bool = False
    back: "Return | None" = None
    excused: frozenset[str] = field(default_factory=frozenset)
    past: str = ""
    ahead: timedelta = timedelta(0)

    @classmethod
    def load(cls, path: Path) -> "Inputs":
        """Raises KeyError or ValueError naming what is missing or wrong."""
        raw = json.loads(path.read_text())
        manifest = json.loads(Path(raw["manifest"]).read_text())
        ahead = timedelta(seconds=float(raw.get("airflow_ahead", 0)))
        return cls(
            ledger=Path(raw["ledger"]),
            workload=json.loads(Path(raw["workload"]).read_text()),
            source=Database(**raw["source"]),
            restored=Database(**raw["restored"]),
            snapshot=manifest["snapshot"],
            snapshot_at=datetime.fromisoformat(manifest["snapshot_at"]),
            **_moments(raw, ahead, "outage_at", "promoted_at", "owed_until"),
            backup_interval=float(raw["backup_interval"]),
            backup_allowance=float(raw.get("backup_allowance", 30)),
            behind=float(raw.get("behind", 60)),
            reruns=frozenset(raw.get("reruns", ())),
            planned=bool(raw.get("planned")),
            back=Return.load(raw["back"], ahead) if raw.get("back") else None,
            excused=frozenset(raw.get("excused", ())),
            past=raw.get("past", ""),
            ahead=ahead,
        )


def _moments(raw: dict[str, Any], ahead: timedelta, *names: str) -> dict[str, Any]:
    """What others saw, as the environments' clocks showed it."""
    return {name: datetime.fromisoformat(raw[name]) + ahead for name in names}
