"""S3 buckets. Everything about a bucket but its name and tags is a resource of its own."""

from typing import Any

from botocore.exceptions import ClientError

from local.pulumi.provider import tags
from local.pulumi.provider.clients import is_missing
from local.pulumi.provider.model import Naming, Part, Resource, Scope
from local.pulumi.provider.regular import properties
from local.pulumi.provider.wire import Values

DEFAULT_REGION = "us-east-1"
"""The one Region that CreateBucket must not be told."""
BATCH = 1000
"""DeleteObjects takes no more keys at once."""


def _create(scope: Scope, values: Values) -> str:
    bucket = values["bucket"]
    arguments: dict[str, Any] = {"Bucket": bucket}
    if scope.region != DEFAULT_REGION:
        arguments["CreateBucketConfiguration"] = {"LocationConstraint": scope.region}
    if values.get("objectLockEnabled"):
        arguments["ObjectLockEnabledForBucket"] = True
    scope.call("CreateBucket", **arguments)
    return bucket


def _write_tags(scope: Scope, values: Values) -> None:
    wanted = values.get("tagsAll") or {}
    if not wanted:
        if scope.state.get("tagsAll"):
            scope.call("DeleteBucketTagging", Bucket=scope.id)
        return
    pairs = [{"Key": key, "Value": value} for key, value in sorted(wanted.items())]
    scope.call("PutBucketTagging", Bucket=scope.id, Tagging={"TagSet": pairs})


def _tags(scope: Scope) -> dict[str, str]:
    try:
        return tags.to_map(scope.call("GetBucketTagging", Bucket=scope.id)["TagSet"])
    except ClientError as error:
        if is_missing(error):
            return {}
        raise


def describe(scope: Scope, bucket: str) -> Values:
    """What a bucket's name and Region alone say of it."""
    suffix = "amazonaws.com"
    return {
        "bucket": bucket,
        "arn": f"arn:{scope.partition}:s3:::{bucket}",
        "bucketDomainName": f"{bucket}.s3.{suffix}",
        "bucketRegionalDomainName": f"{bucket}.s3.{scope.region}.{suffix}",
        "bucketRegion": scope.region,
    }


def _object_lock(scope: Scope) -> bool:
    try:
        answer = scope.call("GetObjectLockConfiguration", Bucket=scope.id)
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return answer["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"


def _read(scope: Scope) -> Values | None:
    head = scope.call("HeadBucket", Bucket=scope.id)
    found = {
        **describe(scope, scope.id),
        "bucketRegion": head.get("BucketRegion", scope.region),
        "objectLockEnabled": _object_lock(scope),
        "tagsAll": _tags(scope),
    }
    # Of a bucket that the program did not make it wants to know what else is set.
    return found if scope.state.get("bucket") else {**found, **_settings(scope)}


def _settings(scope: Scope) -> Values:
    """What pulumi-aws shows of settings that are resources of their own."""
    versioning = scope.call("GetBucketVersioning", Bucket=scope.id)
    found: Values = {"versioning": {"enabled": versioning.get("Status") == "Enabled"}}
    for operation, member in (
        ("GetBucketEncryption", "ServerSideEncryptionConfiguration"),
        ("GetBucketReplication", "ReplicationConfiguration"),
    ):
        try:
            answer = scope.call(operation, Bucket=scope.id)
        except ClientError as error:
            if not is_missing(error):
                raise
            continue
        found |= properties(scope, {member: answer[member]}, {"rule": "Rules"})
    return found


def empty(scope: Scope, bucket: str, key: str = "") -> None:
    """Delete every version and delete marker of the bucket, or of one key, page by page."""
    pages = scope.client().get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket, Prefix=key):
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        wanted = [item for item in found if key in ("", item["Key"])]
        for start in range(0, len(wanted), BATCH):
            batch = wanted[start : start + BATCH]
            objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in batch]
            answer = scope.call(
                "DeleteObjects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
            )
            if answer.get("Errors"):
                error = answer["Errors"][0]
                raise RuntimeError(f"{error['Code']}: {error['Message']} ({error['Key']})")


def _delete(scope: Scope) -> None:
    if scope.state.get("forceDestroy"):
        empty(scope, scope.id)
    scope.call("DeleteBucket", Bucket=scope.id)


RESOURCES = (
    Resource(
        type="aws:s3/bucket:Bucket",
        service="s3",
        create=_create,
        read=_read,
        delete=_delete,
        fixed=("bucket", "bucketPrefix", "objectLockEnabled"),
        parts=(Part(("tags", "tagsAll"), _write_tags),),
        local=("forceDestroy",),
        defaults={"forceDestroy": False},
        chosen=("objectLockEnabled",),
        naming=Naming("bucket", 63, lower=True),
        identity=("bucket",),
        tagged=True,
    ),
)
