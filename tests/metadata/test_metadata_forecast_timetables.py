"""The engine's timetables against Airflow's own, in the Python of each version."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.manifest import DagSchedule
from local.mwaa import install
from mwaa_dr_metadata.schedules import read_schedule
from mwaa_dr_metadata.timetables import Interval, Limits, release_of, timetable_of
from tests.metadata.conftest import MODERN, VERSION

pytestmark = pytest.mark.airflow

SCRIPT = Path(__file__).with_name("metadata_timetables.py")
CASES = 500

TURNS = {
    "Europe/Berlin": ("2026-03-29T01:00:00+00:00", "2026-10-25T01:00:00+00:00"),
    "America/New_York": ("2026-03-08T07:00:00+00:00", "2026-11-01T06:00:00+00:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00:00+00:00", "2026-10-03T15:30:00+00:00"),
    "Africa/Casablanca": ("2026-02-15T02:00:00+00:00", "2026-03-22T02:00:00+00:00"),
    "America/St_Johns": ("2026-03-08T05:30:00+00:00", "2026-11-01T04:30:00+00:00"),
}
"""When each zone turns its clock, Lord Howe by half an hour: most errors show near that."""
OTHER_ZONES = ("UTC", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia")
OFFSETS = (7200, -16200)


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.sampled_from([2, 3, 5, 7, 10, 15]).map("*/{}".format),
        # From one to the same means that one to croniter 2, and all to later ones.
        st.lists(number, min_size=2, max_size=2, unique=True).map(
            lambda pair: f"{min(pair)}-{max(pair)}"
        ),
        st.lists(number, min_size=2, max_size=3, unique=True).map(
            lambda them: ",".join(map(str, sorted(them)))
        ),
    )


CRONS = st.one_of(
    st.sampled_from(["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"]),
    st.tuples(st.sampled_from([0, 15, 30, 59]), st.integers(0, 3)).map(
        lambda it: f"{it[0]} {it[1]} * * *"  # the hours in which clocks are turned
    ),
    st.sampled_from(["0 1-3 * * *", "*/30 * * * *", "0 */2 * * *", "0 0 * * *"]),
    st.tuples(
        fields(0, 59),
        fields(0, 23),
        # Before version 6.2 croniter passes over the first of March where days go in steps.
        st.one_of(st.just("*"), fields(1, 28).filter(lambda days: "/" not in days)),
        st.one_of(st.just("*"), fields(1, 12)),
        st.one_of(st.just("*"), fields(0, 6), st.sampled_from(["MON-FRI", "sun"])),
    ).map(" ".join),
    st.sampled_from(["* * * * * */10", "*/2 * * * * 0,30"]),  # with seconds
)


def same_to_croniter_2_0_1(cron: str) -> bool:
    """It takes `0-6` for no day of the week at all, and going back into another year it passes over
    the 29th of February."""
    fields = cron.split()
    return len(fields) < 5 or (fields[3] == "*" and fields[4] != "0-6")


DELTAS = st.one_of(
    st.sampled_from([10.0, 90.0, 600.0, 3600.0, 86400.0, 5400.5]),
    st.sampled_from([{"months": 1}, {"days": 1, "hours": 2}, {"years": 1}]),
)
ANY_TIME = st.integers(1_735_689_600, 1_798_761_600).map(
    lambda seconds: datetime.fromtimestamp(seconds + 0.25, UTC)
)


def moments(zone: str | int) -> st.SearchStrategy[datetime]:
    turns = TURNS.get(zone) if isinstance(zone, str) else None
    if turns is None:
        return ANY_TIME
    near = st.sampled_from([datetime.fromisoformat(turn) for turn in turns])
    return st.one_of(
        st.tuples(near, st.integers(-172_800, 172_800)).map(
            lambda it: it[0] + timedelta(seconds=it[1])
        ),
        st.tuples(near, st.integers(-96, 96)).map(lambda it: it[0] + timedelta(minutes=30 * it[1])),
        ANY_TIME,
    )


@st.composite
def cases(draw: st.DrawFn, version: str) -> dict[str, Any]:
    """A DAG, its latest run or none, and the time it is."""
    release = tuple(int(part) for part in version.split("."))
    newer = release >= (2, 11)
    kinds = ["cron"] * 4 + ["cron-interval"] * 2 + ["cron-trigger"] * 3 + ["delta"] * 2
    kinds += ["events", "once", "continuous", *["delta-trigger"] * newer]
    # A delta by itself means a trigger from Airflow 3 on.
    kind = draw(st.sampled_from([*kinds, *["delta-interval"] * (release >= (3,))]))
    # Airflow 2.8 cannot read an offset back that it wrote itself.
    # The time zones of Airflow 2.7 are older than the end of summer time in Samoa, and near the
    # turns in Morocco its clock loses the moment: to local time and back is an hour off.
    strange = ("Pacific/Apia", "Africa/Casablanca") if release < (2, 8) else ()
    names = [zone for zone in (*TURNS, *TURNS, *OTHER_ZONES) if zone not in strange]
    zone = draw(st.sampled_from([*names, *OFFSETS * (release >= (2, 9))]))
    end, now = sorted([draw(moments(zone)), draw(moments(zone))])
    last = draw(st.sampled_from([None, 0, 600, 3600, 86_400]))
    starts = ["2024-05-01T00:00:00+00:00", "2026-03-29T00:47:11+00:00"]
    case: dict[str, Any] = {
        "kind": kind,
        "start": draw(st.sampled_from(starts)),
        "end": draw(st.sampled_from([None] * 5 + ["2026-10-25T01:00:00+00:00"])),
        "catchup": draw(st.sampled_from([None, True, False])),
        "now": now.isoformat(),
        "last": last if last is None else [str(end - timedelta(seconds=last)), str(end)],
        "steps": 1 if kind == "continuous" else 6,
        "zone": zone,
    }
    if kind.startswith("cron"):
        many = 2 if kind == "cron-trigger" and release >= (3,) else 1
        crons = CRONS
        if release < (2, 8):
            # What Airflow 2.7 makes of a schedule with seconds depends on the second that it is.
            crons = crons.filter(lambda cron: len(cron.split()) < 6)
        if release < (2, 9):
            crons = crons.filter(same_to_croniter_2_0_1)
        case["crons"] = draw(st.lists(crons, min_size=1, max_size=many))
    if kind == "cron-trigger" and release >= (3,):
        case["immediately"] = draw(st.sampled_from([True, False, 600.0]))
    if kind in ("cron-trigger", "delta-trigger"):
        case["interval"] = draw(st.sampled_from([0.0, 3600.0, {"days": 1}]))
    if kind.startswith("delta"):
        case["delta"] = draw(DELTAS)
    if kind == "events":
        case["dates"] = [
            str(date) for date in draw(st.lists(moments(zone), min_size=1, max_size=4))
        ]
    if release >= (3,) and case["catchup"] is not True and draw(st.integers(0, 2)) == 0:
        case["start"] = None
        case["last"] = draw(st.sampled_from([None, case["last"]]))
    return case


def answers(version: str, asked: list[dict[str, Any]], home: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [install.ensure(version), SCRIPT],
        input=json.dumps(asked),
        env={
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def chain(version: str, schedule: DagSchedule, case: dict[str, Any]) -> list[list[str] | None]:
    """What this engine says of the same question."""
    timetable = timetable_of(schedule.timetable, release_of(version))
    limits = Limits(
        moment(schedule.start_date),
        moment(schedule.end_date),
        True if schedule.catchup is None else schedule.catchup,
    )
    last = case["last"] and Interval(*(datetime.fromisoformat(text) for text in case["last"]))
    runs: list[list[str] | None] = []
    for _ in range(case["steps"]):
        last = timetable.next_run(last, limits, datetime.fromisoformat(case["now"]))
        runs.append(last and [bound.isoformat() for bound in last])
        if last is None:
            break
    return runs


@pytest.mark.parametrize(
    "version",
    [
        pytest.param(version, marks=[] if version in (VERSION, MODERN) else pytest.mark.matrix)
        for version in install.RELEASES
    ],
)
def test_the_next_runs_are_those_that_airflow_finds(version, tmp_path):
    """Read from what Airflow serialised, near the turns of the clock and elsewhere, with and
    without catch-up, with and without an earlier run."""
    asked: list[dict[str, Any]] = []

    @settings(
        max_examples=CASES,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(version))
    def collect(case: dict[str, Any]) -> None:
        asked.append(case)

    collect()
    found = answers(version, asked, tmp_path)
    assert len({case["kind"] for case in asked}) >= 7
    assert sum(None not in answer["runs"] for answer in found) > CASES / 2
    wrong = [
        (case, answer["runs"], mine)
        for case, answer in zip(asked, found, strict=True)
        if (mine := chain(version, read_schedule(answer["document"]), case)) != answer["runs"]
    ]
    assert wrong == [], json.dumps(wrong[:5], indent=1)
