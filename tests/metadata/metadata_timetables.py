"""Runs in Airflow's own Python: DAGs as Airflow serialises them, and the runs that it would make.

Reads cases from standard input, as JSON; writes `[{document, runs}]`. `runs` is a chain of data
intervals, each found from the one before, at the case's `now`.
"""

import json
import sys
import types
from datetime import UTC, datetime, timedelta, timezone

import pendulum
from airflow import __version__
from airflow.timetables.base import DataInterval
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from dateutil.relativedelta import relativedelta, weekday

NEWER = int(__version__.split(".")[0]) >= 3
if NEWER:
    from airflow.sdk import DAG
else:
    from airflow.models.dag import DAG
try:
    from airflow.timetables.trigger import DeltaTriggerTimetable
except ImportError:
    DeltaTriggerTimetable = None
try:
    from airflow.timetables.trigger import MultipleCronTriggerTimetable
except ImportError:
    MultipleCronTriggerTimetable = None
try:
    from airflow.serialization.serialized_objects import DagSerialization as Serializer
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serializer
try:
    from airflow.providers.standard.operators.empty import EmptyOperator
except ImportError:
    from airflow.operators.empty import EmptyOperator


def delta_of(value):
    if isinstance(value, dict):
        fields = dict(value)
        if "weekday" in fields:
            fields["weekday"] = weekday(*fields["weekday"])
        return relativedelta(**fields)
    return timedelta(seconds=value)


def zone_of(value):
    return pendulum.timezone(value)


def schedule_of(case):
    kind = case["kind"]
    if kind.startswith("delta"):
        delta = delta_of(case["delta"])
        if kind == "delta-trigger":
            return DeltaTriggerTimetable(delta, interval=delta_of(case["interval"]))
        return DeltaDataIntervalTimetable(delta) if kind == "delta-interval" else delta
    if kind == "cron-interval":
        return CronDataIntervalTimetable(case["crons"][0], timezone=zone_of(case["zone"]))
    if kind == "cron-trigger":
        extra = {"run_immediately": case["immediately"]} if "immediately" in case else {}
        extra = {k: delta_of(v) if not isinstance(v, bool) else v for k, v in extra.items()}
        make = MultipleCronTriggerTimetable if len(case["crons"]) > 1 else CronTriggerTimetable
        return make(
            *case["crons"],
            timezone=zone_of(case["zone"]),
            interval=delta_of(case["interval"]),
            **extra,
        )
    if kind == "events":
        return EventsTimetable([pendulum.parse(date) for date in case["dates"]])
    return {"cron": case.get("crons", [None])[0], "none": None}.get(kind, f"@{kind}")


def moment(text):
    return None if text is None else pendulum.parse(text)


def start_of(case):
    """A string schedule takes its time zone from the start date."""
    if case["start"] is None:
        return None
    start = moment(case["start"])
    zone = case.get("zone", "UTC")
    if isinstance(zone, int):
        return datetime.fromtimestamp(start.timestamp(), timezone(timedelta(seconds=zone)))
    return start.in_timezone(zone)


def freeze(now):
    """Each version asks for the time in another way."""
    pendulum.DateTime.utcnow = classmethod(lambda _cls, tz=None: now)  # noqa: ARG005
    for name, module in list(sys.modules.items()):
        if name.startswith("airflow") and hasattr(module, "utcnow"):
            module.utcnow = lambda: now
        if name == "airflow.timetables.trigger" and hasattr(module, "time"):
            module.time = types.SimpleNamespace(time=now.timestamp)


def ask(dag, last):
    """What a parse would write into the `dag` table: nothing where the timetable fails."""
    if not NEWER:
        return dag.next_dagrun_info(last)
    try:
        return dag.timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=dag._time_restriction
        )
    except AssertionError:
        return None


def answer(number, case):
    limits = {} if case["catchup"] is None else {"catchup": case["catchup"]}
    if case["kind"] == "continuous":
        limits["max_active_runs"] = 1
    dag = DAG(
        f"case_{number}",
        schedule=schedule_of(case),
        start_date=start_of(case),
        end_date=moment(case["end"]),
        **limits,
    )
    with dag:
        EmptyOperator(
            task_id="first",
            depends_on_past=case.get("past", False),
            **{name: moment(value) for name, value in case.get("task", {}).items()},
        )
    document = json.loads(json.dumps(Serializer.to_dict(dag)))
    read = Serializer.from_dict(document)
    freeze(moment(case["now"]))
    last = case["last"] and DataInterval(*map(moment, case["last"]))
    runs = []
    for _ in range(case["steps"]):
        info = ask(read, last)
        runs.append(info and [t.astimezone(UTC).isoformat() for t in info.data_interval])
        if info is None:
            break
        last = info.data_interval
    return {"document": document, "runs": runs}


def main():
    found = [answer(n, case) for n, case in enumerate(json.load(sys.stdin))]
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
