"""The regular ways of making, reading, changing and deleting a resource: operations by their names.

They are objects, not functions, so that tests can hold them against AWS's models. Keys such as
`{"Name": "{id}"}` are templates over the resource's properties and its id.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from local.pulumi.provider import tags
from local.pulumi.provider.model import Part, Resource, Scope
from local.pulumi.provider.shapes import from_aws, parameters
from local.pulumi.provider.wire import Value, Values

Names = Mapping[str, str]
Keys = Mapping[str, Value]
Adapt = Callable[[Scope, Values], Values]
"""Makes further call parameters, or other ones, from the properties."""
BEFORE_AWS = frozenset({"tags", "tagsAll", "region"})
"""Properties that are no parameters: tags are spelled per service, the Region is the client's."""


def _unchanged(values: Values) -> Values:
    return values


def _nothing(_: Scope, __: Values) -> Values:
    return {}


def _as_read(_: Scope, values: Values, __: Value) -> Values:
    return values


def _fill(keys: Keys, scope: Scope, values: Values) -> Values:
    known = {**scope.state, **values, "id": scope.id}

    def one(value: Value) -> Value:
        if isinstance(value, str):
            return value.format_map(known)
        return [one(item) for item in value] if isinstance(value, list) else value

    return {name: one(value) for name, value in keys.items()}


def dig(answer: Value, path: str) -> Value:
    """The member at a dotted path; a list on the way gives its first item, an empty one None."""
    for step in path.split(".") if path else ():
        if isinstance(answer, list):
            answer = answer[0] if answer else None
        answer = answer.get(step) if isinstance(answer, Mapping) else None
    return (answer[0] if answer else None) if isinstance(answer, list) else answer


def properties(scope: Scope, answer: Mapping[str, Value], names: Names) -> Values:
    """All inputs and outputs that an AWS structure holds."""
    known = from_aws(scope.schema, scope.resource.outputs, answer, names)
    known |= from_aws(scope.schema, scope.resource.inputs, answer, names)
    if "tagsAll" in known or "tags" in known:
        listed = next((v for k, v in answer.items() if k.lower() == "tags"), {})
        known.pop("tags", None)
        known["tagsAll"] = tags.to_map(listed)
    return known


@dataclass(frozen=True, slots=True)
class Creates:
    """Call an operation with all properties it takes.

    Args:
        identity: the new id: a dotted path into the answer when it starts with `.`, else a
            template, or a function of the properties.
        before: rearranges the properties first.
        adapt: parameters that are added last.
    """

    operation: str
    identity: str | Callable[[Values], str]
    names: Names = field(default_factory=dict)
    keys: Keys = field(default_factory=dict)
    adapt: Adapt = _nothing
    before: Callable[[Values], Values] = _unchanged

    def __call__(self, scope: Scope, values: Values) -> str:
        wanted = self.before({k: v for k, v in values.items() if k not in BEFORE_AWS})
        arguments = parameters(scope.input_shape(self.operation), wanted, self.names)
        arguments |= tags.at_creation(scope, self.operation, values)
        arguments |= _fill(self.keys, scope, values) | self.adapt(scope, values)
        answer = scope.call(self.operation, **arguments)
        if callable(self.identity):
            return self.identity(values)
        if self.identity.startswith("."):
            return str(dig(answer, self.identity[1:]))
        return self.identity.format_map(values)


@dataclass(frozen=True, slots=True)
class Reads:
    """Call an operation and turn the object at a dotted path into properties.

    Args:
        at: the path.
        after: what to add to the properties; gets them and AWS's object.
    """

    operation: str
    keys: Keys
    at: str = ""
    names: Names = field(default_factory=dict)
    after: Callable[[Scope, Values, Value], Values] = _as_read

    def __call__(self, scope: Scope) -> Values | None:
        answer = dig(scope.call(self.operation, **_fill(self.keys, scope, {})), self.at)
        if not answer:
            return None
        values = properties(scope, answer, self.names)
        return {**values, **self.after(scope, values, answer)}


@dataclass(frozen=True, slots=True)
class Updates:
    """Call an operation with the properties it takes.

    Args:
        only: send these alone; empty for all.
        changed_only: send only what changed, for operations that keep the rest.
        cleared: what to send for a property that the program no longer gives.
    """

    operation: str
    keys: Keys
    names: Names = field(default_factory=dict)
    only: tuple[str, ...] = ()
    changed_only: bool = False
    cleared: Mapping[str, Value] = field(default_factory=dict)
    adapt: Adapt = _nothing
    before: Callable[[Values], Values] = _unchanged

    def __call__(self, scope: Scope, values: Values) -> None:
        removed = {k: v for k, v in self.cleared.items() if k not in values}
        wanted = {k: v for k, v in {**removed, **values}.items() if self._sends(scope, k)}
        shape = scope.input_shape(self.operation)
        arguments = parameters(shape, self.before(wanted), self.names)
        arguments |= _fill(self.keys, scope, values) | self.adapt(scope, values)
        scope.call(self.operation, **arguments)

    def _sends(self, scope: Scope, name: str) -> bool:
        if name in BEFORE_AWS or (self.only and name not in self.only):
            return False
        return name in scope.changed or not self.changed_only


@dataclass(frozen=True, slots=True)
class Deletes:
    """Call an operation with these keys."""

    operation: str
    keys: Keys

    def __call__(self, scope: Scope) -> None:
        scope.call(self.operation, **_fill(self.keys, scope, {}))


def put(
    type: str,
    service: str,
    operation: str,
    *,
    identity: str | Callable[[Values], str],
    key: tuple[str, ...],
    body: tuple[str, ...],
    read: Callable[[Scope], Values | None],
    delete: Callable[[Scope], None],
    names: Names | None = None,
    keys: Keys | None = None,
    adapt: Adapt = _nothing,
    before: Callable[[Values], Values] = _unchanged,
    **more: Value,
) -> Resource:
    """A resource that one operation both makes and overwrites.

    Args:
        key: properties that say which one it is.
        body: properties that the operation overwrites.
    """
    both = {"names": names or {}, "keys": keys or {}, "adapt": adapt, "before": before}
    return Resource(
        type=type,
        service=service,
        create=Creates(operation, identity, **both),
        parts=(Part(body, Updates(operation, **both), created=True),),
        read=read,
        delete=delete,
        fixed=key,
        identity=key,
        **more,
    )
