"""Where backups lie and which key seals them, from what the command line says."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import click

from cli.options import time_of
from contract import keys
from contract.manifest import Manifest
from contract.names import Names
from contract.ownership import INITIAL, Ownership
from contract.sites import Site
from mwaa_dr_metadata import (
    BackupInfo,
    FileSealer,
    KmsSealer,
    Sealer,
    Storage,
    list_backups,
    load_manifest,
    storage_from_uri,
)
from mwaa_dr_metadata.storage import get

KMS_KEY = re.compile(r"arn:[\w-]+:kms:.+|alias/.+|(mrk-)?[0-9a-f-]{32,36}")
"""What names a KMS key; anything else is the path of a key file."""
FILE_KEY = "file:"
"""How a manifest names a key file: by a digest of its content."""
SHOWN = 5


@dataclass(frozen=True)
class Vault:
    """A storage of backups, and the keys to it.

    Args:
        uri: `s3://bucket/prefix` or `file:///folder`.
        region: the bucket's, and of the KMS key unless its ARN says otherwise.
        seal_key: a KMS key or a key file; empty for the default of the storage's kind.
        installation: whose backups; empty if nobody said.
    """

    uri: str
    region: str
    seal_key: str
    installation: str

    @cached_property
    def storage(self) -> Storage:
        try:
            return storage_from_uri(self.uri, self.region)
        except ValueError as error:
            raise click.UsageError(
                f"{error}; the Region comes from --region or AWS_REGION"
                if "Region" in str(error)
                else str(error)
            ) from None

    def ownership(self) -> Ownership:
        """What the storage says of the owner; the first epoch where it says nothing."""
        try:
            return Ownership.from_json(get(self.storage, keys.OWNERSHIP))
        except FileNotFoundError:
            return INITIAL
        except ValueError as error:
            raise click.ClickException(
                f"{keys.OWNERSHIP} in {self.uri} cannot be read: {error}. Say --epoch."
            ) from None

    def choose(self, to: str | None, site: Site | None) -> BackupInfo:
        """The backup that `to` names: an id, or a time that its snapshot may not be later than.

        Raises:
            click.ClickException: there is none.
        """
        found = list_backups(self.storage, site)
        if not found:
            whose = f" of {site}" if site else ""
            raise click.ClickException(f"There is no complete backup{whose} in {self.uri}.")
        if to is None:
            return found[0]
        for one in found:
            if one.backup_id == to:
                return one
        at = time_of(to)
        if at is None:
            raise click.ClickException(
                f"There is no backup {to!r}. Say a time in ISO 8601, or one of the newest: "
                + ", ".join(one.backup_id for one in found[:SHOWN])
            )
        for one in found:
            if datetime.fromisoformat(one.taken_at) <= at and self._snapshot(one) <= at:
                return one
        raise click.ClickException(
            f"No backup is as old as {at.isoformat()}; the oldest was taken at {found[-1].taken_at}"
        )

    def _snapshot(self, backup: BackupInfo) -> datetime:
        return datetime.fromisoformat(load_manifest(self.storage, backup.manifest_key).snapshot_at)

    def sealer_for_export(self, site: Site, *, create: bool) -> Sealer:
        """What seals a new backup.

        Args:
            create: make a key file where there is none; otherwise seal under one that is forgotten.
        """
        key = self.seal_key
        if not key and self.uri.startswith("s3:"):
            if not self.installation:
                raise click.UsageError(
                    "--seal-key is missing: give the KMS key that seals secrets, or --installation "
                    "to use the one that the stacks made"
                )
            try:
                key = Names(self.installation, "").seal_alias(site)
            except ValueError as error:
                raise click.UsageError(str(error)) from None
        if KMS_KEY.fullmatch(key):
            return KmsSealer(key, self._kms_region(key))
        return _file_sealer(self._key_file, create=create)

    def sealer_for(self, manifest: Manifest) -> Sealer:
        """What opens a backup: the manifest says what kind of key sealed it."""
        sealed_by = manifest.seal.get("key_id", "")
        if not sealed_by.startswith(FILE_KEY):
            return KmsSealer(sealed_by, self._kms_region(self.seal_key, sealed_by))
        path = self._key_file
        if not path.exists():
            raise click.ClickException(
                f"The backup is sealed by a key file, and there is none at {path}. Bring the one "
                "that the export used, and name it with --seal-key."
            )
        return _opened(path)

    @property
    def _key_file(self) -> Path:
        path = Path(self.seal_key).expanduser() if self.seal_key else default_key_file(os.environ)
        folder = self.uri.removeprefix("file://")
        if folder != self.uri and path.resolve().is_relative_to(Path(folder).resolve()):
            raise click.UsageError(
                f"--seal-key: {path} lies among the backups that it seals; keep it elsewhere"
            )
        return path

    def _kms_region(self, *key_ids: str) -> str:
        """A multi-Region key opens in every Region, any other only in its own."""
        for key_id in key_ids:
            if key_id.startswith("arn:") and ":key/mrk-" not in key_id:
                return key_id.split(":")[3]
        if not self.region:
            raise click.UsageError("--region is missing: where is the KMS key?")
        return self.region


def default_key_file(environ: Mapping[str, str]) -> Path:
    """The user's own key, in none of the places where backups lie."""
    folder = environ.get("XDG_CONFIG_HOME")
    return (Path(folder) if folder else Path.home() / ".config") / "mwaa-dr" / "seal.key"


def _file_sealer(path: Path, *, create: bool) -> FileSealer:
    if path.exists():
        return _opened(path)
    if not create:
        click.echo(f"{path} does not exist; an export would make it", err=True)
        with tempfile.TemporaryDirectory() as folder:
            return FileSealer.create(Path(folder) / path.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sealer = FileSealer.create(path)
    click.echo(
        f"made a new sealing key: {path}\nkeep a copy of it in another place: without it no backup "
        "sealed by it can be opened",
        err=True,
    )
    return sealer


def _opened(path: Path) -> FileSealer:
    try:
        return FileSealer(path)
    except ValueError:
        raise click.UsageError(
            f"--seal-key: {path} is not a sealing key: it must hold 32 bytes in base64"
        ) from None
