"""What the signals of one reading mean, and when enough readings agree to act."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from contract.handler_config import Detection
from contract.verdict import SignalState, Verdict
from handlers.core import aws_events
from handlers.core.aws_events import Note
from handlers.core.declared import CheckResult
from handlers.core.readings import Reading
from handlers.core.signals import Signal, Source

PATIENCE = 3
"""Windows whose readings count while the owner gives no sign of life at all."""


def kept(detection: Detection) -> int:
    """How many readings the monitor has to remember."""
    return PATIENCE * detection.window


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict of one reading."""

    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict of the last readings together: the one that is published and acted upon."""

    verdict: Verdict
    reasons: tuple[str, ...]


def assess(signals: Iterable[Signal], checks: Sequence[CheckResult] = ()) -> Assessment:
    """The truth table of one reading.

    A check of the user's own that is not good makes the reading DEGRADED; one that counts can be
    the further proof below, and no check is ever more than that.

    DOWN always needs the stale pulse, which alone proves the environment end to end, and one
    further proof of another kind. What cannot be read is no proof: it never leads to DOWN. While
    the environment's status cannot be read, a planned change cannot be ruled out, so that this
    too stands against DOWN; a status call that a whole Region leaves unanswered does not.
    """
    by_source = {signal.source: signal for signal in signals}

    def state(source: Source) -> SignalState:
        found = by_source.get(source)
        return SignalState.UNKNOWN if found is None else found.state

    def because(*sources: Source) -> tuple[str, ...]:
        return tuple(
            f"{source}: {by_source[source].state} ({by_source[source].evidence})"
            for source in sources
            if source in by_source
        )

    if state(Source.ENVIRONMENT) is SignalState.PLANNED:
        return Assessment(Verdict.PLANNED, because(Source.ENVIRONMENT))

    proofs = [
        source
        for source, proof in (
            (Source.REGION, SignalState.UNREACHABLE),
            (Source.ENVIRONMENT, SignalState.BAD),
            (Source.HEARTBEAT, SignalState.BAD),
        )
        if state(source) is proof
    ]
    sighted = state(Source.SIGHT) is SignalState.GOOD
    declared = _reasons(check for check in checks if check.is_proof(sighted=sighted))
    planned_ruled_out = state(Source.ENVIRONMENT) is not SignalState.UNKNOWN
    if state(Source.PULSE) is SignalState.BAD and (proofs or declared) and planned_ruled_out:
        return Assessment(Verdict.DOWN, (*because(Source.PULSE, *proofs), *declared))

    if (
        state(Source.SIGHT) is SignalState.UNREACHABLE
        and state(Source.REGION) is not SignalState.GOOD
    ):
        return Assessment(Verdict.BLIND, because(Source.SIGHT, Source.REGION))

    not_good = [source for source in Source if state(source) is not SignalState.GOOD]
    failing = _reasons(check for check in checks if check.state is not SignalState.GOOD)
    if not not_good and not failing:
        return Assessment(Verdict.HEALTHY, ())
    return Assessment(Verdict.DEGRADED, (*because(*not_good), *failing))


def _reasons(checks: Iterable[CheckResult]) -> tuple[str, ...]:
    return tuple(f"check {check.name}: {check.state} ({check.evidence})" for check in checks)


def decide(
    readings: Sequence[Reading],
    detection: Detection,
    now: datetime,
    events: Sequence[Note] = (),
) -> Decision:
    """N of M: DOWN only if the newest reading says so and enough recent ones agree.

    While the pulse stays stale, readings of `PATIENCE` windows count: a Region that comes and goes
    in step with the readings would never show enough of them in one.

    Args:
        readings: oldest first; only those of the newest one's owner and epoch count.
        detection: N, M and the interval of readings.
        now: readings far older than M intervals do not count: the monitor was away.
        events: what AWS itself says of trouble there: then one reading less has to agree.
    """
    newest = readings[-1]
    if newest.verdict is not Verdict.DOWN:
        return Decision(newest.verdict, newest.reasons)
    window = _window(readings, detection, now)
    down = sum(reading.verdict is Verdict.DOWN for reading in window)
    needed = aws_events.needed(detection, events)
    if down >= needed:
        sooner = tuple(f"event: {note.text}" for note in events[-1:])
        return Decision(Verdict.DOWN, (*newest.reasons, *sooner))
    waiting = f"DOWN in {down} reading(s); {needed} of {detection.window} are needed"
    return Decision(Verdict.DEGRADED, (waiting, *newest.reasons))


def _window(readings: Sequence[Reading], detection: Detection, now: datetime) -> list[Reading]:
    """The readings that count, newest first."""

    def since(windows: int) -> datetime:
        away = 2 * windows * detection.window * detection.reading_seconds + 60
        return now - timedelta(seconds=away)

    newest_first = readings[: -kept(detection) - 1 : -1]
    stale = list(takewhile(_is_stale, newest_first))
    others = newest_first[len(stale) : detection.window]
    recent = [one for one in stale if one.at >= since(PATIENCE)]
    recent += [one for one in others if one.at >= since(1)]
    place = (readings[-1].owner, readings[-1].epoch)
    return [one for one in recent if (one.owner, one.epoch) == place]


def _is_stale(reading: Reading) -> bool:
    return reading.state_of(Source.PULSE) is SignalState.BAD
