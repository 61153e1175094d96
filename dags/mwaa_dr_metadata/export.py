"""Takes a backup: one snapshot, parallel COPY, the manifest last."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract import keys
from contract.manifest import BackupKind, BackupObject, Manifest, ObjectSet
from mwaa_dr_metadata import oracle
from mwaa_dr_metadata.catalogue import alembic_heads, read_catalogue
from mwaa_dr_metadata.ciphertext import RowWriter, decode, fields_of, opener
from mwaa_dr_metadata.errors import DatabaseSettingsError
from mwaa_dr_metadata.model import BackupIdentity, Progress, ProgressCallback
from mwaa_dr_metadata.plan import make_plan
from mwaa_dr_metadata.sealing import DataKey, Sealer, context_of
from mwaa_dr_metadata.selection import Job, history_runs, jobs, parts_of, resume_runs
from mwaa_dr_metadata.session import Session, Writer
from mwaa_dr_metadata.snapshot import open_snapshot
from mwaa_dr_metadata.storage import Storage
from mwaa_dr_metadata.streams import EncryptingWriter, best_compression

SUFFIX = {"zstd": ".copy.zst", "gzip": ".copy.gz"}
DEFAULT_HORIZON = timedelta(hours=1)
ORACLE_KEY, CODE_KEY = "oracle.json", "code.json"


@dataclass(frozen=True, slots=True)
class _Exported:
    object: BackupObject
    unreadable: list[dict[str, str]]


def export_backup(
    engine: Engine,
    storage: Storage,
    sealer: Sealer,
    fernet: MultiFernet | None,
    identity: BackupIdentity,
    *,
    code_versions: Sequence[Mapping[str, str]] = (),
    horizon: timedelta = DEFAULT_HORIZON,
    workers: int = 2,
    progress: ProgressCallback | None = None,
) -> Manifest:
    """Back up everything that the rules carry; return the manifest as written.

    The manifest's key is `contract.keys.manifest(site, epoch, backup_id)`. Until it is written the
    backup does not exist, and an export that fails leaves earlier backups as they were.

    Args:
        engine: on the environment's metadata database.
        fernet: the environment's key; without one, encrypted values are listed as unreadable.
        identity: whose backup it is.
        code_versions: key and version id of each object of the DAG bucket, kept with the backup.
        horizon: how far back finished runs still belong to the resume set.
        workers: connections that read the snapshot at once.
        progress: told of each object.

    Raises:
        SealUnavailableError: no data key; nothing was written.
        Exception: whatever the database or the storage raised.
    """
    started = datetime.now(UTC)
    backup_id = keys.backup_id(started)
    prefix = keys.backup_prefix(identity.site, identity.epoch, backup_id)
    data_key = sealer.new_key(context_of(identity.installation, backup_id))
    writer = _ObjectWriter(storage, prefix, data_key, fernet, progress)
    with open_snapshot(engine, workers) as snapshot:
        catalogue = read_catalogue(snapshot.lead)
        if "dag_run" not in catalogue.tables:
            raise DatabaseSettingsError("this database holds no Airflow metadata: no table dag_run")
        plan = make_plan(catalogue)
        resume = resume_runs(snapshot.lead, plan, horizon)
        parts = parts_of(history_runs(snapshot.lead, plan, resume))
        found = jobs(snapshot.lead, plan, resume, parts)
        dags = oracle.read_oracle(snapshot.lead)
        heads = alembic_heads(snapshot.lead, catalogue)
        system = snapshot.lead.optional("SELECT system_identifier FROM pg_control_system()", "")
        exported = snapshot.each(found, writer.table)
    objects = [
        *(item.object for item in sorted(exported, key=lambda item: item.object.key)),
        writer.document(ORACLE_KEY, ObjectSet.ORACLE, oracle.to_json(dags)),
        writer.document(
            CODE_KEY,
            ObjectSet.CODE,
            json.dumps([dict(version) for version in code_versions], sort_keys=True).encode(),
        ),
    ]
    manifest = Manifest(
        backup_id=backup_id,
        kind=BackupKind.BASE,
        installation=identity.installation,
        site=identity.site,
        epoch=identity.epoch,
        environment=identity.environment,
        airflow_version=identity.airflow_version,
        alembic_heads=heads,
        system_identifier=str(system),
        snapshot=snapshot.identifier,
        snapshot_at=snapshot.taken_at,
        started_at=started.isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        seal=data_key.seal,
        objects=objects,
        counts=_counts(objects),
        excluded=dict(plan.excluded),
        unreadable=[entry for item in exported for entry in item.unreadable],
    ).signed(data_key.plaintext)
    storage.put(prefix + keys.MANIFEST, manifest.to_json().encode())
    return manifest


def _counts(objects: Sequence[BackupObject]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in objects:
        if item.table:
            counts[item.table] = counts.get(item.table, 0) + item.rows
    return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class _ObjectWriter:
    """Writes the objects of one backup."""

    storage: Storage
    prefix: str
    data_key: DataKey
    fernet: MultiFernet | None
    progress: ProgressCallback | None

    def table(self, session: Session, job: Job) -> _Exported:
        compression = best_compression()
        name = job.name + SUFFIX[compression]
        columns = job.table.carried
        unreadable: list[dict[str, str]] = []
        with self.storage.create(self.prefix + name) as target:
            encrypted = EncryptingWriter(target, self.data_key.plaintext, name, compression)
            sink: Writer = encrypted
            fields = fields_of(job.table.rule.sealed, columns)
            if fields is not None:
                key = columns.index((*job.table.rule.key, "id")[0])

                def report(row: list[bytes], column: str, reason: str) -> None:
                    unreadable.append(
                        {
                            "table": job.table.name,
                            "key": decode(row[key]) or "",
                            "column": column,
                            "reason": reason,
                        }
                    )

                sink = RowWriter(encrypted, opener(fields, self.fernet, report))
            session.copy_out(job.query, sink)
            encrypted.close()
        self._tell(Progress("export", job.part, job.table.name, encrypted.rows, encrypted.size))
        return _Exported(
            BackupObject(
                key=name,
                set=job.set,
                table=job.table.name,
                rows=encrypted.rows,
                size=encrypted.size,
                sha256=encrypted.sha256,
                columns=columns,
                compression=compression,
            ),
            unreadable,
        )

    def document(self, key: str, kind: ObjectSet, data: bytes) -> BackupObject:
        self.storage.put(self.prefix + key, data)
        self._tell(Progress("export", "", key, 0, len(data)))
        return BackupObject(
            key=key,
            set=kind,
            table="",
            rows=0,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    def _tell(self, event: Progress) -> None:
        if self.progress is not None:
            self.progress(event)
