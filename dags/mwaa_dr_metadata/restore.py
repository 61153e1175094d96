"""Restores a backup: the resume set in one transaction, history part by part."""

import time
from dataclasses import replace

from cryptography.fernet import MultiFernet
from sqlalchemy.engine import Engine

from contract.manifest import ObjectSet
from contract.sites import InFlightRule
from mwaa_dr_metadata import bulk, follow, preflight
from mwaa_dr_metadata.backups import Backup, open_backup, open_chain
from mwaa_dr_metadata.catalogue import read_catalogue
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.deletions import refuse_suspects
from mwaa_dr_metadata.guarded import exclusive
from mwaa_dr_metadata.merge import heal_sequences
from mwaa_dr_metadata.model import (
    ImportMode,
    ImportOptions,
    ImportReport,
    Phase,
    ProgressCallback,
    summed,
)
from mwaa_dr_metadata.plan import make_plan
from mwaa_dr_metadata.results import Results
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.storage import Storage
from mwaa_dr_metadata.work import Work

LENIENT = (ImportMode.FOLLOW, ImportMode.REPLACE)
"""Modes in which a mass deletion is looked at later, or is what is wanted."""
WRITE = {
    ImportMode.BULK: bulk.write,
    ImportMode.FOLLOW: follow.write,
    ImportMode.REPLACE: follow.rewrite,
}
"""Modes that do more than `_write`."""


def import_backup(  # noqa: PLR0917 - the engine's calls share one order of arguments
    engine: Engine,
    storage: Storage,
    sealer: Sealer,
    fernet: MultiFernet | None,
    manifest_key: str,
    options: ImportOptions,
    *,
    progress: ProgressCallback | None = None,
) -> ImportReport:
    """Restore a backup into the environment behind `engine`. Twice is once.

    A resume import that fails leaves the target as it was. A history import that fails keeps the
    parts that were whole, and goes on with the others when it is run again; unless the mode says
    otherwise, it never touches a run that exists.

    Args:
        fernet: the target's key.
        manifest_key: `contract.keys.manifest(...)`; of an incremental, its chain is found by it.
        progress: told of each step, from several threads; an exception in it stops and rolls back.

    Raises:
        BackupRefusedError: the backup is bad or does not fit; take an older one.
        TargetRefusedError: this target must not be written.
        ImportVerificationError: the target would not hold what the backup says.
        SealUnavailableError: the key service refused or did not answer.
    """
    started = time.monotonic()
    if options.mode is not ImportMode.RESTORE:
        options = replace(options, phase=Phase.ALL)
    # The resume set and a standby's changes need nothing of earlier backups.
    alone = options.phase is Phase.RESUME or options.mode is ImportMode.FOLLOW
    chain = [open_backup(storage, sealer, manifest_key)] if alone else []
    chain = chain or open_chain(storage, sealer, manifest_key)
    _preflight(chain, fernet, options)
    with transaction(engine) as session:
        catalogue = read_catalogue(session)
        preflight.check_target(session, catalogue, chain[0], options)
    work = Work(engine, sealer, chain, fernet, make_plan(catalogue), options, progress, Results())
    with exclusive(engine, options.patience):
        with transaction(engine) as session:
            heal_sequences(session, work.plan)
        WRITE.get(options.mode, _write)(work)
    manifest, results = chain[0].manifest, work.results
    return ImportReport(
        backup=manifest_key,
        phase=options.phase,
        mode=options.mode,
        snapshot_at=manifest.snapshot_at,
        tables=summed(results.tables),
        interrupted=results.interrupted,
        parked=bool(results.interrupted) and options.in_flight is not InFlightRule.FAIL,
        conflicts=results.conflicts,
        not_carried=results.not_carried,
        unreadable=manifest.unreadable,
        schedule=results.schedule,
        kept=results.kept,
        removed=results.removed,
        applied=results.applied,
        seconds=round(time.monotonic() - started, 3),
    )


def _preflight(chain: list[Backup], fernet: MultiFernet | None, options: ImportOptions) -> None:
    backup = chain[0]
    preflight.check_backup(backup, options)
    preflight.check_fernet(backup, fernet, options)
    preflight.check_objects(
        backup,
        whole=[
            *(backup.objects(ObjectSet.RESUME) if options.phase is not Phase.HISTORY else []),
            *backup.objects(ObjectSet.ORACLE),
        ],
    )
    if options.phase is not Phase.RESUME:
        for one in chain:
            one.check_sizes(one.objects(*ObjectSet))
    if not options.allow_mass_delete and options.mode not in LENIENT:
        refuse_suspects(backup.manifest)


def _write(work: Work) -> None:
    reconcile = work.options.mode is ImportMode.RECONCILE
    if work.options.phase is not Phase.HISTORY:
        work.resume()
    if work.options.phase is not Phase.RESUME:
        work.history(replace_runs=reconcile)
    if reconcile:
        work.list_kept()
        follow.mark(work)
