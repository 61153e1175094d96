"""What the three recovery DAGs have in common, on Airflow 2 and 3."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Airflow lives in an environment of its own, where the type checker does not look.
    AirflowSkipException: Any
    DAG: Any
    TriggerDagRunOperator: Any
    task: Any
else:
    try:
        from airflow.sdk import DAG, task
        from airflow.sdk.exceptions import AirflowSkipException
    except ImportError:
        from airflow.decorators import task
        from airflow.exceptions import AirflowSkipException
        from airflow.models.dag import DAG
    try:
        from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
    except ImportError:
        from airflow.operators.trigger_dagrun import TriggerDagRunOperator

__all__ = ["AirflowSkipException", "TriggerDagRunOperator", "recovery_dag", "task"]


def recovery_dag(
    dag_id: str, description: str | None, *, every_seconds: int | None, limit: timedelta
) -> Any:  # noqa: ANN401 - Airflow's types are not here
    """A DAG that is never paused, never catches up and goes before all business tasks.

    Args:
        every_seconds: its schedule; None for a DAG that only runs when it is triggered.
        limit: after which a run is given up.
    """
    return DAG(
        dag_id,
        description=description,
        schedule=None if every_seconds is None else timedelta(seconds=every_seconds),
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        # A busy environment must not look like a dead one.
        default_args={"priority_weight": 10_000, "weight_rule": "absolute"},
        dagrun_timeout=limit,
        tags=["mwaa-dr"],
    )
