"""The resources of a program and how they refer to each other, free of any engine."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mwaa_dr_policy.values import UndecidedError, Unknown, any_of, both, known, read

NAME_PROPERTIES = ("bucket", "name", "id")
"""Where a resource type keeps its physical name, by precedence."""

_IDS = ("keyId",)
"""Other properties by which resources of some types are named."""

_DEPTH = 4
"""How many resources a reference may pass through, as `versioning.bucket` for `bucket.bucket`."""


def arn_region(arn: str) -> str:
    """The Region in an ARN; empty for a global resource or for no ARN."""
    parts = arn.split(":", 5)
    return parts[3] if len(parts) == 6 else ""  # noqa: PLR2004


def arn_name(arn: str) -> str:
    """The last part of an ARN's resource: the physical name."""
    return re.split(r"[:/]", arn)[-1]


@dataclass(frozen=True, slots=True, eq=False)
class Resource:
    """One resource of a program.

    Args:
        type: Pulumi type token.
        name: logical name.
        props: camelCase; inputs for rules of one resource, outputs for rules of a stack. What is
            not known yet is an `Unknown`.
        protect: the Pulumi option.
        provider_region: Region of its provider; None if the provider is not known either.
        links: by property, the URNs of the resources that its value comes from.
    """

    type: str
    name: str
    urn: str
    props: Mapping[str, Any]
    protect: bool = False
    provider_region: str | Unknown | None = None
    links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def get(self, path: str) -> Any:  # noqa: ANN401
        return read(self.props, path)

    def tag(self, key: str) -> str | None:
        """A tag's value, default tags of the provider included (`tagsAll`)."""
        sources = [self.props.get("tags"), self.props.get("tagsAll")]
        for source in sources:
            if isinstance(source, Mapping) and key in source:
                return known(source[key])
        for source in sources:
            known(source)
        return None

    @property
    def region(self) -> str:
        """Raises UndecidedError if neither the resource nor its provider names a Region."""
        region = self.get("region") or known(self.provider_region)
        if not region:
            region = arn_region(self.get("arn") or "")
        if not region:
            raise UndecidedError(f"the Region of {self.name} is not known; give it `region`")
        return region

    @property
    def physical_name(self) -> str:
        for key in NAME_PROPERTIES:
            if key in self.props:
                return known(self.props[key])
        raise UndecidedError(f"the physical name of {self.name} is not known yet")

    def _names(self) -> list[Any]:
        """What it may be called by: its name, or the id that AWS gives it."""
        found = [self.props[key] for key in (*NAME_PROPERTIES, *_IDS) if key in self.props]
        return found or [Unknown(f"the physical name of {self.name} is not known yet")]

    def is_called(self, reference: str) -> bool:
        """Whether `reference` (a name or an ARN) means this resource."""
        if not reference.startswith("arn:"):
            return any_of(self._names(), lambda name: known(name) == reference)
        own = self.props.get("arn")
        if isinstance(own, str):
            return reference == own
        if arn_name(reference) != self.physical_name:
            return False
        region = arn_region(reference)
        return not region or region == self.region


class Stack:
    """The resources of one program and, if given, of the program for the other Region.

    Args:
        own: what is judged.
        other: what `own` may refer to besides; None when the other program is not at hand.
    """

    def __init__(self, own: Iterable[Resource], other: Iterable[Resource] | None = None) -> None:
        self.own = tuple(own)
        self.other_given = other is not None
        self.all = self.own + tuple(other or ())
        self._by_urn = {resource.urn: resource for resource in self.all}

    def of(self, *types: str) -> list[Resource]:
        return [resource for resource in self.all if resource.type in types]

    def refers(self, holder: Resource, path: str, target: Resource) -> bool:
        """Whether the property at `path` of `holder` names `target`.

        Where the value is unknown, the resources it comes from decide. They do too where it is
        known: an engine that has made a resource keeps its id apart from its properties.
        """
        try:
            value = holder.get(path)
        except UndecidedError:
            return self._comes_from(holder, path, target)
        if not isinstance(value, str):
            return False
        prop = path.split(".", 1)[0]
        return self._sources(holder, prop, target.type, _DEPTH) == {target.urn} or (
            target.is_called(value)
        )

    def mentions(self, holder: Resource, prop: str, value: Any, target: Resource) -> bool:  # noqa: ANN401
        """As `refers`, for a `value` somewhere inside the top-level property `prop`."""
        if not isinstance(value, Unknown):
            return isinstance(value, str) and target.is_called(value)
        return self._comes_from(holder, prop, target)

    def _comes_from(self, holder: Resource, path: str, target: Resource) -> bool:
        prop = path.split(".", 1)[0]
        sources = self._sources(holder, prop, target.type, _DEPTH)
        if sources == {target.urn}:
            return True
        if sources and target.urn not in sources:
            return False
        raise UndecidedError(f"{path} of {holder.name} is not known yet")

    def _sources(self, holder: Resource, prop: str, kind: str, depth: int) -> set[str]:
        """URNs of the resources of type `kind` that the property's value comes from."""
        found: set[str] = set()
        for urn in holder.links.get(prop, ()):
            source = self._by_urn.get(urn)
            if source is None:
                continue
            if source.type == kind:
                found.add(urn)
            elif depth > 1:
                found |= self._sources(source, prop, kind, depth - 1)
        return found

    def attached(self, kind: str, prop: str, target: Resource) -> list[Resource]:
        """The resources of type `kind` whose `prop` names, or may name, `target`.

        One in another Region is none: AWS looks for what it names in its own Region. A reference
        that cannot be decided is kept as a resource without known properties, so that asking it
        anything is undecided and not wrong.
        """
        found: list[Resource] = []
        for holder in self.of(kind):
            try:
                if self._is_attached(holder, prop, target):
                    found.append(holder)
            except UndecidedError as error:
                found.append(_undecided(holder, str(error)))
        return found

    def has_attached(self, kind: str, prop: str, target: Resource) -> bool:
        """Whether there is one that is `attached`, whatever its properties are."""
        return any_of(self.of(kind), lambda holder: self._is_attached(holder, prop, target))

    def _is_attached(self, holder: Resource, prop: str, target: Resource) -> bool:
        return both(
            lambda: not self._are_apart(holder, target),
            lambda: self.refers(holder, prop, target),
        )

    def _are_apart(self, holder: Resource, target: Resource) -> bool:
        """Whether both name their Regions, and these differ."""
        regions = [place.props.get("region") for place in (holder, target)]
        if any(region is None for region in regions):
            return False
        if any(isinstance(region, Unknown) for region in regions):
            named, meant = (set(place.links.get("region", ())) for place in (holder, target))
            if target.urn in named or (named and named == meant):
                return False
        return known(regions[0]) != known(regions[1])

    def is_declared(self, holder: Resource, path: str, kind: str) -> bool:
        """Whether what the property names is a resource at hand."""
        return any_of(self.of(kind), lambda target: self.refers(holder, path, target))


class _Undecided(Mapping[str, Any]):
    """Properties of a resource of which it is not known whether it is the one meant."""

    def __init__(self, keys: Iterable[str], why: str) -> None:
        self._keys = tuple(keys)
        self._why = why

    def __getitem__(self, key: str) -> Unknown:
        return Unknown(self._why)

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self):  # noqa: ANN204
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _undecided(holder: Resource, why: str) -> Resource:
    return Resource(holder.type, holder.name, holder.urn, _Undecided(holder.props, why))
