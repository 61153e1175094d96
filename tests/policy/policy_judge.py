"""Programs as data, and the judgement of all rules over them."""

import copy
from datetime import date

from mwaa_dr_policy import RULES
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.rule import (
    ResourceRule,
    SiteRule,
    StackRule,
    judge_resource,
    judge_site,
    judge_stack,
)
from mwaa_dr_policy.values import Unknown

DELETE = object()
TODAY = date(2026, 11, 1)


def urn(kind, name):
    return f"urn:pulumi:dev::demo::{kind}::{name}"


def unknown():
    return Unknown("something is not known yet")


class Program(dict):
    """Resources by name: `{"type", "props", "protect", "links"}`."""

    def add(self, name, kind, props, *, protect=False, **links):
        self[name] = {"type": kind, "props": props, "protect": protect, "links": links}

    def set(self, name, path, value):
        """Change, add or delete the property at `path`.

        Keys and indices are joined by dots; a dot in a key is written as `~`.
        """
        *parents, last = [
            int(key) if key.isdigit() else key.replace("~", ".") for key in path.split(".")
        ]
        place = self[name]["props"]
        for key in parents:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        if value is DELETE:
            del place[last]
        else:
            place[last] = value
        return self

    def link(self, name, prop, *sources):
        """Make a top-level property unknown, but known to come from `sources`."""
        self[name]["props"][prop] = unknown()
        self[name]["links"][prop] = sources
        return self

    def copy(self):
        twin = Program()
        for name, raw in self.items():
            twin[name] = {**raw, "props": _deep(raw["props"]), "links": dict(raw["links"])}
        return twin

    def resources(self):
        return [
            Resource(
                raw["type"],
                name,
                urn(raw["type"], name),
                raw["props"],
                protect=raw["protect"],
                links={
                    prop: tuple(urn(self[source]["type"], source) for source in sources)
                    for prop, sources in raw["links"].items()
                },
            )
            for name, raw in self.items()
        ]


def _deep(value):
    if isinstance(value, dict):
        return {key: _deep(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_deep(item) for item in value]
    return value if isinstance(value, Unknown) else copy.copy(value)


def judge(program, *, other=None, config=None, today=TODAY):
    """`(violations, undecided)`: by rule name, the messages."""
    others = other.resources() if other is not None else None
    return judge_resources(program.resources(), others, config or {}, today)


def judge_resources(resources, others, config, today=TODAY, only=None, rules=None):  # noqa: PLR0917
    """As `judge`. Rules of one resource are asked about `only` that one, if it is given.

    Args:
        rules: names of the rules to ask; all, if not given.
    """
    singles = resources if only is None else [only]
    stack = Stack(resources, others)
    violations, undecided = {}, {}
    for rule in RULES:
        if rules is not None and rule.name not in rules:
            continue
        settings = config.get(rule.name, {})
        for judgement in _judgements(rule, singles, stack, settings, today):
            if judgement.violations:
                violations.setdefault(rule.name, []).extend(
                    violation.message for violation in judgement.violations
                )
            if judgement.undecided:
                undecided.setdefault(rule.name, []).extend(judgement.undecided)
    return violations, undecided


def _judgements(rule, resources, stack, settings, today):
    if isinstance(rule, ResourceRule):
        return [judge_resource(rule, resource, settings, today) for resource in resources]
    if isinstance(rule, StackRule):
        return [judge_stack(rule, stack, settings, today)]
    if isinstance(rule, SiteRule):
        return [judge_site(rule, stack, settings, today)]
    return []


def violated(program, **kwargs):
    return set(judge(program, **kwargs)[0])
