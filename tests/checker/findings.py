"""What the checker objects to: each check has a name, and says whom it is about."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Objection:
    """One claim that does not hold.

    Args:
        check: the check's name.
        subject: a run, a DAG or a table row.
        reason: what is wrong with it.
    """

    check: str
    subject: str
    reason: str


@dataclass(slots=True)
class Findings:
    """Objections as they come up, and the names of all checks that were made."""

    objections: list[Objection] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)

    def check(self, name: str, subject: str, holds: bool, reason: str) -> None:
        """Make one check; `reason` says what is wrong if it does not hold."""
        self.made[name] = self.made.get(name, 0) + 1
        if not holds:
            self.objections.append(Objection(name, subject, reason))

    def names(self) -> set[str]:
        return {objection.check for objection in self.objections}

    def about(self, check: str) -> list[str]:
        return sorted(o.subject for o in self.objections if o.check == check)

    def extend(self, check: str, subjects: Iterable[str], reason: str) -> None:
        for subject in subjects:
            self.check(check, subject, False, reason)
