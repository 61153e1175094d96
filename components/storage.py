"""A bucket that MWAA and this program can rely on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import Statement, document
from components.retention import UPLOAD_DAYS, Retention
from components.settings.tree import LockMode
from contract.objects import ObjectRole


@dataclass(frozen=True, slots=True)
class Lock:
    """The Object Lock that every new version gets."""

    mode: LockMode
    days: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BucketArgs:
    """A bucket.

    Args:
        place: the site it belongs to.
        bucket: its name.
        role: what it holds.
        key_arn: the key that encrypts it.
        retention: how long objects are kept.
        lock: how long nobody can delete a version; None for no Object Lock.
    """

    place: Place
    bucket: str
    role: ObjectRole
    key_arn: pulumi.Input[str]
    retention: Sequence[Retention]
    lock: Lock | None = None


class SafeBucket(Component):
    """Versioned, encrypted with the site's key, closed to the public and to plain HTTP.

    Produces these resources: s3.Bucket, s3.BucketLifecycleConfiguration,
    s3.BucketObjectLockConfiguration, s3.BucketOwnershipControls, s3.BucketPolicy,
    s3.BucketPublicAccessBlock, s3.BucketServerSideEncryptionConfiguration, s3.BucketVersioning.
    """

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place, region = args.place, args.place.region
        bucket = aws.s3.Bucket(
            f"{name}-bucket",
            region=region,
            bucket=args.bucket,
            force_destroy=not place.keep,
            object_lock_enabled=True if args.lock else None,
            tags=place.tags(args.role),
            # A bucket that is there already is locked by the setting below; this one alone would
            # replace it.
            opts=self.child(ignore_changes=["objectLockEnabled"]),
        )
        aws.s3.BucketOwnershipControls(
            f"{name}-ownership",
            region=region,
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=self.child(),
        )
        closed = aws.s3.BucketPublicAccessBlock(
            f"{name}-public-access",
            region=region,
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child(),
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            region=region,
            bucket=bucket.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": args.key_arn,
                    },
                    "bucket_key_enabled": True,
                }
            ],
            opts=self.child(),
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            region=region,
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=self.child(),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            region=region,
            bucket=bucket.bucket,
            rules=[*(_rule(row) for row in args.retention), _TIDY],
            # Rules about noncurrent versions mean nothing before there are versions.
            opts=self.child(depends_on=[versioning]),
        )
        if args.lock:
            aws.s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                region=region,
                bucket=bucket.bucket,
                rule={
                    "default_retention": {"mode": args.lock.mode, "days": args.lock.days},
                },
                opts=self.child(depends_on=[versioning]),
            )
        aws.s3.BucketPolicy(
            f"{name}-policy",
            region=region,
            bucket=bucket.bucket,
            policy=document(bucket_statements(place, args.bucket)),
            # S3 answers 409 when both are written to a bucket at once.
            opts=self.child(depends_on=[closed]),
        )
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        self.register_outputs({"bucket": self.bucket, "arn": self.arn})


_TIDY: Any = {
    "id": "unfinished",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "expiration": {"expired_object_delete_marker": True},
    "abort_incomplete_multipart_upload": {"days_after_initiation": UPLOAD_DAYS},
}


def _rule(row: Retention) -> Any:  # noqa: ANN401 - pulumi-aws's own dictionaries
    rule: dict[str, Any] = {
        "id": row.name,
        "status": "Enabled",
        "filter": {"prefix": row.prefix},
    }
    if row.expire_days:
        rule["expiration"] = {"days": row.expire_days}
    if row.noncurrent_days:
        rule["noncurrent_version_expiration"] = {"noncurrent_days": row.noncurrent_days}
    return rule


def bucket_statements(place: Place, bucket: str) -> list[Statement]:
    """Neither over plain HTTP, nor by anybody of another account: no grant can undo a Deny."""
    arn = place.names.bucket_arn(bucket)
    return [
        Statement(
            ("s3:*",),
            (arn, f"{arn}/*"),
            conditions,
            principals="*",
            effect="Deny",
        )
        for conditions in (
            {"Bool": {"aws:SecureTransport": "false"}},
            {
                "StringNotEquals": {"aws:PrincipalAccount": place.settings.account},
                # S3's own deliveries come from no account.
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
            },
        )
    ]
