"""Turns what the probes brought back into signals, each with its evidence.

A probe's `Answer` says how the call ended; a signal says what that means for the environment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from contract.pulse import Pulse
from contract.verdict import SignalState

CLOCK_SKEW = timedelta(seconds=60)
"""A pulse further in the future than this proves nothing about now."""

NEEDED_SERVICES = 2
"""A Region counts as unreachable when so many of its services do not answer."""


class Answer(StrEnum):
    """How a call ended."""

    OK = "ok"
    NOT_FOUND = "not-found"
    UNREACHABLE = "unreachable"
    """No connection, no answer in time, or a 5xx answer."""
    DENIED = "denied"
    THROTTLED = "throttled"
    FAILED = "failed"
    """Anything else, our own mistakes and our own lack of time included."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one call: its value when `OK`, else a short text."""

    answer: Answer
    value: Any = None
    error: str = ""


class Source(StrEnum):
    """Where a signal comes from."""

    HEARTBEAT = "heartbeat"
    ENVIRONMENT = "environment"
    PULSE = "pulse"
    BACKUP = "backup"
    CODE = "code"
    """Whether the owner loads the DAGs that it used to."""
    REGION = "region"
    """Whether the owner's Region answers, judged against the reference Regions."""
    SIGHT = "sight"
    """Whether the reference Regions (DR, witness) answer, that is, whether we can judge at all."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What one source says."""

    source: Source
    state: SignalState
    evidence: str


ENVIRONMENT_STATES: dict[str, SignalState] = {
    "AVAILABLE": SignalState.GOOD,
    "UPDATE_FAILED": SignalState.GOOD,  # MWAA has put the previous state back
    "UPDATING": SignalState.PLANNED,
    "CREATING_SNAPSHOT": SignalState.PLANNED,
    "ROLLING_BACK": SignalState.PLANNED,
    "MAINTENANCE": SignalState.PLANNED,
    "CREATING": SignalState.PLANNED,
    "PENDING": SignalState.PLANNED,
    "UNAVAILABLE": SignalState.BAD,
    "CREATE_FAILED": SignalState.BAD,
    "DELETING": SignalState.BAD,
    "DELETED": SignalState.BAD,
}
"""A status that is not listed is unknown: AWS may add one."""


def _without_value(source: Source, outcome: Outcome) -> Signal:
    unreachable = outcome.answer is Answer.UNREACHABLE
    state = SignalState.UNREACHABLE if unreachable else SignalState.UNKNOWN
    return Signal(source, state, f"{outcome.answer}: {outcome.error}")


def heartbeat(outcome: Outcome) -> Signal:
    """Signal 1; `value` is `{metric: sum or None}`, `SchedulerHeartbeat` among them.

    A dead scheduler sends no zeros, it sends nothing. Nothing counts as bad only when other metrics
    of the same environment arrive, since else CloudWatch itself may be late.
    """
    if outcome.answer is not Answer.OK:
        return _without_value(Source.HEARTBEAT, outcome)
    metrics: Mapping[str, float | None] = outcome.value
    beats = metrics.get("SchedulerHeartbeat")
    others = sorted(name for name, value in metrics.items() if value is not None)
    if beats:
        return Signal(Source.HEARTBEAT, SignalState.GOOD, f"{beats:g} heartbeats")
    if beats == 0:
        return Signal(Source.HEARTBEAT, SignalState.BAD, "heartbeats of zero")
    if others:
        return Signal(
            Source.HEARTBEAT, SignalState.BAD, f"no heartbeat, but {', '.join(others)} arrive"
        )
    return Signal(Source.HEARTBEAT, SignalState.UNKNOWN, "no metric of the environment arrives")


def environment(outcome: Outcome) -> Signal:
    """Signal 2; `value` is the status that GetEnvironment gave."""
    if outcome.answer is Answer.NOT_FOUND:
        return Signal(Source.ENVIRONMENT, SignalState.BAD, "the environment does not exist")
    if outcome.answer is not Answer.OK:
        return _without_value(Source.ENVIRONMENT, outcome)
    status = str(outcome.value)
    state = ENVIRONMENT_STATES.get(status, SignalState.UNKNOWN)
    return Signal(Source.ENVIRONMENT, state, status)


def pulse(
    outcome: Outcome,
    *,
    environment: str,
    limit_seconds: float,
    now: datetime,
    stored: timedelta | None = None,
) -> Signal:
    """Signal 3; `value` is the pulse object's text.

    A pulse that cannot be read is unknown, never stale: it lies in the DR Region, so that failing
    to read it says nothing about the owner.

    Args:
        stored: for how long S3 has had it. By that clock alone it is judged, where it is known: the
            worker's own may be minutes off.
    """
    if outcome.answer is Answer.NOT_FOUND:
        return Signal(Source.PULSE, SignalState.UNKNOWN, "no pulse was ever written")
    if outcome.answer is not Answer.OK:
        return Signal(Source.PULSE, SignalState.UNKNOWN, f"{outcome.answer}: {outcome.error}")
    try:
        found = Pulse.from_json(outcome.value)
        age = (now - datetime.fromisoformat(found.at) if stored is None else stored).total_seconds()
    except (ValueError, TypeError) as error:
        return Signal(Source.PULSE, SignalState.UNKNOWN, f"unreadable: {error}")
    if found.environment != environment:
        return Signal(
            Source.PULSE, SignalState.UNKNOWN, f"it is of {found.environment}, not {environment}"
        )
    if age < -CLOCK_SKEW.total_seconds():
        return Signal(Source.PULSE, SignalState.UNKNOWN, f"{-age:.0f} s in the future")
    fresh = age <= limit_seconds
    state = SignalState.GOOD if fresh else SignalState.BAD
    return Signal(Source.PULSE, state, f"{age:.0f} s old, {limit_seconds:g} s allowed")


def backup(outcome: Outcome, *, limit_seconds: float, now: datetime) -> Signal:
    """Signal 5; `value` is the time of the newest backup with a manifest, or None."""
    if outcome.answer is not Answer.OK:
        return Signal(Source.BACKUP, SignalState.UNKNOWN, f"{outcome.answer}: {outcome.error}")
    if outcome.value is None:
        return Signal(Source.BACKUP, SignalState.BAD, "there is no backup")
    age = (now - outcome.value).total_seconds()
    state = SignalState.GOOD if age <= limit_seconds else SignalState.BAD
    return Signal(Source.BACKUP, state, f"{age:.0f} s old, {limit_seconds:g} s allowed")


@dataclass(frozen=True, slots=True)
class Reachability:
    """Signal 6, as the two facts it consists of."""

    region: Signal
    sight: Signal


def reachability(
    outcomes: Mapping[tuple[str, str], Outcome],
    *,
    subject: str,
    references: Sequence[str],
    home: str = "",
) -> Reachability:
    """Compare the owner's Region with the reference Regions.

    Args:
        outcomes: by (Region, service): the same call to each service of each Region.
        subject: the owner's Region.
        references: other Regions, to tell its fault from ours.
        home: the Region that the monitor lives in and that a recovery needs. Where it is the
            owner's too, its silence makes the monitor blind and is no reason to recover there.
    """
    services = sorted({service for region, service in outcomes if region == subject})

    def of(region: str, answers: set[Answer]) -> set[str]:
        return {name for name in services if outcomes[region, name].answer in answers}

    good = {Answer.OK, Answer.NOT_FOUND}
    silent = of(subject, {Answer.UNREACHABLE})
    answering_elsewhere = [of(region, good) for region in references]
    confirmed = silent.intersection(*answering_elsewhere) if references else set[str]()
    if len(confirmed) >= NEEDED_SERVICES and subject == home:
        region = Signal(
            Source.REGION, SignalState.UNKNOWN, f"{subject} is silent, and the monitor is in it"
        )
    elif len(confirmed) >= NEEDED_SERVICES:
        region = Signal(
            Source.REGION,
            SignalState.UNREACHABLE,
            f"{', '.join(sorted(confirmed))} of {subject} do not answer, "
            f"those of {' and '.join(references)} do",
        )
    elif of(subject, good) == set(services):
        region = Signal(Source.REGION, SignalState.GOOD, f"{subject} answers")
    else:
        unclear = sorted(set(services) - of(subject, good))
        texts = [f"{name} {outcomes[subject, name].answer}" for name in unclear]
        region = Signal(Source.REGION, SignalState.UNKNOWN, f"{subject}: {', '.join(texts)}")

    eyes = [*references, *([home] if subject == home else [])]
    dark = [region for region in eyes if len(of(region, {Answer.UNREACHABLE})) >= NEEDED_SERVICES]
    if dark:
        sight = Signal(Source.SIGHT, SignalState.UNREACHABLE, f"{', '.join(dark)} do not answer")
    elif all(found == set(services) for found in answering_elsewhere):
        sight = Signal(Source.SIGHT, SignalState.GOOD, f"{', '.join(references)} answer")
    else:
        sight = Signal(Source.SIGHT, SignalState.UNKNOWN, "not every reference call succeeded")
    return Reachability(region, sight)
