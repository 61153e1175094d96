"""What the catalog says of a resource type, and what its functions get to work with."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name

from local.pulumi.provider.clients import Client, Clients
from local.pulumi.provider.schema import ResourceSchema, Schema
from local.pulumi.provider.shapes import Shape
from local.pulumi.provider.wire import Value, Values

POLL_SECONDS = 0.5


class CancelledError(RuntimeError):
    """The user interrupted the operation."""


@dataclass(slots=True)
class Scope:
    """One operation on one resource.

    Args:
        region: of the resource; the provider's own for a global one.
        id: the resource's id, empty until it is created.
        state: all properties as the engine last knew them.
        changed: names of the inputs that an update must write.
        deadline: `time.monotonic()` at which waiting ends.
    """

    clients: Clients
    service: str
    schema: Schema
    resource: ResourceSchema
    region: str
    cancelled: threading.Event
    id: str = ""
    state: Values = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    deadline: float = float("inf")

    def client(self, service: str = "") -> Client:
        return self.clients.get(service or self.service, self.region)

    def call(self, operation: str, service: str = "", /, **arguments: Value) -> Values:
        """Call an AWS operation by its API name. A cancelled operation makes no further calls."""
        if self.cancelled.is_set():
            raise CancelledError("interrupted")
        return getattr(self.client(service), xform_name(operation))(**arguments)

    def input_shape(self, operation: str, service: str = "") -> Shape:
        return self.client(service).meta.service_model.operation_model(operation).input_shape

    @property
    def account(self) -> str:
        return self.clients.account(self.region)

    @property
    def partition(self) -> str:
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rsplit("-", 2)[0], "aws")

    def arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Poll until `done`.

        Raises:
            CancelledError: the user interrupted.
            TimeoutError: the operation's time is over.
        """
        while not done():
            if time.monotonic() > self.deadline:
                raise TimeoutError(
                    f"timed out while waiting for {what}; set custom_timeouts to wait longer"
                )
            if self.cancelled.wait(POLL_SECONDS):
                raise CancelledError(f"interrupted while waiting for {what}")


@dataclass(frozen=True, slots=True)
class Part:
    """Properties that one call writes, so that changing them is an update.

    Args:
        properties: the properties.
        write: carries the wanted values of these properties to AWS.
        created: the create call has written them already.
    """

    properties: tuple[str, ...]
    write: Callable[[Scope, Values], None]
    created: bool = False


@dataclass(frozen=True, slots=True)
class Naming:
    """A name that is made up when the program gives none: the Pulumi name and random digits.

    Args:
        property: the property that holds the name.
        limit: AWS's greatest length.
        prefix: what the name must start with.
        lower: AWS allows lower case only.
    """

    property: str = "name"
    limit: int = 64
    prefix: str = ""
    lower: bool = False


@dataclass(frozen=True, slots=True)
class Tagging:
    """How a resource's tags are read and written.

    Args:
        key: call parameter that names the resource; its value is made from the state by `value`.
        value: template over the resource's properties, such as `{arn}`.
        listing: the operation that lists the tags; empty when `read` gives them itself.
        write: the operation that sets tags.
        remove: the operation that takes tags away.
        answer: the tags within the answer of `listing`.
    """

    key: str = "ResourceArn"
    value: str = "{arn}"
    listing: str = "ListTagsForResource"
    write: str = "TagResource"
    remove: str = "UntagResource"
    answer: str = "Tags"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource type. A property in neither `fixed`, `parts` nor `local` is refused.

    Args:
        type: its Pulumi token.
        service: the boto3 client.
        create: makes it and returns its id; gets all inputs.
        read: its real properties, or None (or AWS's "not found") when it does not exist.
        delete: removes it.
        fixed: properties that only a replacement can change.
        fixed_members: members of updatable properties that only a replacement can change.
        parts: properties that an update can change.
        refused: nested properties (dotted) that cannot be carried to AWS.
        local: settings of this provider's own behaviour, never sent and never read back.
        unread: properties that AWS does not give back.
        defaults: what AWS or pulumi-aws assumes, filled in so that it shows in a preview. A
            dotted name fills a member of an object that is given.
        chosen: AWS chooses these, or members of these, when they are not given; what the program
            does not say is then no difference.
        extended: objects to which AWS adds members of its own.
        json: properties that are the same when their JSON is.
        ordered: lists in which the order counts.
        naming: how a missing name is made up.
        identity: properties under which only one can exist: a replacement that keeps them must
            delete the old one first.
        tagging: how it is tagged, if it can be.
        tagged: it is tagged by one of its parts.
        ready: waits after create and update until it can be used.
        volatile: outputs that an update may change.
        broken: whether the last known state can only be replaced.
        minutes: greatest time of an operation without custom time-outs.
    """

    type: str
    service: str
    create: Callable[[Scope, Values], str]
    read: Callable[[Scope], Values | None]
    delete: Callable[[Scope], None]
    fixed: tuple[str, ...] = ()
    fixed_members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    refused: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    chosen: tuple[str, ...] = ()
    extended: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    ordered: tuple[str, ...] = ()
    naming: Naming | None = None
    identity: tuple[str, ...] = ()
    tagging: Tagging | None = None
    tagged: bool = False
    ready: Callable[[Scope], None] | None = None
    volatile: tuple[str, ...] = ()
    broken: Callable[[Values], bool] | None = None
    minutes: float = 20

    @property
    def updatable(self) -> frozenset[str]:
        names = {name for part in self.parts for name in part.properties}
        if self.has_tags:
            names |= {"tags", "tagsAll"}
        return frozenset(names | set(self.local))

    @property
    def has_tags(self) -> bool:
        return self.tagged or self.tagging is not None

    @property
    def supported(self) -> frozenset[str]:
        return self.updatable | set(self.fixed) | {"region"}
