"""Whether the owner's environment still loads the DAGs that it used to.

A lost or spoilt DAG source leaves scheduler and agent alive: only the number of DAGs falls, or the
number of files that cannot be loaded jumps.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from contract.pulse import Pulse
from contract.verdict import SignalState
from handlers.core.signals import Signal, Source

SHARE = 0.2
"""So much of the DAGs, one at least, must be missing or newly broken."""
ACCEPTED = timedelta(hours=24)
"""After so long without getting worse, fewer DAGs are what somebody wanted."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What the owner's environment loaded when all was well.

    Args:
        worse_since: since when it loads less, ISO 8601; empty while it does not.
        fewest, most_errors: the worst since then.
    """

    dags: int
    import_errors: int
    worse_since: str = ""
    fewest: int = 0
    most_errors: int = 0

    def to_item(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_item(cls, item: dict[str, Any] | None) -> "Usual | None":
        return cls(**item) if item else None


def judge(pulse: Pulse | None, usual: Usual | None, now: datetime) -> tuple[Signal, Usual | None]:
    """Compare a fresh pulse with what is usual; give the signal and what is usual from now on.

    Args:
        pulse: the owner's, if this reading has one that can be believed.
        usual: None before the first pulse.
    """
    if pulse is None:
        return Signal(Source.CODE, SignalState.UNKNOWN, "no pulse says what is loaded"), usual
    found = Usual(pulse.dags, pulse.import_errors)
    text = f"{pulse.dags} DAGs, {pulse.import_errors} files cannot be loaded"
    good = Signal(Source.CODE, SignalState.GOOD, text)
    if usual is None:
        return good, found
    lost, broken = usual.dags - pulse.dags, pulse.import_errors - usual.import_errors
    if lost <= 0 and broken <= 0:
        return good, found
    watched = _watched(usual, pulse, now)
    if now - datetime.fromisoformat(watched.worse_since) >= ACCEPTED:
        return good, found
    if max(lost, broken) < max(1.0, SHARE * usual.dags):
        return good, watched
    evidence = f"{text}; usual are {usual.dags} and {usual.import_errors}"
    return Signal(Source.CODE, SignalState.BAD, evidence), watched


def _watched(usual: Usual, pulse: Pulse, now: datetime) -> Usual:
    """The time counts from when it last got worse."""
    if (
        usual.worse_since
        and pulse.dags >= usual.fewest
        and pulse.import_errors <= usual.most_errors
    ):
        return usual
    return replace(
        usual,
        worse_since=now.isoformat(),
        fewest=min(pulse.dags, usual.fewest) if usual.worse_since else pulse.dags,
        most_errors=max(pulse.import_errors, usual.most_errors)
        if usual.worse_since
        else pulse.import_errors,
    )
