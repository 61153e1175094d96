"""DynamoDB tables, without secondary indexes and replicas."""

from typing import Any

from botocore.exceptions import ClientError

from local.pulumi.provider import tags
from local.pulumi.provider.clients import is_missing
from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.wire import Values

ON_DEMAND = "PAY_PER_REQUEST"
PROVISIONED = "PROVISIONED"
KEY_TYPES = {"hashKey": "HASH", "rangeKey": "RANGE"}


def _throughput(values: Values) -> dict[str, Any]:
    if values.get("billingMode", PROVISIONED) == ON_DEMAND:
        return {"BillingMode": ON_DEMAND}
    return {
        "BillingMode": PROVISIONED,
        "ProvisionedThroughput": {
            "ReadCapacityUnits": int(values.get("readCapacity", 1)),
            "WriteCapacityUnits": int(values.get("writeCapacity", 1)),
        },
    }


def _encryption(values: Values) -> dict[str, Any]:
    wanted = values.get("serverSideEncryption")
    if not wanted:
        return {}
    specification = {"Enabled": wanted["enabled"]}
    if wanted["enabled"]:
        specification["SSEType"] = "KMS"
    if wanted.get("kmsKeyArn"):
        specification["KMSMasterKeyId"] = wanted["kmsKeyArn"]
    return {"SSESpecification": specification}


def _stream(values: Values) -> dict[str, Any]:
    if not values.get("streamEnabled"):
        return {}
    view = values.get("streamViewType", "NEW_AND_OLD_IMAGES")
    return {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": view}}


def _create(scope: Scope, values: Values) -> str:
    scope.call(
        "CreateTable",
        TableName=values["name"],
        AttributeDefinitions=[
            {"AttributeName": item["name"], "AttributeType": item["type"]}
            for item in values.get("attributes", [])
        ],
        KeySchema=[
            {"AttributeName": values[name], "KeyType": kind}
            for name, kind in KEY_TYPES.items()
            if values.get(name)
        ],
        TableClass=values["tableClass"],
        DeletionProtectionEnabled=values["deletionProtectionEnabled"],
        **_throughput(values),
        **_encryption(values),
        **_stream(values),
        **tags.at_creation(scope, "CreateTable", values),
    )
    scope.id = values["name"]
    _wait(scope)
    return values["name"]


def _wait(scope: Scope) -> None:
    def active() -> bool:
        table = scope.call("DescribeTable", TableName=scope.id)["Table"]
        return table["TableStatus"] == "ACTIVE"

    scope.wait(f"DynamoDB table {scope.id}", active)


def _update(scope: Scope, values: Values) -> None:
    """One setting per call, as UpdateTable asks."""
    steps = (
        ({"billingMode", "readCapacity", "writeCapacity"}, _throughput(values)),
        ({"serverSideEncryption"}, _encryption(values) or {"SSESpecification": {"Enabled": False}}),
        (
            {"streamEnabled", "streamViewType"},
            _stream(values) or {"StreamSpecification": {"StreamEnabled": False}},
        ),
        ({"tableClass"}, {"TableClass": values["tableClass"]}),
        (
            {"deletionProtectionEnabled"},
            {"DeletionProtectionEnabled": values["deletionProtectionEnabled"]},
        ),
    )
    for names, arguments in steps:
        if scope.changed & names:
            scope.call("UpdateTable", TableName=scope.id, **arguments)
            _wait(scope)


def _write_recovery(scope: Scope, values: Values) -> None:
    wanted = values.get("pointInTimeRecovery", {})
    specification = {"PointInTimeRecoveryEnabled": wanted.get("enabled", False)}
    if wanted.get("enabled") and wanted.get("recoveryPeriodInDays"):
        specification["RecoveryPeriodInDays"] = wanted["recoveryPeriodInDays"]
    scope.call(
        "UpdateContinuousBackups",
        TableName=scope.id,
        PointInTimeRecoverySpecification=specification,
    )


def _write_expiry(scope: Scope, values: Values) -> None:
    wanted = values.get("ttl") or {**scope.state.get("ttl", {}), "enabled": False}
    if not wanted.get("attributeName"):
        return
    scope.call(
        "UpdateTimeToLive",
        TableName=scope.id,
        TimeToLiveSpecification={
            "AttributeName": wanted["attributeName"],
            "Enabled": wanted.get("enabled", False),
        },
    )


def _read(scope: Scope) -> Values | None:
    table = scope.call("DescribeTable", TableName=scope.id)["Table"]
    throughput = table.get("ProvisionedThroughput", {})
    stream = table.get("StreamSpecification", {})
    keys = {item["KeyType"]: item["AttributeName"] for item in table["KeySchema"]}
    described = table.get("SSEDescription")
    return {
        "name": scope.id,
        "arn": table["TableArn"],
        "attributes": [
            {"name": item["AttributeName"], "type": item["AttributeType"]}
            for item in table["AttributeDefinitions"]
        ],
        "hashKey": keys["HASH"],
        "rangeKey": keys.get("RANGE", ""),
        "billingMode": table.get("BillingModeSummary", {}).get("BillingMode", PROVISIONED),
        "readCapacity": throughput.get("ReadCapacityUnits", 0),
        "writeCapacity": throughput.get("WriteCapacityUnits", 0),
        "tableClass": table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        "deletionProtectionEnabled": table.get("DeletionProtectionEnabled", False),
        "streamEnabled": stream.get("StreamEnabled", False),
        "streamViewType": stream.get("StreamViewType", ""),
        "streamArn": table.get("LatestStreamArn", ""),
        "streamLabel": table.get("LatestStreamLabel", ""),
        **({"serverSideEncryption": _described_encryption(described)} if described else {}),
        **_read_recovery(scope),
        **_read_expiry(scope),
    }


def _described_encryption(described: dict[str, Any]) -> Values:
    found = {"enabled": described.get("Status") in ("ENABLED", "ENABLING", "UPDATING")}
    arn = described.get("KMSMasterKeyArn")
    return {**found, "kmsKeyArn": arn} if arn else found


def _read_recovery(scope: Scope) -> Values:
    answer = scope.call("DescribeContinuousBackups", TableName=scope.id)
    described = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    found: Values = {"enabled": described.get("PointInTimeRecoveryStatus") == "ENABLED"}
    if found["enabled"] and described.get("RecoveryPeriodInDays"):
        found["recoveryPeriodInDays"] = described["RecoveryPeriodInDays"]
    return {"pointInTimeRecovery": found}


def _read_expiry(scope: Scope) -> Values:
    answer = scope.call("DescribeTimeToLive", TableName=scope.id)["TimeToLiveDescription"]
    enabled = answer.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    return {"ttl": {"attributeName": answer["AttributeName"], "enabled": True}} if enabled else {}


def _delete(scope: Scope) -> None:
    scope.call("DeleteTable", TableName=scope.id)

    def gone() -> bool:
        try:
            scope.call("DescribeTable", TableName=scope.id)
        except ClientError as error:
            if is_missing(error):
                return True
            raise
        return False

    scope.wait(f"DynamoDB table {scope.id} to be deleted", gone)


RESOURCES = (
    Resource(
        type="aws:dynamodb/table:Table",
        service="dynamodb",
        create=_create,
        read=_read,
        delete=_delete,
        fixed=("attributes", "hashKey", "name", "rangeKey"),
        parts=(
            Part(
                (
                    "billingMode",
                    "deletionProtectionEnabled",
                    "readCapacity",
                    "serverSideEncryption",
                    "streamEnabled",
                    "streamViewType",
                    "tableClass",
                    "writeCapacity",
                ),
                _update,
                created=True,
            ),
            Part(("pointInTimeRecovery",), _write_recovery),
            Part(("ttl",), _write_expiry),
        ),
        defaults={
            "billingMode": PROVISIONED,
            "deletionProtectionEnabled": False,
            "tableClass": "STANDARD",
        },
        chosen=(
            "pointInTimeRecovery",
            "readCapacity",
            "serverSideEncryption",
            "streamViewType",
            "writeCapacity",
        ),
        naming=Naming(limit=255),
        identity=("name",),
        tagging=Tagging(listing="ListTagsOfResource"),
        volatile=("streamArn", "streamLabel"),
    ),
)
