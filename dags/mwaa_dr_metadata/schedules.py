"""Reads from a serialised DAG what its schedule is, whichever Airflow serialised it.

Airflow 2.7 to 3.3 differ in where they write it and in what they leave out; what comes out here
does not.A timetable of the user's own can do anything, so it is reported as unknown, never guessed.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from contract.manifest import DagSchedule

OWN_PACKAGE = "airflow.timetables."
AIRFLOW_2, AIRFLOW_3_0 = 1, 2
"""Versions of the serialised form; what came later has higher ones."""

Json = Mapping[str, Any]


def unknown(reason: str) -> dict[str, Any]:
    return {"kind": "unknown", "reason": reason}


def read_schedule(document: Json) -> DagSchedule:
    """What the `data` of a row of `serialized_dag` says; the rest of the schedule is left open."""
    try:
        dag = document["dag"]
        tasks = [task.get("__var", task) for task in dag.get("tasks", ())]
        version = document["__version"]
        return DagSchedule(
            timetable=_timetable(dag, version),
            # Only a value that is not the default is written; from Airflow 3 on the default is
            # fixed, before that it is the environment's.
            catchup=dag.get("catchup", None if version == AIRFLOW_2 else False),
            start_date=_time(min(_dates(dag, tasks, "start_date"), default=None)),
            end_date=_time(_latest(dag, tasks)),
            depends_on_past=any(_depends_on_past(task) for task in tasks),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        return DagSchedule(unknown(f"its serialised form cannot be read: {error!r}"))


def _dates(dag: Json, tasks: list[Json], name: str) -> list[float]:
    return [float(it[name]) for it in (dag, *tasks) if it.get(name) is not None]


def _latest(dag: Json, tasks: list[Json]) -> float | None:
    """Without an end of the DAG's own there is one only if each of its tasks has one."""
    dates = _dates(dag, tasks, "end_date")
    bounded = dag.get("end_date") is not None or (tasks and len(dates) == len(tasks))
    return max(dates) if bounded else None


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _depends_on_past(task: Json) -> bool:
    """Of a mapped task, its arguments say."""
    return bool(
        task.get("depends_on_past") or (task.get("partial_kwargs") or {}).get("depends_on_past")
    )


def _timetable(dag: Json, version: int) -> dict[str, Any]:
    if "timetable" in dag:
        found = _encoded(dag["timetable"], dag, version)
    else:
        found = _interval(dag.get("schedule_interval"), dag.get("timezone", "UTC"))
    allowed = dag.get("allowed_run_types")
    if allowed is not None and "scheduled" not in allowed:
        return {"kind": "never"}
    return found


def _interval(value: object, zone: str | int) -> dict[str, Any]:
    """Airflow 2 keeps the argument itself where it says all."""
    if value is None:
        return {"kind": "never"}
    if isinstance(value, Mapping):
        return {"kind": "delta-interval", "delta": value["__var"]}
    return {"kind": "cron-interval", "expression": value, "timezone": zone}


def _encoded(value: Json, dag: Json, version: int) -> dict[str, Any]:
    name, parameters = value["__type"], value["__var"]
    reader = _READERS.get(name.removeprefix(OWN_PACKAGE)) if name.startswith(OWN_PACKAGE) else None
    if reader is None:
        return unknown(f"{name} is not one of the timetables that can be computed here")
    return reader(parameters, dag, version)


def _cron_trigger(it: Json, dag: Json, version: int) -> dict[str, Any]:  # noqa: ARG001
    found = {
        "kind": "cron-trigger",
        "expressions": it.get("expressions") or [it["expression"]],
        "timezone": it["timezone"],
        "interval": it["interval"],
    }
    return {**found, "run_immediately": it["run_immediately"]} if "run_immediately" in it else found


def _data(it: Json, dag: Json, version: int) -> dict[str, Any]:
    # Until Airflow 2.9 the DAG holds the condition, until 2.8 as a list.
    condition = it.get("asset_condition") or it.get("dataset_condition")
    if condition is None:
        condition = dag.get("dataset_triggers")
    return {"kind": "data", "condition": read_condition(condition), "dated": version == AIRFLOW_2}


def _data_or_time(it: Json, dag: Json, version: int) -> dict[str, Any]:
    return {
        **_data(it, dag, version),
        "kind": "data-or-time",
        "timetable": _encoded(it["timetable"], dag, version),
    }


_READERS: dict[str, Callable[[Json, Json, int], dict[str, Any]]] = {
    "interval.CronDataIntervalTimetable": lambda it, _dag, _version: {
        "kind": "cron-interval",
        "expression": it["expression"],
        "timezone": it["timezone"],
    },
    "interval.DeltaDataIntervalTimetable": lambda it, _dag, _version: {
        "kind": "delta-interval",
        "delta": it["delta"],
    },
    "trigger.CronTriggerTimetable": _cron_trigger,
    "trigger.MultipleCronTriggerTimetable": _cron_trigger,
    "trigger.DeltaTriggerTimetable": lambda it, _dag, _version: {
        "kind": "delta-trigger",
        "delta": it["delta"],
        "interval": it["interval"],
    },
    "simple.NullTimetable": lambda _it, _dag, _version: {"kind": "never"},
    "simple.OnceTimetable": lambda _it, _dag, version: {
        "kind": "once",
        "needs_start": version <= AIRFLOW_3_0,
    },
    "simple.ContinuousTimetable": lambda _it, _dag, version: {
        "kind": "continuous",
        "needs_start": version <= AIRFLOW_3_0,
    },
    "events.EventsTimetable": lambda it, _dag, _version: {
        "kind": "events",
        "dates": it["event_dates"],
    },
    "simple.DatasetTriggeredTimetable": _data,
    "simple.AssetTriggeredTimetable": _data,
    "datasets.DatasetOrTimeSchedule": _data_or_time,
    "assets.AssetOrTimeSchedule": _data_or_time,
}


def read_condition(value: object) -> Any:  # noqa: ANN401 - a tree of JSON
    """`{all: [...]}`, `{any: [...]}`, a URI, `{name: ...}` of an asset that is referred to by its
    name, or None: not decidable here.

    An alias stands for what the tasks resolve it to, which only Airflow knows.
    """
    if isinstance(value, list):
        return {"all": [read_condition(item) for item in value]}
    if not isinstance(value, Mapping):
        return None
    kind = value.get("__type", "")
    if kind.endswith(("_all", "_any")):
        parts = value["objects"] if "objects" in value else value["__var"]
        return {kind[-3:]: [read_condition(item) for item in parts]}
    if kind in ("dataset", "asset", "asset_ref"):
        inner = value.get("__var", value)
        return inner.get("uri") or {"name": inner["name"]}
    return None


def evaluate(condition: Any, uris: set[str], names: set[str]) -> bool | None:  # noqa: ANN401
    """Whether events for these datasets or assets fulfil such a condition.

    None: it depends on something that only Airflow can resolve.
    """
    if isinstance(condition, str):
        return condition in uris
    if not isinstance(condition, Mapping):
        return None
    if "name" in condition:
        return condition["name"] in names
    ((how, parts),) = condition.items()
    found = [evaluate(part, uris, names) for part in parts]
    decisive = how == "any"
    if decisive in found:
        return decisive
    return None if None in found else not decisive


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "cron-interval": lambda it: f"{it['expression']} ({it['timezone']})",
    "cron-trigger": lambda it: f"{', '.join(it['expressions'])} ({it['timezone']})",
    "delta-interval": lambda it: f"every {_delta_in_words(it['delta'])}",
    "delta-trigger": lambda it: f"every {_delta_in_words(it['delta'])}",
    "events": lambda it: f"{len(it['dates'])} events",
    "data": lambda _: "on data",
    "data-or-time": lambda it: f"on data, or {in_words(it['timetable'])}",
    "never": lambda _: "none",
}


def in_words(timetable: Mapping[str, Any]) -> str:
    """A schedule as a table shows it."""
    words = _WORDS.get(timetable["kind"])
    return timetable["kind"] if words is None else words(timetable)


def _delta_in_words(value: float | Mapping[str, Any]) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(timedelta(seconds=value))
