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
    """

    manifest: Manifest
    states: Mapping[str, bytes]

    def units(self, table: PlannedTable) -> Counts:
        if table.rule.merge is Merge.RUN:
            return dict.fromkeys(self.runs(), 1)
        lines = self.states.get(table.name, b"").splitlines()
        return {int(unit): int(rows) for unit, rows in (line.split(b"\t") for line in lines)}

    def runs(self) -> dict[int, tuple[bytes, bytes]]:
        return _run_keys(self.states.get("dag_run", b""))


def open_parent(backup: Backup) -> Parent:
    """Read what an export needs of its parent.

    Raises:
        BackupRefusedError: an object is not what the manifest says.
    """
    items = backup.objects(ObjectSet.STATE)
    with ThreadPoolExecutor(READERS) as pool:
        states = pool.map(backup.whole, items)
    return Parent(
        backup.manifest, {item.table: data for item, data in zip(items, states, strict=True)}
    )


def run_keys(backup: Backup) -> dict[int, tuple[bytes, bytes]]:
    """Id in the source -> natural key, as fields of COPY text, of every run at the snapshot.

    Raises:
        BackupRefusedError: the object is not what the manifest says.
    """
    for item in backup.objects(ObjectSet.STATE):
        if item.table == "dag_run":
            return _run_keys(backup.whole(item))
    return {}


def _run_keys(lines: bytes) -> dict[int, tuple[bytes, bytes]]:
    rows = (line.split(b"\t") for line in lines.splitlines())
    return {int(run): (dag_id, run_id) for run, dag_id, run_id in rows}
