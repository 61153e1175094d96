"""Exceptions from a rule: each for one resource, with a reason and a day on which it ends.

An exception that is over, or that would last too long, excuses nothing: the violation comes back
and says so. `Ledger` keeps what was declared and what was used, so that a rule of its own can name
the exceptions that nothing needs any more.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

MAX_DAYS = 180
"""So far ahead an exception may end: longer, and nobody would look at it again."""
SOON_DAYS = 14
"""From so many days before its end an exception is announced."""
LEAST_REASON = 10
_DAY = r"^\d{4}-\d{2}-\d{2}$"

SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "resource": {"type": "string", "minLength": 1},
            "reason": {"type": "string", "minLength": LEAST_REASON},
            "until": {"type": "string", "pattern": _DAY},
        },
        "required": ["resource", "reason", "until"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True, slots=True)
class Exemption:
    """One exception.

    Args:
        resource: logical name of the resource that the rule leaves alone.
        reason: why that is right, for whoever reads it next.
        until: the last day on which it holds.
    """

    resource: str
    reason: str
    until: date

    def why_not(self, today: date) -> str:
        """Why it excuses nothing today; empty if it does."""
        if self.until < today:
            return f"its exception ({self.reason}) ended on {self.until}"
        if self.until > today + timedelta(days=MAX_DAYS):
            return (
                f"its exception ({self.reason}) would end on {self.until}, more than {MAX_DAYS} "
                "days ahead"
            )
        return ""


def read(raw: list[Mapping[str, Any]]) -> dict[str, Exemption]:
    """By resource, the exceptions in a rule's configuration.

    Raises:
        ValueError: one of them is not complete; the text says which and what is allowed.
    """
    found: dict[str, Exemption] = {}
    for item in raw:
        wrong = set(item) ^ {"resource", "reason", "until"}
        if wrong:
            raise ValueError(
                f"exceptions: {dict(item)!r}: give resource, reason and until; "
                f"{', '.join(sorted(wrong))} does not fit"
            )
        resource, reason = str(item["resource"]).strip(), str(item["reason"]).strip()
        if not resource or resource in found:
            raise ValueError(
                f"exceptions: {dict(item)!r}: name one resource, and each resource once"
            )
        if len(reason) < LEAST_REASON:
            raise ValueError(
                f"exceptions: {resource}: the reason {reason!r} says too little; use at least "
                f"{LEAST_REASON} characters"
            )
        found[resource] = Exemption(resource, reason, _day(resource, str(item["until"])))
    return found


def _day(resource: str, text: str) -> date:
    try:
        if re.match(_DAY, text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"exceptions: {resource}: until {text!r} is no day; use YYYY-MM-DD")


@dataclass
class Ledger:
    """What the rules were told to excuse, and what they excused."""

    declared: dict[str, dict[str, Exemption]] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)

    def declare(self, rule: str, exemptions: dict[str, Exemption]) -> None:
        self.declared[rule] = exemptions

    def use(self, rule: str, resource: str) -> None:
        self.used.add((rule, resource))

    def remarks(self, today: date) -> Iterator[str]:
        """What is to be said of the exceptions themselves."""
        for rule, exemptions in sorted(self.declared.items()):
            for one in exemptions.values():
                if (rule, one.resource) not in self.used:
                    yield f"{rule} has an exception for {one.resource} that nothing needs"
                elif today <= one.until <= today + timedelta(days=SOON_DAYS):
                    left = (one.until - today).days
                    yield (
                        f"{rule}: the exception for {one.resource} ({one.reason}) ends on "
                        f"{one.until}, in {left} days"
                    )
