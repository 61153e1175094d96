"""What the checker is told: places and times, never a result.

Everything else it finds out for itself from the ledger and from the two databases.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
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

    @classmethod
    def load(cls, path: Path) -> "Inputs":
        """Raises KeyError or ValueError naming what is missing or wrong."""
        raw = json.loads(path.read_text())
        manifest = json.loads(Path(raw["manifest"]).read_text())
        return cls(
            ledger=Path(raw["ledger"]),
            workload=json.loads(Path(raw["workload"]).read_text()),
            source=Database(**raw["source"]),
            restored=Database(**raw["restored"]),
            snapshot=manifest["snapshot"],
            snapshot_at=datetime.fromisoformat(manifest["snapshot_at"]),
            outage_at=datetime.fromisoformat(raw["outage_at"]),
            promoted_at=datetime.fromisoformat(raw["promoted_at"]),
            owed_until=datetime.fromisoformat(raw["owed_until"]),
            backup_interval=float(raw["backup_interval"]),
            backup_allowance=float(raw.get("backup_allowance", 30)),
            behind=float(raw.get("behind", 60)),
            reruns=frozenset(raw.get("reruns", ())),
        )
