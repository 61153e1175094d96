"""Turns what a user's own check brought back into a state with its evidence."""

import re
from dataclasses import dataclass
from typing import Any

from contract.checks import CheckKind, Comparison, DeclaredCheck, NoData
from contract.verdict import SignalState
from handlers.core.signals import Answer, Outcome

ALARM_STATES = {"OK": SignalState.GOOD, "ALARM": SignalState.BAD}
"""A state that is not listed (INSUFFICIENT_DATA) is unknown."""


@dataclass(frozen=True, slots=True)
class Page:
    """What an HTTPS address gave.

    Args:
        status: None if there was no answer.
        text: the answer's beginning, or why there was none.
        trusted: whether its certificate could be believed.
    """

    status: int | None
    text: str
    trusted: bool = True


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check says.

    Args:
        counts: whether it can be the second proof that the owner is down.
    """

    name: str
    state: SignalState
    evidence: str
    counts: bool = False

    def is_proof(self, *, sighted: bool) -> bool:
        """Whether it stands beside a stale pulse.

        Args:
            sighted: the reference Regions answer; else it may be the monitor that is cut off.
        """
        if not self.counts:
            return False
        silent = self.state is SignalState.UNREACHABLE and sighted
        return silent or self.state is SignalState.BAD


def judge(check: DeclaredCheck, outcome: Outcome) -> CheckResult:
    """What the end of the check's one call means.

    Not being allowed to look, being throttled and our own lack of time are never held against the
    system that is looked at.
    """
    if outcome.answer is Answer.OK:
        state, evidence = _JUDGES[check.kind](check, outcome.value)
    elif outcome.answer is Answer.UNREACHABLE:
        state, evidence = SignalState.UNREACHABLE, outcome.error
    else:
        state, evidence = SignalState.UNKNOWN, f"{outcome.answer}: {outcome.error}"
    return CheckResult(check.name, state, evidence, check.counts)


def _metric(check: DeclaredCheck, value: Any) -> tuple[SignalState, str]:  # noqa: ANN401
    if value is None:
        states = {
            NoData.GOOD: SignalState.GOOD,
            NoData.BAD: SignalState.BAD,
            NoData.UNKNOWN: SignalState.UNKNOWN,
        }
        return states[check.no_data], f"no data in {2 * check.period_seconds} s"
    below = value < check.threshold
    above = value > check.threshold
    bad = below if check.comparison is Comparison.BELOW else above
    state = SignalState.BAD if bad else SignalState.GOOD
    return state, f"{value:g}, bad {check.comparison} {check.threshold:g}"


def _alarm(check: DeclaredCheck, value: Any) -> tuple[SignalState, str]:  # noqa: ANN401
    if value is None:
        return SignalState.UNKNOWN, f"there is no alarm {check.alarm} in {check.region}"
    return ALARM_STATES.get(value, SignalState.UNKNOWN), str(value)


def _https(check: DeclaredCheck, page: Page) -> tuple[SignalState, str]:
    if not page.trusted:
        return SignalState.BAD, page.text
    if page.status is None:
        return SignalState.UNREACHABLE, page.text
    if page.status != check.status:
        return SignalState.BAD, f"status {page.status}, not {check.status}"
    if check.pattern and not re.search(check.pattern, page.text):
        return SignalState.BAD, f"status {page.status}, but the answer lacks {check.pattern!r}"
    return SignalState.GOOD, f"status {page.status}"


_JUDGES = {CheckKind.METRIC: _metric, CheckKind.ALARM: _alarm, CheckKind.HTTPS: _https}
