"""S3: replication, replication status, keys that exist, and bucket policies that do not misfire.

- every new version is offered to the replicator; GetBucketReplication gives back what was put;
- `x-amz-replication-status` is PENDING, COMPLETED, FAILED or REPLICA;
- an object under a KMS key that is missing or unusable in the bucket's Region is refused;
- a listing of versions shows what there was at one moment, while others delete objects;
- bucket policies are stored but not enforced: moto ignores Principal and Condition of a Deny, so
  that the usual TLS-only policy would close every bucket.
"""

from collections.abc import Iterator
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.access_control import PermissionResult
from moto.kms.models import kms_backends
from moto.s3.exceptions import ReplicationConfigurationNotFoundError, S3ClientError
from moto.s3.models import FakeBucket, FakeKey, S3Backend
from moto.s3.responses import S3Response
from moto.s3.utils import _VersionedKeyStore

from local.gateway.patching import put, replace
from local.gateway.replication import Replicator
from local.gateway.replication_rules import described, mistake, parse


def apply(replicator: Replicator) -> None:
    def offering(original: Any) -> Any:  # noqa: ANN401
        def store(self: Any, bucket_name: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
            _check_key(self.get_bucket(bucket_name), options)
            return original(self, bucket_name, *rest, **options)

        def put_object(self: Any, bucket_name: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
            version = store(self, bucket_name, *rest, **options)
            replicator.created(self.get_bucket(bucket_name), version)
            return version

        replicator.put_object = store

        return put_object

    def offering_marker(original: Any) -> Any:  # noqa: ANN401
        def set_delete_marker(self: Any, bucket_name: str, key_name: str) -> Any:  # noqa: ANN401
            marker = original(self, bucket_name, key_name)
            replicator.created(self.get_bucket(bucket_name), marker)
            return marker

        return set_delete_marker

    replace(S3Backend, "put_object", offering)
    replace(S3Backend, "_set_delete_marker", offering_marker)
    replace(S3Backend, "put_bucket_replication", _checked_replication)
    put(S3Response, "get_bucket_replication", _get_bucket_replication)
    for name in ("_iterlists", "iterlists", "lists"):
        put(_VersionedKeyStore, name, lists)
    put(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL)
    put(FakeKey, "response_dict", property(_with_status(FakeKey.response_dict)))


def lists(self: Any) -> Iterator[tuple[str, list[Any]]]:  # noqa: ANN401
    """Every key with its versions; moto looks each key up again, and it may be gone by then."""
    return ((key, list(versions)) for key, versions in list(dict.items(self)))


def _with_status(original: Any) -> Any:  # noqa: ANN401
    def response_dict(self: Any) -> dict[str, Any]:  # noqa: ANN401
        headers = original.fget(self)
        status = getattr(self, "replication_status", None)
        if status:
            headers["x-amz-replication-status"] = status
        return headers

    return response_dict


def _check_key(bucket: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
    default = ((bucket.encryption or {}).get("Rule") or {}).get(
        "ApplyServerSideEncryptionByDefault"
    ) or {}
    algorithm = options.get("encryption") or default.get("SSEAlgorithm")
    key_id = options.get("kms_key_id") or default.get("KMSMasterKeyID")
    if algorithm != "aws:kms" or not key_id or "alias/aws/" in key_id:
        return
    region = bucket.region_name
    if key_id.startswith("arn:") and key_id.split(":")[3] != region:
        raise S3ClientError(
            "KMS.NotFoundException", f"{key_id} is not in the bucket's Region {region}"
        )
    backend = kms_backends[bucket.account_id][region]
    alias = backend.get_key_id_from_alias(backend.get_alias_name(key_id))
    key = backend.keys.get(alias or backend.get_key_id(key_id))
    if key is None:
        raise S3ClientError("KMS.NotFoundException", f"Key {key_id} does not exist")
    if key.key_state != "Enabled":
        raise S3ClientError("KMS.DisabledException", f"{key.arn} is {key.key_state}.")


def _checked_replication(original: Any) -> Any:  # noqa: ANN401
    def put_bucket_replication(self: Any, bucket_name: str, replication: dict[str, Any]) -> None:  # noqa: ANN401
        wrong = mistake(replication)
        if wrong:
            raise S3ClientError("InvalidRequest", wrong)
        for rule in parse(replication):
            target = self.buckets.get(rule.bucket)
            if target is None:
                raise S3ClientError("InvalidRequest", "Destination bucket must exist.")
            if not target.is_versioned:
                raise S3ClientError("InvalidRequest", "Destination bucket must have versioning.")
        original(self, bucket_name, replication)

    return put_bucket_replication


def _get_bucket_replication(self: Any) -> Any:  # noqa: ANN401
    self.data["Action"] = "GetBucketReplication"
    config = self.backend.get_bucket_replication(self.bucket_name)
    if not config:
        raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
    return self.serialized(ActionResult({"ReplicationConfiguration": described(config)}))
