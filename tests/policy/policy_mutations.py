"""Every way to lose one thing of our own stacks: a resource, its protection, one property."""

import copy
import json
import re
from dataclasses import dataclass, replace

from policy_judge import judge_resources
from policy_own import own_stack

from mwaa_dr_policy import sources

PROTECTION = "(protect)"
REMOVED = "(removed)"
_INDEX = re.compile(r"\.\d+(?=\.|$)")


@dataclass(frozen=True)
class Loss:
    """One change.

    Args:
        stack: whose.
        kind: type token of the resource.
        name: its logical name.
        path: what was changed, list indices as `[]`; `REMOVED` or `PROTECTION` for the resource.
        rules: the rules that object.
    """

    stack: str
    kind: str
    name: str
    path: str
    rules: frozenset[str]


def losses(stack, *, of_every=False):
    """Every loss of a stack, with the other stack at hand.

    Args:
        of_every: whether each resource has each of its properties broken; else one of those that
            no rule can tell apart.
    """
    states = own_stack(stack)
    resources = sources.of_states(states)
    others = sources.of_states(own_stack("primary" if stack == "dr" else "dr"))

    usual = judge_resources(resources, others, {})
    assert usual == ({}, {})

    def objections(changed, one=None):
        """Rules that object, or that say in a note what they cannot decide any more."""
        for first, second in ((changed, others), (others, changed)):
            violations, notes = judge_resources(first, second, {}, only=one)
            if violations or notes:
                return frozenset(violations) | frozenset(f"{rule} (note)" for rule in notes)
        return frozenset()

    shapes = set()
    for index, (state, resource) in enumerate(zip(states, resources, strict=True)):
        before, after = resources[:index], resources[index + 1 :]
        found = {REMOVED: objections([*before, *after])}
        if resource.protect:
            unprotected = replace(resource, protect=False)
            found[PROTECTION] = objections([*before, unprotected, *after], unprotected)
        shape = _shape(state, resource.name)
        if shape in shapes and not of_every:
            yield from (Loss(stack, state["type"], resource.name, *item) for item in found.items())
            continue
        shapes.add(shape)
        for place, inputs in _variants(state["inputs"]):
            path = _INDEX.sub("[]", place)
            if found.setdefault(path, frozenset()):
                continue
            outputs = _outputs(state, inputs)
            [changed] = sources.of_states([{**state, "inputs": inputs, "outputs": outputs}])
            found[path] |= objections([*before, changed, *after], changed)
        yield from (Loss(stack, state["type"], resource.name, *item) for item in found.items())


_EACH = re.compile(r"aws:(iam/role|iam/rolePolicy|s3/bucket):")
"""Types of which each is judged by what it is for: rights, and what a bucket holds."""


def _shape(state, name):
    """What resources have in common that rules judge alike.

    Alarms differ by what they watch, uploads by their folder, roles and buckets by their purpose.
    Which comes first is the engine's choice: of others any one must do.
    """
    inputs = state["inputs"]
    watched = (inputs.get("namespace"), inputs.get("metricName"), inputs.get("threshold"))
    folder = inputs.get("key", "").rpartition("/")[0]
    own = name if _EACH.match(state["type"]) else ""
    return (state["type"], own, watched, folder, frozenset(path for path, _ in _leaves(inputs, "")))


def _outputs(state, inputs):
    """What the provider made of other inputs: those, and what it computed before."""
    computed = {k: v for k, v in state["outputs"].items() if k not in state["inputs"]}
    return {**inputs, **computed}


def _variants(inputs):
    """Pairs of a path and the inputs with that property deleted or changed."""
    for path, value in list(_leaves(inputs, "")):
        for worse in _worse(value):
            changed = copy.deepcopy(inputs)
            _put(changed, path.split("."), worse)
            yield path, changed


GONE = object()


OPPOSITES = {
    "Enabled": "Disabled",
    "ENABLED": "DISABLED",
    "ALL": "OFF",
    "breaching": "notBreaching",
    "LessThanThreshold": "GreaterThanThreshold",
    "GreaterThanThreshold": "LessThanThreshold",
    "GreaterThanOrEqualToThreshold": "LessThanThreshold",
}


def _worse(value):
    yield GONE
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield type(value)(0)
        yield type(value)(1)
        yield type(value)(1_000_000)
    elif isinstance(value, str) and value.startswith("{"):
        yield json.dumps({"Version": "2012-10-17", "Statement": []})
    elif isinstance(value, str):
        elsewhere = "us-gov-west-1" if re.fullmatch(r"[a-z]+-[a-z]+-\d", value) else "other"
        yield OPPOSITES.get(value, elsewhere)


def _leaves(value, path):
    if isinstance(value, dict) and not _is_asset(value):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{_escaped(key)}".lstrip("."))
        return
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
        return
    yield path, value


def _is_asset(value):
    return any(key in value for key in ("4dabf18193072939515e22adb298388d",))


def _escaped(key):
    return key.replace(".", "~")


def _put(container, keys, value):
    *parents, last = [int(k) if k.isdigit() else k.replace("~", ".") for k in keys]
    for key in parents:
        container = container[key]
    if value is GONE:
        del container[last]
    else:
        container[last] = value
