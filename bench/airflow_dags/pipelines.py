# type: ignore  (Airflow is not installed where types are checked)
"""Ten of the source's DAGs; the file's name ends with which ten. See `bench/rows.py`."""

import pathlib
from datetime import datetime

from airflow.datasets import Dataset
from airflow.models.dag import DAG
from airflow.operators.empty import EmptyOperator
from airflow.operators.python import PythonOperator

TEAMS = ("sales", "billing", "ads", "iot", "ml", "finance", "ops", "web")
STEPS = (
    *("extract", "validate", "stage", "transform", "load"),
    *("publish", "check", "notify", "aggregate", "archive"),
)
LONG_AGO = datetime(2020, 1, 1)  # noqa: DTZ001 - Airflow's own default time zone


def nothing(partition: int = 0) -> list[int]:
    return list(range(5 + 0 * partition))


def schedule_of(d: int) -> "str | list[Dataset] | None":
    if d < 180:  # noqa: PLR2004
        return "@daily"
    if d < 190:  # noqa: PLR2004
        tables = (5 * (d - 180) + 1, 5 * (d - 180) + 2)
        return [Dataset(f"s3://analytics-lake/table_{i:03d}") for i in tables]
    return None


def pipeline(d: int) -> DAG:
    mapped = d % 4 == 0
    with DAG(
        f"{TEAMS[d % 8]}_pipeline_{d:03d}",
        schedule=schedule_of(d),
        start_date=LONG_AGO,
        catchup=d < 20,  # noqa: PLR2004
    ) as dag:
        for t in range(44 if mapped else 50):
            produces = [Dataset(f"s3://analytics-lake/table_{d - 19:03d}")]
            EmptyOperator(
                task_id=f"{STEPS[t // 5]}_{t:02d}",
                outlets=produces if t == 43 and 20 <= d < 70 else [],  # noqa: PLR2004
            )
        if mapped:
            partitions = PythonOperator(task_id="list_partitions", python_callable=nothing)
            PythonOperator.partial(task_id="load_partition", python_callable=nothing).expand(
                op_args=partitions.output.map(lambda item: [item])
            )
    return dag


first = int(pathlib.Path(__file__).stem.rpartition("_")[2]) * 10
for number in range(first, first + 10):
    globals()[f"dag_{number}"] = pipeline(number)
