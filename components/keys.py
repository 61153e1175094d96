"""Keys: one per site for its data, and one that both Regions share to seal backup secrets."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import Statement, document
from contract.objects import ObjectRole

KEPT_DAYS = 30
"""Waiting time of a key's deletion, the longest KMS allows."""
DNS_SUFFIX = {
    "aws": "amazonaws.com",
    "aws-us-gov": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
}
"""Of the principal of CloudWatch Logs; other services are called alike in all partitions."""
GOING_DAYS = 7
"""The shortest, for an installation that is being taken down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyArgs:
    """Where a key belongs."""

    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaArgs:
    """The copy of a multi-Region key.

    Args:
        place: the site that gets the copy.
        source_arn: the key that the `dr` stack made.
    """

    place: Place
    source_arn: pulumi.Input[str]


def account_statement(place: Place) -> Statement:
    """IAM policies decide; without this statement nobody could manage the key."""
    names = place.names
    root = f"arn:{names.partition}:iam::{names.account}:root"
    return Statement(("kms:*",), principals={"AWS": root})


def service_statements(place: Place) -> list[Statement]:
    """CloudWatch Logs encrypts log groups; alarms publish into encrypted topics."""
    names, region = place.names, place.region
    return [
        Statement(
            (
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncrypt*",
                "kms:GenerateDataKey*",
                "kms:Describe*",
            ),
            principals={"Service": f"logs.{region}.{DNS_SUFFIX[names.partition]}"},
            conditions={
                "ArnLike": {"kms:EncryptionContext:aws:logs:arn": names.arn("logs", region, "*")}
            },
        ),
        Statement(
            ("kms:Decrypt", "kms:GenerateDataKey"),
            principals={"Service": "cloudwatch.amazonaws.com"},
            conditions={"StringEquals": {"aws:SourceAccount": names.account}},
        ),
    ]


def _key(
    parent: Component,
    name: str,
    place: Place,
    *,
    description: str,
    alias: str,
    statements: list[Statement],
    role: ObjectRole,
    multi_region: bool | None = None,
) -> aws.kms.Key:
    """A key that turns itself over each year, and its alias."""
    key = aws.kms.Key(
        f"{name}-key",
        region=place.region,
        description=description,
        policy=document(statements),
        multi_region=multi_region,
        enable_key_rotation=True,
        deletion_window_in_days=KEPT_DAYS if place.keep else GOING_DAYS,
        tags=place.tags(role),
        opts=parent.child(),
    )
    aws.kms.Alias(
        f"{name}-alias",
        region=place.region,
        name=alias,
        target_key_id=key.key_id,
        opts=parent.child(),
    )
    return key


class DataKey(Component):
    """Encrypts a site's buckets, table, topic, logs and environment; never leaves its Region.

    Produces these resources: kms.Alias, kms.Key.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: KeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        key = _key(
            self,
            name,
            place,
            description=f"{place.settings.name} {place.site}: data",
            alias=place.names.data_alias(place.site),
            statements=[account_statement(place), *service_statements(place)],
            role=ObjectRole.DATA_KEY,
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


class SealKey(Component):
    """Seals the secrets in backups; multi-Region, so that DR opens what primary sealed.

    Produces these resources: kms.Alias, kms.Key.
    """

    arn: pulumi.Output[str]
    key_id: pulumi.Output[str]

    def __init__(
        self, name: str, args: KeyArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        key = _key(
            self,
            name,
            place,
            description=f"{place.settings.name}: seals backup secrets",
            alias=place.names.seal_alias(place.site),
            statements=[account_statement(place)],
            role=ObjectRole.SEAL_KEY,
            multi_region=True,
        )
        self.arn = key.arn
        self.key_id = key.key_id
        self.register_outputs({"arn": self.arn})


class SealReplica(Component):
    """The sealing key in the primary Region: sealing needs no other Region.

    Produces these resources: kms.Alias, kms.ReplicaKey.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ReplicaArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        self.arn = target = pulumi.Output.from_input(args.source_arn)
        # KMS refuses a replica beside its source: with both sites in one Region they share the key.
        if place.region != place.other.region:
            replica = aws.kms.ReplicaKey(
                f"{name}-key",
                region=place.region,
                primary_key_arn=args.source_arn,
                description=f"{place.settings.name}: seals backup secrets",
                policy=document([account_statement(place)]),
                deletion_window_in_days=KEPT_DAYS if place.keep else GOING_DAYS,
                tags=place.tags(ObjectRole.SEAL_KEY),
                opts=self.child(),
            )
            self.arn, target = replica.arn, replica.key_id
        aws.kms.Alias(
            f"{name}-alias",
            region=place.region,
            name=place.names.seal_alias(place.site),
            target_key_id=target,
            opts=self.child(),
        )
        self.register_outputs({"arn": self.arn})
