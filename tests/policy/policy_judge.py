"""Programs as data, and the judgement of all rules over them."""

import copy

from mwaa_dr_policy import RULES
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.rule import ResourceRule, judge_resource, judge_stack
from mwaa_dr_policy.values import Unknown

DELETE = object()


def urn(kind, name):
    return f"urn:pulumi:dev::demo::{kind}::{name}"


def unknown():
    return Unknown("something is not known yet")


class Program(dict):
    """Resources by name: `{"type", "props", "protect", "links"}`."""

    def add(self, name, kind, props, *, protect=False, **links):
        self[name] = {"type": kind, "props": props, "protect": protect, "links": links}

    def set(self, name, path, value):
        """Change, add or delete the property at `path` (keys and indices joined by dots)."""
        *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
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


def judge(program, *, other=None, config=None):
    """`(violations, undecided)`: by rule name, the messages."""
    resources = program.resources()
    stack = Stack(resources, other.resources() if other is not None else None)
    violations, undecided = {}, {}
    for rule in RULES:
        settings = (config or {}).get(rule.name, {})
        found = (
            [judge_resource(rule, resource, settings) for resource in resources]
            if isinstance(rule, ResourceRule)
            else [judge_stack(rule, stack, settings)]
        )
        for judgement in found:
            if judgement.violations:
                violations.setdefault(rule.name, []).extend(
                    violation.message for violation in judgement.violations
                )
            if judgement.undecided:
                undecided.setdefault(rule.name, []).extend(judgement.undecided)
    return violations, undecided


def violated(program, **kwargs):
    return set(judge(program, **kwargs)[0])
