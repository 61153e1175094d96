"""Pausing, un-pausing and counting leave the recovery DAGs alone."""

import pytest

from mwaa_dr_metadata import DagCounts, control, load_oracle
from tests.metadata.metadata_world import World

pytestmark = pytest.mark.airflow


@pytest.fixture
def world(source: World) -> World:
    source.dag("on")
    source.dag("off", is_paused=True)
    source.dag("gone", is_active=False)
    source.dag("mwaa_dr_agent")
    source.dag("mwaaXdrXbusiness")
    return source


def awake(world: World) -> set[str]:
    return {row[0] for row in world.sql("SELECT dag_id FROM dag WHERE NOT is_paused")}


def test_all_business_dags_are_paused_and_named(world):
    assert control.pause_all(world.engine) == ["gone", "mwaaXdrXbusiness", "on"]
    assert awake(world) == {"mwaa_dr_agent"}
    assert control.pause_all(world.engine) == []


def test_a_sweep_pauses_what_woke_up(world):
    control.pause_all(world.engine)
    assert control.sweep(world.engine) == []
    world.dag("late")
    assert control.sweep(world.engine) == ["late"]


def test_exactly_what_was_active_is_unpaused(world, vault):
    """R18: what an earlier restore un-paused says nothing about this one."""
    first, _ = vault.export(world)
    world.sql("UPDATE dag SET is_paused = (dag_id = 'on') WHERE dag_id IN ('on', 'off')")
    second, _ = vault.export(world)
    control.pause_all(world.engine)
    for key, expected in ((first, "on"), (second, "off")):
        report = control.unpause(world.engine, load_oracle(vault.storage, vault.sealer, key))
        assert report.unpaused == sorted(["gone", "mwaaXdrXbusiness", expected])
        assert report.missing == []
        assert (
            control.unpause(world.engine, load_oracle(vault.storage, vault.sealer, key)) == report
        )
        control.pause_all(world.engine)
    assert world.sql("SELECT relname FROM pg_class WHERE relname LIKE 'active%%'") == []


def test_dags_that_are_not_there_are_reported(world):
    report = control.unpause_dags(world.engine, ["off", "nowhere", "mwaa_dr_agent"])
    assert (report.unpaused, report.missing) == (["off"], ["nowhere"])


def test_the_pulse_counts_what_airflow_finds(world):
    world.insert("import_error", {"filename": "/x.py", "stacktrace": "boom"})
    assert control.dag_counts(world.engine) == DagCounts(dags=3, active_dags=2, import_errors=1)


def test_only_the_recovery_dags_own_old_runs_are_trimmed(world):
    for n in range(5):
        world.run("mwaa_dr_agent", f"r{n}", n)
        world.task("mwaa_dr_agent", f"r{n}", "beat")
        world.run("on", f"r{n}", n)
    world.run("mwaa_dr_agent", "live", -5, state="running")
    assert control.trim_own_history(world.engine, keep=2) == 3
    left = world.sql("SELECT run_id FROM dag_run WHERE dag_id = 'mwaa_dr_agent' ORDER BY id")
    assert [row[0] for row in left] == ["r3", "r4", "live"]
    assert world.one("SELECT count(*) FROM task_instance") == 2
    assert world.one("SELECT count(*) FROM dag_run WHERE dag_id = 'on'") == 5
