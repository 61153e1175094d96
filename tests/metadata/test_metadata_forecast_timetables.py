"""The engine's timetables against Airflow's own, in the Python of each version."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.manifest import DagSchedule
from local.mwaa import install
from mwaa_dr_metadata.schedules import read_schedule
from mwaa_dr_metadata.timetables import Interval, Limits, timetable_of

pytestmark = pytest.mark.airflow

SCRIPT = Path(__file__).with_name("metadata_timetables.py")
CASES = 400

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata"),
    *("Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns"),
    *(7200, -16200),
)
TURNS = [
    datetime.fromisoformat(text)
    for text in (
        *("2026-03-29T01:00:00+00:00", "2026-10-25T01:00:00+00:00"),  # Berlin
        *("2026-03-08T07:00:00+00:00", "2026-11-01T06:00:00+00:00"),  # New York
        *("2026-04-04T15:00:00+00:00", "2026-10-03T15:30:00+00:00"),  # Lord Howe: half an hour
        *("2026-02-15T02:00:00+00:00", "2026-03-22T02:00:00+00:00"),  # Casablanca: Ramadan
    )
]
"""The clock is turned then; most of what can go wrong does so near them."""


def fields(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.sampled_from([2, 3, 5, 7, 10, 15]).map("*/{}".format),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"),
        st.lists(number, min_size=2, max_size=3, unique=True).map(
            lambda them: ",".join(map(str, sorted(them)))
        ),
    )


CRONS = st.one_of(
    st.sampled_from(["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"]),
    st.sampled_from(["30 2 * * *", "0 1-3 * * *", "*/30 * * * *", "0 */2 * * *", "0 0 * * *"]),
    st.tuples(
        fields(0, 59),
        fields(0, 23),
        st.one_of(st.just("*"), fields(1, 28)),
        st.one_of(st.just("*"), fields(1, 12)),
        st.one_of(st.just("*"), fields(0, 6), st.sampled_from(["MON-FRI", "sun"])),
    ).map(" ".join),
    st.sampled_from(["* * * * * */10", "*/2 * * * * 0,30"]),  # with seconds
)
DELTAS = st.one_of(
    st.sampled_from([10.0, 90.0, 600.0, 3600.0, 86400.0, 5400.5]),
    st.sampled_from([{"months": 1}, {"days": 1, "hours": 2}, {"years": 1}]),
)
MOMENTS = st.one_of(
    st.tuples(st.sampled_from(TURNS), st.integers(-172_800, 172_800)).map(
        lambda it: it[0] + timedelta(seconds=it[1])
    ),
    st.tuples(st.sampled_from(TURNS), st.integers(-96, 96)).map(
        lambda it: it[0] + timedelta(minutes=30 * it[1])
    ),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
)


@st.composite
def cases(draw: st.DrawFn, version: str) -> dict[str, Any]:
    """A DAG, its latest run or none, and the time it is."""
    newer, some = version >= "2.11", version >= "2.9"
    kinds = ["cron", "cron", "cron-interval", "cron-trigger", "delta", "delta", "events", "once"]
    kind = draw(st.sampled_from([*kinds, *(["delta-trigger"] if newer else []), "continuous"]))
    now, end = draw(MOMENTS), draw(MOMENTS)
    last = draw(st.sampled_from([None, 0, 600, 3600, 86_400]))
    bounded = draw(st.integers(0, 5)) == 0
    case: dict[str, Any] = {
        "kind": kind,
        "start": draw(st.sampled_from(["2024-05-01T00:00:00+00:00", "2026-03-29T00:47:11+00:00"])),
        "end": "2026-10-25T01:00:00+00:00" if bounded else None,
        "catchup": draw(st.sampled_from([None, True, False])),
        "now": now.isoformat(),
        "last": last if last is None else [str(end - timedelta(seconds=last)), str(end)],
        "steps": 1 if kind == "continuous" else 4,
        "zone": draw(st.sampled_from(ZONES if some else [z for z in ZONES if isinstance(z, str)])),
    }
    if kind.startswith("cron"):
        many = 2 if kind == "cron-trigger" and newer else 1
        case["crons"] = draw(st.lists(CRONS, min_size=1, max_size=many))
    if kind == "cron-trigger" and version >= "3":
        case["immediately"] = draw(st.sampled_from([True, False, 600.0]))
    if kind in ("cron-trigger", "delta-trigger"):
        case["interval"] = draw(st.sampled_from([0.0, 3600.0, {"days": 1}]))
    if kind.startswith("delta"):
        case["delta"] = draw(DELTAS)
    if kind == "events":
        case["dates"] = [str(date) for date in draw(st.lists(MOMENTS, min_size=1, max_size=4))]
    if version >= "3" and case["catchup"] is not True and draw(st.integers(0, 3)) == 0:
        case["start"] = None
    if kind == "continuous" and last is None and case["start"] is None:
        case["start"] = "2024-05-01T00:00:00+00:00"
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


def chain(schedule: DagSchedule, case: dict[str, Any]) -> list[list[str] | None]:
    """What this engine says of the same question."""
    timetable = timetable_of(schedule.timetable)
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


@pytest.mark.parametrize("version", list(install.RELEASES))
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
        if (mine := chain(read_schedule(answer["document"]), case)) != answer["runs"]
    ]
    assert wrong == []
