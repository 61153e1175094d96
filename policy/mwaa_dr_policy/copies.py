"""Which replication rules carry what from which bucket to which: helpers of several rules."""

from collections.abc import Iterator
from typing import Any

from contract.keys import BACKUPS
from contract.objects import ObjectRole
from contract.sites import Site
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import BUCKET_REPLICATION
from mwaa_dr_policy.options import OTHER_STACK
from mwaa_dr_policy.subjects import is_at, is_for
from mwaa_dr_policy.values import UndecidedError, any_of, items, peek, read

_CONTENT = {ObjectRole.BACKUPS: BACKUPS, ObjectRole.DAGS: "dags/"}
"""Below which prefix lies what a bucket is there for."""


def enabled_rules(config: Resource) -> list[Any]:
    return [rule for rule in items(config.props, "rules") if read(rule, "status") == "Enabled"]


def name_of(rule: Any) -> str:  # noqa: ANN401
    return f"replication rule {read(rule, 'id') or 'without an id'}"


def _covers(rule: Any, bucket: Resource) -> bool:  # noqa: ANN401
    """Whether the rule's prefix leaves room for what the bucket is there for."""
    paths = ("filter.prefix", "filter.and.prefix", "prefix")
    prefix = next((found for path in paths if (found := read(rule, path))), "")
    content = next((place for role, place in _CONTENT.items() if is_for(bucket, role)), "")
    return content.startswith(prefix) or prefix.startswith(content)


def copies_to(config: Resource, bucket: Resource, stack: Stack) -> bool:
    """Whether an enabled rule of `config` writes what `bucket` is there for."""
    return any_of(
        enabled_rules(config),
        lambda rule: (
            stack.mentions(config, "rules", peek(rule, "destination.bucket"), bucket)
            and _covers(rule, bucket)
        ),
    )


def copies_from(config: Resource, bucket: Resource, stack: Stack) -> bool:
    """Whether an enabled rule of `config` reads what `bucket` is there for."""
    return stack.refers(config, "bucket", bucket) and any_of(
        enabled_rules(config), lambda rule: _covers(rule, bucket)
    )


def leave(bucket: Resource, stack: Stack) -> bool:
    """Whether a rule copies it to another bucket."""
    return any_of(
        items(bucket.props, "replicationConfiguration.rules"),
        lambda rule: read(rule, "status") == "Enabled",
    ) or any_of(stack.of(BUCKET_REPLICATION), lambda one: copies_from(one, bucket, stack))


def arrive(bucket: Resource, stack: Stack) -> bool:
    """Whether a rule copies another bucket to it."""
    return any_of(stack.of(BUCKET_REPLICATION), lambda one: copies_to(one, bucket, stack))


def rules_from(bucket: Resource, stack: Stack) -> Iterator[Any]:
    """The enabled rules that read `bucket`."""
    for config in stack.of(BUCKET_REPLICATION):
        if stack.refers(config, "bucket", bucket):
            yield from enabled_rules(config)


def refuse_without_other_stack(bucket: Resource, stack: Stack) -> None:
    """Raises UndecidedError for a DR bucket while the primary stack is not at hand."""
    if not stack.other_given and is_at(bucket, Site.DR):
        raise UndecidedError(
            "the stack of the primary Region declares its replication; give that stack's export "
            f"as `{OTHER_STACK.key}`"
        )
