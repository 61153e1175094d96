"""A purge beside the real `airflow db clean`, on two copies of the same database."""

# ruff: noqa: S608 - names from the catalogue

from collections import Counter

import pytest

from mwaa_dr_metadata.purge import purge
from tests.metadata.conftest import MODERN, VERSION
from tests.metadata.metadata_world import World
from tests.metadata.purge_airflow import airflow, rows
from tests.metadata.purge_world import CUTOFF

pytestmark = pytest.mark.airflow

RUN_EXTRAS = Counter(
    {
        "asked": 1,  # the last run of a DAG that is only started by hand
        "broken": 1,  # a DAG's last success
        "live": 1,  # a run that is still going, though not the newest
        "half": 1,  # a finished run with an unfinished task
        "mwaa_dr_agent": 2,  # recovery DAGs are trimmed by number
    }
)
TASK_EXTRAS = Counter(
    {
        "quiet": 2,  # `db clean` keeps the last run and takes its tasks
        "asked": 2,
        "broken": 2,
        "live": 4,
        "half": 3,
        "mwaa_dr_agent": 4,
    }
)
EXTRAS: dict[str, Counter[str]] = {
    "dag_run": RUN_EXTRAS,
    "dag_run_note": RUN_EXTRAS,
    # Kept with every run that is kept, the last one of each DAG too.
    "deadline": RUN_EXTRAS
    + Counter(["quiet", "consumer", "idle_consumer", "alias_consumer", "forgotten_with_runs"]),
    **dict.fromkeys(
        (
            *("task_instance", "task_instance_history", "task_reschedule", "task_fail", "xcom"),
            *("rendered_task_instance_fields", "task_map", "task_instance_note", "hitl_detail"),
        ),
        TASK_EXTRAS,
    ),
    "dataset_event": Counter(
        ["taken by the last run", "waits for one of two", "waits", "waits by alias"]
    ),
    "dataset_alias_dataset_event": Counter(["waits by alias"]),
    "dagrun_dataset_event": Counter(["consumer"]),
    "trigger": Counter(["held"]),  # a deferred task waits for it
    "job": Counter(["held"]),  # a task runs in it
    "dag": Counter(["forgotten_with_runs", "unparsed"]),  # has runs, or may come back
    # `quiet`: the version that its last run's tasks ran with.
    "dag_version": Counter(["quiet", "forgotten_with_runs", "unparsed"]),
}
"""Every row that `airflow db clean` takes and a purge leaves: how many of each DAG or name."""


def named(world: World, table: str, texts: Counter[str]) -> Counter[str]:
    """How many rows belong to each DAG, or have each name."""
    run = "(SELECT r.dag_id FROM dag_run r WHERE r.id = t.{})"
    instance = "(SELECT i.dag_id FROM task_instance i WHERE i.id = t.ti_id)"
    event = "(SELECT e.source_task_id FROM {} e WHERE e.id = t.event_id)"
    found = world.sql("SELECT column_name FROM information_schema.columns WHERE table_name = %s",
                      table)  # fmt: skip
    sql = next(
        sql
        for column, sql in {
            "source_task_id": "t.source_task_id",
            "job_type": "t.job_type",
            "classpath": "t.classpath",
            "dag_id": "t.dag_id",
            "dag_run_id": run.format("dag_run_id"),
            "dagrun_id": run.format("dagrun_id"),
            "ti_id": instance,
            "alias_id": event.format("asset_event" if "asset" in table else "dataset_event"),
        }.items()
        if (column,) in found
    )
    names = dict(world.sql(f'SELECT row_to_json(t)::text, {sql} FROM "{table}" t'))
    return Counter(names[text] for text in texts.elements())


@pytest.mark.parametrize("version", [VERSION, MODERN])
def test_it_takes_what_db_clean_takes_but_for_what_is_needed(old, version, tmp_path):
    ours, theirs = old(version), old(version)
    assert purge(ours.engine, CUTOFF).complete
    clean = ("db", "clean", "--skip-archive", "--yes", "--clean-before-timestamp")
    url = theirs.cluster.url_of(theirs.name)
    airflow(version, url, tmp_path, *clean, CUTOFF.isoformat())

    kept, left = rows(ours), rows(theirs)
    assert kept.keys() == left.keys()  # nothing of ours is left in the schema
    for table in kept:
        assert left[table] - kept[table] == Counter(), f"{table}: a purge takes more"
        extra = kept[table] - left[table]
        expected = EXTRAS.get(table.replace("asset", "dataset"), Counter())
        assert (named(ours, table, extra) if extra else extra) == expected, table
    assert sum(left["dag_run"].values()) > 50
