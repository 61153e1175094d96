"""The settings of an S3 bucket: each is put as a whole, read as a whole and deleted."""

from collections.abc import Callable
from dataclasses import replace

from local.pulumi.provider.model import Part, Resource, Scope
from local.pulumi.provider.regular import Deletes, Names, dig, properties
from local.pulumi.provider.shapes import parameters
from local.pulumi.provider.wire import Value, Values

KEY = {"Bucket": "{id}"}
Change = Callable[[Values], Values]


def _setting(
    type: str,
    body: tuple[str, ...],
    put: str,
    get: str,
    delete: str | Callable[[Scope], None],
    *,
    within: str = "",
    names: Names | None = None,
    change: Change = lambda values: values,
    **more: Value,
) -> Resource:
    """One setting.

    Args:
        body: its properties, besides the bucket.
        within: the call's and the answer's member that holds them; empty if they are spread out.
        change: rearranges the properties for AWS.
    """
    spelled = names or {}

    def write(scope: Scope, values: Values) -> None:
        bucket = values["bucket"]
        wanted = change({name: values[name] for name in body if name in values})
        shape = scope.input_shape(put)
        if within:
            inner = shape.members[within]
            arguments = {within: parameters(inner, wanted, spelled)}
        else:
            arguments = parameters(shape, wanted, spelled)
        scope.call(put, Bucket=bucket, **arguments)

    def create(scope: Scope, values: Values) -> str:
        write(scope, values)
        return values["bucket"]

    def read(scope: Scope) -> Values | None:
        answer = scope.call(get, Bucket=scope.id)
        found = dig(answer, within) if within in answer else answer
        if not found:
            return None
        found = {k: v for k, v in found.items() if k != "ResponseMetadata"}
        return {**properties(scope, found, spelled), "bucket": scope.id}

    return Resource(
        type=type,
        service="s3",
        create=create,
        read=read,
        delete=Deletes(delete, KEY) if isinstance(delete, str) else delete,
        fixed=("bucket",),
        parts=(Part(body, write, created=True),),
        identity=("bucket",),
        **more,
    )


def _suspend(scope: Scope) -> None:
    """A bucket that had versioning can never be without it again."""
    if scope.state.get("versioningConfiguration", {}).get("status") == "Enabled":
        scope.call(
            "PutBucketVersioning",
            Bucket=scope.id,
            VersioningConfiguration={"Status": "Suspended"},
        )


def _read_versioning(scope: Scope) -> Values | None:
    answer = scope.call("GetBucketVersioning", Bucket=scope.id)
    if "Status" not in answer:
        return None
    found = {"status": answer["Status"]}
    if answer.get("MFADelete"):
        found["mfaDelete"] = answer["MFADelete"]
    return {"bucket": scope.id, "versioningConfiguration": found}


def _whole_bucket(values: Values) -> Values:
    """AWS wants a filter in every rule; none means the whole bucket."""
    rules = [
        rule if "filter" in rule or "prefix" in rule else {**rule, "filter": {"prefix": ""}}
        for rule in values.get("rules", [])
    ]
    return {**values, "rules": rules}


def _no_notifications(scope: Scope) -> None:
    scope.call("PutBucketNotificationConfiguration", Bucket=scope.id, NotificationConfiguration={})


def _no_default_retention(scope: Scope) -> None:
    """A bucket can never be without Object Lock again, but new objects are not held any more."""
    unlocked = {"ObjectLockEnabled": "Enabled"}
    scope.call("PutObjectLockConfiguration", Bucket=scope.id, ObjectLockConfiguration=unlocked)


FILTERS = {"filterPrefix": "prefix", "filterSuffix": "suffix"}


def _with_filters(values: Values) -> Values:
    """Key filters are rules of rules to AWS, two properties to Pulumi."""
    result: Values = {}
    for name, value in values.items():
        if name == "eventbridge":
            if value:
                result["eventBridgeConfiguration"] = {}
            continue
        result[name] = []
        for target in value:
            rules = [
                {"name": kind, "value": target[key]}
                for key, kind in FILTERS.items()
                if target.get(key)
            ]
            plain = {k: v for k, v in target.items() if k not in FILTERS}
            if rules:
                plain["filter"] = {"key": {"filterRules": rules}}
            result[name].append(plain)
    return result


def _read_notification(scope: Scope) -> Values | None:
    answer = scope.call("GetBucketNotificationConfiguration", Bucket=scope.id)
    result: Values = {"bucket": scope.id, "eventbridge": "EventBridgeConfiguration" in answer}
    for name, member in NOTIFICATION_NAMES.items():
        if member not in answer:
            continue
        listed = properties(scope, {member: answer[member]}, NOTIFICATION_NAMES)[name]
        for target, raw in zip(listed, answer[member], strict=True):
            rules = raw.get("Filter", {}).get("Key", {}).get("FilterRules", [])
            given = {rule["Name"].lower(): rule["Value"] for rule in rules}
            target |= {key: given[kind] for key, kind in FILTERS.items() if kind in given}
        result[name] = listed
    return result if len(result) > 2 or result["eventbridge"] else None  # noqa: PLR2004


NOTIFICATION_NAMES = {
    "lambdaFunctions": "LambdaFunctionConfigurations",
    "queues": "QueueConfigurations",
    "topics": "TopicConfigurations",
}
NOTIFICATION = _setting(
    "aws:s3/bucketNotification:BucketNotification",
    ("eventbridge", "lambdaFunctions", "queues", "topics"),
    "PutBucketNotificationConfiguration",
    "GetBucketNotificationConfiguration",
    _no_notifications,
    within="NotificationConfiguration",
    names=NOTIFICATION_NAMES,
    change=_with_filters,
    extended=("lambdaFunctions", "queues", "topics"),
)
VERSIONING = _setting(
    "aws:s3/bucketVersioning:BucketVersioning",
    ("versioningConfiguration",),
    "PutBucketVersioning",
    "GetBucketVersioning",
    _suspend,
)

RESOURCES = (
    replace(VERSIONING, read=_read_versioning),
    _setting(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        ("rules",),
        "PutBucketEncryption",
        "GetBucketEncryption",
        "DeleteBucketEncryption",
        within="ServerSideEncryptionConfiguration",
    ),
    _setting(
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"),
        "PutPublicAccessBlock",
        "GetPublicAccessBlock",
        "DeletePublicAccessBlock",
        within="PublicAccessBlockConfiguration",
    ),
    _setting(
        "aws:s3/bucketPolicy:BucketPolicy",
        ("policy",),
        "PutBucketPolicy",
        "GetBucketPolicy",
        "DeleteBucketPolicy",
        json=("policy",),
    ),
    _setting(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        ("rules",),
        "PutBucketLifecycleConfiguration",
        "GetBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
        within="LifecycleConfiguration",
        change=_whole_bucket,
    ),
    _setting(
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        ("role", "rules"),
        "PutBucketReplication",
        "GetBucketReplication",
        "DeleteBucketReplication",
        within="ReplicationConfiguration",
    ),
    _setting(
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        ("rule",),
        "PutBucketOwnershipControls",
        "GetBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
        within="OwnershipControls",
        names={"rule": "Rules"},
    ),
    replace(NOTIFICATION, read=_read_notification),
    _setting(
        "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration",
        ("objectLockEnabled", "rule"),
        "PutObjectLockConfiguration",
        "GetObjectLockConfiguration",
        _no_default_retention,
        within="ObjectLockConfiguration",
        defaults={"objectLockEnabled": "Enabled"},
    ),
)
