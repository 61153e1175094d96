"""Runs interrupted work again when an operator asks.

A run that is queued again is no longer as the import left it: twice is once.
"""

# ruff: noqa: S608 - identifiers come from the catalogue and are quoted; values are literals

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.engine import Engine

from contract.reruns import RunName
from contract.sites import InFlightRule
from mwaa_dr_metadata.catalogue import Catalogue, read_catalogue
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.errors import TargetRefusedError
from mwaa_dr_metadata.guarded import again_if_worth_it
from mwaa_dr_metadata.inflight import BEGUN, CUT_OFF, DUE, TASK_FAILED, UNFINISHED_RUNS
from mwaa_dr_metadata.interruptions import (
    DONE,
    OF_RUN,
    as_imported,
    business,
    due_of,
)
from mwaa_dr_metadata.session import Session, listed, literal, quote
from mwaa_dr_metadata.unparking import FROM_SCRATCH, RUN_COLUMNS

OF_TASK = " AND ".join(f"x.{c} = t.{c}" for c in ("dag_id", "run_id", "task_id", "map_index"))
NOT_DONE = f"t.state IN ({listed((TASK_FAILED, 'upstream_failed'), literal)})"
"""Ended without having done its work. Tasks without a state need nothing: the scheduler takes them
as soon as their run is queued."""


@dataclass(frozen=True, slots=True)
class RerunReport:
    """What a re-run did, or with `dry_run` would do.

    Args:
        runs: queued again.
        tasks: how many task instances were cleared in them.
        put_back: newer runs that had taken the places of the queued ones while they waited.
        left: `{dag_id, run_id, reason}` of each run that was asked for and not touched.
        paused: DAGs of `runs` that are paused: their runs wait until they are not.
    """

    runs: list[RunName]
    tasks: int
    put_back: list[RunName]
    left: list[dict[str, str]]
    paused: list[str]
    dry_run: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def rerun(
    engine: Engine,
    snapshot_at: str,
    runs: Iterable[RunName] | None = None,
    *,
    force: bool = False,
    whole: bool = False,
    dry_run: bool = False,
) -> RerunReport:
    """Queue runs again and clear the tasks in them that did not do their work.

    Where newer runs of the same DAG took all places for active runs and wait for these, they are
    put back into the queue: the oldest comes first there.

    Args:
        snapshot_at: of the backup that was imported.
        runs: which; None for all that are interrupted.
        force: also runs that are not as the import left them; never one that is queued or running.
        whole: clear the tasks that succeeded or were skipped too.
        dry_run: undo it all again.

    Raises:
        TargetRefusedError: this is no Airflow database.
    """
    names = None if runs is None else sorted(set(runs), key=str)

    def work() -> RerunReport:
        with transaction(engine) as session:
            catalogue = read_catalogue(session)
            catalogue.refuse_strangers(TargetRefusedError)
            session.execute("SAVEPOINT before")
            report = _rerun(
                session, catalogue, snapshot_at, names, force=force, whole=whole, dry_run=dry_run
            )
            if dry_run:
                session.execute("ROLLBACK TO SAVEPOINT before")
            return report

    return again_if_worth_it(work)


def _rerun(
    session: Session,
    catalogue: Catalogue,
    snapshot_at: str,
    names: Sequence[RunName] | None,
    *,
    force: bool,
    whole: bool,
    dry_run: bool,
) -> RerunReport:
    found = _locked(session, snapshot_at, names)
    chosen: list[int] = []
    runs: list[RunName] = []
    left: list[dict[str, str]] = []
    for name in names if names is not None else sorted(found, key=str):
        row = found.get(name)
        reason = "this database has no such run" if row is None else row.refusal(force, whole)
        if row is None or reason:
            left.append({**asdict(name), "reason": reason})
        else:
            chosen.append(row.id)
            runs.append(name)
    tasks = _clear_tasks(session, catalogue, chosen, whole=whole)
    put_back = _make_way(session, catalogue, chosen)
    _queue(session, catalogue, chosen)
    paused = sorted({name.dag_id for name in runs if found[name].paused})
    return RerunReport(runs, tasks, put_back, left, paused, dry_run)


@dataclass(frozen=True, slots=True)
class _Found:
    id: int
    state: str
    as_imported: bool
    paused: bool | None
    undone: bool

    def refusal(self, force: bool, whole: bool) -> str:
        """Why the run is not touched; empty if it is."""
        if self.state in UNFINISHED_RUNS:
            return f"it is {self.state}"
        if self.paused is None:
            return "its DAG is not in this environment, so it would wait for ever"
        if self.as_imported:
            return ""
        if not force:
            return f"it is {self.state}, not as the import left it; --force runs it again"
        return "" if self.undone or whole else "all its tasks are done; --whole runs them again"


def _locked(
    session: Session, snapshot_at: str, names: Sequence[RunName] | None
) -> dict[RunName, _Found]:
    """The runs in question, kept from the scheduler, which locks runs before tasks too."""
    if names is None:
        where, parameters = as_imported(snapshot_at), []
    else:
        where = "(r.dag_id, r.run_id) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
        parameters = [[n.dag_id for n in names], [n.run_id for n in names]]
    rows = session.rows(
        f"SELECT r.dag_id, r.run_id, r.id, r.state, {as_imported(snapshot_at)}, "
        "(SELECT coalesce(d.is_paused, FALSE) FROM dag d WHERE d.dag_id = r.dag_id), "
        f"(SELECT bool_and(coalesce(t.state, '') IN ({listed(DONE, literal)})) "
        f"FROM task_instance t WHERE {OF_RUN}) IS NOT TRUE "
        f"FROM dag_run r WHERE {where} AND {business()} ORDER BY r.id FOR UPDATE OF r",
        parameters,
    )
    return {RunName(row[0], row[1]): _Found(*row[2:]) for row in rows}


def _clear_tasks(
    session: Session, catalogue: Catalogue, chosen: Sequence[int], *, whole: bool
) -> int:
    succeeded = " OR t.state IN ('success', 'skipped')" if whole else ""
    which = f"r.id = ANY(%s) AND {OF_RUN} AND ({NOT_DONE} OR {BEGUN.format(s='t')}{succeeded})"
    reschedules = catalogue.tables["task_reschedule"].columns
    # A sensor's time-out counts from the first reschedule of its try.
    session.execute(
        "DELETE FROM task_reschedule x USING task_instance t, dag_run r WHERE "
        + ("x.ti_id = t.id" if "ti_id" in reschedules else OF_TASK)
        + f" AND {which}",
        [list(chosen)],
    )
    values = {
        **FROM_SCRATCH,
        # Scheduling counts a try again, and the outage must not cost one. What waited for its
        # retry had that try still before it.
        "max_tries": "CASE WHEN t.try_number > 0 AND t.state <> 'up_for_retry' "
        f"AND {CUT_OFF.format(t='t')} THEN t.max_tries + 1 ELSE t.max_tries END",
    }
    return session.execute(
        f"UPDATE task_instance t SET {_assigned(catalogue, 'task_instance', values)} "
        f"FROM dag_run r WHERE {which}",
        [list(chosen)],
    )


def _make_way(session: Session, catalogue: Catalogue, chosen: Sequence[int]) -> list[RunName]:
    """Put newer runs back that hold a place and only wait.

    A run waits if nothing of it is under way and the scheduler, since its last task ended, found
    nothing in it to start. Once no place is left for the older run that it waits for, neither would
    ever go on. The scheduler starts queued runs that it never looked at first, then by age.
    """
    rows = session.rows(
        f"""
        UPDATE dag_run SET state = 'queued', start_date = NULL WHERE id IN (
          SELECT r.id FROM dag_run r JOIN
            (SELECT r.dag_id, min({due_of(catalogue)}) AS oldest FROM dag_run r
             WHERE r.id = ANY(%s) GROUP BY 1) c USING (dag_id)
          WHERE r.state = 'running' AND {due_of(catalogue)} > c.oldest
            AND NOT EXISTS (SELECT FROM task_instance t WHERE {OF_RUN}
                            AND (t.state = {literal(DUE)} OR {BEGUN.format(s="t")}))
            AND coalesce(r.last_scheduling_decision >
                         (SELECT max(t.end_date) FROM task_instance t WHERE {OF_RUN}),
                         NOT EXISTS (SELECT FROM task_instance t
                                     WHERE {OF_RUN} AND t.state IS NOT NULL))
          ORDER BY r.id FOR UPDATE OF r)
        RETURNING dag_id, run_id
        """,
        [list(chosen)],
    )
    return sorted((RunName(*row) for row in rows), key=str)


def _queue(session: Session, catalogue: Catalogue, chosen: Sequence[int]) -> None:
    values = {
        **RUN_COLUMNS[InFlightRule.RERUN],
        "end_date": "NULL",
        "last_scheduling_decision": "NULL",
    }
    session.execute(
        f"UPDATE dag_run t SET {_assigned(catalogue, 'dag_run', values)} WHERE t.id = ANY(%s)",
        [list(chosen)],
    )


def _assigned(catalogue: Catalogue, table: str, values: Mapping[str, str]) -> str:
    columns = catalogue.tables[table].columns
    return ", ".join(f"{quote(name)} = {sql}" for name, sql in values.items() if name in columns)
