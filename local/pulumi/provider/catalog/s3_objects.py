"""S3 objects. Their content is known by Pulumi's hash of the asset; S3 only gives an ETag."""

import base64
from typing import Any
from urllib.parse import urlencode

from local.pulumi.provider import tags
from local.pulumi.provider.assets import asset_bytes
from local.pulumi.provider.catalog.s3 import empty
from local.pulumi.provider.model import Part, Resource, Scope
from local.pulumi.provider.regular import properties
from local.pulumi.provider.shapes import parameters
from local.pulumi.provider.wire import Values

NAMES = {
    "kmsKeyId": "SSEKMSKeyId",
    "websiteRedirect": "WebsiteRedirectLocation",
}
CONTENT = ("content", "contentBase64", "source", "sourceHash")
HEADERS = (
    "bucketKeyEnabled",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "kmsKeyId",
    "metadata",
    "serverSideEncryption",
    "storageClass",
    "websiteRedirect",
)


def _body(values: Values) -> bytes:
    if "source" in values:
        return asset_bytes(values["source"])
    if "contentBase64" in values:
        return base64.b64decode(values["contentBase64"])
    return str(values.get("content", "")).encode()


def _put(scope: Scope, values: Values) -> None:
    wanted = {name: values[name] for name in HEADERS if name in values}
    arguments = parameters(scope.input_shape("PutObject"), wanted, NAMES)
    if values.get("kmsKeyId") and "serverSideEncryption" not in values:
        arguments["ServerSideEncryption"] = "aws:kms"
    if values.get("tagsAll"):
        arguments["Tagging"] = urlencode(values["tagsAll"])
    scope.call(
        "PutObject", Bucket=values["bucket"], Key=values["key"], Body=_body(values), **arguments
    )


def _create(scope: Scope, values: Values) -> str:
    if sum(name in values for name in ("content", "contentBase64", "source")) > 1:
        raise ValueError(f"{values['key']}: give one of content, contentBase64 and source")
    _put(scope, values)
    return f"{values['bucket']}/{values['key']}"


def _place(scope: Scope) -> dict[str, str]:
    bucket, _, key = scope.id.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


def _read(scope: Scope) -> Values | None:
    place = _place(scope)
    head: dict[str, Any] = scope.call("HeadObject", **place)
    found = scope.call("GetObjectTagging", **place)
    return {
        **properties(scope, head, NAMES),
        "bucket": place["Bucket"],
        "key": place["Key"],
        "arn": f"arn:{scope.partition}:s3:::{place['Bucket']}/{place['Key']}",
        "etag": head["ETag"].strip('"'),
        "metadata": dict(head.get("Metadata", {})),
        "tagsAll": tags.to_map(found["TagSet"]),
        "versionId": head.get("VersionId", ""),
    }


def _write_tags(scope: Scope, values: Values) -> None:
    if scope.changed & {*HEADERS, *CONTENT}:
        return
    pairs = [{"Key": k, "Value": v} for k, v in sorted((values.get("tagsAll") or {}).items())]
    scope.call("PutObjectTagging", **_place(scope), Tagging={"TagSet": pairs})


def _delete(scope: Scope) -> None:
    """All versions of this key, as pulumi-aws does; other keys may begin with it."""
    place = _place(scope)
    empty(scope, place["Bucket"], place["Key"])


RESOURCES = (
    Resource(
        type="aws:s3/bucketObjectv2:BucketObjectv2",
        service="s3",
        create=_create,
        read=_read,
        delete=_delete,
        fixed=("bucket", "key"),
        parts=(
            Part((*HEADERS, *CONTENT), _put, created=True),
            Part(("tags", "tagsAll"), _write_tags, created=True),
        ),
        local=("forceDestroy",),
        unread=CONTENT,
        defaults={"forceDestroy": False},
        chosen=(
            "bucketKeyEnabled",
            "contentType",
            "kmsKeyId",
            "serverSideEncryption",
            "storageClass",
        ),
        identity=("bucket", "key"),
        tagged=True,
        volatile=("etag", "versionId"),
    ),
)
