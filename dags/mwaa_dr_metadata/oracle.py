"""What the scheduler was about to do: taken with the backup, compared after the import."""

# ruff: noqa: S608 - identifiers come from the rules and are quoted

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy.engine import Engine

from contract.manifest import DagOracle, DagSchedule
from mwaa_dr_metadata.database import transaction
from mwaa_dr_metadata.model import Difference
from mwaa_dr_metadata.rules import NEXT_RUN
from mwaa_dr_metadata.schedules import read_schedule, unknown
from mwaa_dr_metadata.selection import not_ours
from mwaa_dr_metadata.session import Session

ACTIVE = {"is_active": "t.is_active", "is_stale": "NOT t.is_stale"}
"""How each generation of Airflow says that it still finds a DAG's file."""


LATEST_RUNS = 10
"""Scheduled runs that the usual duration of a DAG's runs is taken from."""
FETCHED = 50
"""DAGs read at once: a serialised DAG may have megabytes."""


def active_expression(session: Session) -> str:
    columns = _columns(session, "dag")
    return next(sql for name, sql in ACTIVE.items() if name in columns)


def _columns(session: Session, table: str) -> set[str]:
    return {
        name
        for (name,) in session.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) "
            "AND NOT attisdropped",
            [table],
        )
    }


def _time(column: str) -> str:
    """As the database writes it in JSON, in UTC."""
    return f"to_json({column})#>>'{{}}'"


def _next_runs(session: Session) -> str:
    times = ", ".join(_time(f"t.{column}") for column in NEXT_RUN)
    return (
        "t.dag_id, coalesce(t.is_paused, FALSE), "
        f"coalesce({active_expression(session)}, FALSE), {times}"
    )


def read_next_runs(session: Session) -> list[DagOracle]:
    """Every DAG but the recovery DAGs, without what its schedule depends on."""
    rows = session.rows(
        f"SELECT {_next_runs(session)} FROM dag t WHERE {' AND '.join(not_ours(['dag_id']))} "
        "ORDER BY 1"
    )
    return [DagOracle(*row) for row in rows]


def read_oracle(session: Session) -> list[DagOracle]:
    """Every DAG but the recovery DAGs, with all that a forecast needs."""
    width = 3 + len(NEXT_RUN)
    return [DagOracle(*row[:width], schedule=_schedule(*row[width:])) for row in _rows(session)]


def _rows(session: Session) -> Iterator[tuple[Any, ...]]:
    """Everything in one query, streamed."""
    data = "dataset" if _columns(session, "dataset") else "asset"
    date = "execution_date" if "execution_date" in _columns(session, "dag_run") else "logical_date"
    name = "name" if "name" in _columns(session, data) else "uri"
    serialized = _columns(session, "serialized_dag")
    made = "created_at" if "created_at" in serialized else "last_updated"
    session.execute(
        f"""
        DECLARE mwaa_dr_oracle NO SCROLL CURSOR FOR
        SELECT {_next_runs(session)}, t.max_active_runs, {_time("r.last_start")},
               {_time("r.last_end")}, r.seconds,
               q.queued::text, p.producers::text, nullif(s.data::text, 'null'), s.data_compressed
        FROM dag t
        LEFT JOIN (SELECT DISTINCT ON (dag_id) dag_id, data, data_compressed FROM serialized_dag
                   ORDER BY dag_id, {made} DESC) s USING (dag_id)
        LEFT JOIN (SELECT q.target_dag_id AS dag_id, json_agg(json_build_object('uri', d.uri,
                          'name', d.{name}, 'at', {_time("q.created_at")})
                          ORDER BY q.created_at, d.uri) AS queued
                   FROM {data}_dag_run_queue q JOIN {data} d ON d.id = q.{data}_id
                   GROUP BY 1) q USING (dag_id)
        LEFT JOIN (SELECT c.dag_id, json_agg(DISTINCT o.dag_id) AS producers
                   FROM dag_schedule_{data}_reference c
                   JOIN task_outlet_{data}_reference o USING ({data}_id)
                   GROUP BY 1) p USING (dag_id)
        CROSS JOIN LATERAL (
            SELECT (array_agg(x.data_interval_start ORDER BY x.n) FILTER (WHERE x.finite))[1]
                       AS last_start,
                   (array_agg(x.data_interval_end ORDER BY x.n) FILTER (WHERE x.finite))[1]
                       AS last_end,
                   avg(extract(epoch FROM x.end_date - x.start_date))
                       FILTER (WHERE x.state = 'success' AND isfinite(x.start_date)
                               AND isfinite(x.end_date))::float8 AS seconds
            FROM (SELECT d.*, isfinite(d.data_interval_start)
                              AND isfinite(d.data_interval_end) AS finite,
                         row_number() OVER (ORDER BY d.{date} DESC) AS n FROM dag_run d
                  WHERE d.dag_id = t.dag_id AND d.run_type IN ('scheduled', 'backfill')
                    AND d.{date} IS NOT NULL
                  ORDER BY d.{date} DESC LIMIT {LATEST_RUNS}) x) r
        WHERE {" AND ".join(not_ours(["dag_id"]))} ORDER BY 1
        """
    )
    while rows := session.rows(f"FETCH {FETCHED} FROM mwaa_dr_oracle"):
        yield from rows
    session.execute("CLOSE mwaa_dr_oracle")


def _schedule(  # noqa: PLR0917 - the columns of a row
    max_active_runs: int | None,
    last_start: str | None,
    last_end: str | None,
    seconds: float | None,
    queued: str | None,
    producers: str | None,
    data: str | None,
    compressed: bytes | None,
) -> DagSchedule:
    try:
        text = data or (zlib.decompress(compressed) if compressed is not None else None)
        document = json.loads(text) if text else None
    except (ValueError, zlib.error) as error:
        found = DagSchedule(unknown(f"its serialised form cannot be read: {error!r}"))
    else:
        found = (
            DagSchedule(unknown("Airflow had not serialised it yet"))
            if document is None
            else read_schedule(document)
        )
    return replace(
        found,
        max_active_runs=max_active_runs or 1,
        last_start=last_start,
        last_end=last_end,
        run_seconds=None if seconds is None else round(seconds, 3),
        queued=json.loads(queued or "[]"),
        producers=json.loads(producers or "[]"),
    )


def to_json(oracle: Sequence[DagOracle]) -> bytes:
    return json.dumps([asdict(entry) for entry in oracle], sort_keys=True).encode()


def from_json(text: str | bytes) -> list[DagOracle]:
    """Raises ValueError on anything that is not a whole oracle."""
    try:
        return [_entry(**entry) for entry in json.loads(text)]
    except TypeError as error:
        raise ValueError(f"not an oracle: {error!r}") from error


def _entry(schedule: dict[str, Any] | None = None, **entry: Any) -> DagOracle:  # noqa: ANN401
    return DagOracle(**entry, schedule=None if schedule is None else DagSchedule(**schedule))


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
        return differences(oracle, read_next_runs(session))
