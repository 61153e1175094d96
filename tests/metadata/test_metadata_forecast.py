"""What a forecast says of each kind of DAG, and what it always keeps."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.manifest import DagOracle, DagSchedule
from contract.sites import InFlightRule
from mwaa_dr_metadata import Forecast, InterruptedRun, InterruptedTask, forecast
from mwaa_dr_metadata.forecast_model import DagForecast, Fate, Outlook, PlannedRun
from mwaa_dr_metadata.oracle import from_json, to_json
from mwaa_dr_metadata.schedules import evaluate, read_schedule

SNAPSHOT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
OUTAGE = SNAPSHOT + timedelta(minutes=10)
PROMOTED = SNAPSHOT + timedelta(minutes=30, seconds=10)
FIVE_MINUTES = {"kind": "cron-interval", "expression": "*/5 * * * *", "timezone": "UTC"}
HOURLY = {"kind": "cron-interval", "expression": "@hourly", "timezone": "UTC"}
START = "2024-05-01T00:00:00+00:00"


def minutes(number: float) -> str:
    return (SNAPSHOT + timedelta(minutes=number)).isoformat()


def dag(timetable: dict[str, Any] = FIVE_MINUTES, **values: Any) -> DagOracle:
    """A DAG whose latest run ended at the snapshot."""
    state = {name: values.pop(name) for name in ("is_paused", "is_active") if name in values}
    name = values.pop("dag_id", "d")
    known = {
        "last_start": minutes(-5),
        "last_end": minutes(0),
        "start_date": START,
        "catchup": True,
    }
    return DagOracle(
        name,
        state.get("is_paused", False),
        state.get("is_active", True),
        minutes(0),
        minutes(0),
        minutes(5),
        minutes(5),
        DagSchedule(timetable, **{**known, **values}),
    )


def lost(run_id: str = "scheduled__x", state: str = "running", dag_id: str = "d") -> InterruptedRun:
    return InterruptedRun(dag_id, run_id, state, [InterruptedTask("t", -1, "running")])


def of(
    *entries: DagOracle,
    interrupted: tuple[InterruptedRun, ...] = (),
    rule: InFlightRule = InFlightRule.FAIL,
    **options: Any,
) -> DagForecast:
    """The forecast of the first DAG."""
    options = {"outage_at": OUTAGE, "shown": 10_000, **options}
    return forecast(entries, interrupted, rule, SNAPSHOT, PROMOTED, **options).dags[0]


def dates(runs: list[PlannedRun]) -> list[float]:
    """Logical dates, in minutes after the snapshot."""
    return [
        (datetime.fromisoformat(run.logical_date or "") - SNAPSHOT).total_seconds() / 60
        for run in runs
    ]


def test_catching_up_makes_every_missed_interval_and_then_goes_on():
    found = of(dag())
    assert found.outlook is Outlook.RUNS
    assert dates(found.runs.first) == list(range(0, 86, 5))
    assert found.never.count == found.elsewhere.count == 0
    assert found.runs.first[0].starts_about == PROMOTED.isoformat()
    assert found.runs.first[-1].due_at == found.runs.first[-1].starts_about == minutes(90)


def test_without_catching_up_only_the_latest_missed_interval_runs():
    found = of(dag(catchup=False))
    assert dates(found.runs.first) == list(range(25, 86, 5))
    assert dates(found.elsewhere.first) == [0, 5]  # due by the outage: it may have run there
    assert dates(found.never.first) == [10, 15, 20]


def test_what_was_due_before_the_outage_may_repeat():
    assert dates(of(dag()).repeats.first) == [0, 5]
    assert dates(of(dag(), outage_at=None).repeats.first) == [0, 5, 10, 15, 20, 25]
    assert dates(of(dag(HOURLY, catchup=False)).repeats.first) == []


def test_a_dag_goes_on_from_its_last_parse_before_the_promotion():
    before = {"d": PROMOTED - timedelta(seconds=20)}
    assert dates(of(dag(catchup=False), parsed_at=before).runs.first)[:3] == [20, 25, 30]


def test_a_backlog_runs_one_after_another_where_one_at_a_time_is_allowed():
    found = of(dag(max_active_runs=1, run_seconds=60.0))
    starts = [datetime.fromisoformat(run.starts_about or "") for run in found.runs.first]
    assert starts[:6] == [PROMOTED + timedelta(minutes=n) for n in range(6)]
    assert dates(found.runs.first)[:6] == [0, 5, 10, 15, 20, 25]


def test_a_backlog_that_takes_longer_than_the_hour_is_cut_there():
    found = of(dag(max_active_runs=2, run_seconds=1800.0))
    assert dates(found.runs.first) == [0, 5, 10, 15, 20, 25]
    assert found.next_run is not None
    assert dates([found.next_run]) == [30]


def test_work_that_is_given_back_takes_slots():
    rule, work = InFlightRule.RERUN, (lost(), lost("scheduled__y"))
    found = of(dag(max_active_runs=1, run_seconds=600.0), interrupted=work, rule=rule)
    assert [run.starts_about for run in found.runs.first][:2] == [
        (PROMOTED + timedelta(minutes=20)).isoformat(),
        (PROMOTED + timedelta(minutes=30)).isoformat(),
    ]


@pytest.mark.parametrize(
    ("rule", "state", "fate"),
    [
        (InFlightRule.FAIL, "running", Fate.FAIL),
        (InFlightRule.RERUN, "running", Fate.RERUN),
        (InFlightRule.KEEP, "queued", Fate.KEEP),
        (InFlightRule.RERUN, "success", Fate.FAIL),  # it was over; only a task of it was not
    ],
)
def test_the_rule_decides_over_interrupted_runs(rule, state, fate):
    (run,) = of(dag(), interrupted=(lost(state=state),), rule=rule).interrupted
    assert (run.run_id, run.state_before, run.tasks, run.fate) == ("scheduled__x", state, 1, fate)


def test_a_run_that_stays_failed_blocks_what_depends_on_its_past():
    entry = dag(depends_on_past=True, max_active_runs=3)
    found = of(entry, interrupted=(lost(),))
    assert found.outlook is Outlook.BLOCKED
    assert "scheduled__x" in found.reason
    assert "later runs wait" in found.interrupted[0].explanation
    assert dates(found.runs.first) == [0, 5, 10]  # made, and then nothing more
    assert of(entry, interrupted=(lost(),), rule=InFlightRule.RERUN).outlook is Outlook.RUNS
    assert of(dag(), interrupted=(lost(),)).outlook is Outlook.RUNS


def test_a_manual_run_blocks_only_a_dag_that_does_not_catch_up():
    manual = (lost("manual__x"),)
    assert of(dag(depends_on_past=True), interrupted=manual).outlook is Outlook.RUNS
    latest = dag(depends_on_past=True, catchup=False)
    assert of(latest, interrupted=manual).outlook is Outlook.BLOCKED


def test_paused_and_vanished_dags_do_nothing():
    paused = of(dag(is_paused=True), interrupted=(lost(),), rule=InFlightRule.RERUN)
    assert (paused.outlook, paused.runs.count) == (Outlook.PAUSED, 0)
    assert "un-pauses" in paused.interrupted[0].explanation
    assert of(dag(is_active=False)).outlook is Outlook.GONE


def test_the_end_of_a_schedule_ends_it():
    found = of(dag(end_date=minutes(12)))
    assert dates(found.runs.first) == [0, 5, 10]
    assert of(dag(end_date=minutes(-60))).outlook is Outlook.FINISHED
    done = of(dag({"kind": "once", "needs_start": True}))
    assert (done.outlook, done.runs.count) == (Outlook.FINISHED, 0)


def test_a_schedule_with_nothing_due_says_when_it_is():
    found = of(dag({**HOURLY, "expression": "@daily"}, last_end="2026-06-01T00:00:00+00:00"))
    assert found.outlook is Outlook.LATER
    assert found.next_run is not None
    assert found.next_run.due_at == "2026-06-02T00:00:00+00:00"


def test_a_continuous_dag_runs_as_often_as_its_runs_allow():
    timetable = {"kind": "continuous", "needs_start": True}
    found = of(dag(timetable, max_active_runs=1, run_seconds=600.0))
    assert found.runs.count == 7
    assert not found.runs.first[0].exact
    assert of(dag(timetable, max_active_runs=1)).runs.count <= 2


def test_a_schedule_of_the_users_own_is_not_guessed():
    found = of(dag({"kind": "unknown", "reason": "my.Timetable is not known"}))
    assert found.outlook is Outlook.UNKNOWN
    assert "my.Timetable is not known" in found.reason
    assert dates(found.runs.first) == [0]  # the one that Airflow had found
    assert not found.runs.complete
    broken = of(dag({**FIVE_MINUTES, "timezone": "Mars/Olympus"}))
    assert broken.outlook is Outlook.UNKNOWN
    assert "Mars/Olympus" in broken.reason


def test_an_oracle_of_an_earlier_version_can_be_read():
    """It has no schedules: only what Airflow had found is foretold."""
    raw = json.loads(to_json([dag()]))
    for entry in raw:
        del entry["schedule"]
    (entry,) = from_json(json.dumps(raw))
    assert entry == replace(dag(), schedule=None)
    found = of(entry)
    assert (found.outlook, dates(found.runs.first)) == (Outlook.UNKNOWN, [0])


def test_an_oracle_survives_its_file():
    entries = [dag(queued=[{"uri": "a", "name": "a", "at": minutes(-1)}], producers=["p"])]
    assert from_json(to_json(entries)) == entries


@pytest.mark.parametrize(("explicit", "expected"), [(None, True), (True, False), (False, True)])
def test_the_environments_default_is_deduced_from_dags_that_differ_from_it(explicit, expected):
    entries = [dag(catchup=None), dag(dag_id="other", catchup=explicit)]
    assert (of(*entries).never.count == 0) is expected
    assert of(*entries, catchup_by_default=False).never.count == 3


A_OR_B = {"any": ["a", "b"]}


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ("a", True),
        ("b", False),
        ({"all": ["a", "b"]}, False),
        (A_OR_B, True),
        ({"all": [A_OR_B, "a"]}, True),
        ({"all": ["a", None]}, None),
        ({"all": ["b", None]}, False),
        ({"any": ["a", None]}, True),
        ({"any": ["b", None]}, None),
        ({"name": "A"}, True),
        ({"name": "a"}, False),
        (None, None),
    ],
)
def test_queued_events_fulfil_a_condition_or_do_not(condition, fires):
    assert evaluate(condition, {"a"}, {"A"}) is fires


def on(condition: Any, **values: Any) -> DagOracle:
    timetable = {"kind": "data", "condition": condition, "dated": True}
    nothing = {"last_start": None, "last_end": None}
    return dag(timetable, **{**nothing, **values})


EVENT = {"uri": "a", "name": "a", "at": minutes(-3)}


def test_events_that_wait_start_a_run_at_once():
    found = of(on({"all": ["a"]}, queued=[EVENT]))
    (run,) = found.runs.first
    assert (run.logical_date, run.starts_about) == (minutes(-3), PROMOTED.isoformat())
    assert run.may_repeat
    half = of(on({"all": ["a", "b"]}, queued=[EVENT]))
    assert (half.outlook, half.runs.count) == (Outlook.ON_DATA, 0)
    assert "events of a wait" in half.reason
    alias = of(on({"all": ["a", None]}, queued=[EVENT]))
    assert "only Airflow can tell" in alias.reason


def test_a_dag_that_waits_for_data_names_the_dags_that_will_bring_it():
    first = on({"all": ["x"]}, dag_id="first", producers=["source", "quiet"])
    second = on({"all": ["y"]}, dag_id="second", producers=["first"])
    quiet = dag(dag_id="quiet", is_paused=True)
    entries = [first, second, dag(dag_id="source"), quiet]
    found = forecast(entries, [], InFlightRule.FAIL, SNAPSHOT, PROMOTED)
    assert {it.dag_id: it.after for it in found.dags} == {
        "first": ["source"],
        "second": ["first"],
        "source": [],
        "quiet": [],
    }


def test_long_lists_are_counted_and_not_listed():
    found = of(dag(), shown=3)
    assert (found.runs.count, len(found.runs.first), found.runs.complete) == (18, 3, True)
    assert found.runs.last is not None
    assert dates([found.runs.last]) == [85]
    endless = dag({**FIVE_MINUTES, "expression": "* * * * *"}, last_end=START)
    assert not of(endless).runs.complete
    assert str(of(endless).runs) == "5000 or more"
    assert str(of(endless, most=50).runs) == "50 or more"
    whole = forecast([endless, dag(dag_id="e")], [], InFlightRule.FAIL, SNAPSHOT, PROMOTED, most=50)
    assert str(whole.totals).startswith("at least 68 runs of 2 DAGs; 56 may repeat")


def test_a_forecast_is_json_and_a_table():
    entries = [dag(dag_id="b", is_paused=True), dag(dag_id="a")]
    found = forecast(
        entries, [lost(dag_id="a")], InFlightRule.FAIL, SNAPSHOT, PROMOTED, outage_at=OUTAGE
    )
    read = json.loads(json.dumps(found.to_dict()))
    assert read["totals"]["runs"] == 18
    assert read["totals"]["repeats"] == 2
    assert read["totals"]["by_hand"] == 1
    assert read["headline"] == (
        "18 runs of 1 DAGs; 2 may repeat; 1 were interrupted; 1 of those need a person"
    )
    assert read["dags"][0]["runs"]["first"][0]["logical_date"] == minutes(0)
    assert Forecast.from_dict(read) == found
    heading, *rows = found.table()
    assert [row[0] for row in rows] == ["a", "b"]
    assert dict(zip(heading, rows[0], strict=True)) == {
        "DAG": "a",
        "Schedule": "*/5 * * * * (UTC)",
        "Outlook": "runs",
        "Runs": "18",
        "First": minutes(0),
        "Last": minutes(85),
        "May repeat": "2",
        "Interrupted": "1 (fail)",
    }, "columns in which nothing stands are left out"


def test_a_forecast_that_travels_is_small_and_says_what_it_leaves_out():
    quiet = [dag(dag_id=f"quiet_{number}", is_paused=True) for number in range(50)]
    busy = dag(dag_id="z", producers=[f"quiet_{number}" for number in range(50)])
    work = [lost(f"scheduled__{number:03d}", dag_id="z") for number in range(100)]
    whole = forecast([*quiet, busy], work, InFlightRule.FAIL, SNAPSHOT, PROMOTED)
    small = whole.cut(dags=3, entries=2)
    assert [it.dag_id for it in small.dags] == ["z", "quiet_0", "quiet_1"]
    assert (small.left_out, small.totals) == (48, whole.totals)
    assert (len(small.dags[0].interrupted), small.dags[0].more_interrupted) == (2, 98)
    row = dict(zip(*small.table()[:2], strict=True))
    assert row["Interrupted"] == "100 (fail)"
    assert Forecast.from_dict(json.loads(json.dumps(small.to_dict()))) == small
    assert (again := small.cut(dags=1)).left_out == 50
    assert again.dags[0].more_interrupted == 98


@pytest.mark.parametrize("raw", [{}, {"dags": [], "in_flight": "fail"}, {"dags": [{}]}])
def test_something_else_is_not_taken_for_a_forecast(raw):
    with pytest.raises(ValueError, match="not a forecast"):
        Forecast.from_dict(raw)


@pytest.mark.parametrize(
    ("version", "starts"),
    [
        # From 2.8 on a schedule of events heeds that its DAG does not catch up.
        ("2.7.2", [15.0, 50.0]),
        ("2.8.1", [50.0]),
        ("", [50.0]),
    ],
)
def test_a_release_has_rules_of_its_own(version, starts):
    events = dag({"kind": "events", "dates": [minutes(15), minutes(50)]}, catchup=False)
    assert dates(of(events, airflow_version=version).runs.first) == starts


@pytest.mark.parametrize(
    "document",
    [{}, {"dag": {}}, {"__version": 1, "dag": {"timetable": {"__type": "x"}}}, {"dag": 5}],
)
def test_a_serialised_dag_that_makes_no_sense_is_unknown(document):
    assert read_schedule(document).timetable["kind"] == "unknown"


def test_a_timetable_of_the_users_own_is_named():
    own = {"__type": "plugins.Lunar", "__var": {"moon": "full", "secret": "x"}}
    found = read_schedule({"__version": 1, "dag": {"timetable": own}})
    assert "plugins.Lunar" in found.timetable["reason"]
    assert "secret" not in json.dumps(found.timetable)


SCHEDULES = st.one_of(
    st.sampled_from(["*/5 * * * *", "7 * * * *", "*/20 11-13 * * *", "0 3 * * *"]).map(
        lambda cron: {**FIVE_MINUTES, "expression": cron}
    ),
    st.sampled_from([90.0, 600.0, 4000.0]).map(
        lambda seconds: {"kind": "delta-interval", "delta": seconds}
    ),
)


@settings(max_examples=200, deadline=None)
@given(
    timetable=SCHEDULES,
    catchup=st.booleans(),
    most=st.integers(1, 3),
    seconds=st.sampled_from([None, 1.0, 120.0, 900.0, 5000.0]),
    given_back=st.integers(0, 3),
    behind=st.integers(0, 200),
)
def test_nothing_is_left_out_made_twice_or_run_beside_more_than_allowed(  # noqa: PLR0917
    timetable, catchup, most, seconds, given_back, behind
):
    entry = dag(
        timetable,
        catchup=catchup,
        max_active_runs=most,
        run_seconds=seconds,
        last_start=minutes(-behind - 5),
        last_end=minutes(-behind),
    )
    back = tuple(lost(f"scheduled__{n}") for n in range(given_back))
    found = of(entry, interrupted=back, rule=InFlightRule.RERUN)
    runs = found.runs.first
    made = dates(runs)
    assert made == sorted(set(made))
    for run in runs:
        earliest = max(run.due_at, PROMOTED.isoformat())
        assert run.starts_about is None or run.starts_about >= earliest
    everything = of(
        replace(entry, schedule=replace(entry.schedule, catchup=True, run_seconds=None))
    )
    due = [date for date in dates(everything.runs.first) if date <= max(made, default=0)]
    if catchup:
        assert made == due[: len(made)]
    elif timetable["kind"] == "cron-interval" and made:
        left_out = dates(found.never.first) + dates(found.elsewhere.first)
        assert not set(left_out) & set(made)
        first = [date for date in due if date <= made[0]]
        assert sorted(left_out) + made[:1] == first
    if seconds is not None:
        begun = [datetime.fromisoformat(run.starts_about) for run in runs if run.starts_about]
        for moment in begun:
            busy = [it for it in begun if it <= moment < it + timedelta(seconds=seconds)]
            assert len(busy) <= most
