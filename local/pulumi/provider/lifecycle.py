"""Creating, reading, updating and deleting one resource, the same for all types."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local.pulumi.provider import tags
from local.pulumi.provider.clients import is_missing
from local.pulumi.provider.compare import UNCONFIRMED, same_property, unconfirmed
from local.pulumi.provider.model import Resource, Scope
from local.pulumi.provider.wire import UNKNOWN, Values


@dataclass
class IncompleteError(Exception):
    """The resource exists, but making it ready failed: Pulumi keeps it and tries again.

    Args:
        id: its id.
        properties: what is known of it; inputs that were not written are left out.
        cause: what went wrong.
    """

    id: str
    properties: Values
    cause: BaseException


def create(resource: Resource, scope: Scope, inputs: Values) -> Values:
    """Make the resource and return its properties; the id is in `scope`.

    Raises:
        IncompleteError: it was made, and a later step failed.
    """
    scope.id = resource.create(scope, inputs)
    scope.state = {**inputs, "tagsAll": inputs.get("tagsAll", {})}
    written = {
        name: value
        for name, value in inputs.items()
        if not any(name in part.properties for part in resource.parts if not part.created)
    }
    try:
        for part in resource.parts:
            wanted = {name: inputs[name] for name in part.properties if name in inputs}
            if wanted and not part.created:
                scope.changed = frozenset(wanted)
                part.write(scope, inputs)
                written |= wanted
        return _settle(resource, scope, inputs)
    except BaseException as error:
        raise IncompleteError(scope.id, _known(resource, scope, written), error) from error


def update(resource: Resource, scope: Scope, old: Values, new: Values) -> Values:
    """Write what changed, or what an earlier attempt left unwritten.

    Raises:
        IncompleteError: a step failed; earlier ones hold.
    """
    changed = {
        name
        for name in {*old, *new}
        if name not in old
        or name not in new
        or (name in new and name not in scope.state)
        or not same_property(resource, name, new[name], old[name])
    }
    scope.changed = frozenset(changed)
    try:
        for part in resource.parts:
            if changed.intersection(part.properties):
                part.write(scope, new)
        if resource.tagging and "tagsAll" in changed:
            tags.write(scope, resource.tagging, new.get("tagsAll", {}))
        return _settle(resource, scope, new)
    except BaseException as error:
        raise IncompleteError(scope.id, _known(resource, scope, scope.state), error) from error


def _settle(resource: Resource, scope: Scope, inputs: Values) -> Values:
    if resource.ready:
        resource.ready(scope)
    actual = read(resource, scope)
    if actual is None:
        raise RuntimeError(f"AWS does not show {resource.type} {scope.id!r} after writing it")
    return {
        **worded(resource, inputs, actual),
        UNCONFIRMED: unconfirmed(resource, inputs, actual),
    }


def _known(resource: Resource, scope: Scope, written: Values) -> Values:
    """What can be said of a resource that is not complete."""
    with contextlib.suppress(Exception):
        actual = read(resource, scope)
        if actual is not None:
            unwritten = {name for name in resource.updatable if name not in written}
            return {k: v for k, v in {**actual, **written}.items() if k not in unwritten}
    return dict(written)


def worded(resource: Resource, inputs: Mapping[str, Any], actual: Values) -> Values:
    """AWS's properties, in the program's wording where both agree."""
    result = {**inputs, **actual}
    for name, value in inputs.items():
        if (
            name in resource.local
            or name in resource.unread
            or (name in actual and same_property(resource, name, value, actual[name]))
        ):
            result[name] = value
    return result


def read(resource: Resource, scope: Scope) -> Values | None:
    """The resource's real properties, or None when it does not exist."""
    try:
        actual = resource.read(scope)
        if actual is None:
            return None
        if "region" in scope.resource.inputs.types:
            actual["region"] = scope.region
        if resource.tagging:
            if resource.tagging.listing:
                known = {**actual, "id": scope.id}
                actual["tagsAll"] = tags.read(scope, resource.tagging, known)
            actual.setdefault("tagsAll", {})
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    return actual


def delete(resource: Resource, scope: Scope) -> None:
    """Remove the resource; one that is gone already is no error."""
    try:
        resource.delete(scope)
    except ClientError as error:
        if not is_missing(error):
            raise


def foreseen(resource: Resource, scope: Scope, inputs: Values) -> Values:
    """The properties in a preview: outputs that AWS will decide are unknown.

    For an update, `scope.state` has the last known ones and only the volatile ones are unknown.
    """
    outputs = scope.resource.outputs.types
    if scope.id:
        return {**scope.state, **inputs, **dict.fromkeys(resource.volatile, UNKNOWN)}
    return {**dict.fromkeys(outputs, UNKNOWN), **inputs}
