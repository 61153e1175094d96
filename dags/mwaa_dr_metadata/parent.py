"""What an export or import reads of an earlier backup's state."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from contract.manifest import Manifest, ObjectSet
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.plan import PlannedTable
from mwaa_dr_metadata.rules import Merge
from mwaa_dr_metadata.state import Counts

READERS = 8
"""Small objects that are read at once: each costs a round trip."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The backup to go on from, with its state in memory: about ten bytes per run and table.

    Args:
        states: table -> lines of its state.
        runs: id -> natural key, as fields of COPY text, of every business run.
    """

    manifest: Manifest
    states: Mapping[str, bytes]
    runs: Mapping[int, tuple[bytes, bytes]]

    def units(self, table: PlannedTable) -> Counts:
        if table.rule.merge is Merge.RUN:
            return dict.fromkeys(self.runs, 1)
        fields = _fields(self.states.get(table.name, b""))
        return dict(zip(map(int, fields[::2]), map(int, fields[1::2]), strict=True))


def open_parent(backup: Backup) -> Parent:
    """Read what an export needs of its parent.

    Raises:
        BackupRefusedError: an object is not what the manifest says.
    """
    items = backup.objects(ObjectSet.STATE)
    with ThreadPoolExecutor(READERS) as pool:
        states = pool.map(backup.whole, items)
    found = {item.table: data for item, data in zip(items, states, strict=True)}
    return Parent(backup.manifest, found, keys_of(found.get("dag_run", b"")))


def run_keys(backup: Backup) -> dict[int, tuple[bytes, bytes]]:
    """Id in the source -> natural key, as fields of COPY text, of every run at the snapshot.

    Raises:
        BackupRefusedError: the object is not what the manifest says.
    """
    for item in backup.objects(ObjectSet.STATE):
        if item.table == "dag_run":
            return keys_of(backup.whole(item))
    return {}


def keys_of(lines: bytes) -> dict[int, tuple[bytes, bytes]]:
    """Id -> natural key, of lines of COPY text that hold an id, a DAG id and a run id."""
    fields = _fields(lines)
    keys = zip(fields[1::3], fields[2::3], strict=True)
    return dict(zip(map(int, fields[::3]), keys, strict=True))


def _fields(lines: bytes) -> list[bytes]:
    """All at once: an incremental reads a line per run of each table, and a loop takes longer than
    the database does."""
    return lines.replace(b"\n", b"\t").split(b"\t")[:-1]
