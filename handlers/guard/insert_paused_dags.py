"""Inserts `dag` rows, paused, before the scheduler of a new environment starts.

This file is never imported here: its text goes into the startup script, where the environment's
own Python runs it. A DAG with `is_paused_upon_creation=False` would otherwise start when it is
parsed, before its history is restored and before its site owns the epoch. A row that exists keeps
its pause state, whatever the DAG's code says. The rows are inactive until their DAGs are parsed, so
that the scheduler and the DAG list do not know them before.
"""

# ruff: noqa: PLC0415 - Airflow takes seconds to import and may be what fails
# pyright: reportMissingImports=false

import base64
import json
import signal
import sys
import time
import zlib
from typing import Any

TABLE_SECONDS = 60
TOTAL_SECONDS = 120
"""MWAA gives the whole startup script five minutes."""


def log(text: str) -> None:
    sys.stdout.write(f"mwaa-dr guard: {text}\n")
    sys.stdout.flush()


def wait_for_table(engine: Any) -> bool:  # noqa: ANN401
    """Whether the migrated database has the table `dag`, waiting for it a while."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    deadline = time.monotonic() + TABLE_SECONDS
    problem = "it does not exist"
    while time.monotonic() < deadline:
        try:
            if inspect(engine).has_table("dag"):
                return True
        except SQLAlchemyError as error:
            problem = type(error).__name__
        time.sleep(1)
    log(f"gave up waiting for the table dag: {problem}")
    return False


def bundle_name(session: Any) -> str | None:  # noqa: ANN401
    """Airflow 3: the bundle that a row must name; the first configured one, made if need be."""
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.models.dagbundle import DagBundleModel
    except ImportError:
        return None
    DagBundlesManager().sync_bundles_to_db(session=session)
    session.commit()
    configured = list(DagBundlesManager().get_all_dag_bundles())
    known = {name for (name,) in session.query(DagBundleModel.name)}
    return next((bundle.name for bundle in configured if bundle.name in known), None)


def new_row(model: Any, dag_id: str, bundle: str | None) -> Any:  # noqa: ANN401
    """A paused row that only its DAG's first parse makes active."""
    row = model(dag_id=dag_id, is_paused=True)
    if hasattr(model, "is_active"):
        row.is_active = False
    if hasattr(model, "is_stale"):
        row.is_stale = True
    if bundle is not None and hasattr(model, "bundle_name"):
        row.bundle_name = bundle
    return row


def insert(dag_ids: list[str]) -> None:
    """Insert the rows that are not there; several schedulers may do this at the same time."""
    from airflow import settings
    from sqlalchemy.exc import IntegrityError

    if settings.engine is None:
        settings.configure_orm()
    if not wait_for_table(settings.engine):
        return
    from airflow.models.dag import DagModel

    session = settings.Session()
    inserted = 0
    try:
        bundle = bundle_name(session)
        known = {dag_id for (dag_id,) in session.query(DagModel.dag_id)}
        for dag_id in dag_ids:
            if dag_id in known:
                continue
            session.add(new_row(DagModel, dag_id, bundle))
            try:
                session.commit()
                inserted += 1
            except IntegrityError:
                session.rollback()
    finally:
        session.close()
    log(f"{inserted} DAGs inserted paused, {len(dag_ids) - inserted} were there already")


def main(payload: str) -> None:
    """Insert the DAG ids in `payload`: base64 of zlib of a JSON list."""
    signal.alarm(TOTAL_SECONDS)
    try:
        insert(json.loads(zlib.decompress(base64.b64decode(payload))))
    except Exception as error:
        log(f"could not insert: {type(error).__name__}: {error}")
