"""The readings that the monitor remembers, as they lie in the state table."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from contract.sites import Site
from contract.verdict import SignalState, Verdict
from handlers.core.code import Usual
from handlers.core.declared import CheckResult
from handlers.core.signals import Signal, Source


@dataclass(frozen=True, slots=True)
class Reading:
    """All signals of one moment and what they mean."""

    at: datetime
    owner: Site
    epoch: int
    verdict: Verdict
    reasons: tuple[str, ...]
    signals: tuple[Signal, ...] = ()
    checks: tuple[CheckResult, ...] = ()

    def state_of(self, source: Source) -> SignalState:
        """What it says of a source; unknown where it has no such signal."""
        found = (one.state for one in self.signals if one.source is source)
        return next(found, SignalState.UNKNOWN)

    def to_item(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "owner": self.owner.value,
            "epoch": self.epoch,
            "verdict": self.verdict.value,
            "reasons": list(self.reasons),
            "signals": [
                {
                    "signal": signal.source.value,
                    "state": signal.state.value,
                    "evidence": signal.evidence,
                }
                for signal in self.signals
            ],
            "checks": [
                {
                    "check": check.name,
                    "state": check.state.value,
                    "evidence": check.evidence,
                    "counts": check.counts,
                }
                for check in self.checks
            ],
        }

    @classmethod
    def from_item(cls, item: dict[str, Any]) -> "Reading":
        return cls(
            at=datetime.fromisoformat(item["at"]),
            owner=Site(item["owner"]),
            epoch=int(item["epoch"]),
            verdict=Verdict(item["verdict"]),
            reasons=tuple(item["reasons"]),
            signals=tuple(
                Signal(Source(raw["signal"]), SignalState(raw["state"]), raw["evidence"])
                for raw in item["signals"]
            ),
            checks=tuple(
                CheckResult(raw["check"], SignalState(raw["state"]), raw["evidence"], raw["counts"])
                for raw in item.get("checks", [])  # readings of an older version have none
            ),
        )


@dataclass(frozen=True, slots=True)
class Readings:
    """The item `readings` of the state table.

    Args:
        verdict: the decided verdict; None before the first reading.
        since: when it began, ISO 8601.
        last_alive_at: the newest proof that the owner ran, ISO 8601; "" if there is none.
        code: what the owner's environment used to load.
        version: grows with each write, for compare-and-set.
    """

    readings: tuple[Reading, ...] = ()
    verdict: Verdict | None = None
    since: str = ""
    last_alive_at: str = ""
    version: int = 0
    code: Usual | None = None

    def followed_by(
        self,
        reading: Reading,
        verdict: Verdict,
        last_alive_at: str,
        *,
        keep: int,
        code: Usual | None = None,
    ) -> "Readings":
        """The item after one more reading; only the last `keep` readings stay."""
        same_owner = self.readings and self.readings[-1].epoch == reading.epoch
        return Readings(
            readings=(*self.readings, reading)[-keep:],
            verdict=verdict,
            since=self.since if verdict is self.verdict else reading.at.isoformat(),
            last_alive_at=max(self.last_alive_at if same_owner else "", last_alive_at),
            version=self.version + 1,
            code=code,
        )

    def to_item(self) -> dict[str, Any]:
        return {
            "readings": [reading.to_item() for reading in self.readings],
            "verdict": "" if self.verdict is None else self.verdict.value,
            "since": self.since,
            "last_alive_at": self.last_alive_at,
            "version": self.version,
            "code": {} if self.code is None else self.code.to_item(),
        }

    @classmethod
    def from_item(cls, item: dict[str, Any] | None) -> "Readings":
        if item is None:
            return cls()
        return cls(
            readings=tuple(Reading.from_item(raw) for raw in item["readings"]),
            verdict=Verdict(item["verdict"]) if item["verdict"] else None,
            since=item["since"],
            last_alive_at=item["last_alive_at"],
            version=int(item["version"]),
            code=Usual.from_item(item.get("code")),
        )
