# type: ignore  (Airflow is not installed where types are checked)
"""The drill's DAGs, made from the table in `workload.json` beside this file."""

import json
from pathlib import Path

from airflow import DAG  # noqa: F401 - Airflow looks for the words `airflow` and `DAG` in a file
from drill_kit.compat import get_parsing_context
from drill_kit.shapes import build

WANTED = get_parsing_context().dag_id

for row in json.loads(Path(__file__).with_name("workload.json").read_text())["dags"]:
    if WANTED in (None, row["dag_id"]):
        globals()[row["dag_id"]] = build(row)
