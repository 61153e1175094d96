"""Pauses and un-pauses DAGs and counts them: plain SQL, the same on every version of Airflow.

Recovery DAGs are never touched.
"""

# ruff: noqa: S608 - the only thing formatted in is a fixed condition

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.engine import Engine

from contract.manifest import DagOracle
from mwaa_dr_metadata import hold, notes
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.guarded import again_if_worth_it
from mwaa_dr_metadata.model import DagCounts, UnpauseReport
from mwaa_dr_metadata.oracle import active_expression
from mwaa_dr_metadata.rules import OWN_PREFIX
from mwaa_dr_metadata.selection import not_ours

_BUSINESS = " AND ".join(not_ours(["dag_id"]))
PAUSE_ALL = f"UPDATE dag t SET is_paused = TRUE WHERE t.is_paused IS NOT TRUE AND {_BUSINESS}"
KEPT_OWN_RUNS = 60
"""Finished runs kept of each recovery DAG: an hour of the agent's at its default interval."""


def pause_all(engine: Engine) -> list[str]:
    """Pause every business DAG; return those that were not paused before."""
    with transaction(engine) as session:
        return [
            row[0]
            for row in session.rows(
                f"WITH changed AS ({PAUSE_ALL} RETURNING t.dag_id) "
                "SELECT dag_id FROM changed ORDER BY 1"
            )
        ]


def sweep(engine: Engine) -> list[str]:
    """What a site that does not own the epoch does at every beat: the same as `pause_all`, but it
    writes nothing, and so takes no lock, while everything is paused."""
    with transaction(engine) as session:
        if not session.value(
            f"SELECT count(*) FROM dag t WHERE t.is_paused IS NOT TRUE AND {_BUSINESS}"
        ):
            return []
    return pause_all(engine)


def unpause(engine: Engine, oracle: Iterable[DagOracle]) -> UnpauseReport:
    """Un-pause exactly the DAGs that were not paused when the oracle was taken."""
    return unpause_dags(engine, [entry.dag_id for entry in oracle if not entry.is_paused])


def unpause_dags(engine: Engine, dag_ids: Sequence[str]) -> UnpauseReport:
    """Un-pause these DAGs; twice is once."""
    wanted = sorted({name for name in dag_ids if not name.startswith(OWN_PREFIX)})

    def work() -> set[str]:
        with transaction(engine) as session:
            hold.release(session)
            return {
                row[0]
                for row in session.rows(
                    "UPDATE dag SET is_paused = FALSE WHERE dag_id = ANY(%s) RETURNING dag_id",
                    [wanted],
                )
            }

    found = again_if_worth_it(work)
    return UnpauseReport(
        unpaused=sorted(found), missing=[name for name in wanted if name not in found]
    )


def dag_counts(engine: Engine) -> DagCounts:
    """What the pulse carries."""
    with transaction(engine) as session:
        dags, active = session.row(
            "SELECT count(*), count(*) FILTER (WHERE t.is_paused IS NOT TRUE) FROM dag t "
            f"WHERE {_BUSINESS} AND {active_expression(session)}"
        )
        errors = session.value("SELECT count(*) FROM import_error")
    return DagCounts(dags=dags, active_dags=active, import_errors=errors)


def held_snapshot_at(engine: Engine) -> str:
    """When the snapshot that a standby holds was taken, ISO 8601; empty if it does not say."""
    with transaction(engine) as session:
        return str(notes.read(session, notes.HOLDS).get("snapshot_at", ""))


def working_dags(engine: Engine) -> list[str]:
    """Business DAGs that are not paused and have run: signs of a live environment."""
    with transaction(engine) as session:
        return [
            row[0]
            for row in session.rows(
                f"SELECT t.dag_id FROM dag t WHERE t.is_paused IS NOT TRUE AND {_BUSINESS} "
                "AND EXISTS (SELECT FROM dag_run r WHERE r.dag_id = t.dag_id) ORDER BY 1"
            )
        ]


def trim_own_history(engine: Engine, keep: int = KEPT_OWN_RUNS) -> int:
    """Delete all but the newest `keep` finished runs of each recovery DAG; return how many went.

    An agent that runs each minute would otherwise add half a million runs a year.
    """
    ours = f"left(r.dag_id, {len(OWN_PREFIX)}) = '{OWN_PREFIX}'"
    with transaction(engine) as session:
        # Task instances, XComs and the like go by the foreign keys' ON DELETE CASCADE.
        return session.execute(
            "DELETE FROM dag_run WHERE id IN (SELECT id FROM (SELECT r.id, row_number() OVER "
            "(PARTITION BY r.dag_id ORDER BY r.id DESC) AS n FROM dag_run r "
            f"WHERE {ours} AND r.state IN ('success', 'failed')) x WHERE n > %s)",
            [keep],
        )


def note_purge(engine: Engine, after: str, rows: Mapping[str, int]) -> None:
    """Remember what a purge took on purpose, and which backup was the last before it."""
    with transaction(engine) as session:
        notes.write(session, notes.PURGED, {"after": after, "rows": dict(rows)})


def purged_after(engine: Engine, backup_id: str) -> dict[str, int]:
    """Rows by table that were purged right after a backup; empty if none were."""
    with transaction(engine) as session:
        note = notes.read(session, notes.PURGED)
    return dict(note.get("rows", {})) if note.get("after") == backup_id else {}
