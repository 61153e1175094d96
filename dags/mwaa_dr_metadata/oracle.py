"""What the scheduler was about to do: taken with the backup, compared after the import."""

# ruff: noqa: S608 - identifiers come from the rules and are quoted

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy.engine import Engine

from contract.manifest import DagOracle
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.model import Difference
from mwaa_dr_metadata.rules import NEXT_RUN
from mwaa_dr_metadata.selection import not_ours
from mwaa_dr_metadata.session import Session

ACTIVE = {"is_active": "t.is_active", "is_stale": "NOT t.is_stale"}
"""How each generation of Airflow says that it still finds a DAG's file."""


def active_expression(session: Session) -> str:
    columns = session.rows(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'dag'::regclass AND NOT attisdropped"
    )
    return next(sql for name, sql in ACTIVE.items() if (name,) in columns)


def read_oracle(session: Session) -> list[DagOracle]:
    """Every DAG but the recovery DAGs; times as the database writes them in JSON, in UTC."""
    times = ", ".join(f"to_json(t.{column})#>>'{{}}'" for column in NEXT_RUN)
    rows = session.rows(
        f"SELECT t.dag_id, coalesce(t.is_paused, FALSE), coalesce({active_expression(session)}, "
        f"FALSE), {times} FROM dag t WHERE {' AND '.join(not_ours(['dag_id']))} ORDER BY 1"
    )
    return [DagOracle(*row) for row in rows]


def to_json(oracle: Sequence[DagOracle]) -> bytes:
    return json.dumps([asdict(entry) for entry in oracle], sort_keys=True).encode()


def from_json(text: str | bytes) -> list[DagOracle]:
    """Raises ValueError on anything that is not a whole oracle."""
    try:
        return [DagOracle(**entry) for entry in json.loads(text)]
    except TypeError as error:
        raise ValueError(f"not an oracle: {error!r}") from error


def differences(expected: Sequence[DagOracle], found: Sequence[DagOracle]) -> list[Difference]:
    """Scheduling columns that differ; a DAG that is missing differs in `dag_id`."""
    present = {entry.dag_id: entry for entry in found}
    result: list[Difference] = []
    for entry in expected:
        other = present.get(entry.dag_id)
        if other is None:
            result.append(Difference(entry.dag_id, "dag_id", entry.dag_id, None))
            continue
        result += [
            Difference(entry.dag_id, column, getattr(entry, column), getattr(other, column))
            for column in NEXT_RUN
            if getattr(entry, column) != getattr(other, column)
        ]
    return result


def compare_schedule(engine: Engine, oracle: Sequence[DagOracle]) -> list[Difference]:
    """How the target's scheduling columns differ from the oracle.

    After a parse Airflow has recomputed them: a DAG without catch-up has moved forward then, which
    is as it should be; a value earlier than expected would re-run the past.
    """
    with transaction(engine) as session:
        return differences(oracle, read_oracle(session))
