"""Foretells what Airflow will run in the first hour after a promotion, from a backup's oracle."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from contract.manifest import DagOracle, DagSchedule
from contract.sites import InFlightRule
from mwaa_dr_metadata.forecast_model import (
    SHOWN,
    DagForecast,
    Fate,
    Forecast,
    InterruptedForecast,
    Outlook,
    PlannedRun,
    Runs,
    Totals,
    in_order,
)
from mwaa_dr_metadata.inflight import UNFINISHED_RUNS
from mwaa_dr_metadata.model import InterruptedRun
from mwaa_dr_metadata.schedules import evaluate, in_words
from mwaa_dr_metadata.simulation import MOST_RUNS, Course, Load, Made, simulate
from mwaa_dr_metadata.timetables import (
    Interval,
    Limits,
    Timetable,
    release_of,
    timetable_of,
)

HORIZON = timedelta(hours=1)
MANUAL = "manual__"
"""How Airflow begins the ids of runs that a person or an API starts."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What is the same for all DAGs.

    Args:
        outage: when the old owner stopped; the promotion if that is not known.
        parsed: DAG -> when its file was parsed last before the promotion.
        timetable: makes one from the JSON of its description; DAGs of one schedule share it.
    """

    rule: InFlightRule
    outage: datetime
    promoted: datetime
    until: datetime
    parsed: Mapping[str, datetime]
    catchup_by_default: bool
    shown: int
    most: int
    timetable: Callable[[str], Timetable]


def forecast(
    oracle: Iterable[DagOracle],
    interrupted: Iterable[InterruptedRun],
    in_flight: InFlightRule,
    snapshot_at: datetime,
    promoted_at: datetime,
    *,
    horizon: timedelta = HORIZON,
    outage_at: datetime | None = None,
    parsed_at: Mapping[str, datetime] | None = None,
    catchup_by_default: bool | None = None,
    airflow_version: str = "",
    shown: int = SHOWN,
    most: int = MOST_RUNS,
) -> Forecast:
    """Say per DAG what runs, what repeats, what never runs, and what was interrupted.

    Args:
        oracle: of the backup that is, or was, imported.
        interrupted: the runs that were unfinished at its snapshot, from the import's report.
        in_flight: what the promotion does to them.
        promoted_at: when the DAGs are un-paused.
        outage_at: when the old owner stopped: what was due by then it may have run.
        parsed_at: DAG -> when the target parsed its file last before the promotion: a DAG without
            catch-up goes on from there. For DAGs that are not in it, the promotion.
        catchup_by_default: the environment's setting. Unless given it is deduced from the DAGs,
            which say only what differs from it; where none does, it is Airflow 2's own: yes.
        airflow_version: of the environment; some releases have rules of their own. Empty for those
            of the newest.
        shown: runs listed of each kind and DAG, the last one apart.
        most: runs followed of each kind and DAG, which is what takes time.
    """
    entries, release = list(oracle), release_of(airflow_version)
    lost: dict[str, list[InterruptedRun]] = defaultdict(list)
    for run in interrupted:
        lost[run.dag_id].append(run)
    promotion = Promotion(
        rule=in_flight,
        outage=outage_at or promoted_at,
        promoted=promoted_at,
        until=promoted_at + horizon,
        parsed=parsed_at or {},
        catchup_by_default=(
            _deduced_catchup(entries) if catchup_by_default is None else catchup_by_default
        ),
        shown=shown,
        most=most,
        timetable=cache(lambda text: timetable_of(json.loads(text), release)),
    )
    dags = _with_consumers(
        entries, [_of_dag(entry, lost[entry.dag_id], promotion) for entry in entries]
    )
    return Forecast(
        snapshot_at=_text(snapshot_at),
        outage_at=None if outage_at is None else _text(outage_at),
        promoted_at=_text(promoted_at),
        until=_text(promotion.until),
        in_flight=in_flight,
        dags=in_order(dags),
        totals=Totals.of(dags),
    )


def _deduced_catchup(entries: Iterable[DagOracle]) -> bool:
    said = {entry.schedule.catchup for entry in entries if entry.schedule is not None}
    return True not in said


def _of_dag(
    entry: DagOracle, interrupted: Sequence[InterruptedRun], promotion: Promotion
) -> DagForecast:
    schedule = entry.schedule or DagSchedule(
        {"kind": "unknown", "reason": "the backup is of a version that did not keep schedules"}
    )
    idle = not entry.is_active or entry.is_paused
    blocker = _blocker(schedule, interrupted, promotion)
    base = DagForecast(
        entry.dag_id,
        Outlook.GONE if not entry.is_active else Outlook.PAUSED,
        schedule=in_words(schedule.timetable),
        interrupted=[_fated(run, promotion.rule, entry, run is blocker) for run in interrupted],
    )
    if idle:
        return base
    given_back = [run for run in base.interrupted if run.fate is not Fate.FAIL]
    load = Load(
        schedule.max_active_runs, len(given_back), schedule.run_seconds or 0, blocker is not None
    )
    try:
        course, outlook, reason = _by_time(entry, schedule, load, promotion)
    except ValueError as error:
        course, outlook, reason = _from_columns(entry, str(error), promotion)
    runs = [_planned(it, promotion) for it in course.made]
    fired = _by_data(schedule, promotion)
    if fired is not None:
        runs = sorted([*runs, fired], key=lambda run: run.due_at)
    if runs and outlook is not Outlook.UNKNOWN:
        outlook = Outlook.RUNS
    if blocker is not None and runs:
        outlook = Outlook.BLOCKED
        reason = f"tasks that depend on their past wait for {blocker.run_id}"
    skipped = [_planned(Made(it, None, exact=True), promotion) for it in course.skipped]

    def several(found: Iterable[PlannedRun]) -> Runs:
        return Runs.of(list(found), course.complete, promotion.shown)

    return replace(
        base,
        outlook=outlook,
        reason=reason,
        runs=several(runs),
        repeats=several(run for run in runs if run.may_repeat),
        never=several(run for run in skipped if not run.may_repeat),
        elsewhere=several(run for run in skipped if run.may_repeat),
        next_run=None if course.following is None else _planned(course.following, promotion),
    )


_Found = tuple[Course, Outlook, str]


def _by_time(entry: DagOracle, schedule: DagSchedule, load: Load, promotion: Promotion) -> _Found:
    kind = schedule.timetable["kind"]
    if kind == "continuous" and schedule.run_seconds is None:
        # It never pauses, so how many there will be is as unknown as how long they take.
        load = replace(load, seconds=(promotion.until - promotion.promoted).total_seconds())
    course = simulate(
        promotion.timetable(json.dumps(schedule.timetable, sort_keys=True)),
        _interval(schedule.last_start, schedule.last_end),
        Limits(
            _moment(schedule.start_date),
            _moment(schedule.end_date),
            _catches_up(schedule, promotion),
        ),
        load,
        parsed=promotion.parsed.get(entry.dag_id, promotion.promoted),
        begin=promotion.promoted,
        end=promotion.until,
        most=promotion.most,
    )
    if kind == "data":
        return course, Outlook.ON_DATA, _data_in_words(schedule)
    if kind == "never":
        return course, Outlook.BY_HAND, ""
    if course.following is not None:
        return course, Outlook.LATER, ""
    return course, Outlook.FINISHED, ""


def _from_columns(entry: DagOracle, reason: str, promotion: Promotion) -> _Found:
    """Of a schedule that is not known here, the one run that Airflow itself had found."""
    due = _moment(entry.next_dagrun_create_after)
    start = _moment(entry.next_dagrun_data_interval_start) or _moment(entry.next_dagrun)
    if due is None or start is None:
        return Course(complete=False), Outlook.UNKNOWN, reason
    run = Made(Interval(start, due), max(due, promotion.promoted), exact=True)
    reason += "; its one run is what Airflow had found before the snapshot"
    if due > promotion.until:
        return Course(following=run), Outlook.UNKNOWN, reason
    return Course([run], complete=False), Outlook.UNKNOWN, reason


def _by_data(schedule: DagSchedule, promotion: Promotion) -> PlannedRun | None:
    """The run that events start that were queued before the snapshot."""
    if not schedule.queued or not _fires(schedule):
        return None
    moment = max(datetime.fromisoformat(event["at"]) for event in schedule.queued)
    return PlannedRun(
        logical_date=_text(moment) if schedule.timetable["dated"] else None,
        data_interval_start=None,
        data_interval_end=None,
        due_at=_text(moment),
        starts_about=_text(promotion.promoted),
        may_repeat=True,
    )


def _fires(schedule: DagSchedule) -> bool | None:
    return evaluate(
        schedule.timetable.get("condition"),
        {event["uri"] for event in schedule.queued},
        {event["name"] for event in schedule.queued},
    )


def _with_consumers(
    entries: Sequence[DagOracle], found: Iterable[DagForecast]
) -> list[DagForecast]:
    """Say of DAGs that wait for data which DAGs that run will update it, directly or in turn."""
    dags = {dag.dag_id: dag for dag in found}
    producers = {
        entry.dag_id: entry.schedule.producers
        for entry in entries
        if entry.schedule is not None and entry.is_active and not entry.is_paused
    }
    running = {dag.dag_id for dag in dags.values() if _does_something(dag)}
    while grown := {
        consumer
        for consumer, sources in producers.items()
        if consumer not in running and running.intersection(sources)
    }:
        running |= grown
    return [
        replace(dag, after=sorted(running.intersection(producers.get(name, ()))))
        for name, dag in dags.items()
    ]


def _does_something(dag: DagForecast) -> bool:
    if dag.outlook in (Outlook.PAUSED, Outlook.GONE):
        return False
    return dag.runs.count > 0 or any(run.fate is not Fate.FAIL for run in dag.interrupted)


def _catches_up(schedule: DagSchedule, promotion: Promotion) -> bool:
    return promotion.catchup_by_default if schedule.catchup is None else schedule.catchup


def _blocker(
    schedule: DagSchedule, interrupted: Sequence[InterruptedRun], promotion: Promotion
) -> InterruptedRun | None:
    """The run that later ones wait for: one that stays failed, of a DAG that looks at its past.

    A DAG that catches up looks only at its scheduled runs.
    """
    if not schedule.depends_on_past:
        return None
    only_scheduled = _catches_up(schedule, promotion)
    failed = [
        run
        for run in interrupted
        if _fate(run, promotion.rule) is Fate.FAIL
        and not (only_scheduled and run.run_id.startswith(MANUAL))
    ]
    return max(failed, key=lambda run: run.run_id, default=None)


def _fate(run: InterruptedRun, rule: InFlightRule) -> Fate:
    return Fate(rule.value) if run.state_before in UNFINISHED_RUNS else Fate.FAIL


def _fated(
    run: InterruptedRun, rule: InFlightRule, entry: DagOracle, blocks: bool
) -> InterruptedForecast:
    fate = _fate(run, rule)
    explanation = _FATES[fate]
    if run.state_before not in UNFINISHED_RUNS:
        explanation = "the run was over; its unfinished tasks stay failed under every rule"
    elif fate is not Fate.FAIL and entry.is_paused:
        explanation += ", once somebody un-pauses the DAG"
    if blocks:
        explanation += "; later runs wait for it"
    return InterruptedForecast(run.run_id, run.state_before, len(run.tasks), fate, explanation)


_FATES = {
    Fate.FAIL: "stays failed until it is run again by hand",
    Fate.RERUN: "its unfinished tasks run again from their beginning",
    Fate.KEEP: "what waited goes on waiting; what ran, runs again",
}


def _planned(made: Made, promotion: Promotion) -> PlannedRun:
    start, due = made.interval
    return PlannedRun(
        logical_date=_text(start),
        data_interval_start=_text(start),
        data_interval_end=_text(due),
        due_at=_text(due),
        starts_about=None if made.starts is None else _text(made.starts),
        exact=made.exact,
        may_repeat=due <= promotion.outage and made.exact,
    )


def _data_in_words(schedule: DagSchedule) -> str:
    waiting = ", ".join(event["uri"] for event in schedule.queued)
    if not waiting:
        return ""
    if _fires(schedule) is None:
        return f"events of {waiting} wait; whether they are enough only Airflow can tell"
    return f"events of {waiting} wait"


def _interval(start: str | None, end: str | None) -> Interval | None:
    if start is None or end is None:
        return None
    return Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
