"""Compares the two databases table by table, row by row."""

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tests.checker.database import DANGLING, Reader, Row
from tests.checker.findings import Findings
from tests.checker.outcome import UNFINISHED, Outcome
from tests.checker.tables import Table

STIRRING = UNFINISHED - {None}
"""States that a scheduler or a triggerer acts on by itself."""


@dataclass(frozen=True, slots=True)
class TableResult:
    """What became of a table's rows.

    Args:
        expected_rows: rows of the source that were in the snapshot and did not change since.
        restored_rows: those of them that are in the restored database and equal.
        newest: when the newest of these was written.
        past_rows: rows of the source's past, which are compared as a whole.
    """

    name: str
    expected_rows: int
    restored_rows: int
    newest: datetime | None = None
    past_rows: int = 0

    @property
    def match(self) -> bool:
        return self.expected_rows == self.restored_rows


def check(
    outcome: Outcome, source: Reader, restored: Reader, findings: Findings
) -> list[TableResult]:
    """Compare every table of the source that has to travel."""
    results = []
    for table in source.schema.tables:
        if source.has(table.name):
            there = source.rows(table)
            findings.check(
                "table-exists", table.name, restored.has(table.name), "the new owner lacks it"
            )
            found = _compare(table, outcome, there, restored.rows(table), findings)
            past, past_here = source.past(table), restored.past(table)
            findings.check(
                f"{table.name}-past-equal", outcome.inputs.past, past_here == past,
                f"rows and digest are {past_here}, they were {past}",
            )  # fmt: skip
            results.append(replace(found, past_rows=past[0]))
    _changed_runs_are_there(outcome, findings)
    if outcome.inputs.planned:
        _paused_as_before(outcome, restored, findings)
    return results


def _paused_as_before(outcome: Outcome, restored: Reader, findings: Findings) -> None:
    """A fence pauses everything before the final backup; only users' own pauses may be left."""
    [dags] = [table for table in restored.schema.tables if table.name == "dag"]
    paused = {json.loads(row.key)[0]: row.values["is_paused"] for row in restored.rows(dags)}
    for dag, row in outcome.rows.items():
        findings.check(
            "paused-as-before", dag, paused.get(dag) is row["user_paused"],
            f"is_paused is {paused.get(dag)}",
        )  # fmt: skip


def _compare(
    table: Table, outcome: Outcome, there: list[Row], here: list[Row], findings: Findings
) -> TableResult:
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in here:
        by_key[row.key].append(row)
        findings.check(
            f"{table.name}-no-dangling", row.key, DANGLING not in row.values.values(),
            "points to a row that does not exist",
        )  # fmt: skip
    wanted: dict[str, list[Row]] = defaultdict(list)
    for row in there:
        if _must_travel(table, outcome, row, by_key):
            wanted[row.key].append(row)
    restored, newest = 0, None
    for key, rows in wanted.items():
        fenced = outcome.inputs.planned and table.name == "dag"
        found = by_key.get(key, [])
        same = min(sum(_equal(rows[0], row, fenced) for row in found), len(rows))
        gone = same < len(rows) and (
            (table.consumed and _was_used(outcome, rows[0]))
            or (not found and was_pruned(table, outcome, rows[0], here))
        )
        restored += len(rows) if gone else same
        findings.check(
            f"{table.name}-equal", key, gone or same == len(rows),
            _difference(rows[0], found, len(rows)),
        )  # fmt: skip
        if same:
            newest = max(filter(None, (newest, rows[0].changed_at)), default=None)
    return TableResult(table.name, sum(map(len, wanted.values())), restored, newest)


def _was_used(outcome: Outcome, row: Row) -> bool:
    """Whether the new owner made a run of what was waiting in the event queue."""
    return bool(outcome.new_runs.get(str(row.values["target_dag_id"])))


def was_pruned(table: Table, outcome: Outcome, row: Row, here: list[Row]) -> bool:
    """Whether the new owner deleted the row itself, having enough of the same task that are newer.

    Args:
        here: the table's rows at the new owner.
    """
    if not table.kept:
        return False
    dag_id, task_id = row.values["dag_id"], row.values["task_id"]
    old = outcome.source[f"{dag_id}/{row.values['run_id']}"]
    newer = {
        run.run
        for other in here
        if (other.values["dag_id"], other.values["task_id"]) == (dag_id, task_id)
        and (run := outcome.restored[f"{dag_id}/{other.values['run_id']}"]).is_of_after(old)
    }
    return len(newer) >= table.kept


def _must_travel(table: Table, outcome: Outcome, row: Row, here: dict[str, list[Row]]) -> bool:
    """Whether this row has to be found again, exactly as it is."""
    run = f"{row.values.get('dag_id')}/{row.values.get('run_id')}"
    if run in outcome.inputs.reruns:
        return False
    if table.changing:
        return True
    if not row.visible:
        return False
    return row.settled or row.key in here


def _equal(mine: Row, other: Row, fenced: bool) -> bool:
    """A task or run that was cut off may have any state in which nothing stirs any more.

    Args:
        fenced: whether the source's pause states are those of a fence.
    """
    if fenced:
        return {**mine.values, "is_paused": None} == {**other.values, "is_paused": None}
    if mine.values.get("state", "") in UNFINISHED:
        return other.values["state"] not in STIRRING
    return mine.values == other.values


def _difference(mine: Row, others: list[Row], times: int) -> str:
    if not others:
        return "was in the snapshot and is not in the new owner's database"
    if len(others) < times:
        return f"was there {times} times and is here {len(others)} times"
    changed: dict[str, tuple[Any, Any]] = {
        name: (value, others[0].values.get(name))
        for name, value in mine.values.items()
        if value != others[0].values.get(name)
    }
    return "differs: " + ", ".join(f"{k}: {a!r} became {b!r}" for k, (a, b) in changed.items())


def _changed_runs_are_there(outcome: Outcome, findings: Findings) -> None:
    """A run that the snapshot held in another state than now must be there at least."""
    for run in outcome.source.values():
        if run.dag_id in outcome.rows and outcome.was_in_snapshot(run.run):
            findings.check(
                "dag_run-present", run.run, run.run in outcome.restored,
                "was in the snapshot and is not in the new owner's database",
            )  # fmt: skip
