"""Reads from a backup alone which runs were unfinished at its snapshot: no database is needed.

An import finds the same from its staging tables (`results.interrupted`).
"""

from collections.abc import Iterator, Sequence

from contract.manifest import BackupObject, ObjectSet
from mwaa_dr_metadata.backups import Backup
from mwaa_dr_metadata.errors import BackupRefusedError
from mwaa_dr_metadata.inflight import FINISHED_TASKS, UNFINISHED_RUNS
from mwaa_dr_metadata.model import InterruptedRun, InterruptedTask

COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
COPY_HEAD = len(COPY_SIGNATURE) + 8
"""Flags and the length of an extension, which PostgreSQL leaves empty."""
END_OF_ROWS = -1
NULL = -1


def unfinished_runs(backup: Backup) -> list[InterruptedRun]:
    """Runs that an import of this backup interrupts, with their unfinished tasks.

    Raises:
        BackupRefusedError: an object is missing or not what the manifest says.
    """
    states = {
        (_text(dag_id), _text(run_id)): None if state is None else _text(state)
        for dag_id, run_id, state in _rows(backup, "dag_run", ("dag_id", "run_id", "state"))
    }
    tasks: dict[tuple[str, str], list[InterruptedTask]] = {}
    wanted = ("dag_id", "run_id", "task_id", "map_index", "state")
    for dag_id, run_id, task_id, map_index, state in _rows(backup, "task_instance", wanted):
        if state is None or _text(state) in FINISHED_TASKS:
            continue
        task = InterruptedTask(_text(task_id), _integer(map_index), _text(state))
        tasks.setdefault((_text(dag_id), _text(run_id)), []).append(task)
    return [
        InterruptedRun(*name, states[name], sorted(tasks.get(name, ()), key=_place))
        for name in sorted(states)
        if states[name] in UNFINISHED_RUNS or name in tasks
    ]


def _place(task: InterruptedTask) -> tuple[str, int]:
    return task.task_id, task.map_index


def _rows(backup: Backup, table: str, columns: Sequence[str]) -> Iterator[list[bytes | None]]:
    for item in backup.objects(ObjectSet.RESUME):
        if item.table == table:
            places = [item.columns.index(column) for column in columns]
            yield from _binary(item, backup.whole(item), places)


def _text(field: bytes | None) -> str:
    return (field or b"").decode()


def _integer(field: bytes | None) -> int:
    return int.from_bytes(field or b"", "big", signed=True)


def _binary(item: BackupObject, data: bytes, places: Sequence[int]) -> Iterator[list[bytes | None]]:
    """The fields at some places of each row."""
    if not data.startswith(COPY_SIGNATURE):
        raise BackupRefusedError(f"{item.key} does not begin as COPY writes its binary form")
    at = COPY_HEAD
    while (count := _number(data, at, 2)) != END_OF_ROWS:
        at += 2
        bounds: list[tuple[int, int]] = []
        for _ in range(count):
            size = _number(data, at, 4)
            at += 4
            bounds.append((at, size))
            at += max(size, 0)
        found = (bounds[place] for place in places)
        yield [None if size == NULL else data[start : start + size] for start, size in found]


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big", signed=True)
