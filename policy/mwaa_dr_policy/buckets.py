"""Buckets that hold backups or code: each must outlive mistakes, thieves and its own program."""

import json
from collections.abc import Iterator
from typing import Any

from mwaa_dr_policy import documents
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import (
    BUCKET,
    BUCKET_ENCRYPTION,
    BUCKET_OWNERSHIP,
    BUCKET_POLICY,
    BUCKET_PUBLIC_ACCESS,
    BUCKET_VERSIONING,
    ENVIRONMENT,
)
from mwaa_dr_policy.options import BACKUP_BUCKETS, BUCKETS
from mwaa_dr_policy.rule import Level, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_backup_bucket, is_precious
from mwaa_dr_policy.values import Unknown, all_of, any_of, either, is_given, items, peek, read

_PRECIOUS = (BUCKET, ENVIRONMENT)
"""The environment too: its bucket may be declared elsewhere, which must not pass unseen."""


def _unversioned(bucket: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    enabled = either(
        lambda: any_of(
            stack.attached(BUCKET_VERSIONING, "bucket", bucket),
            lambda versioning: versioning.get("versioningConfiguration.status") == "Enabled",
        ),
        lambda: bucket.get("versioning.enabled") is True,
    )
    if not enabled:
        yield "versioning is not enabled"


BUCKET_VERSIONED = StackRule(
    name="mwaa-dr-bucket-versioned",
    description="Backup and DAG buckets keep every version of an object.",
    why=(
        "S3 replicates only versioned buckets, MWAA refuses a DAG bucket without versions, and "
        "an object overwritten by mistake would be lost."
    ),
    remedy="Add a BucketVersioning with status Enabled for this bucket.",
    severity=Severity.CRITICAL,
    types=_PRECIOUS,
    options=BUCKETS,
    applies=is_precious,
    check=_unversioned,
)


def _unencrypted(bucket: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    encrypted = either(
        lambda: any_of(
            stack.attached(BUCKET_ENCRYPTION, "bucket", bucket),
            lambda settings: any_of(items(settings.props, "rules"), _uses_own_key),
        ),
        lambda: _uses_own_key(bucket.get("serverSideEncryptionConfiguration.rule")),
    )
    if not encrypted:
        yield "its objects are not encrypted with a key of KMS that you manage"


def _uses_own_key(rule: Any) -> bool:  # noqa: ANN401
    default = "applyServerSideEncryptionByDefault"
    if not (read(rule, f"{default}.sseAlgorithm") or "").startswith("aws:kms"):
        return False
    if not is_given(rule, f"{default}.kmsMasterKeyId"):
        return False
    key = peek(rule, f"{default}.kmsMasterKeyId")
    # A key whose ARN is not known yet is one that the program makes: not the one of AWS.
    return isinstance(key, Unknown) or not key.endswith("alias/aws/s3")


BUCKET_ENCRYPTED = StackRule(
    name="mwaa-dr-bucket-encrypted",
    description="Backup and DAG buckets are encrypted with a customer managed KMS key.",
    why=(
        "A metadata backup holds connections and variables. Access to a customer managed key can "
        "be granted, denied and audited apart from access to the bucket; the policy of the key "
        "that AWS manages cannot be changed."
    ),
    remedy=(
        "Add a BucketServerSideEncryptionConfiguration with sseAlgorithm aws:kms and the ARN of a "
        "key of the bucket's Region in kmsMasterKeyId."
    ),
    severity=Severity.HIGH,
    types=_PRECIOUS,
    options=BUCKETS,
    applies=is_precious,
    check=_unencrypted,
)

_SWITCHES = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _public(bucket: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    blocks = stack.attached(BUCKET_PUBLIC_ACCESS, "bucket", bucket)
    if not any_of(blocks, lambda block: all_of(_SWITCHES, lambda key: block.get(key) is True)):
        yield "public access is not blocked in all four ways"


BUCKET_PRIVATE = StackRule(
    name="mwaa-dr-bucket-private",
    description="Backup and DAG buckets block all public access.",
    why=(
        "One wrong policy or ACL would publish every connection of the environment; MWAA also "
        "refuses to create an environment on a bucket that does not block public access."
    ),
    remedy=f"Add a BucketPublicAccessBlock with {', '.join(_SWITCHES)} all true.",
    severity=Severity.CRITICAL,
    types=_PRECIOUS,
    options=BUCKETS,
    applies=is_precious,
    check=_public,
)


def _plaintext(bucket: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    def refuses_plaintext(holder: Resource) -> bool:
        document = holder.get("policy")
        return bool(document) and documents.denies_plaintext(
            documents.statements(document), bucket.physical_name
        )

    policies = [*stack.attached(BUCKET_POLICY, "bucket", bucket), bucket]
    try:
        refused = any_of(policies, refuses_plaintext)
    except json.JSONDecodeError as error:
        yield f"its policy is not JSON ({error})"
        return
    if not refused:
        yield "its policy does not refuse requests without TLS"


BUCKET_TLS_ONLY = StackRule(
    name="mwaa-dr-bucket-tls-only",
    description="Backup and DAG buckets refuse requests without TLS.",
    why="A signed request sent in the clear shows backups and code to everybody on its way.",
    remedy=(
        "Add a BucketPolicy that denies s3:* to principal * on the bucket and on its objects "
        "where aws:SecureTransport is false."
    ),
    severity=Severity.HIGH,
    types=_PRECIOUS,
    options=BUCKETS,
    applies=is_precious,
    check=_plaintext,
)


def _is_backup(bucket: Resource, _: Stack, settings: Settings) -> bool:
    return is_backup_bucket(bucket, settings)


def _deletable(bucket: Resource, _: Stack, __: Settings) -> Iterator[str]:
    if not bucket.protect:
        yield "the Pulumi option `protect` is not set"
    if bucket.get("forceDestroy") is True:
        yield "forceDestroy lets a destroy delete every backup in it"


BACKUP_BUCKET_PROTECTED = StackRule(
    name="mwaa-dr-backup-bucket-protected",
    description="Backup buckets cannot be deleted by a change of the program.",
    why=(
        "A destroyed stack, a renamed resource or a switch of strategy would take the backups "
        "along."
    ),
    remedy="Set protect=True on the bucket and leave forceDestroy false.",
    severity=Severity.CRITICAL,
    types=(BUCKET,),
    options=(BACKUP_BUCKETS,),
    applies=_is_backup,
    check=_deletable,
)


def _shared(bucket: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    controls = stack.attached(BUCKET_OWNERSHIP, "bucket", bucket)
    if not any_of(controls, lambda one: one.get("rule.objectOwnership") == "BucketOwnerEnforced"):
        yield "ACLs are not switched off"


BUCKET_OWNED = StackRule(
    name="mwaa-dr-bucket-owned",
    description="Backup and DAG buckets own all their objects; ACLs are off.",
    why=(
        "An object that another account or an ACL owns can be one that the recovery may list and "
        "not read: that shows on the day it is needed."
    ),
    remedy="Add BucketOwnershipControls with objectOwnership BucketOwnerEnforced.",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    types=_PRECIOUS,
    options=BUCKETS,
    applies=is_precious,
    check=_shared,
)

RULES = (
    BUCKET_VERSIONED,
    BUCKET_ENCRYPTED,
    BUCKET_PRIVATE,
    BUCKET_TLS_ONLY,
    BUCKET_OWNED,
    BACKUP_BUCKET_PROTECTED,
)
