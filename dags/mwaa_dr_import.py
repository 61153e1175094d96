"""The import: restores a backup into this environment when the control plane orders it."""

# Airflow lives in an environment of its own.
# pyright: reportMissingImports=false

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import IMPORT_DAG

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow.decorators import task
    from airflow.models.dag import DAG

CONFIG = AgentConfig.from_env(os.environ)

with DAG(
    IMPORT_DAG,
    description=__doc__,
    schedule=None,
    start_date=datetime(2024, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    # Ahead of all business tasks: a busy environment must not look like a dead one.
    default_args={"priority_weight": 10_000, "weight_rule": "absolute"},
    dagrun_timeout=timedelta(hours=6),
    tags=["mwaa-dr"],
) as dag:

    @task(retries=0)
    def restore(dag_run: Any = None) -> dict[str, Any]:  # noqa: ANN401 - Airflow fills it in
        from mwaa_dr_site.restore import run  # noqa: PLC0415 - heavy; not for the parser

        return run(CONFIG, os.environ, dag_run.conf["order"])

    restore()
