"""Whether the owner's DAGs are still there: what counts as lost, and for how long."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contract.pulse import Pulse
from contract.sites import Site
from contract.verdict import SignalState
from handlers.core.code import Usual, judge
from tests.handlers.installation import START

GOOD, BAD, UNKNOWN = SignalState.GOOD, SignalState.BAD, SignalState.UNKNOWN
COUNTS = st.tuples(st.integers(0, 60), st.integers(0, 60))


def pulse(dags: int, errors: int = 0) -> Pulse:
    return Pulse(Site.PRIMARY, "etl-primary", START.isoformat(), 1, dags, dags, errors)


def after(*seen: tuple[int, int], each: timedelta = timedelta(minutes=1)):
    """The states of pulses that follow each other."""
    usual, now, states = None, START, []
    for dags, errors in seen:
        signal, usual = judge(pulse(dags, errors), usual, now)
        states.append(signal.state)
        now += each
    return states


def test_losing_a_fifth_of_the_dags_is_bad_and_losing_less_is_not():
    assert after((30, 0), (25, 0)) == [GOOD, GOOD]
    assert after((30, 0), (24, 0)) == [GOOD, BAD]
    assert after((30, 0), (0, 0)) == [GOOD, BAD]


def test_files_that_break_are_as_bad_as_dags_that_are_gone():
    assert after((30, 2), (30, 7)) == [GOOD, GOOD]
    assert after((30, 2), (30, 8)) == [GOOD, BAD]


def test_a_small_installation_notices_one_dag():
    assert after((2, 0), (1, 0)) == [GOOD, BAD]
    assert after((0, 0), (0, 1)) == [GOOD, BAD]


def test_losing_a_few_again_and_again_adds_up():
    assert after((30, 0), (28, 0), (26, 0), (24, 0))[-1] is BAD


def test_dags_that_come_back_are_good_at_once():
    assert after((30, 0), (3, 0), (30, 0), (40, 0)) == [GOOD, BAD, GOOD, GOOD]


def test_fewer_dags_are_usual_after_a_day_and_not_before():
    hour = timedelta(hours=1)
    states = after((30, 0), *[(10, 0)] * 26, each=hour)
    assert states[1:25] == [BAD] * 24
    assert states[25:] == [GOOD, GOOD]


def test_getting_worse_begins_the_day_anew():
    hour = timedelta(hours=1)
    states = after((30, 0), *[(20, 0)] * 20, *[(10, 0)] * 20, each=hour)
    assert states[1:] == [BAD] * 40


def test_what_comes_and_goes_below_the_usual_is_accepted_all_the_same():
    hour = timedelta(hours=1)
    states = after((30, 0), *[(10, 0), (15, 0)] * 14, each=hour)
    assert states[-1] is GOOD


def test_without_a_pulse_nothing_is_known_and_nothing_forgotten():
    usual = Usual(30, 0)
    signal, kept = judge(None, usual, START)
    assert (signal.state, kept) == (UNKNOWN, usual)


@given(st.lists(COUNTS, min_size=1, max_size=12))
def test_more_dags_and_fewer_errors_are_never_bad(seen):
    dags = sorted(one for one, _ in seen)
    errors = sorted((one for _, one in seen), reverse=True)
    assert set(after(*zip(dags, errors, strict=True))) == {GOOD}


@given(st.lists(COUNTS, max_size=6), COUNTS)
def test_what_is_usual_survives_the_table(seen, last):
    usual, now = None, START
    for dags, errors in (*seen, last):
        _, usual = judge(pulse(dags, errors), usual, now)
        now += timedelta(hours=5)
    assert Usual.from_item(usual.to_item()) == usual
    assert Usual.from_item({}) is None


def test_evidence_names_both_numbers():
    _, usual = judge(pulse(30), None, START)
    signal, _ = judge(pulse(3, 27), usual, datetime.now(START.tzinfo))
    assert signal.evidence == "3 DAGs, 27 files cannot be loaded; usual are 30 and 0"
