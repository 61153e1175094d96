"""Gives deadlines back at promotion: one that lies in the past fires at once, paused or not."""

from mwaa_dr_metadata.inflight import UNFINISHED_RUNS
from mwaa_dr_metadata.plan import Plan, PlannedTable
from mwaa_dr_metadata.session import Session, listed, literal, quote
from mwaa_dr_metadata.staging import PREFIX

TABLES = ("callback", "deadline")
OVER = ("success", "failed")
"""States of a callback that ran. Another one had not been heard of when the snapshot was taken: its
deadline is given back as not yet missed, and Airflow calls again, with what is true here."""


def has_deadlines(plan: Plan) -> bool:
    """Airflow 3.0 has the table, but nothing that fills it."""
    return all(plan.named(name) is not None for name in TABLES)


def give_back_deadlines(session: Session, plan: Plan, runs: str) -> None:
    """Write the staged deadlines and their callbacks; those that are there already stay.

    Of runs that were unfinished at the snapshot only those in the table `runs` count: somebody has
    dealt with the others, and their deadlines with them.
    """
    ended = f"c.state IN ({listed(OVER, literal)})"
    source = (
        f"FROM {PREFIX}deadline d JOIN {PREFIX}callback c ON c.id = d.callback_id "
        'JOIN dag_run r ON r.dag_id = d."dagrun_id:dag_id" AND r.run_id = d."dagrun_id:run_id" '
        f"LEFT JOIN {PREFIX}dag_run s ON s.dag_id = r.dag_id AND s.run_id = r.run_id "
        f"LEFT JOIN {runs} u ON u.dag_id = r.dag_id AND u.run_id = r.run_id "
        f"WHERE u.run_id IS NOT NULL OR s.state IS NULL "
        f"OR s.state NOT IN ({listed(UNFINISHED_RUNS, literal)})"
    )
    states = {
        "state": f"CASE WHEN {ended} THEN c.state ELSE 'scheduled' END",
        "output": f"CASE WHEN {ended} THEN c.output END",
    }
    _insert(session, plan.tables["callback"], "c", states, source)
    missed = {"missed": f"d.missed AND {ended}", "dagrun_id": "r.id"}
    _insert(session, plan.tables["deadline"], "d", missed, source)


def _insert(
    session: Session, table: PlannedTable, alias: str, values: dict[str, str], source: str
) -> None:
    columns = [*(column.name for column in table.columns), *(r.column for r in table.rule.refs)]
    selected = [values.get(name, f"{alias}.{quote(name)}") for name in columns]
    session.execute(
        f"INSERT INTO {quote(table.name)} ({listed(columns)}) "
        f"SELECT {', '.join(selected)} {source} ON CONFLICT DO NOTHING"
    )
