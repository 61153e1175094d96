"""What becomes of work that was unfinished at the snapshot.

An import always writes it in its *interrupted* form: tasks that had begun or were queued are failed
at the snapshot's time, tasks that were only due are as if never scheduled, and the run is failed.
Nothing stirs in that form: Airflow's scheduler examines only runs that are queued or running (it
does settle running ones of paused DAGs), triggerers run whatever a deferred task points to, paused
or not, and callbacks fire only for changes that Airflow itself makes. A run whose tasks had all not
begun is interrupted too: left queued, it would start at un-pause without anybody having asked.

The rule `fail` stops there. `rerun` and `keep` give the work back at promotion (`unparking`), from
the backup, and only where the target still holds the interrupted form.
"""

from mwaa_dr_metadata.session import listed, literal

FINISHED_TASKS = ("success", "failed", "skipped", "upstream_failed", "removed")
DUE = "scheduled"
"""Not begun, though the scheduler had decided; NULL is not begun either."""
UNFINISHED_RUNS = ("queued", "running")

RUN_FAILED = TASK_FAILED = "failed"

PARKED_COLUMNS = {"task_instance": ("trigger_id",)}
"""Columns that mean something only while a task is unfinished."""

BEGUN = (
    f"({{s}}.state <> {literal(DUE)} AND {{s}}.state NOT IN ({listed(FINISHED_TASKS, literal)}))"
)
"""Everything else, so that a state that a later Airflow invents is not left running."""

CUT_OFF = (
    "CASE WHEN isfinite({t}.start_date) AND isfinite({t}.end_date) THEN coalesce("
    "abs(extract(epoch FROM {t}.end_date - {t}.start_date) - {t}.duration) < 0.001, FALSE) "
    "ELSE FALSE END"
)
"""Of a failed task in its interrupted form: a try of it was under way. One that waited for its
retry keeps the duration of its last try, which ended before."""


def interrupted(table: str, at: str) -> dict[str, str]:
    """Column -> SQL over the staged row `s` that gives its interrupted form.

    Args:
        table: `dag_run` or `task_instance`; others have none.
        at: the snapshot's time, so that importing twice writes the same.
    """
    moment = f"{literal(at)}::timestamptz"
    if table == "dag_run":
        unfinished = f"s.state IN ({listed(UNFINISHED_RUNS, literal)})"
        return {
            "state": f"CASE WHEN {unfinished} THEN {literal(RUN_FAILED)} ELSE s.state END",
            "end_date": f"CASE WHEN {unfinished} THEN {moment} ELSE s.end_date END",
        }
    if table != "task_instance":
        return {}
    begun = BEGUN.format(s="s")
    start = f"coalesce(s.start_date, {moment})"
    return {
        "state": f"CASE WHEN {begun} THEN {literal(TASK_FAILED)} "
        f"WHEN s.state = {literal(DUE)} THEN NULL ELSE s.state END",
        "start_date": f"CASE WHEN {begun} THEN {start} ELSE s.start_date END",
        "end_date": f"CASE WHEN {begun} THEN {moment} ELSE s.end_date END",
        # What waited for its retry was not cut off; `CUT_OFF` tells it by its duration.
        "duration": f"CASE WHEN {begun} AND s.state <> 'up_for_retry' AND isfinite({start}) "
        f"THEN extract(epoch FROM {moment} - {start}) ELSE s.duration END",
        # A trigger of a task that is over has no meaning, and other triggers have its number here.
        "trigger_id": "NULL",
        **{
            column: f"CASE WHEN {begun} THEN NULL ELSE s.{column} END"
            for column in ("trigger_timeout", "next_method", "next_kwargs")
        },
    }
