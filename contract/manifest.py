"""What a backup is: a backup exists once its manifest does.

The manifest is written last, never overwritten, and signed: `signature` is an HMAC-SHA256 over the
rest under the backup's data key, which only KMS can unseal. Object keys are relative to the prefix
that holds the manifest.
"""

import hmac
import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from contract.sites import Site

FORMAT_VERSION = 2


class BackupKind(StrEnum):
    BASE = "base"
    INCREMENTAL = "incremental"


class RowFormat(StrEnum):
    """How the rows of an object are written: PostgreSQL's two forms of COPY."""

    TEXT = "text"
    BINARY = "binary"


class ObjectSet(StrEnum):
    """What an object of a backup is for."""

    RESUME = "resume"
    """Rows that scheduling needs: phase 1 of an import loads nothing else."""
    HISTORY = "history"
    """The other rows of a base: phase 2."""
    CHANGES = "changes"
    """The other rows of an incremental: whole runs that changed, and what ledgers gained."""
    DELETIONS = "deletions"
    """`deletions.bin`: what an incremental takes away, and which runs it changed."""
    STATE = "state"
    """`state.bin`: what the next incremental compares the database with."""
    ORACLE = "oracle"
    """`oracle.json`: what each DAG was about to do, see `DagOracle`."""
    CODE = "code"
    """`code.json`: key and version id of each object of the DAG bucket."""


@dataclass(frozen=True, slots=True)
class BackupObject:
    """One object.

    Args:
        key: relative to the manifest's prefix.
        set: what it is for.
        table: the table whose rows it holds; empty for documents.
        rows: rows in it; 0 for documents.
        size: bytes as stored.
        sha256: hex digest of the bytes as stored.
        columns: in the order of the COPY stream.
        types: the source's type of each column, as `format_type` writes it.
        format: which form of COPY the rows have.
        compression: `zstd`, `gzip` or `none`.
    """

    key: str
    set: ObjectSet
    table: str
    rows: int
    size: int
    sha256: str
    columns: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    format: RowFormat = RowFormat.TEXT
    compression: str = "none"


@dataclass(frozen=True, slots=True)
class DagSchedule:
    """What a DAG's next runs depend on, as the snapshot holds it; times ISO 8601 or None.

    Args:
        timetable: `{kind, ...}`, see `mwaa_dr_metadata.schedules`; what cannot be read is of the
            kind `unknown`, with a `reason`.
        catchup: None where the DAG leaves it to its environment's `catchup_by_default`.
        start_date: the earliest of the DAG and its tasks.
        end_date: the latest, if there is one for all of them.
        depends_on_past: whether any task waits for its own success in the run before.
        last_start: data interval of the latest scheduled run, from which Airflow finds the next.
        last_end: its other end.
        run_seconds: how long the latest successful scheduled runs took on average.
        queued: `{uri, name, at}` of each dataset or asset whose event waits for this DAG.
        producers: DAGs whose tasks update what this DAG waits for.
    """

    timetable: dict[str, Any]
    catchup: bool | None = None
    start_date: str | None = None
    end_date: str | None = None
    max_active_runs: int = 16
    depends_on_past: bool = False
    last_start: str | None = None
    last_end: str | None = None
    run_seconds: float | None = None
    queued: list[dict[str, str]] = field(default_factory=list)
    producers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DagOracle:
    """What the scheduler was about to do with a DAG at the snapshot; times ISO 8601 or None.

    Args:
        schedule: None in a backup of an earlier version, which did not keep it.
    """

    dag_id: str
    is_paused: bool
    is_active: bool
    next_dagrun: str | None
    next_dagrun_data_interval_start: str | None
    next_dagrun_data_interval_end: str | None
    next_dagrun_create_after: str | None
    schedule: DagSchedule | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything needed to decide whether, and how, a backup can be restored.

    Args:
        snapshot_at: the database's clock when the snapshot was taken, ISO 8601, UTC.
        snapshot: `pg_current_snapshot()` of it: `xmin:xmax:xids in progress`.
        system_identifier: of the PostgreSQL cluster; empty where the role may not see it.
        timeline: of the PostgreSQL cluster, likewise.
        alembic_heads: by version table (`alembic_version`, `alembic_version_fab`).
        seal: `{key_id, ciphertext}`: the data key, base64, sealed by the key service.
        counts: rows by table over all sets of this backup.
        excluded: table -> why it is left out.
        unreadable: ciphertext rows that the source's own Fernet key could not open.
        base_id: of an incremental, the base that its chain starts from.
        parent_id: of an incremental, the backup whose snapshot it goes on from.
        reason: why this is a base, or what an incremental found.
        deleted: table -> rows that went since the parent, at least.
        before: table -> rows that the parent had.
        purged: of the deleted ones, those that a purge took on purpose.
        suspects: backup id -> what was deleted before it, since the last base, that a restore
            should not repeat without a person's word.
    """

    backup_id: str
    kind: BackupKind
    installation: str
    site: Site
    epoch: int
    environment: str
    airflow_version: str
    alembic_heads: dict[str, str]
    system_identifier: str
    snapshot: str
    snapshot_at: str
    started_at: str
    finished_at: str
    seal: dict[str, str]
    objects: list[BackupObject]
    counts: dict[str, int]
    excluded: dict[str, str] = field(default_factory=dict)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    base_id: str = ""
    parent_id: str = ""
    reason: str = ""
    timeline: str = ""
    deleted: dict[str, int] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    purged: dict[str, int] = field(default_factory=dict)
    suspects: dict[str, str] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    signature: str = ""

    def payload(self) -> bytes:
        """The canonical bytes that the signature covers."""
        return json.dumps(asdict(replace(self, signature="")), sort_keys=True).encode()

    def signed(self, data_key: bytes) -> "Manifest":
        return replace(self, signature=hmac.new(data_key, self.payload(), "sha256").hexdigest())

    def is_signed_by(self, data_key: bytes) -> bool:
        return hmac.compare_digest(
            self.signature, hmac.new(data_key, self.payload(), "sha256").hexdigest()
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Raises ValueError on anything that is not a whole manifest of a known format."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw["format_version"] != FORMAT_VERSION:
                raise ValueError(
                    f"manifest format {raw['format_version']!r} is not known here; "
                    f"this version reads {FORMAT_VERSION}"
                )
            objects = [
                BackupObject(
                    **{
                        **item,
                        "set": ObjectSet(item["set"]),
                        "format": RowFormat(item["format"]),
                    }
                )
                for item in raw["objects"]
            ]
            return cls(
                **{
                    **raw,
                    "kind": BackupKind(raw["kind"]),
                    "site": Site(raw["site"]),
                    "objects": objects,
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a manifest: {error!r}") from error
