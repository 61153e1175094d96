"""Whether two values are the same to AWS, and what a difference leads to."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from local.pulumi.provider.model import Resource
from local.pulumi.provider.wire import SIGNATURE, UNKNOWN, Value, Values, is_asset

EMPTY = (None, "", [], {}, False, 0)


def is_empty(value: Value) -> bool:
    """Whether a value says nothing, such as a filter without a prefix."""
    if isinstance(value, dict):
        return all(is_empty(item) for item in value.values())
    return value in EMPTY


@dataclass(frozen=True, slots=True)
class Rules:
    """When two values are the same.

    Args:
        json: texts are the same when the JSON in them is.
        ordered: the order of lists counts; to most of AWS lists are sets.
        partial: members that only AWS's object has are no difference.
    """

    json: bool = False
    ordered: bool = False
    partial: bool = False


def same(wanted: Value, actual: Value, rules: Rules = Rules()) -> bool:
    """Whether AWS holds what is wanted.

    Members of an object that AWS fills in with nothing (`""`, `0`, `false`, an empty list) are no
    difference.
    """
    if is_asset(wanted) and is_asset(actual):
        return wanted.get("hash") == actual.get("hash")
    if rules.json and isinstance(wanted, str) and isinstance(actual, str):
        return _json(wanted) == _json(actual)
    if isinstance(wanted, dict) and isinstance(actual, dict):
        names = set(wanted) if rules.partial else {*wanted, *actual}
        return all(_same_member(wanted, actual, name, rules) for name in names - {SIGNATURE})
    if isinstance(wanted, list) and isinstance(actual, list):
        return _same_list(wanted, actual, rules)
    if isinstance(wanted, bool) or isinstance(actual, bool):
        return wanted is actual
    return wanted == actual


def _same_member(
    wanted: Mapping[str, Any], actual: Mapping[str, Any], name: str, rules: Rules
) -> bool:
    mine, theirs = wanted.get(name), actual.get(name)
    if is_empty(mine) and is_empty(theirs) and not (name in wanted and name in actual):
        return True
    return same(mine, theirs, rules)


def _same_list(wanted: list[Any], actual: list[Any], rules: Rules) -> bool:
    if len(wanted) != len(actual):
        return False
    if rules.ordered:
        return all(same(mine, theirs, rules) for mine, theirs in zip(wanted, actual, strict=True))
    rest = list(actual)
    for item in wanted:
        match = next((i for i, other in enumerate(rest) if same(item, other, rules)), None)
        if match is None:
            return False
        del rest[match]
    return True


def _json(text: str) -> Value:
    """The document, with IAM's one-element lists and lone strings made alike."""

    def alike(value: Value) -> Value:
        if isinstance(value, dict):
            return {name: alike(item) for name, item in value.items()}
        if isinstance(value, list):
            items = [alike(item) for item in value]
            return items[0] if len(items) == 1 and isinstance(items[0], str) else items
        return value

    try:
        return alike(json.loads(text))
    except ValueError:
        return text


def same_property(resource: Resource, name: str, wanted: Value, actual: Value) -> bool:
    rules = Rules(
        json=name in resource.json,
        ordered=name in resource.ordered,
        partial=name in (*resource.chosen, *resource.extended),
    )
    return same(wanted, actual, rules)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one property: `add`, `update` or `delete`, in place or by replacement."""

    kind: str
    replaces: bool


@dataclass(frozen=True, slots=True)
class Difference:
    changes: dict[str, Change]
    replaces: bool
    delete_first: bool


def difference(resource: Resource, old: Values, state: Values, new: Values) -> Difference:
    """What must happen to a resource so that it becomes what the program wants.

    Args:
        old: inputs as last kept; a refresh puts AWS's real values there.
        state: all properties as last known.
        new: checked inputs.
    """
    before = {name: state[name] for name in new if name in state} | old
    changes: dict[str, Change] = {}
    for name in sorted({*new, *before}):
        change = _change(resource, name, before, new)
        if change is not None:
            changes[name] = change
    broken = resource.broken is not None and resource.broken(state)
    replaces = broken or any(change.replaces for change in changes.values())
    collides = bool(resource.identity) and not any(name in changes for name in resource.identity)
    return Difference(changes, replaces, delete_first=replaces and collides)


def _change(resource: Resource, name: str, before: Values, new: Values) -> Change | None:
    replaces = name not in resource.updatable
    if name not in new:
        if name in resource.chosen or before[name] in EMPTY:
            return None
        return Change("delete", replaces)
    if new[name] is UNKNOWN:
        return Change("update" if name in before else "add", replaces)
    if name not in before:
        return None if new[name] in EMPTY else Change("add", replaces)
    if same_property(resource, name, new[name], before[name]):
        return None
    return Change("update", replaces or _moves_a_fixed_member(resource, name, before, new))


def _moves_a_fixed_member(resource: Resource, name: str, before: Values, new: Values) -> bool:
    return any(
        not same(new[name].get(member), before[name].get(member))
        for member in resource.fixed_members.get(name, ())
    )


UNCONFIRMED = "__unconfirmed"
"""Kept in the state, where the engine shows no name that begins like this: see `unconfirmed`."""


def _own(resource: Resource, name: str) -> bool:
    """Whether a property is not AWS's to show."""
    return name in (*resource.local, *resource.unread, "region", "tags")


def unconfirmed(resource: Resource, inputs: Values, actual: Values) -> list[str]:
    """The inputs that AWS did not show as they were just written.

    Emulated services leave things out and real ones reword them. A later refresh would take that
    for drift, so it leaves these properties alone.
    """
    return sorted(
        name
        for name, value in inputs.items()
        if not _own(resource, name)
        and not (is_empty(value) and is_empty(actual.get(name)))
        and not (name in actual and same_property(resource, name, value, actual[name]))
    )


def adopt(resource: Resource, old: Values, actual: Values, skipped: Collection[str]) -> Values:
    """The inputs that a refresh keeps: the program's own wording where AWS agrees with it.

    Args:
        skipped: the unconfirmed properties.
    """
    kept: Values = {}
    for name, value in old.items():
        if name in skipped or (_own(resource, name) and name != "tags"):
            kept[name] = value
        elif name in actual:
            agrees = same_property(resource, name, value, actual[name])
            kept[name] = value if agrees else actual[name]
        elif value in EMPTY:
            kept[name] = value
    return kept


def imported(resource: Resource, inputs: Mapping[str, str], actual: Values) -> Values:
    """The inputs of a resource that was not made by Pulumi."""
    return {
        name: value
        for name, value in actual.items()
        if name in inputs
        and name in resource.supported
        and (value not in EMPTY or name in resource.defaults)
    }
