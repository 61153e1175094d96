"""Writes the objects of one backup: compressed, encrypted, and described for the manifest."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice

from cryptography.fernet import MultiFernet

from contract.manifest import BackupObject, ObjectSet, RowFormat
from mwaa_dr_metadata.ciphertext import RowWriter, decode, fields_of, opener
from mwaa_dr_metadata.model import Progress, ProgressCallback
from mwaa_dr_metadata.sealing import DataKey
from mwaa_dr_metadata.selection import Job
from mwaa_dr_metadata.session import Session, Writer
from mwaa_dr_metadata.storage import Storage
from mwaa_dr_metadata.streams import EncryptingWriter, best_compression

LINES = 10_000
"""Lines made here that are written at once."""
SUFFIX = {"zstd": ".copy.zst", "gzip": ".copy.gz"}


@dataclass(frozen=True, slots=True)
class Exported:
    """One job, done.

    Args:
        object: None if there were no rows: nothing is stored for them.
        unreadable: ciphertext that the Fernet key did not open.
    """

    table: str
    rows: int
    object: BackupObject | None
    unreadable: list[dict[str, str]] = field(default_factory=list)


class _OnDemand:
    """A new object that is made at its first byte."""

    def __init__(self, storage: Storage, key: str, stack: ExitStack) -> None:
        self._make = lambda: stack.enter_context(storage.create(key))
        self._target: Writer | None = None

    def write(self, data: bytes) -> object:
        if self._target is None:
            self._target = self._make()
        return self._target.write(data)


@dataclass(frozen=True, slots=True)
class ObjectWriter:
    """The place of one backup, with what opens and seals its rows."""

    storage: Storage
    prefix: str
    data_key: DataKey
    fernet: MultiFernet | None
    progress: ProgressCallback | None

    def table(self, session: Session, job: Job) -> Exported:
        """Export the rows of a job."""
        columns = job.table.carried
        unreadable: list[dict[str, str]] = []
        with self._stream(job.name) as (name, encrypted, compression):
            sink: Writer = encrypted
            fields = fields_of(job.table.rule.sealed, list(columns))
            if fields is not None:
                key = list(columns).index((*job.table.rule.key, "id")[0])

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
            binary = job.table.format is RowFormat.BINARY
            rows = session.copy_out(job.query, sink, binary=binary)
            if rows:
                encrypted.close()
        self._tell(Progress("export", job.part, job.table.name, rows, encrypted.size))
        if not rows:
            return Exported(job.table.name, 0, None)
        return Exported(
            job.table.name,
            rows,
            BackupObject(
                key=name,
                set=job.set,
                table=job.table.name,
                rows=rows,
                size=encrypted.size,
                sha256=encrypted.sha256,
                columns=list(columns),
                types=list(columns.values()),
                format=job.table.format,
                compression=compression,
            ),
            unreadable,
        )

    def lines(
        self,
        name: str,
        kind: ObjectSet,
        table: str,
        columns: Mapping[str, str],
        lines: Iterable[bytes],
    ) -> BackupObject | None:
        """Store rows that were made here, as lines of COPY text; None if there are none."""
        rows, rest = 0, iter(lines)
        with self._stream(name) as (key, encrypted, compression):
            while some := list(islice(rest, LINES)):
                encrypted.write(b"\n".join([*some, b""]))
                rows += len(some)
            if rows:
                encrypted.close()
        if not rows:
            return None
        return BackupObject(
            key=key,
            set=kind,
            table=table,
            rows=rows,
            size=encrypted.size,
            sha256=encrypted.sha256,
            columns=list(columns),
            types=list(columns.values()),
            compression=compression,
        )

    def document(self, key: str, kind: ObjectSet, data: bytes) -> BackupObject:
        """Store a document that anyone may read."""
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

    @contextmanager
    def _stream(self, name: str) -> Iterator[tuple[str, EncryptingWriter, str]]:
        compression = best_compression()
        key = name + SUFFIX[compression]
        with ExitStack() as stack:
            target = _OnDemand(self.storage, self.prefix + key, stack)
            yield (
                key,
                EncryptingWriter(target, self.data_key.plaintext, key, compression),
                compression,
            )

    def _tell(self, event: Progress) -> None:
        if self.progress is not None:
            self.progress(event)
