"""What a rule is, and how one is judged: no engine, no AWS."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

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


EXCLUDE = Option(
    key="exclude",
    default=[],
    description="Logical names of resources that this rule leaves alone.",
    schema={"type": "array", "items": {"type": "string"}},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What must hold.

    Args:
        name: `mwaa-dr-<object>-<requirement>`.
        description: what must hold, in one sentence.
        why: the failure that it prevents.
        remedy: what to do, the last part of each message.
        advisory: whether a violation only warns.
        types: type tokens of the resources it judges.
        options: its configuration besides `exclude`.
    """

    name: str
    description: str
    why: str
    remedy: str
    severity: Severity
    types: tuple[str, ...]
    advisory: bool = False
    options: tuple[Option, ...] = ()

    @property
    def all_options(self) -> tuple[Option, ...]:
        return (*self.options, EXCLUDE)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRule(Rule):
    """Judged on the inputs of one resource, before it is created or updated.

    Args:
        check: yields what is wrong with the resource.
    """

    check: Callable[[Resource, Settings], Iterator[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule(Rule):
    """Judged on the relations of one resource to all others.

    Args:
        applies: whether the rule is about this resource.
        check: yields what is wrong with the resource.
    """

    applies: Callable[[Resource, Stack, Settings], bool] = lambda *_: True
    check: Callable[[Resource, Stack, Settings], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Violation:
    message: str
    urn: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one rule says of one resource or stack.

    Args:
        undecided: by resource, why the rule could not be decided for it.
    """

    violations: list[Violation] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


def judge_resource(rule: ResourceRule, resource: Resource, config: Mapping[str, Any]) -> Judgement:
    """Raises ValueError on a bad configuration."""
    settings = rule.settings(config)
    judgement = Judgement()
    if resource.type in rule.types and resource.name not in settings[EXCLUDE.key]:
        _collect(rule, resource, lambda: rule.check(resource, settings), judgement)
    return judgement


def judge_stack(rule: StackRule, stack: Stack, config: Mapping[str, Any]) -> Judgement:
    """Raises ValueError on a bad configuration."""
    settings = rule.settings(config)
    judgement = Judgement()

    def faults(resource: Resource) -> Iterator[str]:
        if rule.applies(resource, stack, settings):
            yield from rule.check(resource, stack, settings)

    for resource in stack.own:
        if resource.type in rule.types and resource.name not in settings[EXCLUDE.key]:
            _collect(rule, resource, lambda resource=resource: faults(resource), judgement)
    return judgement


def _collect(
    rule: Rule, resource: Resource, faults: Callable[[], Iterable[str]], judgement: Judgement
) -> None:
    try:
        for fault in faults():
            judgement.violations.append(
                Violation(f"{resource.name}: {fault}. {rule.remedy}", resource.urn)
            )
    except UndecidedError as error:
        judgement.undecided.append(f"{resource.name}: {error}")
