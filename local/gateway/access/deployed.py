"""What is deployed in the local AWS, as far as access depends on it: read from moto's own state."""

import contextlib
from collections.abc import Sequence
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import iam_backends
from moto.kms import utils as kms_utils
from moto.kms.models import kms_backends
from moto.s3.models import FakeDeleteMarker, s3_backends
from moto.sns.models import sns_backends

from local.gateway.access.conditions import PolicyError
from local.gateway.access.policy import Policies, Statement, parse


class Deployed:
    """Roles, policies and keys of one account."""

    def __init__(self, account: str) -> None:
        self.account = account

    # policies

    def roles(self) -> dict[str, Any]:
        """moto's roles by ARN."""
        return {
            role.arn: role
            for partition in ("aws", "aws-us-gov", "aws-cn")
            for role in list(iam_backends[self.account][partition].roles.values())
        }

    def identity(self, role_arn: str) -> tuple[Sequence[Statement], Sequence[Statement] | None]:
        """(policies of a role, its boundary).

        Raises:
            PolicyError: the boundary is not there.
        """
        backend = iam_backends[self.account][role_arn.split(":")[1]]
        role = next((one for one in list(backend.roles.values()) if one.arn == role_arn), None)
        if role is None:
            return (), None
        own = [
            statement
            for name, document in list(role.policies.items())
            for statement in parse(_text(document), name)
        ]
        attached = [
            statement
            for policy in list(role.managed_policies.values())
            for statement in parse(_current(policy), policy.arn)
        ]
        boundary = role.permissions_boundary_arn
        if not boundary:
            return (*own, *attached), None
        found = backend.managed_policies.get(boundary)
        if found is None:
            raise PolicyError(
                f"{boundary} is the permissions boundary of {role_arn}, but the local AWS has no "
                "such policy; create it there"
            )
        return (*own, *attached), parse(_current(found), boundary)

    def trust(self, role_arn: str) -> Sequence[Statement]:
        role = self.roles().get(role_arn)
        return () if role is None else parse(_text(role.assume_role_policy_document), "trust")

    def policies(self, role_arn: str, resource: str | None) -> Policies:
        """All that count for a role (none: a service) and a resource."""
        own, boundary = self.identity(role_arn) if role_arn else ((), None)
        service = (resource or "").split(":")[2:3]
        return Policies(
            identity=own,
            boundary=boundary,
            resource=self._resource_policy(resource or ""),
            resource_decides=service == ["kms"],
        )

    def _resource_policy(self, resource: str) -> Sequence[Statement] | None:
        parts = (resource.split(":", 5) + [""] * 6)[:6]
        service, region, rest = parts[2], parts[3], parts[5]
        document: Any = None
        if service == "s3":
            bucket = self._bucket(rest.split("/", 1)[0])
            document = bucket.policy if bucket is not None else None
        elif service == "kms":
            key = kms_backends[self.account][region].keys.get(rest.partition("/")[2])
            document = key.policy if key is not None else None
        elif service == "sns":
            topic = sns_backends[self.account][region].topics.get(resource)
            document = topic.policy if topic is not None else None
        return parse(_text(document), resource) if document else None

    # resources

    def _bucket(self, name: str) -> Any:  # noqa: ANN401
        return s3_backends[self.account]["aws"].buckets.get(name)

    def bucket(self, name: str) -> bool:
        return self._bucket(name) is not None

    def bucket_key(self, name: str) -> str:
        bucket = self._bucket(name)
        rule = ((bucket and bucket.encryption) or {}).get("Rule") or {}
        default = rule.get("ApplyServerSideEncryptionByDefault") or {}
        key = default.get("KMSMasterKeyID") or ""
        return self.key(bucket.region_name, key) if key else ""

    def _object(self, bucket: str, key: str, version: str | None) -> Any:  # noqa: ANN401
        found = self._bucket(bucket)
        versions = found.keys.getlist(key, []) if found is not None else []
        if version is not None:
            return next((one for one in versions if one.version_id == version), None)
        newest = versions[-1] if versions else None
        return None if isinstance(newest, FakeDeleteMarker) else newest

    def has_object(self, bucket: str, key: str, version: str | None) -> bool:
        return self._object(bucket, key, version) is not None

    def object_key(self, bucket: str, key: str, version: str | None) -> str:
        found = self._object(bucket, key, version)
        key_id = getattr(found, "kms_key_id", None)
        if not key_id or found.encryption != "aws:kms":
            return ""
        return self.key(self._bucket(bucket).region_name, key_id)

    def table_key(self, region: str, table: str) -> str:
        found = dynamodb_backends[self.account][region].tables.get(table.rpartition("/")[2])
        used = (getattr(found, "sse_specification", None) or {}).get("KMSMasterKeyId")
        return self.key(region, used) if used else ""

    def topic_key(self, arn: str) -> str:
        region = arn.split(":")[3]
        topic = sns_backends[self.account][region].topics.get(arn)
        return self.key(region, topic.kms_master_key_id) if topic else ""

    def key(self, region: str, key: str | bytes) -> str:
        backend = kms_backends[self.account][region]
        if isinstance(key, bytes):
            key = kms_utils._deserialize_ciphertext_blob(key).key_id if key else ""
        if not key or "alias/aws/" in key:
            return ""  # keys of AWS itself let everybody in whom the service lets in
        with contextlib.suppress(Exception):  # moto raises what it answers with
            found = backend.keys.get(backend.any_id_to_key_id(key))
            return found.arn if found is not None else ""
        return ""

    def aliases(self, key_arn: str) -> tuple[str, ...]:
        backend = kms_backends[self.account][key_arn.split(":")[3]]
        key = backend.keys.get(key_arn.rpartition("/")[2])
        return tuple(sorted(key.aliases)) if key is not None else ()


def _current(policy: Any) -> str:  # noqa: ANN401
    """The document of a managed policy's default version."""
    return next(_text(one.document) for one in policy.versions if one.is_default)


def _text(document: Any) -> str:  # noqa: ANN401
    return document.decode() if isinstance(document, bytes) else str(document)
