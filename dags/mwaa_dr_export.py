"""The export: backs up the metadata database on a schedule, while this site owns the epoch.

Where it is asked for, old rows of the database are purged after each base."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import EXPORT_DAG
from mwaa_dr_site.airflow_dags import AirflowSkipException, recovery_dag, task

CONFIG = AgentConfig.from_env(os.environ)

with recovery_dag(
    EXPORT_DAG, __doc__, every_seconds=CONFIG.export_seconds, limit=timedelta(hours=6)
) as dag:

    @task(retries=1, retry_delay=timedelta(seconds=10))
    def export(dag_run: Any = None) -> dict[str, Any]:  # noqa: ANN401 - Airflow fills it in
        from mwaa_dr_site.export import NotOwnerError, run  # noqa: PLC0415 - heavy

        try:
            return run(CONFIG, os.environ, (dag_run.conf or {}).get("order"))
        except NotOwnerError as error:
            raise AirflowSkipException(str(error)) from error

    exported = export()

    if CONFIG.purge_days:

        @task(retries=0)
        def purge(exported: dict[str, Any]) -> dict[str, Any]:
            from mwaa_dr_site.purge import NotDueError, run  # noqa: PLC0415 - heavy

            try:
                return run(CONFIG, os.environ, exported)
            except NotDueError as error:
                raise AirflowSkipException(str(error)) from error

        purge(exported)
