"""The catalogue of backups: what there is, and whether it is whole."""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from contract import keys
from contract.manifest import BackupKind, BackupObject, DagOracle, Manifest, ObjectSet
from contract.sites import Site
from mwaa_dr_metadata import oracle
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.model import BackupCheck, BackupInfo, Progress, ProgressCallback
from mwaa_dr_metadata.sealing import Sealer, context_of
from mwaa_dr_metadata.storage import Storage, get
from mwaa_dr_metadata.streams import DecryptingReader

logger = logging.getLogger(__name__)


def list_backups(storage: Storage, site: Site | None = None) -> list[BackupInfo]:
    """Every backup that has a manifest, newest first; of one site or of both."""
    found = []
    for one in [site] if site else list(Site):
        prefix = keys.site_backups(one)
        for key, _ in storage.list(prefix):
            try:
                epoch, backup_id, name = key.removeprefix(prefix).split("/")
                if name != keys.MANIFEST:
                    continue
                taken_at = keys.backup_time(backup_id).isoformat()
                found.append(BackupInfo(key, one, int(epoch), backup_id, taken_at))
            except ValueError:
                continue  # an object deeper inside a backup, or something that is not ours
    return sorted(found, key=lambda info: info.backup_id, reverse=True)


def load_manifest(storage: Storage, manifest_key: str) -> Manifest:
    """A manifest as stored; its signature is not checked here.

    Raises:
        BackupRefusedError: there is none, or it is not a whole manifest of a known format.
    """
    try:
        return Manifest.from_json(get(storage, manifest_key))
    except FileNotFoundError as error:
        raise BackupRefusedError(f"there is no manifest {manifest_key}") from error
    except ValueError as error:
        raise BackupRefusedError(f"{manifest_key}: {error}") from error


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup whose manifest is signed by its data key, which opened."""

    storage: Storage
    manifest_key: str
    manifest: Manifest
    data_key: bytes = field(repr=False)

    @property
    def prefix(self) -> str:
        return self.manifest_key.removesuffix(keys.MANIFEST)

    def objects(self, *sets: ObjectSet) -> list[BackupObject]:
        return [item for item in self.manifest.objects if item.set in sets]

    def document(self, kind: ObjectSet) -> bytes:
        """Raises BackupRefusedError if it is missing or not what the manifest says."""
        for item in self.objects(kind):
            return self._document(item)
        raise BackupRefusedError(f"{self.manifest_key} lists no {kind} document")

    def oracle(self) -> list[DagOracle]:
        try:
            return oracle.from_json(self.document(ObjectSet.ORACLE))
        except ValueError as error:
            raise BackupRefusedError(f"{self.manifest_key}: {error}") from error

    def rows(self, item: BackupObject) -> DecryptingReader:
        try:
            chunks = self.storage.read(self.prefix + item.key)
        except FileNotFoundError as error:
            raise BackupRefusedError(f"{item.key} is missing") from error
        return DecryptingReader(chunks, self.data_key, item.key, item.compression)

    def whole(self, item: BackupObject) -> bytes:
        """All rows of a small object. Raises BackupRefusedError if it is not what was written."""
        reader = self.rows(item)
        data = bytearray()
        while piece := reader.read():
            data += piece
        check_read(item, reader)
        return bytes(data)

    def check_sizes(self, items: Iterable[BackupObject]) -> None:
        """Raises BackupRefusedError unless all of them are there, in the size that was written."""
        sizes = dict(self.storage.list(self.prefix))
        for item in items:
            size = sizes.get(self.prefix + item.key)
            if size is None:
                raise BackupRefusedError(f"{item.key} is missing")
            if size != item.size:
                raise BackupRefusedError(f"{item.key} has {size} bytes instead of {item.size}")

    def check_bytes(self, item: BackupObject) -> None:
        """Raises BackupRefusedError unless the object holds what was written."""
        if item.columns:
            reader = self.rows(item)
            reader.drain()
            check_read(item, reader)
        else:
            self._document(item)

    def _document(self, item: BackupObject) -> bytes:
        try:
            data = get(self.storage, self.prefix + item.key)
        except FileNotFoundError as error:
            raise BackupRefusedError(f"{item.key} is missing") from error
        if hashlib.sha256(data).hexdigest() != item.sha256:
            raise BackupRefusedError(f"{item.key} is not what the manifest says: other sha256")
        return data


def check_read(item: BackupObject, reader: DecryptingReader) -> None:
    """Compare an object that was read to its end with its manifest entry.

    Raises:
        BackupRefusedError: they differ.
    """
    for what, expected, found in (
        ("bytes", item.size, reader.size),
        ("sha256", item.sha256, reader.sha256),
    ):
        if expected != found:
            raise BackupRefusedError(
                f"{item.key} is not what the manifest says: {what} {found} instead of {expected}"
            )


def open_backup(storage: Storage, sealer: Sealer, manifest_key: str) -> Backup:
    """Read the manifest, open the data key, check the signature.

    Raises:
        BackupRefusedError: one of them failed.
        SealUnavailableError: the key service refused or did not answer.
    """
    manifest = load_manifest(storage, manifest_key)
    expected = keys.manifest(manifest.site, manifest.epoch, manifest.backup_id)
    if manifest_key != expected:
        raise BackupRefusedError(f"{manifest_key} holds the manifest of {expected}")
    context = context_of(manifest.installation, manifest.backup_id)
    data_key = sealer.open(manifest.seal, context)
    if not manifest.is_signed_by(data_key):
        raise BackupRefusedError(f"{manifest_key} was altered: its signature does not fit")
    return Backup(storage, manifest_key, manifest, data_key)


def open_chain(storage: Storage, sealer: Sealer, manifest_key: str) -> list[Backup]:
    """A backup and those it rests on, newest first, a base last.

    Raises:
        BackupRefusedError: one of them is missing, altered, or not the one that is needed.
        SealUnavailableError: the key service refused or did not answer.
    """
    chain = [open_backup(storage, sealer, manifest_key)]
    while chain[-1].manifest.kind is BackupKind.INCREMENTAL:
        chain.append(_parent(chain[-1], sealer))
    return chain


def _parent(child: Backup, sealer: Sealer) -> Backup:
    manifest = child.manifest
    key = keys.manifest(manifest.site, manifest.epoch, manifest.parent_id)
    try:
        return open_backup(child.storage, sealer, key)
    except BackupRefusedError as error:
        raise BackupRefusedError(
            f"{child.manifest_key} goes on from {manifest.parent_id}, which cannot be used: {error}"
        ) from error


def chain_since(
    storage: Storage, sealer: Sealer, manifest_key: str, snapshot: tuple[str, str]
) -> list[Backup] | None:
    """The backups that lead from a snapshot to this backup, oldest first; None if none do.

    A base knows its parent too, so a standby can follow across it.

    Args:
        snapshot: (system identifier, snapshot) that a target holds.
    """
    chain = [open_backup(storage, sealer, manifest_key)]
    while (chain[-1].manifest.system_identifier, chain[-1].manifest.snapshot) != snapshot:
        if not chain[-1].manifest.parent_id:
            return None
        try:
            chain.append(_parent(chain[-1], sealer))
        except BackupRefusedError:
            return None
    return chain[-2::-1]


def newest(
    storage: Storage, sealer: Sealer, site: Site, epoch: int, within: timedelta
) -> Backup | None:
    """The backup that an export of this site and epoch goes on from; None if none can be used.

    Args:
        within: how far back to look; an older one would be replaced by a base anyway.
    """
    since = keys.backup_id(datetime.now(UTC) - within)
    folder = keys.epoch_backups(site, epoch)
    found = {
        key
        for key, _ in storage.list(folder, after=folder + since)
        if key.endswith("/" + keys.MANIFEST)
    }
    for key in sorted(found, reverse=True):
        try:
            return open_backup(storage, sealer, key)
        except BackupRefusedError as error:
            logger.warning("an export cannot go on from %s: %s", key, error)
    return None


def load_oracle(storage: Storage, sealer: Sealer, manifest_key: str) -> list[DagOracle]:
    """What each DAG was about to do when the backup was taken.

    Raises:
        BackupRefusedError: the manifest or the oracle is missing or altered.
    """
    return open_backup(storage, sealer, manifest_key).oracle()


def verify_backup(
    storage: Storage,
    sealer: Sealer,
    manifest_key: str,
    progress: ProgressCallback | None = None,
) -> BackupCheck:
    """Read every byte of a backup and compare it with the manifest.

    Raises:
        SealUnavailableError: the key service refused or did not answer.
    """
    try:
        backup = open_backup(storage, sealer, manifest_key)
    except BackupRefusedError as error:
        return BackupCheck(manifest_key, 0, 0, 0, [str(error)])
    problems = list(_problems(backup, progress))
    return BackupCheck(
        manifest_key,
        objects=len(backup.manifest.objects),
        size=sum(item.size for item in backup.manifest.objects),
        rows=sum(backup.manifest.counts.values()),
        problems=problems,
    )


def _problems(backup: Backup, progress: ProgressCallback | None) -> Iterator[str]:
    for item in backup.manifest.objects:
        try:
            backup.check_bytes(item)
        except BackupRefusedError as error:
            yield str(error)
            continue
        if progress is not None:
            part = item.key.rpartition("/")[0]
            progress(Progress("check", part, item.table, item.rows, item.size))
