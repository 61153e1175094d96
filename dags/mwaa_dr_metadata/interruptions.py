"""Lists what an outage interrupted or put in doubt, from the restored database alone.

An import leaves interrupted work failed at the snapshot's own time (`inflight`), to the
microsecond, so the database itself says which runs nobody has dealt with since.
"""

# ruff: noqa: S608 - identifiers come from the catalogue; values are literals

from dataclasses import dataclass

from sqlalchemy.engine import Engine

from contract.reruns import RunName
from mwaa_dr_metadata.catalogue import Catalogue, read_catalogue
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.inflight import RUN_FAILED, TASK_FAILED
from mwaa_dr_metadata.selection import not_ours
from mwaa_dr_metadata.session import Session, listed, literal

OF_RUN = "t.dag_id = r.dag_id AND t.run_id = r.run_id"
DONE = ("success", "skipped", "removed")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that a re-run is about.

    Args:
        state: the run's state now.
        due_at: when its schedule asked for it, ISO 8601.
        to_do: tasks that a re-run would do, those without a state included.
        done: tasks that are done and stay so.
        paused: whether the DAG is paused: the run then waits until it is not.
    """

    dag_id: str
    run_id: str
    run_type: str
    state: str
    due_at: str | None
    to_do: int
    done: int
    paused: bool

    @property
    def name(self) -> RunName:
        return RunName(self.dag_id, self.run_id)


def snapshot_of_import(engine: Engine) -> str | None:
    """The snapshot whose import last interrupted work here; None if none can be told.

    It shows as the one moment at which a run and one of its tasks both failed, which Airflow, with
    a clock reading for each, never writes.
    """
    with transaction(engine) as session:
        return session.value(
            f"SELECT to_json(max(r.end_date))#>>'{{}}' FROM dag_run r JOIN task_instance t "
            f"ON {OF_RUN} AND t.end_date = r.end_date WHERE r.state = {literal(RUN_FAILED)} "
            f"AND t.state = {literal(TASK_FAILED)} AND {business()}"
        )


def interrupted_runs(engine: Engine, snapshot_at: str) -> list[Candidate]:
    """Runs that are still as the import of the backup of `snapshot_at` left them, oldest first."""
    with transaction(engine) as session:
        condition = as_imported(snapshot_at)
        return _candidates(session, read_catalogue(session), condition)


def at_risk_runs(engine: Engine, snapshot_at: str, outage_at: str = "") -> list[Candidate]:
    """Runs made here although the old owner may have begun them too, oldest first.

    They fell due before the outage, but the backup does not know them. They ran here as a matter of
    course; what they do outside of Airflow may have been done twice.

    Args:
        outage_at: the old owner's last sign of life. Without it everything counts that fell due
            before this environment made its first run.
    """
    with transaction(engine) as session:
        catalogue = read_catalogue(session)
        columns = catalogue.tables["dag_run"].columns
        made_here = f"r.queued_at > {moment(snapshot_at)}"
        if "clear_number" in columns:
            made_here += " AND r.clear_number = 0"  # a cleared run is queued again, but not new
        until = (
            moment(outage_at)
            if outage_at
            else f"(SELECT min(r.queued_at) FROM dag_run r WHERE {made_here} AND {business()})"
        )
        condition = f"r.run_type = 'scheduled' AND {made_here} AND {due_of(catalogue)} <= {until}"
        return _candidates(session, catalogue, condition)


def _candidates(session: Session, catalogue: Catalogue, condition: str) -> list[Candidate]:
    due = due_of(catalogue)
    done = f"coalesce(t.state, '') IN ({listed(DONE, literal)})"
    rows = session.rows(
        f"SELECT r.dag_id, r.run_id, r.run_type, r.state, to_json({due})#>>'{{}}', "
        f"count(t.task_id) FILTER (WHERE NOT {done}), count(t.task_id) FILTER (WHERE {done}), "
        "coalesce((SELECT d.is_paused FROM dag d WHERE d.dag_id = r.dag_id), FALSE) "
        f"FROM dag_run r LEFT JOIN task_instance t ON {OF_RUN} "
        f"WHERE ({condition}) AND {business()} GROUP BY r.id ORDER BY {due}, r.dag_id, r.run_id"
    )
    return [Candidate(*row) for row in rows]


def as_imported(snapshot_at: str) -> str:
    """Condition on a run `r`: an import failed it or a task of it, and it did not stir since."""
    at = moment(snapshot_at)
    return (
        f"(r.end_date = {at} AND r.state = {literal(RUN_FAILED)} OR r.end_date < {at} AND "
        "(r.dag_id, r.run_id) IN (SELECT t.dag_id, t.run_id FROM task_instance t "
        f"WHERE t.state = {literal(TASK_FAILED)} AND t.end_date = {at}))"
    )


def due_of(catalogue: Catalogue) -> str:
    """When a run `r` was to be made."""
    if "run_after" in catalogue.tables["dag_run"].columns:
        return "r.run_after"
    return "coalesce(r.data_interval_end, r.execution_date)"


def business() -> str:
    return " AND ".join(not_ours(["dag_id"], "r"))


def moment(at: str) -> str:
    return f"{literal(at)}::timestamptz"
