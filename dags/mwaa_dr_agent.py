"""The agent: each minute it proves that this environment lives and does what it is ordered to."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import AGENT_DAG
from mwaa_dr_site.airflow_dags import TriggerDagRunOperator, recovery_dag, task

CONFIG = AgentConfig.from_env(os.environ)

with recovery_dag(
    AGENT_DAG, __doc__, every_seconds=CONFIG.agent_seconds, limit=timedelta(minutes=5)
) as dag:

    @task(execution_timeout=timedelta(minutes=2), retries=0)
    def beat() -> list[dict[str, Any]]:
        from mwaa_dr_site.beat import beat as run  # noqa: PLC0415 - heavy; not for the parser

        return run(CONFIG, os.environ)

    TriggerDagRunOperator.partial(task_id="dispatch").expand_kwargs(beat())
