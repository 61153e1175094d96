"""What a rule is, and how one is judged: no engine, no AWS."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from mwaa_dr_policy import exceptions
from mwaa_dr_policy.exceptions import Exemption
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.values import UndecidedError

Settings = Mapping[str, Any]
"""The configuration of one rule, defaults filled in."""


class Severity(StrEnum):
    """How much of the way back is lost where the rule is broken."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Level(StrEnum):
    """What a violation does; the configuration of each rule may say otherwise."""

    MANDATORY = "mandatory"
    ADVISORY = "advisory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One configuration key of a rule.

    Args:
        schema: JSON schema of the value, without its default.
    """

    key: str
    default: Any
    description: str
    schema: Mapping[str, Any]


EXCEPTIONS = Option(
    key="exceptions",
    default=[],
    description="Resources that the rule leaves alone, each with a reason and an end.",
    schema=exceptions.SCHEMA,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must hold.

    Args:
        name: `mwaa-dr-<object>-<requirement>`.
        description: what must hold, in one sentence.
        why: the failure that it prevents.
        remedy: what to do, the last part of each message.
        types: type tokens of the resources it judges.
        options: its configuration besides `exceptions`.
    """

    name: str
    description: str
    why: str
    remedy: str
    severity: Severity
    level: Level = Level.MANDATORY
    types: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()

    @property
    def all_options(self) -> tuple[Option, ...]:
        return (*self.options, EXCEPTIONS)

    def settings(self, config: Mapping[str, Any]) -> Settings:
        """`config` over the defaults. Raises ValueError on a key that the rule does not have."""
        defaults = {option.key: option.default for option in self.all_options}
        unknown = sorted(set(config) - set(defaults))
        if unknown:
            raise ValueError(
                f"{self.name}: the configuration key {unknown[0]!r} is not known; "
                f"use {', '.join(defaults)}"
            )
        return {**defaults, **config}

    def exemptions(self, config: Mapping[str, Any]) -> dict[str, Exemption]:
        """By resource, the rule's exceptions. Raises ValueError on one that is not complete."""
        try:
            return exceptions.read(config.get(EXCEPTIONS.key) or [])
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRule(Rule):
    """Judged on the inputs of one resource, before it is created or updated.

    Args:
        check: yields what is wrong with the resource.
        mend: gives the inputs to change, where that is safe to do unasked; an update does it only
            if the rule's `enforcementLevel` is `remediate`.
    """

    check: Callable[[Resource, Settings], Iterator[str]]
    mend: Callable[[Resource, Settings], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule(Rule):
    """Judged on the relations of one resource to all others.

    Args:
        applies: whether the rule is about this resource.
        check: yields what is wrong with the resource.
    """

    applies: Callable[[Resource, Stack, Settings], bool] = lambda *_: True
    check: Callable[[Resource, Stack, Settings], Iterator[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRule(Rule):
    """Judged on a program as a whole: what it lacks has no resource of its own.

    Args:
        check: yields a subject, for the message and for exceptions, and what is wrong.
    """

    check: Callable[[Stack, Settings], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRule(Rule):
    """Judged on the exceptions of all other rules, after them."""


@dataclass(frozen=True, slots=True)
class Violation:
    """`urn` is None where the program as a whole is meant."""

    message: str
    urn: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one rule says of one resource or stack.

    Args:
        undecided: by resource, why the rule could not be decided for it.
        excused: resources that an exception excused.
    """

    violations: list[Violation] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    excused: list[str] = field(default_factory=list)


def utc_today() -> date:
    return datetime.now(UTC).date()


def judge_resource(
    rule: ResourceRule, resource: Resource, config: Mapping[str, Any], today: date | None = None
) -> Judgement:
    """Raises ValueError on a bad configuration."""
    settings, judge = rule.settings(config), _Judge(rule, config, today)
    if resource.type in rule.types:
        judge.collect(resource, lambda: rule.check(resource, settings))
    return judge.result


def judge_stack(
    rule: StackRule, stack: Stack, config: Mapping[str, Any], today: date | None = None
) -> Judgement:
    """Raises ValueError on a bad configuration."""
    settings, judge = rule.settings(config), _Judge(rule, config, today)

    def faults(resource: Resource) -> Iterator[str]:
        if rule.applies(resource, stack, settings):
            yield from rule.check(resource, stack, settings)

    for resource in stack.own:
        if resource.type in rule.types:
            judge.collect(resource, lambda resource=resource: faults(resource))
    return judge.result


def judge_site(
    rule: SiteRule, stack: Stack, config: Mapping[str, Any], today: date | None = None
) -> Judgement:
    """Raises ValueError on a bad configuration."""
    settings, judge = rule.settings(config), _Judge(rule, config, today)
    try:
        for subject, fault in rule.check(stack, settings):
            judge.report(subject, None, fault)
    except UndecidedError as error:
        judge.result.undecided.append(str(error))
    return judge.result


class _Judge:
    """Collects what one rule finds, exceptions taken into account."""

    def __init__(self, rule: Rule, config: Mapping[str, Any], today: date | None) -> None:
        self._rule = rule
        self._exemptions = rule.exemptions(config)
        self._today = today or utc_today()
        self.result = Judgement()

    def collect(self, resource: Resource, faults: Callable[[], Iterable[str]]) -> None:
        try:
            for fault in faults():
                self.report(resource.name, resource.urn, fault)
        except UndecidedError as error:
            if not self._is_excused(resource.name):
                self.result.undecided.append(f"{resource.name}: {error}")

    def report(self, subject: str, urn: str | None, fault: str) -> None:
        if self._is_excused(subject):
            return
        exemption = self._exemptions.get(subject)
        over = f" ({exemption.why_not(self._today)})" if exemption else ""
        self.result.violations.append(
            Violation(f"{subject}: {fault}{over}. {self._rule.remedy}", urn)
        )

    def _is_excused(self, subject: str) -> bool:
        exemption = self._exemptions.get(subject)
        if exemption is None:
            return False
        self.result.excused.append(subject)
        return not exemption.why_not(self._today)
