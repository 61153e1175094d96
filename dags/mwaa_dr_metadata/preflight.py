"""Everything that can be known to be wrong before the first write."""

from collections.abc import Sequence

from cryptography.fernet import InvalidToken, MultiFernet

from contract.manifest import BackupObject
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.catalogue import Catalogue, alembic_heads
from mwaa_dr_metadata.errors import BackupRefusedError, TargetRefusedError
from mwaa_dr_metadata.inflight import UNFINISHED_RUNS
from mwaa_dr_metadata.model import ImportOptions, Phase
from mwaa_dr_metadata.rules import RULES
from mwaa_dr_metadata.selection import not_ours
from mwaa_dr_metadata.session import Session, listed, literal

PROBE = b"mwaa-dr"


def check_backup(backup: Backup, options: ImportOptions) -> None:
    """Whether it is the right backup at all.

    Raises:
        BackupRefusedError: it belongs to another installation or another Airflow version.
    """
    manifest = backup.manifest
    if options.expected_installation not in ("", manifest.installation):
        raise BackupRefusedError(
            f"the backup belongs to installation {manifest.installation!r}, not to "
            f"{options.expected_installation!r}"
        )
    if options.airflow_version not in ("", manifest.airflow_version) and (
        not options.allow_version_mismatch
    ):
        raise BackupRefusedError(
            f"the backup was taken on Airflow {manifest.airflow_version}, the target runs "
            f"{options.airflow_version}; use a target of the same version"
        )


def check_objects(backup: Backup, whole: Sequence[BackupObject]) -> None:
    """That objects hold what was written.

    The bytes of all others are compared while they are loaded, before their part is committed.

    Raises:
        BackupRefusedError: one of them is missing, cut off or altered.
    """
    for item in whole:
        backup.check_bytes(item)


def check_target(
    session: Session, catalogue: Catalogue, backup: Backup, options: ImportOptions
) -> None:
    """Whether this database may and can take the backup.

    Raises:
        BackupRefusedError: the schemas differ: an older backup might fit.
        TargetRefusedError: it is no Airflow database, or it is in use.
    """
    catalogue.refuse_strangers(TargetRefusedError)
    heads = alembic_heads(session, catalogue)
    if heads != backup.manifest.alembic_heads:
        raise BackupRefusedError(
            f"the backup has the schema {backup.manifest.alembic_heads}, the target {heads}; use a "
            "target of the same Airflow version"
        )
    if options.phase is Phase.HISTORY:
        return
    check_ownership(options)
    running = session.rows(
        f"SELECT DISTINCT t.dag_id FROM dag t JOIN dag_run r USING (dag_id) "  # noqa: S608
        f"WHERE t.is_paused IS NOT TRUE AND r.state IN ({listed(UNFINISHED_RUNS, literal)}) "
        f"AND {' AND '.join(not_ours(['dag_id']))} ORDER BY 1"
    )
    if running:
        raise TargetRefusedError(
            f"the target runs DAGs ({', '.join(row[0] for row in running)}); pause them and wait "
            "for their runs, or restore into a standby"
        )


def check_ownership(options: ImportOptions) -> None:
    """Raises TargetRefusedError if the target's site owns the epoch: it is the live environment."""
    if options.owner_check is not None and options.owner_check():
        raise TargetRefusedError(
            "the target's site owns the epoch: it is the live environment and is not overwritten"
        )


def check_fernet(backup: Backup, fernet: MultiFernet | None, options: ImportOptions) -> None:
    """Whether the target can encrypt what the backup carries.

    Raises:
        TargetRefusedError: the key does not work, or there is none though secrets may need it.
    """
    if fernet is not None:
        try:
            if fernet.decrypt(fernet.encrypt(PROBE)) == PROBE:
                return
        except InvalidToken:
            pass
        raise TargetRefusedError("the target's Fernet key does not decrypt what it encrypted")
    sealed = {rule.name for rule in RULES if rule.sealed}
    secrets = sorted(name for name in sealed if backup.manifest.counts.get(name))
    if secrets and not options.allow_unencrypted:
        raise TargetRefusedError(
            f"the backup has rows with secrets ({', '.join(secrets)}) and the target has no Fernet "
            "key; set AIRFLOW__CORE__FERNET_KEY"
        )
