"""IAM: statements as data, and a role of a service with one inline policy per concern."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from contract.objects import ObjectRole

KEY_READ = ("kms:Decrypt",)
KEY_WRITE = (*KEY_READ, "kms:GenerateDataKey")
"""A reader and a writer of encrypted objects; a multipart upload decrypts as well."""
KEY_SERVICE = (*KEY_WRITE, "kms:DescribeKey", "kms:Encrypt")
"""What MWAA documents for an execution role (user guide, "Customer managed keys")."""
KEY_TABLE = (*KEY_SERVICE, "kms:ReEncryptFrom", "kms:ReEncryptTo")
"""What DynamoDB documents for who uses a table ("Encryption at rest", authorizing a key)."""

Conditions = Mapping[str, Mapping[str, pulumi.Input[Any]]]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy.

    Args:
        actions: what is allowed.
        resources: ARNs.
        conditions: by operator, then by key.
        principals: by kind (`Service`, `AWS`); only in resource policies.
        effect: `Allow` or `Deny`.
    """

    actions: tuple[str, ...]
    resources: tuple[pulumi.Input[str], ...] = ("*",)
    conditions: Conditions = field(default_factory=dict)
    principals: Mapping[str, str | list[str]] | str = ""
    effect: str = "Allow"

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"Effect": self.effect, "Action": list(self.actions)}
        if self.principals:
            body["Principal"] = self.principals
        if self.resources:
            body["Resource"] = list(self.resources)
        if self.conditions:
            body["Condition"] = self.conditions
        return body


def document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """A policy document."""
    return pulumi.Output.json_dumps(
        {"Version": "2012-10-17", "Statement": [one.to_dict() for one in statements]}
    )


def by_alias(place: Place, alias: str) -> tuple[str, Conditions]:
    """Resource and condition that mean the key behind `alias` in a Region one must not ask.

    The `dr` stack never calls the primary Region, so it cannot know the key's id there.
    """
    return (
        place.names.arn("kms", place.region, "key/*"),
        {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleArgs:
    """A role that AWS services assume.

    Args:
        place: the site it belongs to.
        purpose: the end of its name.
        role: what it is for.
        services: who assumes it.
        policies: statements by concern; those that need an ARN that is unknown before the first
            update stand apart, so that policies can judge the others in the preview.
        confused_deputy: only for this account; not every service sends its account.
        managed: ARNs of managed policies.
    """

    place: Place
    purpose: str
    role: ObjectRole
    services: tuple[str, ...]
    policies: Mapping[str, Sequence[Statement]]
    confused_deputy: bool = True
    managed: tuple[str, ...] = ()


class ServiceRole(Component):
    """A role, an inline policy per concern, and attachments.

    Produces these resources: iam.Role, iam.RolePolicy, iam.RolePolicyAttachment.
    """

    arn: pulumi.Output[str]
    name: pulumi.Output[str]

    def __init__(
        self, name: str, args: RoleArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        conditions = {"StringEquals": {"aws:SourceAccount": place.settings.account}}
        trust = Statement(
            ("sts:AssumeRole",),
            resources=(),
            principals={"Service": list(args.services)},
            conditions=conditions if args.confused_deputy else {},
        )
        role = aws.iam.Role(
            f"{name}-role",
            name=place.names.role(place.site, args.purpose),
            description=f"{place.settings.name} {place.site}: {args.purpose}",
            assume_role_policy=document([trust]),
            permissions_boundary=place.settings.permissions_boundary,
            tags=place.tags(args.role),
            opts=self.child(),
        )
        for concern, statements in args.policies.items():
            if statements:
                aws.iam.RolePolicy(
                    f"{name}-{concern}",
                    name=concern,
                    role=role.name,
                    policy=document(statements),
                    opts=self.child(),
                )
        for index, arn in enumerate(args.managed):
            aws.iam.RolePolicyAttachment(
                f"{name}-managed-{index}", role=role.name, policy_arn=arn, opts=self.child()
            )
        self.arn = role.arn
        self.name = role.name
        self.register_outputs({"arn": self.arn})
