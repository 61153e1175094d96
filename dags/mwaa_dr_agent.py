"""The agent: each minute it proves that this environment lives and does what it is ordered to."""

# Airflow lives in an environment of its own.
# pyright: reportMissingImports=false

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import AGENT_DAG

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG
try:
    from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
except ImportError:
    from airflow.operators.trigger_dagrun import TriggerDagRunOperator

CONFIG = AgentConfig.from_env(os.environ)

with DAG(
    AGENT_DAG,
    description=__doc__,
    schedule=timedelta(seconds=CONFIG.agent_seconds),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    # Ahead of all business tasks: a busy environment must not look like a dead one.
    default_args={"priority_weight": 10_000, "weight_rule": "absolute"},
    dagrun_timeout=timedelta(minutes=5),
    tags=["mwaa-dr"],
) as dag:

    @task(execution_timeout=timedelta(minutes=2), retries=0)
    def beat() -> list[dict[str, Any]]:
        from mwaa_dr_site.beat import beat as run  # noqa: PLC0415 - heavy; not for the parser

        return run(CONFIG, os.environ)

    TriggerDagRunOperator.partial(task_id="dispatch").expand_kwargs(beat())
