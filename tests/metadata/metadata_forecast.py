"""DAGs with every kind of schedule, and the comparison of a forecast with what a scheduler did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mwaa_dr_metadata.forecast_model import DagForecast, Forecast, Outlook

DAGS = """
# Without catch-up a scheduler that is late passes intervals over: those have a minute each.
from datetime import datetime, timedelta

import pendulum

try:
    from airflow.sdk import DAG, Asset as Dataset
    from airflow.sdk import CronDataIntervalTimetable, CronTriggerTimetable
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.models.dag import DAG
    from airflow.datasets import Dataset
    from airflow.operators.empty import EmptyOperator
    from airflow.timetables.interval import CronDataIntervalTimetable
    from airflow.timetables.trigger import CronTriggerTimetable

START = datetime(2024, 5, 1)
SECONDS = "* * * * * */{}".format


def make(dag_id, schedule, task=None, **arguments):
    arguments = {"start_date": START, "is_paused_upon_creation": False, **arguments}
    with DAG(dag_id, schedule=schedule, **arguments):
        EmptyOperator(task_id="t", **(task or {}))


def intervals(expression, zone="UTC"):
    return CronDataIntervalTimetable(expression, timezone=zone)


make("backlog", intervals(SECONDS(20)), catchup=True)
make("latest", intervals("* * * * *"), catchup=False)
make("string", "*/5 * * * *", catchup=False)
make("zoned", intervals("0 3 * * *", "Europe/Berlin"), catchup=True)
make("zoned_latest", intervals("0 3 * * *", "America/New_York"), catchup=False)
make("delta", timedelta(seconds=30), catchup=True, max_active_runs=1)
make("delta_latest", timedelta(seconds=60), catchup=False)
make("trigger", CronTriggerTimetable("* * * * *", timezone="UTC"), catchup=False)
make("trigger_backlog", CronTriggerTimetable(SECONDS(20), timezone="UTC"), catchup=True)
make("once", "@once")
make("once_done", "@once")
make("by_hand", None)
make("ended", intervals(SECONDS(20)), catchup=True, end_date=datetime(2024, 6, 1))
make("paused", intervals(SECONDS(20)), catchup=True)
make("fires", [Dataset("s3://in/ready")])
make("waits", [Dataset("s3://in/ready"), Dataset("s3://in/late")])
make("either", Dataset("s3://in/ready") | Dataset("s3://in/late"))
make("past", timedelta(seconds=20), {"depends_on_past": True}, catchup=True, max_active_runs=2)
"""

SECOND = timedelta(seconds=1)
VAGUE = 20 * SECOND
"""How far a run may be from what was foretold, where the forecast itself says that it is vague."""


def seeds(base: datetime) -> dict[str, tuple[datetime, datetime]]:
    """DAG -> data interval of its latest run, some of it long before `base`, a whole minute."""

    def interval(before: int, length: int) -> tuple[datetime, datetime]:
        end = base - before * SECOND
        return end - length * SECOND, end

    return {
        "backlog": interval(120, 20),
        "latest": interval(600, 60),
        "zoned": (datetime(2026, 1, 1, 2, tzinfo=UTC), base - timedelta(days=4)),
        "delta": interval(150, 30),
        "delta_latest": interval(617, 60),
        "trigger": interval(300, 0),
        "trigger_backlog": interval(100, 0),
        "once_done": interval(86_400, 0),
        "ended": (datetime(2024, 5, 31, tzinfo=UTC), datetime(2024, 6, 2, tzinfo=UTC)),
        "paused": interval(600, 20),
        "past": interval(100, 20),
    }


Run = tuple[datetime | None, datetime]
"""Logical date, and when the schedule wanted it."""


@dataclass(frozen=True)
class Comparison:
    """A forecast beside the runs that a scheduler made, both up to `until`."""

    forecast: dict[str, list[Run]]
    made: dict[str, list[Run]]

    @property
    def matches(self) -> bool:
        return self.forecast == self.made


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def planned(dag: DagForecast) -> list[tuple[Run, bool]]:
    """Each run, and whether its times can be told exactly."""
    assert dag.runs.last is None, "the forecast was cut short"
    return [
        ((moment(run.logical_date), datetime.fromisoformat(run.due_at)), run.exact)
        for run in dag.runs.first
    ]


def compare(
    forecast: Forecast, made: Iterable[tuple[str, datetime | None, datetime]], until: datetime
) -> Comparison:
    foretold: dict[str, list[Run]] = {}
    vague: set[datetime] = set()
    for dag in forecast.dags:
        runs = sorted(planned(dag), key=lambda run: run[0][1])
        foretold[dag.dag_id] = [run for run, _ in runs if run[1] <= until]
        vague |= {run[1] for run, exact in runs if not exact}
    found: dict[str, list[Run]] = {dag.dag_id: [] for dag in forecast.dags}
    for dag_id, date, due in sorted(made, key=lambda row: row[2]):
        near = [run for run in foretold[dag_id] if run[1] in vague and abs(run[1] - due) < VAGUE]
        if due <= until:
            found[dag_id].append(near[0] if near else (date, due))
    return Comparison(foretold, found)


def outlooks(forecast: Forecast) -> Mapping[str, Outlook]:
    return {dag.dag_id: dag.outlook for dag in forecast.dags}


EXPECTED = {
    "backlog": Outlook.RUNS,
    "latest": Outlook.RUNS,
    "string": Outlook.RUNS,
    "zoned": Outlook.RUNS,
    "zoned_latest": Outlook.RUNS,
    "delta": Outlook.RUNS,
    "delta_latest": Outlook.RUNS,
    "trigger": Outlook.RUNS,
    "trigger_backlog": Outlook.RUNS,
    "once": Outlook.RUNS,
    "once_done": Outlook.FINISHED,
    "by_hand": Outlook.BY_HAND,
    "ended": Outlook.FINISHED,
    "paused": Outlook.PAUSED,
    "fires": Outlook.RUNS,
    "waits": Outlook.ON_DATA,
    "either": Outlook.RUNS,
    "past": Outlook.BLOCKED,
}


def settled(now: datetime, parsed: Mapping[str, datetime]) -> bool:
    """Whether no schedule of a minute has turned since the last parse, nor soon will: a DAG without
    catch-up goes on from the parse, and another one must not come between."""
    second = now.timestamp() % 60
    turned = now - (second * SECOND)
    return 3 < second < 40 and all(time > turned for time in parsed.values())
