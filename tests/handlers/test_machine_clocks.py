"""Clocks two minutes apart: whoever's is wrong, the same happens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.lifecycle import SiteState
from contract.ownership import INITIAL
from contract.pulse import Pulse
from contract.sites import Site, Strategy
from contract.verdict import SignalState
from handlers.core import pacing, protection, signals
from handlers.core.signals import Answer, Outcome
from tests.handlers.installation import Installation
from tests.handlers.stage import PASSIVE, Stage

APART = 120
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SKEWS = st.integers(-APART, APART)


@pytest.mark.engine
@PASSIVE
@pytest.mark.parametrize("dr", [-APART, 0, APART])
@pytest.mark.parametrize("primary", [-APART, APART])
def test_a_planned_move_goes_as_ever(stage: Stage, primary: int, dr: int) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    stage.agents.skew = {Site.PRIMARY: primary, Site.DR: dr}
    assert stage.recover("planned-failover", by="me") == "SUCCEEDED", stage.incident()
    assert stage.agents.kinds() == ["pause", "drain", "export", "import", "unpause"]
    assert stage.incident()["figures"]["rpo_seconds"] == 0
    assert stage.ownership.standby is SiteState.STANDBY


@pytest.mark.engine
@PASSIVE
@pytest.mark.parametrize("primary", [-APART, APART])
def test_an_owner_that_answers_is_fenced_in_time(stage: Stage, primary: int) -> None:
    """The limit of the pause order is shorter than the clocks are apart."""
    assert stage.runtime.config.recovery.fence_seconds <= APART
    stage.environment(Site.DR)
    stage.backup(600)
    stage.agents.skew = {Site.PRIMARY: primary}
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert "fenced" in stage.steps()
    assert stage.ownership.standby is SiteState.STANDBY


@given(SKEWS, st.integers(0, 400))
def test_a_pulse_is_as_old_as_s3_says(skew: int, stored: int) -> None:
    written = NOW - timedelta(seconds=stored) + timedelta(seconds=skew)
    text = Pulse(Site.PRIMARY, "etl-primary", written.isoformat(), 1, 3, 3, 0).to_json()
    found = signals.pulse(
        Outcome(Answer.OK, text.encode()),
        environment="etl-primary",
        limit_seconds=180,
        now=NOW,
        stored=timedelta(seconds=stored),
    )
    assert found.state is (SignalState.GOOD if stored <= 180 else SignalState.BAD)


@given(st.integers(-3600, 3600), st.integers(0, 2), st.floats(0, 15))
def test_the_readings_of_a_minute_stay_apart(skew: int, index: int, took: float) -> None:
    """The machine's clock and the function's differ; a reading takes its time."""
    true = index * 20 + took
    wait = pacing.until_next_reading(
        started_at=NOW,
        index=index,
        interval_seconds=20,
        now=NOW + timedelta(seconds=true + skew),
    )
    assert 0 <= wait <= 20
    if abs(skew) > 40:
        assert wait == 20
    if skew == 0:
        assert abs(wait - (20 - took)) <= 1


def test_a_record_never_looks_older_than_the_one_it_replaces(installation: Installation) -> None:
    """Of two mirrors an agent obeys the later: a function whose clock is behind must not lose."""
    table = installation.runtime.state
    ahead = (NOW + timedelta(seconds=APART)).isoformat()
    first = table.change_ownership(lambda _: INITIAL.promoted(Site.DR, "failover-e0001-01", ahead))
    second = table.change_ownership(
        lambda record: replace(record, standby=SiteState.FENCED, updated_at=NOW.isoformat())
    )
    third = table.change_ownership(
        lambda record: replace(record, state=SiteState.ACTIVE, updated_at=NOW.isoformat())
    )
    assert first.rank < second.rank < third.rank
    assert table.change_ownership(lambda record: record) == third, "nothing moved, nothing written"


@given(SKEWS, st.integers(0, 400), st.integers(0, 60))
def test_a_standby_is_as_far_behind_whatever_its_clock_says(
    skew: int, behind: int, stored: int
) -> None:
    written = NOW - timedelta(seconds=stored) + timedelta(seconds=skew)
    held = (written - timedelta(seconds=behind)).isoformat()
    pulse = Pulse(Site.DR, "etl-dr", written.isoformat(), 1, 3, 0, 0, holds=held)
    found = protection.assess(
        INITIAL,
        strategy=Strategy.ACTIVE_PASSIVE,
        backup_age=0,
        rpo_seconds=300,
        pulse=pulse,
        pulse_age=stored,
        pulse_seconds=180,
        drift=(),
        now=NOW,
    )
    assert found.standby_age == behind + stored
    late = f"dr holds a state of {behind + stored} s ago"
    assert found.gaps == ((late,) if behind + stored > 300 else ())
