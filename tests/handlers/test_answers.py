"""What an AWS error means, and that a reading never waits longer than it may."""

import time

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    SSLError,
)

from handlers.adapters.answers import all_outcomes, classify, outcome_of, step_error
from handlers.core.errors import AwsCallError, TransientError
from handlers.core.signals import Answer

URL = {"endpoint_url": "https://x"}


def client_error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Operation"
    )


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ReadTimeoutError(**URL), Answer.UNREACHABLE),
        (ConnectTimeoutError(**URL), Answer.UNREACHABLE),
        (EndpointConnectionError(**URL), Answer.UNREACHABLE),
        (client_error("InternalServerError", 500), Answer.UNREACHABLE),
        (client_error("503", 503), Answer.UNREACHABLE),
        (client_error("SlowDown", 503), Answer.THROTTLED),
        (client_error("ThrottlingException", 400), Answer.THROTTLED),
        (client_error("AccessDenied", 403), Answer.DENIED),
        (client_error("403", 403), Answer.DENIED),
        (client_error("ExpiredToken", 400), Answer.DENIED),
        (client_error("404", 404), Answer.NOT_FOUND),
        (client_error("ResourceNotFoundException", 404), Answer.NOT_FOUND),
        (client_error("ValidationException", 400), Answer.FAILED),
        (NoCredentialsError(), Answer.FAILED),
        (SSLError(error="clock", **URL), Answer.FAILED),
        (RuntimeError(), Answer.FAILED),
    ],
)
def test_each_error_means_one_thing(error: Exception, expected: Answer) -> None:
    assert classify(error) is expected


def test_only_silence_and_throttling_are_worth_a_retry() -> None:
    assert isinstance(step_error(ReadTimeoutError(**URL)), TransientError)
    assert isinstance(step_error(client_error("Throttling", 400)), TransientError)
    assert isinstance(step_error(client_error("AccessDenied", 403)), AwsCallError)


def test_a_call_that_hangs_is_cut_off_and_the_others_count() -> None:
    started = time.monotonic()
    outcomes = all_outcomes(
        {"hangs": lambda: time.sleep(30), "answers": lambda: 7}, deadline_seconds=0.2
    )
    assert time.monotonic() - started < 2
    assert outcomes["answers"].value == 7
    assert outcomes["hangs"].answer is Answer.FAILED


def test_hanging_calls_wait_at_the_same_time() -> None:
    started = time.monotonic()
    outcomes = all_outcomes(
        {number: lambda: time.sleep(0.2) for number in range(20)}, deadline_seconds=3
    )
    assert time.monotonic() - started < 2
    assert {outcome.answer for outcome in outcomes.values()} == {Answer.OK}


def test_a_fault_of_ours_in_one_probe_is_no_verdict() -> None:
    outcomes = all_outcomes({"wrong": lambda: 1 // 0}, deadline_seconds=1)
    assert outcomes["wrong"].answer is Answer.FAILED
    assert "ZeroDivisionError" in outcomes["wrong"].error


def test_a_fault_of_ours_in_a_step_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome_of(lambda: 1 // 0)
