"""Stops a site that lost the epoch: what it had under way is ended, and everything is listed.

The new owner has dealt with that work by its own rule, so that here it must not go on. Pausing is
not enough: Airflow settles running runs of paused DAGs, a triggerer runs whatever a deferred task
points to, and a deadline fires whatever the state of its DAG.
"""

# ruff: noqa: S608 - identifiers come from the catalogue; values are literals

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.engine import Engine

from mwaa_dr_metadata import control
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.inflight import BEGUN, DUE, RUN_FAILED, TASK_FAILED, UNFINISHED_RUNS
from mwaa_dr_metadata.selection import not_ours
from mwaa_dr_metadata.session import Session, listed, literal

WORKING = ("running", "restarting")
"""States of a task that occupies a worker."""
OF_RUN = "t.dag_id = r.dag_id AND t.run_id = r.run_id"
BUSINESS = " AND ".join(not_ours(["dag_id"], "r"))
UNFINISHED = f"r.state IN ({listed(UNFINISHED_RUNS, literal)}) AND {BUSINESS}"
BEGUN_TASK = BEGUN.format(s="t")
DEADLINES = "FROM deadline d JOIN dag_run r ON r.id = d.dagrun_id"
WAITING = ("trigger_id", "trigger_timeout", "next_method", "next_kwargs")
"""Columns of a task that mean something only while it waits."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that was under way where it must not be.

    Args:
        started_at: ISO 8601; None if it had not begun.
        tasks: [task id, map index, state] of those that had begun and were not over.
    """

    dag_id: str
    run_id: str
    state: str
    started_at: str | None
    tasks: list[list[Any]]


@dataclass(frozen=True, slots=True)
class FenceReport:
    """What a site without the epoch did at one beat.

    Args:
        paused: DAGs that were not paused.
        ended: runs that were under way.
        started: runs that this site began, or went on with, after the epoch had gone; those in
            `ended` included.
    """

    paused: list[str]
    ended: list[EndedRun]
    started: list[EndedRun]

    @property
    def is_empty(self) -> bool:
        return not (self.paused or self.ended)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def fence(engine: Engine, lost_at: str) -> FenceReport:
    """Pause every business DAG, end what is under way, and say what that was.

    Nothing is written, and no lock is taken, while there is nothing to do.

    Args:
        lost_at: its last sign of life before it lost the epoch, by its own clock, ISO 8601; empty
            if it never had it.
    """
    paused = control.sweep(engine)
    with transaction(engine) as session:
        deadlines = _has(session, "callback", "deadline")
        stirring = [f"SELECT FROM dag_run r WHERE {UNFINISHED}"]
        stirring += [f"SELECT {DEADLINES} WHERE {BUSINESS}"] if deadlines else []
        if not paused and not any(session.value(f"SELECT EXISTS ({one})") for one in stirring):
            return FenceReport([], [], [])
        ended = _runs(session, UNFINISHED)
        started = _runs(session, f"{_worked_since(lost_at)} AND {BUSINESS}") if lost_at else []
        triggers = _end_deadlines(session) if deadlines else []
        _end_runs(session, triggers)
        if _has(session, "callback_request"):
            session.execute("DELETE FROM callback_request")  # recovery DAGs have no callbacks
    return FenceReport(paused, ended, started)


def working_runs(engine: Engine) -> list[dict[str, Any]]:
    """Business runs with tasks that occupy a worker: what a drain waits for."""
    with transaction(engine) as session:
        rows = session.rows(
            "SELECT r.dag_id, r.run_id, count(*) FROM task_instance r "
            f"WHERE r.state IN ({listed(WORKING, literal)}) AND {BUSINESS} "
            "GROUP BY 1, 2 ORDER BY 1, 2"
        )
    return [{"dag_id": dag_id, "run_id": run_id, "tasks": tasks} for dag_id, run_id, tasks in rows]


def _has(session: Session, *tables: str) -> bool:
    """Whether this Airflow has all of these; cheap, since the agent asks each minute."""
    return session.value(
        "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s::text[]) name",
        [list(tables)],
    )


def _worked_since(lost_at: str) -> str:
    """A run that was there before goes on too, and may be over by the time of the fence.

    A task that waited keeps the start of its first part.
    """
    since = f"> {literal(lost_at)}::timestamptz"
    return (
        f"(r.start_date {since} OR (r.dag_id, r.run_id) IN (SELECT t.dag_id, t.run_id "
        f"FROM task_instance t WHERE t.start_date {since} OR t.end_date {since}))"
    )


def _runs(session: Session, condition: str) -> list[EndedRun]:
    rows = session.rows(
        "SELECT r.dag_id, r.run_id, r.state, to_json(r.start_date)#>>'{}', coalesce("
        "(SELECT json_agg(json_build_array(t.task_id, t.map_index, t.state) ORDER BY t.task_id, "
        f"t.map_index) FROM task_instance t WHERE {OF_RUN} AND {BEGUN_TASK}), '[]') "
        f"FROM dag_run r WHERE {condition} ORDER BY r.id"
    )
    return [EndedRun(*row) for row in rows]


def _end_deadlines(session: Session) -> list[int]:
    """Take deadlines away with their callbacks; return the triggers that would have called."""
    gone = session.rows(
        f"DELETE FROM deadline WHERE id IN (SELECT d.id {DEADLINES} WHERE {BUSINESS}) "
        "RETURNING callback_id"
    )
    rows = session.rows(
        "DELETE FROM callback WHERE id = ANY(%s::uuid[]) RETURNING trigger_id",
        [[str(row[0]) for row in gone]],
    )
    return [row[0] for row in rows if row[0] is not None]


def _end_runs(session: Session, triggers: list[int]) -> None:
    """Fail what is under way. A worker whose task is failed stops it at its next heartbeat.

    Args:
        triggers: others that go too.
    """
    runs = f"(SELECT r.dag_id, r.run_id FROM dag_run r WHERE {UNFINISHED}) r"
    waited_for = session.rows(
        f"SELECT t.trigger_id FROM task_instance t, {runs} WHERE {OF_RUN} AND {BEGUN_TASK} "
        "AND t.trigger_id IS NOT NULL"
    )
    nothing = "".join(f", {name} = NULL" for name in WAITING)
    session.execute(
        f"UPDATE task_instance t SET state = {literal(TASK_FAILED)}, end_date = now(), "
        f"duration = extract(epoch FROM now() - t.start_date){nothing} "
        f"FROM {runs} WHERE {OF_RUN} AND {BEGUN_TASK}"
    )
    session.execute(
        f"UPDATE task_instance t SET state = NULL FROM {runs} "
        f"WHERE {OF_RUN} AND t.state = {literal(DUE)}"
    )
    session.execute(
        f"UPDATE dag_run r SET state = {literal(RUN_FAILED)}, end_date = now() WHERE {UNFINISHED}"
    )
    # Only now: a task that points to a trigger goes with it.
    session.execute(
        "DELETE FROM trigger WHERE id = ANY(%s)", [[*triggers, *(row[0] for row in waited_for)]]
    )
