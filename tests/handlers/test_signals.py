"""What the probes brought back, as signals."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.pulse import Pulse
from contract.sites import Site
from contract.verdict import SignalState, Verdict
from handlers.core import signals, verdict
from handlers.core.signals import Answer, Outcome

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SERVICES = ("cloudwatch", "mwaa", "s3", "sts")
SUBJECT, DR, WITNESS = "us-east-1", "us-west-2", "eu-west-1"
ANSWERS = st.fixed_dictionaries(
    {
        (region, service): st.sampled_from(Answer)
        for region in (SUBJECT, DR, WITNESS)
        for service in SERVICES
    }
)
NOT_ANSWERED = [answer for answer in Answer if answer is not Answer.OK]


def reach(answers: dict[tuple[str, str], Answer]) -> signals.Reachability:
    outcomes = {key: Outcome(answer) for key, answer in answers.items()}
    return signals.reachability(outcomes, subject=SUBJECT, references=(DR, WITNESS))


def all_answer(**changes: Answer) -> dict[tuple[str, str], Answer]:
    """`us_east_1__mwaa=...` changes one answer."""
    answers = {
        (region, service): Answer.OK for region in (SUBJECT, DR, WITNESS) for service in SERVICES
    }
    for key, answer in changes.items():
        region, _, service = key.partition("__")
        answers[region.replace("_", "-"), service] = answer
    return answers


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"SchedulerHeartbeat": 12.0, "Triggerer": None}, SignalState.GOOD),
        ({"SchedulerHeartbeat": 0.0, "Triggerer": 3.0}, SignalState.BAD),
        ({"SchedulerHeartbeat": None, "Triggerer": 3.0}, SignalState.BAD),
        ({"SchedulerHeartbeat": None, "Triggerer": 0.0}, SignalState.BAD),
        ({"SchedulerHeartbeat": None, "Triggerer": None}, SignalState.UNKNOWN),
    ],
)
def test_no_heartbeat_is_bad_only_beside_another_metric(
    metrics: dict[str, float | None], expected: SignalState
) -> None:
    assert signals.heartbeat(Outcome(Answer.OK, metrics)).state is expected


@pytest.mark.parametrize("answer", NOT_ANSWERED)
def test_a_call_that_failed_is_never_bad_but_for_a_missing_environment(answer: Answer) -> None:
    silent = answer is Answer.UNREACHABLE
    expected = SignalState.UNREACHABLE if silent else SignalState.UNKNOWN
    assert signals.heartbeat(Outcome(answer)).state is expected
    if answer is not Answer.NOT_FOUND:
        assert signals.environment(Outcome(answer)).state is expected


def test_a_missing_environment_is_bad() -> None:
    assert signals.environment(Outcome(Answer.NOT_FOUND)).state is SignalState.BAD


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("AVAILABLE", SignalState.GOOD),
        ("UPDATE_FAILED", SignalState.GOOD),
        ("UPDATING", SignalState.PLANNED),
        ("MAINTENANCE", SignalState.PLANNED),
        ("UNAVAILABLE", SignalState.BAD),
        ("DELETED", SignalState.BAD),
        ("SOMETHING_NEW", SignalState.UNKNOWN),
    ],
)
def test_each_status_has_a_meaning(status: str, expected: SignalState) -> None:
    assert signals.environment(Outcome(Answer.OK, status)).state is expected


def pulse_state(outcome: Outcome) -> SignalState:
    return signals.pulse(outcome, environment="etl-primary", limit_seconds=180, now=NOW).state


def pulse_of(age: float, environment: str = "etl-primary") -> Outcome:
    at = (NOW - timedelta(seconds=age)).isoformat()
    return Outcome(Answer.OK, Pulse(Site.PRIMARY, environment, at, 1, 3, 3, 0).to_json().encode())


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (pulse_of(10), SignalState.GOOD),
        (pulse_of(180), SignalState.GOOD),
        (pulse_of(181), SignalState.BAD),
        (pulse_of(-30), SignalState.GOOD),
        (pulse_of(-3600), SignalState.UNKNOWN),
        (pulse_of(10, "etl-dr"), SignalState.UNKNOWN),
        (Outcome(Answer.OK, b"not json"), SignalState.UNKNOWN),
        (Outcome(Answer.OK, b"{}"), SignalState.UNKNOWN),
        (Outcome(Answer.NOT_FOUND), SignalState.UNKNOWN),
        (Outcome(Answer.UNREACHABLE), SignalState.UNKNOWN),
        (Outcome(Answer.DENIED), SignalState.UNKNOWN),
    ],
)
def test_only_a_readable_old_pulse_is_stale(outcome: Outcome, expected: SignalState) -> None:
    assert pulse_state(outcome) is expected


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(Answer.OK, NOW - timedelta(seconds=600)), SignalState.GOOD),
        (Outcome(Answer.OK, NOW - timedelta(seconds=601)), SignalState.BAD),
        (Outcome(Answer.OK, None), SignalState.BAD),
        (Outcome(Answer.UNREACHABLE), SignalState.UNKNOWN),
    ],
)
def test_the_age_of_the_newest_backup_is_judged(outcome: Outcome, expected: SignalState) -> None:
    assert signals.backup(outcome, limit_seconds=600, now=NOW).state is expected


def test_a_region_answers_when_all_its_services_do() -> None:
    found = reach(all_answer(us_east_1__s3=Answer.NOT_FOUND))
    assert found.region.state is SignalState.GOOD
    assert found.sight.state is SignalState.GOOD


def test_two_silent_services_that_answer_elsewhere_are_an_unreachable_region() -> None:
    found = reach(all_answer(us_east_1__s3=Answer.UNREACHABLE, us_east_1__sts=Answer.UNREACHABLE))
    assert found.region.state is SignalState.UNREACHABLE
    assert "s3, sts of us-east-1" in found.region.evidence


def test_one_silent_service_is_not_a_lost_region() -> None:
    found = reach(all_answer(us_east_1__cloudwatch=Answer.UNREACHABLE))
    assert found.region.state is SignalState.UNKNOWN


@pytest.mark.parametrize("answer", [Answer.THROTTLED, Answer.DENIED, Answer.FAILED])
def test_refusals_are_not_a_lost_region(answer: Answer) -> None:
    found = reach({key: answer if key[0] == SUBJECT else a for key, a in all_answer().items()})
    assert found.region.state is SignalState.UNKNOWN


def test_silence_everywhere_is_our_own_fault() -> None:
    found = reach(dict.fromkeys(all_answer(), Answer.UNREACHABLE))
    assert found.region.state is SignalState.UNKNOWN
    assert found.sight.state is SignalState.UNREACHABLE


def test_a_region_that_the_monitor_lives_in_blinds_it_and_is_no_reason_to_recover() -> None:
    """In one Region a recovery would need the services that do not answer."""
    outcomes = {
        key: Outcome(Answer.UNREACHABLE if key[0] == SUBJECT else Answer.OK) for key in all_answer()
    }
    found = signals.reachability(outcomes, subject=SUBJECT, references=(WITNESS,), home=SUBJECT)
    assert found.region.state is SignalState.UNKNOWN
    assert found.sight.state is SignalState.UNREACHABLE
    pulse = signals.Signal(signals.Source.PULSE, SignalState.BAD, "")
    gone = signals.Signal(signals.Source.ENVIRONMENT, SignalState.UNREACHABLE, "")
    assert verdict.assess([found.region, found.sight, pulse, gone]).verdict is Verdict.BLIND
    lost = signals.Signal(signals.Source.ENVIRONMENT, SignalState.BAD, "DELETED")
    works = signals.reachability(
        {key: Outcome(Answer.OK) for key in outcomes},
        subject=SUBJECT,
        references=(WITNESS,),
        home=SUBJECT,
    )
    assert verdict.assess([works.region, works.sight, pulse, lost]).verdict is Verdict.DOWN


def test_without_a_reference_nothing_is_proven() -> None:
    outcomes = {key: Outcome(Answer.UNREACHABLE) for key in all_answer() if key[0] == SUBJECT}
    found = signals.reachability(outcomes, subject=SUBJECT, references=())
    assert found.region.state is SignalState.UNKNOWN


@given(ANSWERS, st.sampled_from(list(all_answer())))
def test_not_knowing_an_answer_never_makes_a_region_unreachable(
    answers: dict[tuple[str, str], Answer], key: tuple[str, str]
) -> None:
    if reach(answers).region.state is not SignalState.UNREACHABLE:
        doubtful = reach({**answers, key: Answer.FAILED})
        assert doubtful.region.state is not SignalState.UNREACHABLE


@given(ANSWERS)
def test_a_lost_region_was_silent_twice_where_every_reference_answered(
    answers: dict[tuple[str, str], Answer],
) -> None:
    if reach(answers).region.state is SignalState.UNREACHABLE:
        proven = [
            service
            for service in SERVICES
            if answers[SUBJECT, service] is Answer.UNREACHABLE
            and {answers[DR, service], answers[WITNESS, service]} <= {Answer.OK, Answer.NOT_FOUND}
        ]
        assert len(proven) >= 2
