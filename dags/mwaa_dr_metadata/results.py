"""What an import found on its way, in the form of its report."""

# ruff: noqa: S608 - fixed names of temporary tables and of Airflow's

from dataclasses import dataclass, field

from mwaa_dr_metadata.inflight import BEGUN, DUE, UNFINISHED_RUNS
from mwaa_dr_metadata.model import Difference, InterruptedRun, InterruptedTask, TableCheck
from mwaa_dr_metadata.session import Session, listed, literal
from mwaa_dr_metadata.staging import MINE, PREFIX


@dataclass(slots=True)
class Results:
    """Grows while parts are committed; see `model.ImportReport`."""

    tables: list[TableCheck] = field(default_factory=list)
    interrupted: list[InterruptedRun] = field(default_factory=list)
    conflicts: list[dict[str, str]] = field(default_factory=list)
    not_carried: dict[str, str] = field(default_factory=dict)
    schedule: list[Difference] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    removed: int = 0
    applied: list[str] = field(default_factory=list)


def interrupted(session: Session) -> list[InterruptedRun]:
    """Staged runs that were unfinished, with their unfinished tasks."""
    if not _is_staged(session, "dag_run"):
        return []
    unfinished = listed(UNFINISHED_RUNS, literal)
    tasks = f"{PREFIX}task_instance"
    if not _is_staged(session, "task_instance"):
        tasks = "(SELECT * FROM task_instance WHERE FALSE)"
    rows = session.rows(
        f"SELECT s.dag_id, s.run_id, s.state, t.task_id, t.map_index, t.state "
        f"FROM {PREFIX}dag_run s JOIN {MINE} m USING (dag_id, run_id) "
        f"LEFT JOIN {tasks} t ON t.dag_id = s.dag_id AND t.run_id = s.run_id "
        f"AND (t.state = {literal(DUE)} OR {BEGUN.format(s='t')}) "
        f"WHERE s.state IN ({unfinished}) OR t.task_id IS NOT NULL ORDER BY 1, 2, 4, 5"
    )
    runs: dict[tuple[str, str], InterruptedRun] = {}
    for dag_id, run_id, state, task_id, map_index, task_state in rows:
        run = runs.setdefault((dag_id, run_id), InterruptedRun(dag_id, run_id, state))
        if task_id is not None:
            run.tasks.append(InterruptedTask(task_id, map_index, task_state))
    return list(runs.values())


def conflicts(session: Session) -> list[dict[str, str]]:
    """Staged runs that could not be written, because another run has their logical date."""
    if not _is_staged(session, "dag_run"):
        return []
    rows = session.rows(
        f"SELECT s.dag_id, s.run_id FROM {PREFIX}dag_run s WHERE NOT EXISTS "
        "(SELECT FROM dag_run r WHERE r.dag_id = s.dag_id AND r.run_id = s.run_id) ORDER BY 1, 2"
    )
    return [{"dag_id": dag_id, "run_id": run_id} for dag_id, run_id in rows]


def _is_staged(session: Session, table: str) -> bool:
    """A backup has no object of a table without rows, and nothing is staged then."""
    return session.value("SELECT to_regclass(%s) IS NOT NULL", [f"pg_temp.{PREFIX}{table}"])
