"""Tags, which every AWS service spells in its own way."""

from typing import Any

from local.pulumi.provider.model import Scope, Tagging
from local.pulumi.provider.shapes import PAIRS, to_aws
from local.pulumi.provider.wire import Value, Values

RESERVED = "aws:"
"""Tags that AWS sets itself."""


def to_map(listed: Value) -> dict[str, str]:
    """Tags as AWS gives them, as a map without AWS's own."""
    if isinstance(listed, list):
        pair = next((p for p in PAIRS if listed and p[0] in listed[0]), PAIRS[0])
        listed = {item[pair[0]]: item[pair[1]] for item in listed}
    return {k: v for k, v in sorted((listed or {}).items()) if not k.startswith(RESERVED)}


def at_creation(scope: Scope, operation: str, values: Values) -> dict[str, Any]:
    """The `Tags` parameter of a create call, if it takes one and there are tags."""
    tags = values.get("tagsAll")
    shape = scope.input_shape(operation)
    member = next((name for name in shape.members if name.lower() == "tags"), None)
    return {member: to_aws(shape.members[member], tags, {})} if member and tags else {}


def _key(tagging: Tagging, state: Values) -> dict[str, Any]:
    value = tagging.value.format_map(state)
    return {tagging.key: [value] if tagging.key == "Resources" else value}


def read(scope: Scope, tagging: Tagging, state: Values) -> dict[str, str]:
    answer = scope.call(tagging.listing, **_key(tagging, state))
    return to_map(answer.get(tagging.answer))


def write(scope: Scope, tagging: Tagging, wanted: dict[str, str]) -> None:
    """Make AWS's tags the wanted ones."""
    state = {**scope.state, "id": scope.id}
    before = state.get("tagsAll") or {}
    gone = sorted(set(before) - set(wanted))
    if gone:
        shape = scope.input_shape(tagging.remove)
        member = next(n for n in shape.members if n.lower() in ("tagkeys", "tags"))
        pairs = shape.members[member].member.type_name == "structure"
        keys = [{"Key": key} for key in gone] if pairs else gone
        scope.call(tagging.remove, **_key(tagging, state), **{member: keys})
    if wanted:
        shape = scope.input_shape(tagging.write)
        member = next(n for n in shape.members if n.lower() == "tags")
        value = to_aws(shape.members[member], wanted, {})
        scope.call(tagging.write, **_key(tagging, state), **{member: value})
