"""Rows that Airflow deletes by itself are not missed; others are."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.checker.database import Row
from tests.checker.equality import was_pruned
from tests.checker.outcome import Outcome, Run
from tests.checker.story import perfect
from tests.checker.tables import AIRFLOW_2, RENDERED

TABLES = {table.name: table for table in AIRFLOW_2.tables}


def _row(run: Run, task: str = "work") -> Row:
    values = {"dag_id": run.dag_id, "task_id": task, "run_id": run.run_id, "map_index": -1}
    return Row(json.dumps([*values.values()]), values, True, True, None)


def _after(run: Run, number: int) -> Run:
    later = timedelta(minutes=number)
    assert run.interval_start is not None
    return replace(run, run_id=f"later__{number}", interval_start=run.interval_start + later)


@pytest.mark.parametrize(
    ("table", "newer", "task", "pruned"),
    [
        ("rendered_task_instance_fields", RENDERED, "work", True),
        ("rendered_task_instance_fields", RENDERED - 1, "work", False),
        ("rendered_task_instance_fields", RENDERED, "other", False),
        ("xcom", RENDERED, "work", False),
    ],
)
def test_rendered_fields_are_kept_of_the_latest_runs_of_a_task(table, newer, task, pruned):
    story = perfect()
    old = story.source_run("hits", state="success")
    runs = [_after(old, number) for number in range(1, newer + 1)]
    before = _after(old, -1)
    outcome = Outcome(story.inputs, story.outcome().ledger, [old], [*runs, before])
    here = [_row(run, task) for run in (*runs, before)]
    assert was_pruned(TABLES[table], outcome, _row(old), here) is pruned
