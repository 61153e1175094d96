"""The workload is what it claims to be, for the environment and for the checker."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from local.drill import work, workload
from local.mwaa import install
from tests.checker import timetable

ANCHOR = datetime(2026, 1, 1, 10, tzinfo=UTC)
ROWS = workload.document(ANCHOR)["dags"]


def _due(row, minutes=10):
    return timetable.due(row, ANCHOR, ANCHOR + timedelta(minutes=minutes))


def test_has_enough_dags_of_every_kind():
    assert len(ROWS) >= 30
    assert {row["shape"] for row in ROWS} == {
        "single", "chain", "counter", "producer", "deferrable", "sensor", "reader", "templated",
        "mapped", "flaky", "failing", "skipping",
    }  # fmt: skip
    for key in ("catchup", "depends_on_past", "user_paused", "datasets"):
        assert {bool(row[key]) for row in ROWS} == {True, False}
    assert [row["dag_id"] for row in ROWS if row["paused_on_creation"] is False] == ["eager"]


def test_the_end_of_each_cycle_is_quiet():
    for row in filter(timetable.is_timed, ROWS):
        for interval in _due(row):
            second = (interval.end - ANCHOR) % workload.CYCLE
            assert second.total_seconds() < work.QUIET.start, row["dag_id"]


def test_every_dag_runs_within_a_cycle_and_none_too_often():
    for row in filter(timetable.is_timed, ROWS):
        found = _due(row)
        assert len(found) >= 5, row["dag_id"]
        for first, second in pairwise(found):
            assert second.end - first.end >= timedelta(seconds=15)


def test_a_cycle_is_no_more_than_two_processors_can_do():
    tasks = sum(len(_due(row, 2)) * sum(row["business"].values())
                for row in filter(timetable.is_timed, ROWS))  # fmt: skip
    assert tasks <= 120


def test_one_catch_up_dag_has_old_intervals_to_run_first():
    row = next(row for row in ROWS if row["dag_id"] == "archive_history")
    old = timetable.due(row, ANCHOR - timedelta(hours=1), ANCHOR)
    assert len(old) >= 9


def test_longest_tasks_end_before_the_quiet_part_does():
    for row in filter(timetable.is_timed, ROWS):
        last = max((i.end - ANCHOR) % workload.CYCLE for i in _due(row)).total_seconds()
        assert last + row["options"].get("seconds", 1) < work.QUIET.start, row["dag_id"]


@pytest.mark.airflow
@pytest.mark.parametrize("version", ["2.10.3", "3.0.6", "3.2.1"])
def test_airflow_parses_exactly_the_table(version, tmp_path):
    table = work.write_dags(tmp_path / "dags")
    listed = subprocess.run(
        [
            install.ensure(version),
            "-c",
            "import json, drill_workload as w; from drill_kit.compat import DAG; "
            "print('=', json.dumps({n: sorted(d.task_ids) for n, d in vars(w).items() "
            "if isinstance(d, DAG)}))",
        ],
        cwd=table.parent,
        env={
            "AIRFLOW_HOME": str(tmp_path / "home"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite://",
            "PATH": "",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = json.loads(listed.rpartition("= ")[2])
    rows = {row["dag_id"]: row for row in json.loads(table.read_text())["dags"]}
    assert set(found) == set(rows)
    for dag_id, tasks in found.items():
        assert set(rows[dag_id]["business"]) <= set(tasks)
