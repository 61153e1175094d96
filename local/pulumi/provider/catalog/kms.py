"""KMS keys, replicas of multi-Region keys, and aliases."""

from typing import Any

from local.pulumi.provider import tags
from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Deletes, Updates, properties
from local.pulumi.provider.wire import Values

KEY = {"KeyId": "{id}"}
NAMES = {"customerMasterKeySpec": "KeySpec", "isEnabled": "Enabled", "enabled": "Enabled"}
TAGGING = Tagging("KeyId", "{id}", "ListResourceTags")
LONGEST_WINDOW = 30
"""Days; what pulumi-aws assumes."""


def _read(scope: Scope) -> Values | None:
    metadata = scope.call("DescribeKey", KeyId=scope.id)["KeyMetadata"]
    if metadata["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    values = properties(scope, metadata, NAMES)
    values["policy"] = scope.call("GetKeyPolicy", KeyId=scope.id, PolicyName="default")["Policy"]
    rotates = "KeyRotationEnabled"
    if metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT":
        status = scope.call("GetKeyRotationStatus", KeyId=scope.id)
        values["enableKeyRotation"] = values["keyRotationEnabled"] = status[rotates]
        if status[rotates] and status.get("RotationPeriodInDays"):
            values["rotationPeriodInDays"] = status["RotationPeriodInDays"]
    return values


def _write_rotation(scope: Scope, values: Values) -> None:
    if not values.get("enableKeyRotation"):
        scope.call("DisableKeyRotation", KeyId=scope.id)
        return
    period = values.get("rotationPeriodInDays")
    scope.call(
        "EnableKeyRotation",
        KeyId=scope.id,
        **({"RotationPeriodInDays": int(period)} if period else {}),
    )


def _write_enabled(scope: Scope, values: Values) -> None:
    enabled = values.get("isEnabled", values.get("enabled", True))
    scope.call("EnableKey" if enabled else "DisableKey", KeyId=scope.id)


def _delete(scope: Scope) -> None:
    window = int(scope.state.get("deletionWindowInDays", LONGEST_WINDOW))
    scope.call("ScheduleKeyDeletion", KeyId=scope.id, PendingWindowInDays=window)


def _ready(scope: Scope) -> None:
    def usable() -> bool:
        state = scope.call("DescribeKey", KeyId=scope.id)["KeyMetadata"]["KeyState"]
        return state in ("Enabled", "Disabled")

    scope.wait(f"KMS key {scope.id}", usable)


def _replicate(scope: Scope, values: Values) -> str:
    """ReplicateKey is called where the primary key is, not where the replica will be."""
    arn = values["primaryKeyArn"]
    region = arn.split(":")[3]
    client = scope.clients.get("kms", region)
    arguments: dict[str, Any] = {"KeyId": arn.rsplit("/", 1)[1], "ReplicaRegion": scope.region}
    for name, parameter in (("policy", "Policy"), ("description", "Description")):
        if values.get(name):
            arguments[parameter] = values[name]
    scope.id = client.replicate_key(**arguments)["ReplicaKeyMetadata"]["KeyId"]
    tags.write(scope, TAGGING, values.get("tagsAll", {}))
    return scope.id


def _read_replica(scope: Scope) -> Values | None:
    values = _read(scope)
    if values is None:
        return None
    metadata = scope.call("DescribeKey", KeyId=scope.id)["KeyMetadata"]
    primary = metadata.get("MultiRegionConfiguration", {}).get("PrimaryKey", {}).get("Arn")
    return {**values, "primaryKeyArn": primary} if primary else values


def _read_alias(scope: Scope) -> Values | None:
    for page in scope.client().get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == scope.id and alias.get("TargetKeyId"):
                key = alias["TargetKeyId"]
                asked = str(scope.state.get("targetKeyId", ""))
                return {
                    "name": scope.id,
                    "arn": alias["AliasArn"],
                    # The ARN is as good a name of the key as its id.
                    "targetKeyId": asked if asked.endswith(f"/{key}") else key,
                    "targetKeyArn": scope.call("DescribeKey", KeyId=key)["KeyMetadata"]["Arn"],
                }
    return None


POLICY = Updates("PutKeyPolicy", {**KEY, "PolicyName": "default"}, only=("policy",))
DESCRIPTION = Updates("UpdateKeyDescription", KEY, only=("description",))
ALIAS = {"AliasName": "{id}"}

RESOURCES = (
    Resource(
        type="aws:kms/key:Key",
        service="kms",
        create=Creates("CreateKey", ".KeyMetadata.KeyId", names=NAMES),
        read=_read,
        delete=_delete,
        ready=_ready,
        fixed=("customerMasterKeySpec", "keyUsage", "multiRegion"),
        parts=(
            Part(("description",), DESCRIPTION, created=True),
            Part(("policy",), POLICY, created=True),
            Part(
                (
                    "enableKeyRotation",
                    "rotationPeriodInDays",
                ),
                _write_rotation,
            ),
            Part(("isEnabled",), _write_enabled),
        ),
        local=("deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"),
        defaults={
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keyUsage": "ENCRYPT_DECRYPT",
            "isEnabled": True,
            "enableKeyRotation": False,
            "multiRegion": False,
        },
        chosen=("description", "policy", "rotationPeriodInDays"),
        json=("policy",),
        tagging=TAGGING,
    ),
    Resource(
        type="aws:kms/replicaKey:ReplicaKey",
        service="kms",
        create=_replicate,
        read=_read_replica,
        delete=_delete,
        ready=_ready,
        fixed=("primaryKeyArn",),
        parts=(
            Part(("description",), DESCRIPTION, created=True),
            Part(("policy",), POLICY, created=True),
            Part(("enabled",), _write_enabled),
        ),
        local=("deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"),
        defaults={"enabled": True},
        chosen=("description", "policy"),
        json=("policy",),
        identity=("primaryKeyArn",),
        tagging=TAGGING,
    ),
    Resource(
        type="aws:kms/alias:Alias",
        service="kms",
        create=Creates("CreateAlias", "{name}", names={"name": "AliasName"}),
        read=_read_alias,
        delete=Deletes("DeleteAlias", ALIAS),
        fixed=("name",),
        parts=(Part(("targetKeyId",), Updates("UpdateAlias", ALIAS), created=True),),
        naming=Naming(limit=256, prefix="alias/"),
        identity=("name",),
    ),
)
