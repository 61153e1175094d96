"""`mwaa-dr code`: what the environments run; here, as it was when a backup was taken."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import boto3
import click

from cli import show, store
from cli.deploy import check, deploy
from cli.place import BOUNDED, Place, pass_place
from cli.seed import seed
from contract.keys import DAGS, RECOVERY_DAGS, STARTUP_SCRIPTS, BackupPlace
from contract.manifest import Manifest, ObjectSet
from contract.sites import Site

OURS = (STARTUP_SCRIPTS, RECOVERY_DAGS)
"""The recovery's own DAGs and startup scripts follow the deployed version, not the backup's."""


class Action(StrEnum):
    COPY = "copy"
    """The old version becomes the current one again."""
    DELETE = "delete"
    """The file was not there then: a delete marker hides it, its versions stay."""
    MISSING = "missing"
    """The version that is needed is gone."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one file of the DAG bucket."""

    action: Action
    key: str
    version_id: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A DAG bucket as it is: the current version of each key, and every version there is."""

    current: dict[str, tuple[str, str]]
    versions: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, s3: Any, name: str) -> "Bucket":  # noqa: ANN401 - boto3's client
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
        found = [one for page in pages for one in page.get("Versions", [])]
        return cls(
            {one["Key"]: (one["VersionId"], one["ETag"]) for one in found if one["IsLatest"]},
            frozenset((one["Key"], one["VersionId"]) for one in found),
        )


def plan(wanted: Iterable[dict[str, str]], bucket: Bucket) -> Iterator[Change]:
    """What makes `bucket` hold the `wanted` versions again: {key, version_id, etag} each."""
    then = {one["key"]: one for one in wanted if not one["key"].startswith(OURS)}
    for key, one in sorted(then.items()):
        version_id, etag = one["version_id"], one["etag"]
        if etag == bucket.current.get(key, ("", ""))[1]:
            continue
        exists = (key, version_id) in bucket.versions
        yield Change(Action.COPY if exists else Action.MISSING, key, version_id)
    for key in sorted(bucket.current.keys() - then.keys()):
        if not key.startswith(OURS):
            yield Change(Action.DELETE, key)


@click.group()
def code() -> None:
    """The DAG buckets: what an environment runs."""


code.add_command(deploy)
code.add_command(check)
code.add_command(seed)


@code.command()
@click.option(
    "--to", required=True, metavar="BACKUP",
    help="The backup: an id, or a time its snapshot may not be later than.",
)  # fmt: skip
@click.option(
    "--site", type=click.Choice([site.value for site in Site]),
    help="Whose DAG bucket.  [default: the site that took the backup]",
)  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")
@pass_place
def restore(
    place: Place, *, to: str, site: str | None, yes: bool, dry_run: bool, json_: bool
) -> None:
    """Make DAGs, plugins and requirements what they were when BACKUP was taken.

    Old versions become current again, files that were not there then get a delete marker. The
    recovery's own DAGs are left alone. Nothing is done if a version that is needed is gone; what
    was replaced stays in the bucket as a version.
    """
    backup, manifest = store.chosen(place, to)
    at = backup.site if site is None else Site(site)
    name = place.dag_bucket(at)
    s3 = boto3.client("s3", region_name=place.region_of(at), config=BOUNDED)
    changes = list(plan(_versions(place, backup, manifest), Bucket.read(s3, name)))
    missing = [one.key for one in changes if one.action is Action.MISSING]
    if not json_:
        title = f"{name} as of {backup.backup_id}: {len(changes)} changes"
        rows = [(one.action, one.key, one.version_id or "-") for one in changes]
        show.table(title, ("what", "file", "version"), rows)
    if missing:
        raise click.ClickException(
            f"{len(missing)} of the versions that {backup.backup_id} names are gone from {name}, "
            f"{missing[0]} among them; nothing was changed. Take a newer backup with --to, or the "
            "other site's bucket with --site"
        )
    if not dry_run and changes:
        if not yes:
            click.confirm(f"Change {len(changes)} files in {name}?", abort=True, err=True)
        _apply(s3, name, changes)
    if json_:
        show.as_json(
            {
                "backup": backup.backup_id,
                "bucket": name,
                "dry_run": dry_run,
                "changes": [
                    {"action": one.action, "key": one.key, "version_id": one.version_id}
                    for one in changes
                ],
            }
        )
        return
    pinned = [one.key for one in changes if not one.key.startswith(DAGS)]
    show.line("nothing was changed" if dry_run or not changes else f"{len(changes)} files changed")
    if pinned:
        show.line(
            f"{', '.join(pinned)}: an environment runs the version of these that it is configured "
            "with; update it for the restored one to take effect"
        )


def _versions(place: Place, backup: BackupPlace, manifest: Manifest) -> list[dict[str, str]]:
    """Key, version id and etag of each file at the time of the backup.

    Raises:
        click.ClickException: the backup does not say.
    """
    one = next((one for one in manifest.objects if one.set is ObjectSet.CODE), None)
    found = [] if one is None else json.loads(store.document(place, backup, one))
    if not found:
        raise click.ClickException(
            f"backup {backup.backup_id} does not say which files there were; it was not taken by "
            "an environment's own export"
        )
    return found


def _apply(s3: Any, name: str, changes: Iterable[Change]) -> None:  # noqa: ANN401 - boto3's client
    """Files come before deletions, so that no DAG misses what it imports for longer than needed."""
    for one in changes:
        if one.action is Action.COPY:
            source = {"Bucket": name, "Key": one.key, "VersionId": one.version_id}
            s3.copy(source, name, one.key)
        else:
            s3.delete_object(Bucket=name, Key=one.key)
