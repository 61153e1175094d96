"""`mwaa-dr backups`: what can be restored, and whether it still is what it was."""

import json
from itertools import islice
from typing import Any

import click

from cli import show, store
from cli.place import Place, pass_place
from contract.keys import BackupPlace
from contract.manifest import Manifest


@click.group()
def backups() -> None:
    """List, show and verify the backups in the DR Region."""


@backups.command("list")
@click.option("--limit", default=20, show_default=True, help="At most so many, newest first.")
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")
@pass_place
def list_(place: Place, limit: int, json_: bool) -> None:
    """Backups of both sites, newest first."""
    rows = [_row(place, backup) for backup in islice(store.backups(place), limit)]
    if json_:
        show.as_json(rows)
        return
    show.table(
        f"backups of {place.name}",
        tuple(rows[0]) if rows else ("id",),
        [tuple(row.values()) for row in rows],
    )


@backups.command("show")
@click.argument("backup_id", required=False)
@click.option("--json", "json_", is_flag=True, help="Print the manifest instead of a table.")
@pass_place
def show_(place: Place, backup_id: str | None, json_: bool) -> None:
    """What BACKUP_ID holds (default: the newest complete one)."""
    backup, manifest = _find(place, backup_id)
    if json_:
        show.as_json(json.loads(manifest.to_json()))
        return
    facts = ("kind", "site", "epoch", "environment", "airflow_version", "snapshot_at", "base_id")
    show.table(
        backup.backup_id, ("", ""), [(fact, getattr(manifest, fact) or "-") for fact in facts]
    )
    show.table(
        "objects",
        ("object", "set", "table", "rows", "bytes"),
        [(one.key, one.set, one.table or "-", one.rows, one.size) for one in manifest.objects],
    )
    for table, reason in sorted(manifest.excluded.items()):
        show.line(f"left out: {table}: {reason}")


@backups.command()
@click.argument("backup_id", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")
@pass_place
def verify(place: Place, backup_id: str | None, json_: bool) -> None:
    """Read every object of BACKUP_ID (default: the newest) and compare size and sha256.

    Exits with 1 if anything differs.
    """
    backup, manifest = _find(place, backup_id)
    checked = list(store.faults(place, backup, manifest))
    wrong = {one.key: fault for one, fault in checked if fault}
    if json_:
        show.as_json({"id": backup.backup_id, "objects": len(checked), "faults": wrong})
    elif wrong:
        show.table(f"{backup.backup_id} cannot be restored", ("object", "fault"), wrong.items())
    else:
        show.line(f"{backup.backup_id}: all {len(checked)} objects are what the manifest says")
    if wrong:
        raise click.exceptions.Exit(1)


def _row(place: Place, backup: BackupPlace) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": backup.backup_id,
        "site": backup.site.value,
        "epoch": backup.epoch,
        "age": show.duration(show.age_of(backup.at)),
    }
    try:
        manifest = store.manifest(place, backup)
    except ValueError as error:
        return {**row, "state": str(error), "kind": "", "airflow": "", "rows": "", "bytes": ""}
    if manifest is None:
        return {**row, "state": "incomplete", "kind": "", "airflow": "", "rows": "", "bytes": ""}
    return {
        **row,
        "state": "complete",
        "kind": manifest.kind.value,
        "airflow": manifest.airflow_version,
        "rows": sum(manifest.counts.values()),
        "bytes": sum(one.size for one in manifest.objects),
    }


def _find(place: Place, backup_id: str | None) -> tuple[BackupPlace, Manifest]:
    """A backup and its manifest.

    Raises:
        click.ClickException: there is none, or it is incomplete.
    """
    for backup in store.backups(place):
        if backup_id not in (None, backup.backup_id):
            continue
        try:
            manifest = store.manifest(place, backup)
        except ValueError as error:
            raise click.ClickException(f"{backup.backup_id}: {error}") from error
        if manifest is not None:
            return backup, manifest
        if backup_id:
            raise click.ClickException(f"{backup_id} has no manifest: it was never finished")
    raise click.ClickException(
        f"there is no backup {backup_id}; `mwaa-dr backups list` shows those there are"
        if backup_id
        else "there is no complete backup"
    )
