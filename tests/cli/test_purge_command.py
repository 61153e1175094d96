"""Old rows are purged by hand, against a real database."""

import json

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.metadata.conftest import cluster, new_world, source
from tests.metadata.metadata_world import World

__all__ = ["cluster", "new_world", "source"]

pytestmark = pytest.mark.airflow


@pytest.fixture
def aged(source: World) -> World:
    """Runs of 2024, the world's own time, and one of today."""
    source.dag("sales")
    for n in range(4):
        source.run("sales", f"old_{n}", n)
        source.task("sales", f"old_{n}", "t")
    source.run("sales", "new", execution_date="now", start_date="now", end_date="now")
    return source


def purge(world: World, *arguments: str):
    return CliRunner().invoke(
        main, ["metadata", "purge", "--database-url", world.url, "--older-than", "30", *arguments]
    )


def runs(world: World) -> int:
    return world.one("SELECT count(*) FROM dag_run")


def test_a_dry_run_counts_and_deletes_nothing(aged: World) -> None:
    result = purge(aged, "--dry-run", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["rows"]["dag_run"] == 4
    assert runs(aged) == 5


def test_old_runs_go_and_the_latest_stays(aged: World) -> None:
    assert purge(aged, "--yes").exit_code == 0
    assert aged.sql("SELECT run_id FROM dag_run") == [("new",)]
    assert aged.one("SELECT count(*) FROM task_instance") == 0


def test_nothing_goes_without_a_yes(aged: World) -> None:
    assert purge(aged).exit_code != 0
    assert runs(aged) == 5


def test_an_unknown_table_is_named_with_those_that_are_known(aged: World) -> None:
    result = purge(aged, "--table", "nonsense", "--yes")
    assert result.exit_code == 2
    assert "nonsense" in result.output
    assert "dag_run" in result.output
