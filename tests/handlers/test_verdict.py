"""The truth table of a reading, and N of M."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.handler_config import Detection
from contract.sites import Site
from contract.verdict import SignalState, Verdict
from handlers.core.declared import CheckResult
from handlers.core.readings import Reading, Readings
from handlers.core.signals import Signal, Source
from handlers.core.verdict import assess, decide, kept

GOOD, BAD = SignalState.GOOD, SignalState.BAD
SILENT, UNKNOWN, PLANNED = SignalState.UNREACHABLE, SignalState.UNKNOWN, SignalState.PLANNED
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DETECTION = Detection(20, 2, 3, 150, 180, 600, 3.0)
STATES = st.fixed_dictionaries({source: st.sampled_from(SignalState) for source in Source})


def verdict_of(states: dict[Source, SignalState]) -> Verdict:
    return assess(Signal(source, state, "") for source, state in states.items()).verdict


def with_all_good(**states: SignalState) -> dict[Source, SignalState]:
    return {**dict.fromkeys(Source, GOOD), **{Source(key): state for key, state in states.items()}}


@pytest.mark.parametrize(
    ("what", "states", "expected"),
    [
        ("all is well", {}, Verdict.HEALTHY),
        (
            "the Region is lost",
            {"heartbeat": SILENT, "environment": SILENT, "region": SILENT, "pulse": BAD},
            Verdict.DOWN,
        ),
        (
            "the environment is lost",
            {"environment": BAD, "heartbeat": UNKNOWN, "pulse": BAD},
            Verdict.DOWN,
        ),
        ("the scheduler is dead", {"heartbeat": BAD, "pulse": BAD}, Verdict.DOWN),
        (
            "CloudWatch alone is lost",
            {"heartbeat": SILENT, "region": UNKNOWN},
            Verdict.DEGRADED,
        ),
        (
            "CloudWatch is lost and the pulse is stale",
            {"heartbeat": SILENT, "region": UNKNOWN, "pulse": BAD},
            Verdict.DEGRADED,
        ),
        (
            "the monitor is cut off",
            {
                "heartbeat": SILENT,
                "environment": SILENT,
                "region": UNKNOWN,
                "sight": SILENT,
                "pulse": UNKNOWN,
            },
            Verdict.BLIND,
        ),
        (
            "the monitor is cut off and the pulse is stale",
            {
                "heartbeat": SILENT,
                "environment": SILENT,
                "region": UNKNOWN,
                "sight": SILENT,
                "pulse": BAD,
            },
            Verdict.BLIND,
        ),
        ("the witness Region alone is lost", {"sight": SILENT}, Verdict.DEGRADED),
        (
            "credentials or throttling",
            {"heartbeat": UNKNOWN, "environment": UNKNOWN, "region": UNKNOWN},
            Verdict.DEGRADED,
        ),
        (
            "throttled while the pulse is stale",
            {"heartbeat": UNKNOWN, "environment": UNKNOWN, "region": UNKNOWN, "pulse": BAD},
            Verdict.DEGRADED,
        ),
        (
            "an update",
            {"environment": PLANNED, "heartbeat": BAD, "pulse": BAD},
            Verdict.PLANNED,
        ),
        ("only the pulse is stale", {"pulse": BAD}, Verdict.DEGRADED),
        ("only the backup is old", {"backup": BAD}, Verdict.DEGRADED),
        ("the DAG source is lost or spoilt", {"code": BAD}, Verdict.DEGRADED),
        ("the DAGs are lost and the pulse is stale", {"code": BAD, "pulse": BAD}, Verdict.DEGRADED),
        ("an old backup and a stale pulse", {"backup": BAD, "pulse": BAD}, Verdict.DEGRADED),
    ],
)
def test_a_reading_means_what_the_table_says(
    what: str, states: dict[str, SignalState], expected: Verdict
) -> None:
    assert verdict_of(with_all_good(**states)) is expected, what


@given(STATES, st.sampled_from(Source))
def test_not_knowing_a_signal_never_leads_to_down(
    states: dict[Source, SignalState], source: Source
) -> None:
    if verdict_of(states) is not Verdict.DOWN:
        assert verdict_of({**states, source: UNKNOWN}) is not Verdict.DOWN


@given(STATES, st.sampled_from(Source))
def test_a_missing_signal_is_an_unknown_one(
    states: dict[Source, SignalState], source: Source
) -> None:
    without = {key: state for key, state in states.items() if key is not source}
    assert verdict_of(without) is verdict_of({**states, source: UNKNOWN})


@given(STATES)
def test_a_fresh_pulse_forbids_down(states: dict[Source, SignalState]) -> None:
    assert verdict_of({**states, Source.PULSE: GOOD}) is not Verdict.DOWN


@given(STATES, st.sampled_from(Source))
def test_down_never_rests_on_one_signal(states: dict[Source, SignalState], source: Source) -> None:
    alone = {**dict.fromkeys(Source, GOOD), source: states[source]}
    assert verdict_of(alone) is not Verdict.DOWN


@given(STATES)
def test_a_planned_change_is_never_down(states: dict[Source, SignalState]) -> None:
    assert verdict_of({**states, Source.ENVIRONMENT: PLANNED}) is Verdict.PLANNED


@given(STATES)
def test_every_verdict_but_healthy_has_a_reason(states: dict[Source, SignalState]) -> None:
    found = assess(Signal(source, state, "") for source, state in states.items())
    assert bool(found.reasons) is (found.verdict is not Verdict.HEALTHY)


def reading(verdict: Verdict, seconds_ago: float = 0, epoch: int = 1) -> Reading:
    return Reading(NOW - timedelta(seconds=seconds_ago), Site.PRIMARY, epoch, verdict, ("because",))


def decided(*verdicts: Verdict) -> Verdict:
    count = len(verdicts)
    readings = [
        reading(verdict, 20 * (count - index - 1)) for index, verdict in enumerate(verdicts)
    ]
    return decide(readings, DETECTION, NOW).verdict


DOWN, HEALTHY = Verdict.DOWN, Verdict.HEALTHY


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([HEALTHY], HEALTHY),
        ([DOWN], Verdict.DEGRADED),
        ([HEALTHY, DOWN], Verdict.DEGRADED),
        ([DOWN, DOWN], DOWN),
        ([DOWN, HEALTHY, DOWN], DOWN),
        ([DOWN, DOWN, HEALTHY], HEALTHY),
        ([DOWN, HEALTHY, HEALTHY, DOWN], Verdict.DEGRADED),
        ([DOWN, DOWN, Verdict.BLIND], Verdict.BLIND),
    ],
)
def test_enough_of_the_last_readings_must_agree(verdicts: list[Verdict], expected: Verdict) -> None:
    assert decided(*verdicts) is expected


def stale(verdict: Verdict, seconds_ago: float, *, pulse: SignalState = SignalState.BAD) -> Reading:
    """A reading of an owner whose pulse is in this state."""
    signals = (Signal(Source.PULSE, pulse, "as told"),)
    return dataclasses.replace(reading(verdict, seconds_ago), signals=signals)


FLAPS = [DOWN, Verdict.DEGRADED, Verdict.DEGRADED]
"""What is read of a Region that comes and goes in step with the readings."""


def test_a_region_that_flaps_in_step_with_the_readings_is_down_all_the_same() -> None:
    turns = [*FLAPS, DOWN]
    readings = [stale(one, 20 * (3 - index)) for index, one in enumerate(turns)]
    assert decide(readings, DETECTION, NOW).verdict is DOWN
    assert decided(*turns) is Verdict.DEGRADED, "one window alone does not show it"


@pytest.mark.parametrize("pulse", [SignalState.GOOD, SignalState.UNKNOWN])
def test_a_sign_of_life_in_between_ends_the_patience(pulse: SignalState) -> None:
    readings = [stale(one, 20 * (3 - index)) for index, one in enumerate([*FLAPS, DOWN])]
    readings[1] = stale(Verdict.DEGRADED, 40, pulse=pulse)
    assert decide(readings, DETECTION, NOW).verdict is Verdict.DEGRADED


def test_patience_ends_after_three_windows() -> None:
    quiet = [Verdict.DEGRADED] * (kept(DETECTION) - 1)
    turns = [DOWN, *quiet, DOWN]
    readings = [
        stale(one, DETECTION.reading_seconds * (len(turns) - 1 - index))
        for index, one in enumerate(turns)
    ]
    assert decide(readings, DETECTION, NOW).verdict is Verdict.DEGRADED
    assert decide(readings[:1] + readings[2:], DETECTION, NOW).verdict is DOWN


def test_readings_of_another_epoch_do_not_count() -> None:
    readings = [reading(DOWN, 20, epoch=1), reading(DOWN, 0, epoch=2)]
    assert decide(readings, DETECTION, NOW).verdict is Verdict.DEGRADED


def test_readings_from_before_the_monitor_was_away_do_not_count() -> None:
    readings = [reading(DOWN, 3600), reading(DOWN)]
    assert decide(readings, DETECTION, NOW).verdict is Verdict.DEGRADED


@given(st.lists(st.sampled_from(Verdict), min_size=1, max_size=8))
def test_the_decision_is_down_only_if_the_newest_reading_is(verdicts: list[Verdict]) -> None:
    if decided(*verdicts) is DOWN:
        assert verdicts[-1] is DOWN
        assert verdicts[-DETECTION.window :].count(DOWN) >= DETECTION.needed


@given(st.lists(st.sampled_from(Verdict), min_size=1, max_size=8))
def test_readings_survive_the_table(verdicts: list[Verdict]) -> None:
    kept = Readings()
    for verdict in verdicts:
        kept = kept.followed_by(reading(verdict), verdict, "", keep=3)
    assert Readings.from_item(kept.to_item()) == kept
    assert len(kept.readings) <= 3
    assert kept.version == len(verdicts)


def test_since_is_kept_while_the_verdict_stays() -> None:
    kept = Readings().followed_by(reading(HEALTHY, 40), HEALTHY, "", keep=3)
    kept = kept.followed_by(reading(HEALTHY, 20), HEALTHY, "", keep=3)
    assert kept.since == (NOW - timedelta(seconds=40)).isoformat()
    assert kept.followed_by(reading(DOWN), DOWN, "", keep=3).since == NOW.isoformat()


def test_a_new_owner_has_no_proof_of_life_from_the_old_one() -> None:
    kept = Readings().followed_by(reading(HEALTHY, 40), HEALTHY, "2026-11-22T11:00:00", keep=3)
    kept = kept.followed_by(reading(DOWN, 20), DOWN, "", keep=3)
    assert kept.last_alive_at == "2026-11-22T11:00:00"
    assert kept.followed_by(reading(DOWN, epoch=2), DOWN, "", keep=3).last_alive_at == ""


CHECKS = st.lists(
    st.builds(
        CheckResult, st.just("shop"), st.sampled_from(SignalState), st.just(""), st.booleans()
    ),
    max_size=3,
)


def with_checks(states: dict[Source, SignalState], *checks: CheckResult) -> Verdict:
    signals = [Signal(source, state, "") for source, state in states.items()]
    return assess(signals, checks).verdict


@pytest.mark.parametrize("state", [BAD, SILENT, UNKNOWN])
@pytest.mark.parametrize("counts", [True, False])
def test_a_check_that_is_not_good_degrades_and_no_more(state: SignalState, counts: bool) -> None:
    check = CheckResult("shop", state, "", counts)
    assert with_checks(with_all_good(), check) is Verdict.DEGRADED


@pytest.mark.parametrize(
    ("state", "counts", "sight", "expected"),
    [
        (BAD, True, GOOD, Verdict.DOWN),
        (BAD, False, GOOD, Verdict.DEGRADED),
        (UNKNOWN, True, GOOD, Verdict.DEGRADED),
        (SILENT, True, GOOD, Verdict.DOWN),
        (SILENT, True, SILENT, Verdict.DEGRADED),
        (SILENT, True, UNKNOWN, Verdict.DEGRADED),
    ],
)
def test_a_check_that_counts_is_the_second_proof_beside_a_stale_pulse(
    state: SignalState, counts: bool, sight: SignalState, expected: Verdict
) -> None:
    check = CheckResult("shop", state, "", counts)
    assert with_checks(with_all_good(pulse=BAD, sight=sight), check) is expected


@given(STATES, CHECKS)
def test_checks_never_take_down_what_has_a_fresh_pulse(
    states: dict[Source, SignalState], checks: list[CheckResult]
) -> None:
    assert with_checks({**states, Source.PULSE: GOOD}, *checks) is not Verdict.DOWN


@given(STATES, CHECKS)
def test_checks_never_make_a_verdict_better(
    states: dict[Source, SignalState], checks: list[CheckResult]
) -> None:
    before, after = verdict_of(states), with_checks(states, *checks)
    assert after is before or after in (Verdict.DEGRADED, Verdict.DOWN)
    if before is Verdict.DEGRADED:
        assert after in (Verdict.DEGRADED, Verdict.DOWN)
    if before is Verdict.DOWN:
        assert after is Verdict.DOWN


@given(STATES, CHECKS)
def test_checks_that_do_not_count_never_lead_to_down(
    states: dict[Source, SignalState], checks: list[CheckResult]
) -> None:
    harmless = [CheckResult(one.name, one.state, one.evidence) for one in checks]
    if verdict_of(states) is not Verdict.DOWN:
        assert with_checks(states, *harmless) is not Verdict.DOWN


def test_checks_survive_the_table() -> None:
    check = CheckResult("shop", BAD, "503", counts=True)
    taken = Reading(NOW, Site.PRIMARY, 1, Verdict.DEGRADED, ("because",), (), (check,))
    assert Reading.from_item(taken.to_item()) == taken
    older = {key: value for key, value in taken.to_item().items() if key != "checks"}
    assert Reading.from_item(older).checks == ()
