"""`mwaa-dr metadata`: the engine by hand, without Airflow around it."""

import sys
import time
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click
from sqlalchemy.engine import Engine

from cli import answers, bars
from cli.desk import Desk, at_desk
from cli.rehearsal import ReadOnlyStorage, rehearsing
from contract import keys
from contract.agent_config import RENDERED_FIELDS
from contract.manifest import BackupKind, Manifest, ObjectSet
from contract.sites import InFlightRule, Site
from mwaa_dr_metadata import (
    BackupIdentity,
    ExportOptions,
    ImportOptions,
    Phase,
    control,
    export_backup,
    import_backup,
    load_manifest,
    load_oracle,
    unpark,
    verify_backup,
    verify_import,
)
from mwaa_dr_metadata.backups import newest
from mwaa_dr_metadata.export import BASE_EVERY
from mwaa_dr_metadata.model import ImportMode

UNKNOWN_INSTALLATION = "default"
EVER = timedelta(days=36500)
WORKERS = 2
"""A rehearsal has one connection only."""
SETS = {
    Phase.RESUME: {ObjectSet.RESUME},
    Phase.HISTORY: {ObjectSet.HISTORY, ObjectSet.CHANGES, ObjectSet.DELETIONS},
    Phase.ALL: set(ObjectSet),
}


@click.group()
def metadata() -> None:
    """Export, import and verify Airflow's metadata by hand.

    The Fernet key is read from AIRFLOW__CORE__FERNET_KEY: on export the source's, on import and
    verify the target's. Exit codes: 0 done, 1 refused or different, 2 wrong usage.
    """


with_site = click.option(
    "--site", type=click.Choice(Site, case_sensitive=False), help="Whose backups count."
)
with_to = click.option(
    "--to", metavar="BACKUP",
    help="A backup's id, or a time (ISO 8601, UTC unless it says otherwise): the newest backup "
    "that is not later.  [default: the newest]",
)  # fmt: skip
with_phase = click.option(
    "--phase", type=click.Choice(Phase, case_sensitive=False), default=Phase.ALL.value,
    show_default=True,
    help="`resume`: what scheduling needs; `history`: the rest, which may follow while DAGs run.",
)  # fmt: skip
with_in_flight = click.option(
    "--in-flight", type=click.Choice(InFlightRule, case_sensitive=False),
    default=InFlightRule.FAIL.value, show_default=True,
    help="What becomes of work that was unfinished: it stays failed, runs again, or goes on.",
)  # fmt: skip


@metadata.command("export")
@at_desk(database=True)
@click.option("--site", type=click.Choice(Site, case_sensitive=False), default=Site.PRIMARY.value,
              show_default=True, help="Whose backup it becomes.")  # fmt: skip
@click.option("--epoch", type=click.IntRange(min=1),
              help="The ownership epoch.  [default: the storage's record, else 1]")  # fmt: skip
@click.option("--environment", help="The environment's name.  [default: database and host]")
@click.option("--airflow-version", envvar="AIRFLOW_VERSION", show_envvar=True, default="",
              help="Recovery takes only backups that name the version it restores.")  # fmt: skip
@click.option(
    "--full", "kind", type=BackupKind, flag_value=BackupKind.BASE,
    help="A backup that needs no other.",
)  # fmt: skip
@click.option(
    "--incremental", "kind", type=BackupKind, flag_value=BackupKind.INCREMENTAL,
    help="Only what changed, however old the base is.  [default: whichever is due]",
)  # fmt: skip
@click.option("--without-rendered-fields", is_flag=True,
              help="Leave tasks' rendered templates out; they may hold secrets.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Read and count everything, write nothing.")
def export(
    desk: Desk, *, site: Site, epoch: int | None, environment: str | None, airflow_version: str,
    kind: BackupKind | None, without_rendered_fields: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Take a backup."""
    vault, engine = desk.vault, desk.engine
    identity = BackupIdentity(
        vault.installation or UNKNOWN_INSTALLATION,
        site,
        epoch or vault.ownership().epoch,
        environment or f"{engine.url.database} on {engine.url.host}",
        airflow_version,
    )
    started = time.monotonic()
    sealer = vault.sealer_for_export(site, create=not dry_run)
    within = EVER if kind is BackupKind.INCREMENTAL else BASE_EVERY
    parent = newest(vault.storage, sealer, site, identity.epoch, within)
    with bars.shown("export", quiet=desk.quiet) as progress:
        manifest = export_backup(
            engine,
            ReadOnlyStorage(vault.storage) if dry_run else vault.storage,
            sealer,
            desk.fernet,
            identity,
            ExportOptions(
                parent=parent,
                kind=kind,
                base_every=within,
                without=[RENDERED_FIELDS] if without_rendered_fields else [],
            ),
            progress=progress,
        )
    key = keys.manifest(site, identity.epoch, manifest.backup_id)
    answers.exported(manifest, key, time.monotonic() - started, dry_run=dry_run, as_json=desk.quiet)
    if manifest.unreadable and desk.fernet is None:
        raise click.ClickException(
            f"{len(manifest.unreadable)} encrypted values are not in the backup, because "
            "AIRFLOW__CORE__FERNET_KEY is not set. Set it to the environment's key and export "
            "again."
        )


@metadata.command("import")
@at_desk(database=True)
@with_site
@with_to
@with_phase
@with_in_flight
@click.option(
    "--follow", "mode", type=ImportMode, flag_value=ImportMode.FOLLOW,
    help="Into a standby: afterwards it holds what the source held, nothing more.",
)  # fmt: skip
@click.option(
    "--reconcile", "mode", type=ImportMode, flag_value=ImportMode.RECONCILE,
    help="Into an old owner: the backup wins, runs that only the target has stay.",
)  # fmt: skip
@click.option(
    "--bulk", "mode", type=ImportMode, flag_value=ImportMode.BULK,
    help="Into an environment that nobody uses yet: faster, and locks its tables.",
)  # fmt: skip
@click.option(
    "--allow-mass-delete", is_flag=True,
    help="Accept that many rows went at once since an earlier backup.",
)  # fmt: skip
@click.option("--unpause", is_flag=True, help="Un-pause exactly the DAGs that were not paused.")
@click.option("--dry-run", is_flag=True, help="Do it all in a transaction that is rolled back.")
@click.option("--yes", is_flag=True, help="Do not ask, even if the target looks live.")
def import_(
    desk: Desk, *, site: Site | None, to: str | None, phase: Phase, in_flight: InFlightRule,
    mode: ImportMode | None, allow_mass_delete: bool, unpause: bool, dry_run: bool, yes: bool,
) -> None:  # fmt: skip
    """Restore a backup. Twice is once; every DAG is paused afterwards."""
    vault, fernet = desk.vault, desk.fernet
    if phase is Phase.HISTORY and (unpause or in_flight is not InFlightRule.FAIL):
        raise click.UsageError("--phase history: --in-flight and --unpause belong to the resume")
    backup = vault.choose(to, site)
    manifest = load_manifest(vault.storage, backup.manifest_key)
    sealer = vault.sealer_for(manifest)
    options = ImportOptions(
        phase=phase,
        mode=mode or ImportMode.RESTORE,
        workers=1 if dry_run else WORKERS,
        in_flight=in_flight,
        expected_installation=vault.installation,
        allow_mass_delete=allow_mass_delete,
    )
    if phase is not Phase.HISTORY and not (yes or dry_run):
        _ask_if_live(desk)

    def restore(engine: Engine) -> dict[str, Any]:
        place = (engine, vault.storage, sealer, fernet, backup.manifest_key)
        with bars.shown("import", _bytes(manifest, phase), quiet=desk.quiet) as progress:
            report = import_backup(*place, options, progress=progress)
        result = report.to_dict()
        if phase is not Phase.HISTORY:
            result["unparked"] = unpark(*place, in_flight).to_dict()
        if unpause:
            oracle = load_oracle(vault.storage, sealer, backup.manifest_key)
            result["unpaused"] = asdict(control.unpause(engine, oracle))
        return result

    if dry_run:
        with rehearsing(desk.engine) as rehearsal:
            result = restore(rehearsal.engine)
            result["changes"] = [asdict(change) for change in rehearsal.changes()]
    else:
        result = restore(desk.engine)
    answers.imported(result, dry_run=dry_run, as_json=desk.quiet)
    if result["schedule"]:
        raise click.exceptions.Exit(1)


@metadata.command()
@at_desk(database=False)
@with_site
@with_to
@with_phase
def verify(desk: Desk, site: Site | None, to: str | None, phase: Phase) -> None:
    """Read every byte of a backup; with --database-url, compare that database with it too."""
    vault = desk.vault
    backup = vault.choose(to, site)
    manifest = load_manifest(vault.storage, backup.manifest_key)
    sealer = vault.sealer_for(manifest)
    with bars.shown("verify", _bytes(manifest, Phase.ALL), quiet=desk.quiet) as progress:
        check = verify_backup(vault.storage, sealer, backup.manifest_key, progress)
    tables = None
    if desk.url and check.usable:
        with bars.shown("compare", quiet=desk.quiet):
            tables = verify_import(
                desk.engine, vault.storage, sealer, desk.fernet, backup.manifest_key, phase
            )
    answers.verified(check, tables, as_json=desk.quiet)
    if not check.usable or any(not table.matched for table in tables or ()):
        raise click.exceptions.Exit(1)


def _bytes(manifest: Manifest, phase: Phase) -> int:
    return sum(item.size for item in manifest.objects if item.set in SETS[phase])


def _ask_if_live(desk: Desk) -> None:
    """A target that runs DAGs is restored into only if somebody says so."""
    working = control.working_dags(desk.engine)
    if not working:
        return
    named = ", ".join(working[:5]) + (", ..." if len(working) > 5 else "")  # noqa: PLR2004
    warning = (
        f"the target looks live: {len(working)} DAGs are not paused and have run ({named}). The "
        "import pauses them all, and replaces the runs, variables, connections and pools that the "
        "backup has"
    )
    if desk.quiet or not sys.stdin.isatty():
        raise click.ClickException(f"{warning[0].upper()}{warning[1:]}. Say --yes if it shall.")
    click.confirm(f"{warning}. Go on?", abort=True, err=True)
