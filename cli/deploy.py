"""`mwaa-dr code deploy` and `code check`: the same DAGs at both sites."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cli import show
from cli.place import Place, pass_place
from cli.sites_code import Difference, SiteCode, differences, sha256
from contract.keys import DAGS, RECOVERY_DAGS
from contract.sites import Site

IGNORE = ".airflowignore"
POLL_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment does to one site's bucket."""

    site: Site
    upload: tuple[str, ...]
    delete: tuple[str, ...]


def files_of(folder: Path) -> dict[str, Path]:
    """The files below `folder` by their key in a DAG bucket, without hidden ones and caches.

    Raises:
        click.UsageError: one would lie among the recovery's own DAGs.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") and part != IGNORE for part in parts)
        if path.is_file() and not hidden and "__pycache__" not in parts:
            found[f"{DAGS}{'/'.join(parts)}"] = path
    taken = next((key for key in found if key.startswith(RECOVERY_DAGS)), None)
    if taken:
        raise click.UsageError(f"{found[taken]} is in the folder of the recovery DAGs; move it")
    return found


def plan(site: SiteCode, files: dict[str, Path]) -> Plan:
    """What makes the site's bucket hold `files` and no other DAGs but the recovery's."""
    there = site.sizes(DAGS)
    upload = tuple(
        key
        for key, path in files.items()
        if there.get(key) != path.stat().st_size or site.sha256(key) != _sha256(path)
    )
    gone = there.keys() - files.keys()
    return Plan(
        site.site, upload, tuple(sorted(k for k in gone if not k.startswith(RECOVERY_DAGS)))
    )


def _sha256(path: Path) -> str:
    return sha256(iter([path.read_bytes()]))


def _apply(site: SiteCode, one: Plan, files: dict[str, Path]) -> None:
    """Files come before deletions, so that no DAG misses what it imports for longer than needed."""
    for key in one.upload:
        site.s3.put_object(
            Bucket=site.bucket,
            Key=key,
            Body=files[key].read_bytes(),
            ChecksumAlgorithm="SHA256",
        )
    for key in one.delete:
        site.s3.delete_object(Bucket=site.bucket, Key=key)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")
@pass_place
def deploy(place: Place, *, folder: Path, dry_run: bool, json_: bool) -> None:
    """Make FOLDER the DAGs of both sites; the DR site first.

    Changed files are uploaded, files that are gone get a delete marker, and the recovery's own DAGs
    are left alone. Where S3 replication carries code (code.replication), only the primary bucket is
    written to: a file that is written at both ends would overtake itself.
    """
    files = files_of(folder)
    sites = (Site.PRIMARY,) if place.code_replicated else (Site.DR, Site.PRIMARY)
    plans: list[Plan] = []
    for site in sites:
        at = SiteCode(place, site)
        one = plan(at, files)
        if not dry_run:
            _apply(at, one, files)
        plans.append(one)
    if json_:
        show.as_json(
            {one.site: {"uploaded": one.upload, "deleted": one.delete} for one in plans}
            | {"dry_run": dry_run}
        )
        return
    for one in plans:
        rows = [("upload", key) for key in one.upload] + [("delete", key) for key in one.delete]
        if rows:
            show.table(f"{one.site}: {place.dag_bucket(one.site)}", ("what", "file"), rows)
        did = "would change" if dry_run else "changed"
        show.line(f"{one.site}: {len(rows)} of {len(files)} files {did}")


@click.command()
@click.option(
    "--wait", default=0.0, show_default=True, type=click.FloatRange(min=0), metavar="SECONDS",
    help="How long replication may take to bring both together.",
)  # fmt: skip
@click.option("--json", "json_", is_flag=True, help="Print JSON instead of a table.")
@pass_place
def check(place: Place, *, wait: float, json_: bool) -> None:
    """Say whether both sites' DAG buckets hold the same files; exit code 1 if not.

    What is in the files is compared: replicas by their version, others by their SHA-256.
    """
    primary, dr = SiteCode(place, Site.PRIMARY), SiteCode(place, Site.DR)
    until = time.monotonic() + wait
    while (found := differences(primary, dr)) and time.monotonic() < until:
        time.sleep(min(POLL_SECONDS, max(0.0, until - time.monotonic())))
    if json_:
        show.as_json({"equal": not found, "differences": [_as_dict(one) for one in found]})
    elif found:
        rows = [(one.key, one.kind, one.site or "both") for one in found]
        show.table("Not the same at both sites", ("file", "what", "site"), rows)
    _end(found, quiet=json_)


def _as_dict(one: Difference) -> dict[str, str]:
    return {"key": one.key, "kind": one.kind, "site": one.site or "both"}


def _end(found: Sequence[Difference], *, quiet: bool) -> None:
    if found:
        if quiet:
            raise SystemExit(1)
        raise click.ClickException(
            f"{len(found)} files are not the same at both sites; deploy again, or look for a "
            "failed replication if S3 carries the code"
        )
    if not quiet:
        show.line("both sites hold the same files")
