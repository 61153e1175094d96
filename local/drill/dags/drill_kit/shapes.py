# type: ignore  (Airflow is not installed where types are checked)
"""Builds a DAG of each shape that the workload's table names."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from drill_kit import ledger
from drill_kit.compat import (
    DAG,
    Asset,
    BaseHook,
    BaseOperator,
    CronDataIntervalTimetable,
    DateTimeTrigger,
    DeltaDataIntervalTimetable,
    Variable,
    get_current_context,
    task,
)

Row = dict[str, Any]
"""A row of the workload's table."""
Context = Any
"""Airflow's context: its type moved, and its content is what counts."""


def schedule_of(row: Row) -> Any:  # noqa: ANN401 - a timetable or a list of datasets
    if row["datasets"]:
        return [Asset(uri) for uri in row["datasets"]]
    if row["cron"]:
        return CronDataIntervalTimetable(row["cron"], timezone="UTC")
    return DeltaDataIntervalTimetable(timedelta(seconds=row["every"]))


def dag_of(row: Row) -> DAG:
    """An empty DAG with everything the table says about its runs."""
    return DAG(
        dag_id=row["dag_id"],
        schedule=schedule_of(row),
        start_date=datetime.fromisoformat(row["start"]),
        catchup=row["catchup"],
        max_active_runs=row["max_active_runs"],
        is_paused_upon_creation=row["paused_on_creation"],
        default_args={
            "owner": "drill",
            "depends_on_past": row["depends_on_past"],
            "retries": row["options"].get("retries", 0),
            "retry_delay": timedelta(seconds=4),
            "pool": row["options"].get("pool", "default_pool"),
            # A backlog of older runs must not keep what reacts to events waiting.
            "priority_weight": 10 if row["datasets"] else 1,
            "weight_rule": "absolute",
        },
        tags=["drill", row["shape"]],
    )


def single(row: Row) -> None:
    @task
    def work() -> None:
        with ledger.business():
            time.sleep(row["options"].get("seconds", 0.2))

    work()


def chain(row: Row) -> None:
    @task
    def extract() -> str:
        with ledger.business() as values:
            rows = f"{row['dag_id']} {get_current_context()['run_id']}"
            values["extracted"] = ledger.sha256(rows)
        return rows

    @task
    def load(rows: str) -> None:
        with ledger.business() as values:
            values["loaded"] = ledger.sha256(rows)

    load(extract())


def counter(_row: Row) -> None:
    @task
    def work() -> None:
        """One more than the run before left in XCom."""
        with ledger.business() as values:
            # Without a map index Airflow 3 gives the values of all runs before, not the newest.
            before = get_current_context()["ti"].xcom_pull(
                task_ids="work", key="count", map_indexes=-1, include_prior_dates=True
            )
            values["count"] = (before or 0) + 1
            get_current_context()["ti"].xcom_push(key="count", value=values["count"])

    work()


def producer(row: Row) -> None:
    @task(outlets=[Asset(row["options"]["dataset"])])
    def work() -> None:
        with ledger.business():
            time.sleep(0.2)

    work()


class Wait(BaseOperator):
    """Gives its slot back while it waits."""

    def __init__(self, *, seconds: float, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs)
        self.seconds = seconds

    def execute(self, context: Context) -> None:
        ledger.write("start", context)
        until = datetime.now(UTC) + timedelta(seconds=self.seconds)
        self.defer(trigger=DateTimeTrigger(moment=until), method_name="finish")

    def finish(self, context: Context, event: object = None) -> None:  # noqa: ARG002
        ledger.write("success", context)


def deferrable(row: Row) -> None:
    Wait(task_id="work", seconds=row["options"]["seconds"])


def sensor(row: Row) -> None:
    @task.sensor(poke_interval=4, timeout=60, mode="reschedule")
    def arrived() -> bool:
        run = get_current_context()["dag_run"]
        waited = datetime.now(UTC) - run.start_date
        return waited > timedelta(seconds=row["options"]["seconds"])

    @task
    def work() -> None:
        with ledger.business():
            time.sleep(0.2)

    arrived() >> work()


def reader(row: Row) -> None:
    @task
    def work() -> None:
        with ledger.business() as values:
            options = row["options"]
            if "connection" in options:
                uri = BaseHook.get_connection(options["connection"]).get_uri()
                values["connection"] = ledger.sha256(uri)
            if "variable" in options:
                values["variable"] = ledger.sha256(Variable.get(options["variable"]))

    work()


def templated(row: Row) -> None:
    @task
    def work(greeting: str) -> None:
        with ledger.business() as values:
            values["variable"] = ledger.sha256(greeting)

    work("{{ var.value." + row["options"]["variable"] + " }}")


def mapped(_row: Row) -> None:
    @task
    def plan() -> list[str]:
        with ledger.business():
            return ["north", "south", "west"]

    @task
    def work(region: str) -> None:
        with ledger.business() as values:
            values["region"] = ledger.sha256(region)

    work.expand(region=plan())


def flaky(_row: Row) -> None:
    @task(retries=2, retry_delay=timedelta(seconds=3))
    def work() -> None:
        if get_current_context()["ti"].try_number < 2:  # noqa: PLR2004 - the first try fails
            raise RuntimeError("the first try of this task fails on purpose")
        with ledger.business():
            time.sleep(0.1)

    work()


def failing(_row: Row) -> None:
    @task
    def work() -> None:
        with ledger.business():
            time.sleep(0.1)

    @task(on_failure_callback=ledger.tell)
    def explode() -> None:
        raise RuntimeError("this task fails on purpose")

    work() >> explode()


def skipping(_row: Row) -> None:
    @task
    def work() -> None:
        with ledger.business():
            time.sleep(0.1)

    @task.short_circuit
    def go_on() -> bool:
        return False

    @task
    def rest() -> None:
        raise RuntimeError("a skipped task never runs")

    work() >> go_on() >> rest()


SHAPES = {
    builder.__name__: builder
    for builder in (
        single,
        chain,
        counter,
        producer,
        deferrable,
        sensor,
        reader,
        templated,
        mapped,
        flaky,
        failing,
        skipping,
    )
}


def build(row: Row) -> DAG:
    dag = dag_of(row)
    with dag:
        SHAPES[row["shape"]](row)
    return dag
