"""The import: restores a backup into this environment when the control plane orders it."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import IMPORT_DAG
from mwaa_dr_site.airflow_dags import recovery_dag, task

CONFIG = AgentConfig.from_env(os.environ)

with recovery_dag(IMPORT_DAG, __doc__, every_seconds=None, limit=timedelta(hours=6)) as dag:

    @task(retries=0)
    def restore(dag_run: Any = None) -> dict[str, Any]:  # noqa: ANN401 - Airflow fills it in
        from mwaa_dr_site.restore import run  # noqa: PLC0415 - heavy; not for the parser

        return run(CONFIG, os.environ, dag_run.conf["order"])

    restore()
