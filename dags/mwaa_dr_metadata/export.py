"""Takes a backup: one snapshot, parallel COPY, the manifest last."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract import keys
from contract.manifest import BackupKind, Manifest, ObjectSet
from mwaa_dr_metadata import lineage, oracle
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.catalogue import alembic_heads, read_catalogue
from mwaa_dr_metadata.changes import Changes, measure
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.model import BackupIdentity, ProgressCallback
from mwaa_dr_metadata.objects import Exported, ObjectWriter
from mwaa_dr_metadata.parent import Parent, open_parent
from mwaa_dr_metadata.plan import Plan, make_plan
from mwaa_dr_metadata.rules import Where
from mwaa_dr_metadata.sealing import Sealer, context_of
from mwaa_dr_metadata.selection import (
    CHANGES,
    HISTORY,
    Job,
    between,
    newest_first,
    parts_of,
    pending_events,
    resume_jobs,
    resume_runs,
    run_jobs,
    shared_jobs,
    slices_of,
)
from mwaa_dr_metadata.session import quote
from mwaa_dr_metadata.snapshot import Snapshot, open_snapshot
from mwaa_dr_metadata.storage import Storage

logger = logging.getLogger(__name__)

DEFAULT_HORIZON = timedelta(hours=1)
BASE_EVERY = timedelta(days=1)
ORACLE_KEY, CODE_KEY = "oracle.json", "code.json"
SUSPICIOUS_SHARE = 0.3
SUSPICIOUS_ROWS = 1000
"""Airflow tidies up less than this of a table at once."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a backup is taken.

    Args:
        parent: the backup to go on from, if there is one; see `backups.newest`.
        kind: what was asked for; None decides. What cannot be an incremental is a base.
        base_every: an incremental's base is at most so old.
        without: tables that the user does not want in backups, e.g. rendered fields.
        horizon: how far back finished runs still belong to the resume set.
        workers: connections that read the snapshot at once.
        code_versions: key and version id of each object of the DAG bucket, kept with the backup.
        purged: what a purge deleted since the parent on purpose, `{table: rows}`.
    """

    parent: Backup | None = None
    kind: BackupKind | None = None
    base_every: timedelta = BASE_EVERY
    without: Collection[str] = ()
    horizon: timedelta = DEFAULT_HORIZON
    workers: int = 2
    code_versions: Sequence[Mapping[str, str]] = ()
    purged: Mapping[str, int] = field(default_factory=dict)


def export_backup(  # noqa: PLR0917 - the engine's calls share one order of arguments
    engine: Engine,
    storage: Storage,
    sealer: Sealer,
    fernet: MultiFernet | None,
    identity: BackupIdentity,
    options: ExportOptions | None = None,
    *,
    progress: ProgressCallback | None = None,
) -> Manifest:
    """Back up everything that the rules carry; return the manifest as written.

    The manifest's key is `contract.keys.manifest(site, epoch, backup_id)`. Until it is written the
    backup does not exist, and an export that fails leaves earlier backups as they were.

    Args:
        engine: on the environment's metadata database.
        fernet: the environment's key; without one, encrypted values are listed as unreadable.
        identity: whose backup it is.
        progress: told of each object.

    Raises:
        SealUnavailableError: no data key; nothing was written.
        Exception: whatever the database or the storage raised.
    """
    options = options or ExportOptions()
    started = datetime.now(UTC)
    backup_id = keys.backup_id(started)
    prefix = keys.backup_prefix(identity.site, identity.epoch, backup_id)
    data_key = sealer.new_key(context_of(identity.installation, backup_id))
    parent = _parent(options.parent)
    writer = ObjectWriter(storage, prefix, data_key, fernet, progress)
    with open_snapshot(engine, options.workers) as snapshot:
        catalogue = read_catalogue(snapshot.lead)
        plan = make_plan(catalogue, options.without)
        database = lineage.Database(
            system_identifier=_optional(snapshot, "system_identifier FROM pg_control_system()"),
            timeline=_optional(snapshot, "timeline_id FROM pg_control_checkpoint()"),
            snapshot=snapshot.identifier,
            heads=alembic_heads(snapshot.lead, catalogue),
        )
        decision = lineage.decide(
            parent.manifest if parent else None,
            database,
            started,
            options.base_every,
            options.kind,
        )
        changes = measure(snapshot, plan, writer, parent if decision.goes_on else None)
        resume = resume_runs(snapshot.lead, plan, options.horizon)
        changes.write(writer, resume)
        exported = snapshot.each(_jobs(snapshot, plan, decision, changes, resume), writer.table)
        dags = oracle.read_oracle(snapshot.lead)
    objects = [
        *(found for item in exported if (found := item.object)),
        *changes.objects,
        writer.document(ORACLE_KEY, ObjectSet.ORACLE, oracle.to_json(dags)),
        writer.document(
            CODE_KEY,
            ObjectSet.CODE,
            json.dumps([dict(one) for one in options.code_versions], sort_keys=True).encode(),
        ),
    ]
    goes_on = parent.manifest if parent and decision.goes_on else None
    manifest = Manifest(
        backup_id=backup_id,
        kind=decision.kind,
        installation=identity.installation,
        site=identity.site,
        epoch=identity.epoch,
        environment=identity.environment,
        airflow_version=identity.airflow_version,
        alembic_heads=dict(database.heads),
        system_identifier=database.system_identifier,
        timeline=database.timeline,
        snapshot=snapshot.identifier,
        snapshot_at=snapshot.taken_at,
        started_at=started.isoformat(),
        finished_at=datetime.now(UTC).isoformat(),
        seal=data_key.seal,
        objects=sorted(objects, key=lambda item: item.key),
        counts=_counts(plan, exported),
        excluded=dict(plan.excluded),
        unreadable=[entry for item in exported for entry in item.unreadable],
        base_id=(goes_on.base_id or goes_on.backup_id)
        if goes_on and decision.kind is BackupKind.INCREMENTAL
        else "",
        parent_id=goes_on.backup_id if goes_on else "",
        reason=decision.reason,
        deleted=changes.deleted,
        before=changes.before,
        purged=dict(options.purged),
        suspects=suspects(backup_id, changes, options.purged, goes_on, decision.kind),
    ).signed(data_key.plaintext)
    storage.put(prefix + keys.MANIFEST, manifest.to_json().encode())
    return manifest


def _parent(backup: Backup | None) -> Parent | None:
    """A damaged parent makes the next backup a base, not a failure."""
    try:
        return open_parent(backup) if backup else None
    except BackupRefusedError:
        logger.exception("an export cannot go on from %s", backup and backup.manifest_key)
        return None


def suspects(
    backup_id: str,
    changes: Changes,
    purged: Mapping[str, int],
    parent: Manifest | None,
    kind: BackupKind,
) -> dict[str, str]:
    """Backups since the last base before which a suspicious share of a table was deleted.

    A mistake, or an attack, would be spread by a restore; what a purge took on purpose is not
    counted. A base starts anew: somebody has had until then to look.
    """
    found = dict(parent.suspects) if parent and kind is BackupKind.INCREMENTAL else {}
    lost = {
        table: (deleted - purged.get(table, 0), changes.before[table])
        for table, deleted in changes.deleted.items()
    }
    suspicious = [
        f"{rows} of {before} rows of {table}"
        for table, (rows, before) in sorted(lost.items())
        if rows >= SUSPICIOUS_ROWS and rows > SUSPICIOUS_SHARE * before
    ]
    if suspicious:
        found[backup_id] = f"{', '.join(suspicious)} were deleted"
    return found


def _optional(snapshot: Snapshot, what: str) -> str:
    """What the role may not be allowed to see."""
    return str(snapshot.lead.optional(f"SELECT {what}", ""))


def _jobs(
    snapshot: Snapshot,
    plan: Plan,
    decision: lineage.Decision,
    changes: Changes,
    resume: Sequence[int],
) -> list[Job]:
    """Every object with rows, the larger ones first: no worker shall end much later than others."""
    found = resume_jobs(plan, resume)
    in_resume = set(resume)
    if decision.goes_on:
        changed = [(run, changes.tasks.get(run, 0)) for run in changes.runs if run not in in_resume]
        found += run_jobs(plan, ObjectSet.CHANGES, CHANGES, parts_of(changed))
        found += shared_jobs(plan, ObjectSet.CHANGES, CHANGES, changes.conditions)
    if decision.kind is BackupKind.BASE:
        runs = newest_first(snapshot.lead, plan)
        others = [(run, changes.tasks.get(run, 0)) for run in runs if run not in in_resume]
        found += run_jobs(plan, ObjectSet.HISTORY, HISTORY, parts_of(others))
        slices = {
            table.name: between(
                f"t.{quote(table.rule.time)}", slices_of(changes.ledgers[table.name])
            )
            for table in plan.tables.values()
            if table.rule.slice
        }
        slices |= {
            table.name: [f"NOT ({pending_events(plan, table, resume)})"]
            for table in plan.tables.values()
            if table.rule.resume is Where.PENDING_EVENTS
        }
        found += shared_jobs(plan, ObjectSet.HISTORY, HISTORY, slices)
    return sorted(found, key=lambda job: (-job.size_hint, job.name))


def _counts(plan: Plan, exported: Sequence[Exported]) -> dict[str, int]:
    """Rows by table, tables without any included: they are carried, they are only empty."""
    counts = dict.fromkeys(sorted(plan.tables), 0)
    for item in exported:
        counts[item.table] += item.rows
    return counts
