"""The checker's own arithmetic of schedules."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.checker import timetable
from tests.checker.story import at, row


def _ends(spec, after, until):
    return [(i.end - at(0)).total_seconds() for i in timetable.due(spec, at(after), at(until))]


def test_cron_with_seconds_has_uneven_intervals():
    spec = row("d", cron="*/2 * * * * 0,40")
    assert _ends(spec, 0, 280) == [40, 120, 160, 240, 280]
    assert timetable.due(spec, at(119), at(120)) == [timetable.Interval(at(40), at(120))]


def test_even_intervals_count_from_the_start():
    spec = row("d", every=60, catchup=True, start=at(15).isoformat())
    assert _ends(spec, 0, 200) == [75, 135, 195]
    assert _ends(spec, 75, 195) == [135, 195]


def test_an_interval_before_the_start_is_never_due():
    spec = row("d", every=60, catchup=True, start=at(600).isoformat())
    assert _ends(spec, 0, 700) == [660]


def test_even_intervals_without_catch_up_are_refused():
    with pytest.raises(ValueError, match="drift"):
        timetable.due(row("d", every=60), at(0), at(100))


def test_fields_that_the_workload_does_not_use_are_refused():
    with pytest.raises(ValueError, match="only minutes and seconds"):
        timetable.due(row("d", cron="0 3 * * * 0"), at(0), at(100))


@settings(deadline=None, max_examples=40)
@given(
    seconds=st.sets(st.integers(0, 59), min_size=1, max_size=5),
    minutes=st.sampled_from(["*", "*/2", "*/5", "0,30"]),
    after=st.integers(0, 7200),
)
def test_due_intervals_follow_one_another(seconds, minutes, after):
    """Neighbours touch, each is aligned, and the next of one is the other."""
    spec = row("d", cron=f"{minutes} * * * * {','.join(map(str, seconds))}",
               start=datetime(2025, 12, 31, tzinfo=UTC).isoformat())  # fmt: skip
    found = timetable.due(spec, at(after), at(after) + timedelta(minutes=31))
    assert found
    for first, second in pairwise(found):
        assert first.end == second.start
        assert timetable.following(spec, first.start) == second
    assert all(timetable.is_aligned(spec, interval) for interval in found)
    odd = timetable.Interval(found[0].start + timedelta(milliseconds=1), found[0].end)
    assert not timetable.is_aligned(spec, odd)
