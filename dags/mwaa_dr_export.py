"""The export: backs up the metadata database on a schedule, while this site owns the epoch."""

# Airflow lives in an environment of its own.
# pyright: reportMissingImports=false

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import EXPORT_DAG

try:
    from airflow.sdk import DAG, task
    from airflow.sdk.exceptions import AirflowSkipException
except ImportError:
    from airflow.decorators import task
    from airflow.exceptions import AirflowSkipException
    from airflow.models.dag import DAG

CONFIG = AgentConfig.from_env(os.environ)

with DAG(
    EXPORT_DAG,
    description=__doc__,
    schedule=timedelta(seconds=CONFIG.export_seconds),
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    # Ahead of all business tasks: a busy environment must not look like a dead one.
    default_args={"priority_weight": 10_000, "weight_rule": "absolute"},
    dagrun_timeout=timedelta(hours=6),
    tags=["mwaa-dr"],
) as dag:

    @task(retries=1, retry_delay=timedelta(seconds=10))
    def export(dag_run: Any = None) -> dict[str, Any]:  # noqa: ANN401 - Airflow fills it in
        from mwaa_dr_site.export import NotOwnerError, run  # noqa: PLC0415 - heavy

        try:
            return run(CONFIG, os.environ, (dag_run.conf or {}).get("order"))
        except NotOwnerError as error:
            raise AirflowSkipException(str(error)) from error

    export()
