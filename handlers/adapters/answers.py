"""The one place that says what an AWS error means."""

import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from handlers.core.errors import AwsCallError, StepError, TransientError
from handlers.core.signals import Answer, Outcome

K = TypeVar("K")

AWS_ERRORS = (BotoCoreError, ClientError)

_SILENT = (ConnectTimeoutError, ReadTimeoutError, ConnectionClosedError, EndpointConnectionError)
_NOT_FOUND = {
    *("404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound"),
    *("ResourceNotFoundException", "NotFoundException"),
}
_DENIED = {
    *("401", "403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"),
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    *("UnrecognizedClientException", "OptInRequired", "KMS.AccessDeniedException"),
}
_THROTTLED = {
    *("429", "Throttling", "ThrottlingException", "ThrottledException", "SlowDown"),
    *("TooManyRequestsException", "RequestLimitExceeded", "LimitExceededException"),
    *("RequestThrottled", "RequestThrottledException", "ProvisionedThroughputExceededException"),
}


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def classify(error: BaseException) -> Answer:
    """How a call that raised `error` ended."""
    if isinstance(error, _SILENT):
        return Answer.UNREACHABLE
    if not isinstance(error, ClientError):
        return Answer.FAILED
    code = code_of(error)
    for answer, codes in (
        (Answer.THROTTLED, _THROTTLED),
        (Answer.NOT_FOUND, _NOT_FOUND),
        (Answer.DENIED, _DENIED),
    ):
        if code in codes:
            return answer
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Answer.UNREACHABLE if status >= 500 else Answer.FAILED  # noqa: PLR2004 - HTTP


def is_missing(error: BaseException) -> bool:
    return classify(error) is Answer.NOT_FOUND


def step_error(error: BaseException) -> StepError:
    """The named failure that a step ends with when a call it cannot do without failed."""
    answer = classify(error)
    text = f"{answer}: {error}"
    if answer in (Answer.UNREACHABLE, Answer.THROTTLED):
        return TransientError(text)
    return AwsCallError(text)


def outcome_of(call: Callable[[], Any]) -> Outcome:
    """Make one call and say how it ended; an AWS error is an answer too."""
    try:
        return Outcome(Answer.OK, call())
    except AWS_ERRORS as error:
        return Outcome(classify(error), error=f"{type(error).__name__}: {error}")


def all_outcomes(
    calls: Mapping[K, Callable[[], Any]], *, deadline_seconds: float
) -> dict[K, Outcome]:
    """Make all calls at once; a call that is not over by the deadline has failed.

    The threads are daemons: one that still hangs (in a name look-up, say, which no client time-out
    covers) must not keep the function from returning.
    """
    done: SimpleQueue[tuple[K, Outcome]] = SimpleQueue()

    def run(key: K, call: Callable[[], Any]) -> None:
        try:
            done.put((key, outcome_of(call)))
        except Exception as error:
            # A fault of ours in one probe is no verdict.
            done.put((key, Outcome(Answer.FAILED, error=f"{type(error).__name__}: {error}")))

    for key, call in calls.items():
        Thread(target=run, args=(key, call), daemon=True).start()
    late = Outcome(Answer.FAILED, error=f"not over within {deadline_seconds:g} s")
    outcomes = dict.fromkeys(calls, late)
    end = time.monotonic() + deadline_seconds
    for _ in calls:
        try:
            key, outcome = done.get(timeout=max(0.0, end - time.monotonic()))
        except Empty:
            break
        outcomes[key] = outcome
    return outcomes
