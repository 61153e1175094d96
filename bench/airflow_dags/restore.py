# type: ignore  (Airflow is not installed where types are checked)
"""A task that runs the operation named by the environment, and says how it went."""

import importlib
import json
import os
import pathlib
import traceback
from datetime import datetime

from airflow.decorators import task
from airflow.models.dag import DAG

with DAG(
    "mwaa_dr_bench",
    schedule=None,
    start_date=datetime(2024, 1, 1),  # noqa: DTZ001 - Airflow's own default time zone
    is_paused_upon_creation=False,
):

    @task
    def operate() -> None:
        try:
            module = importlib.import_module(os.environ["BENCH_MODULE"])
            said = module.perform(json.loads(os.environ["BENCH_ORDER"]))
        except Exception:
            said = {"error": traceback.format_exc()[-3000:]}
        result = pathlib.Path(os.environ["BENCH_RESULT"])
        partial = result.with_suffix(".partial")
        partial.write_text(json.dumps(said))
        partial.rename(result)

    operate()
