"""The sync: a standby takes over the owner's newest backup on a schedule, all work parked."""

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from contract.agent_config import AgentConfig
from contract.names import SYNC_DAG
from mwaa_dr_site.airflow_dags import AirflowSkipException, recovery_dag, task

CONFIG = AgentConfig.from_env(os.environ)

if CONFIG.sync_seconds:
    with recovery_dag(
        SYNC_DAG, __doc__, every_seconds=CONFIG.sync_seconds, limit=timedelta(hours=6)
    ) as dag:

        @task(retries=0)
        def follow() -> dict[str, Any]:
            from mwaa_dr_site.sync import (  # noqa: PLC0415 - heavy; not for the parser
                NothingNewError,
                NotStandbyError,
                run,
            )

            try:
                return run(CONFIG, os.environ)
            except (NothingNewError, NotStandbyError) as error:
                raise AirflowSkipException(str(error)) from error

        follow()
