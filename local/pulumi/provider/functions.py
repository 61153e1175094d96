"""The functions (`aws.get_...`) that the local provider knows."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local.pulumi.provider.catalog.s3 import describe
from local.pulumi.provider.model import Scope
from local.pulumi.provider.wire import Value, Values


class UnknownFunctionError(LookupError):
    """No such function here."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Args:
        service: the boto3 client its calls go to.
        arguments: the names it takes; others are refused.
        run: gets the scope and the arguments.
    """

    service: str
    arguments: tuple[str, ...]
    run: Callable[[Scope, Values], Values]


def _caller_identity(scope: Scope, _: Values) -> Values:
    answer = scope.call("GetCallerIdentity")
    return {
        "accountId": answer["Account"],
        "arn": answer["Arn"],
        "userId": answer["UserId"],
        "id": answer["Account"],
    }


def _region(scope: Scope, _: Values) -> Values:
    name = scope.region
    return {
        "region": name,
        "name": name,
        "id": name,
        "description": name,
        "endpoint": f"ec2.{name}.amazonaws.com",
    }


def _partition(scope: Scope, _: Values) -> Values:
    suffix = "amazonaws.com.cn" if scope.partition == "aws-cn" else "amazonaws.com"
    return {
        "partition": scope.partition,
        "dnsSuffix": suffix,
        "reverseDnsPrefix": ".".join(reversed(suffix.split("."))),
        "id": scope.partition,
    }


def _zones(scope: Scope, arguments: Values) -> Values:
    filters = [{"Name": f["name"], "Values": f["values"]} for f in arguments.get("filters", [])]
    if arguments.get("state"):
        filters.append({"Name": "state", "Values": [arguments["state"]]})
    answer = scope.call("DescribeAvailabilityZones", **({"Filters": filters} if filters else {}))
    zones = [
        zone
        for zone in answer["AvailabilityZones"]
        if zone["ZoneName"] not in arguments.get("excludeNames", [])
        and zone["ZoneId"] not in arguments.get("excludeZoneIds", [])
    ]
    return {
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({zone.get("GroupName", scope.region) for zone in zones}),
        "id": scope.region,
    }


TEXT = ("text/", "application/json", "application/xml", "application/x-yaml")
"""Content types of which pulumi-aws gives the body too; of others it gives an empty text."""


def _object(scope: Scope, arguments: Values) -> Values:
    asked = {"Bucket": arguments["bucket"], "Key": arguments["key"]}
    if arguments.get("versionId"):
        asked["VersionId"] = arguments["versionId"]
    found = scope.call("GetObject", **asked)
    kind = found.get("ContentType", "")
    body = found["Body"].read()
    return {
        "id": f"{arguments['bucket']}/{arguments['key']}",
        "arn": f"arn:{scope.partition}:s3:::{arguments['bucket']}/{arguments['key']}",
        "bucket": arguments["bucket"],
        "key": arguments["key"],
        "body": body.decode() if kind.startswith(TEXT) else "",
        "contentType": kind,
        "contentLength": found["ContentLength"],
        "etag": found["ETag"].strip('"'),
        "versionId": found.get("VersionId", ""),
    }


def _bucket(scope: Scope, arguments: Values) -> Values:
    scope.call("HeadBucket", Bucket=arguments["bucket"])
    return {**describe(scope, arguments["bucket"]), "id": arguments["bucket"]}


def _key(scope: Scope, arguments: Values) -> Values:
    found = scope.call("DescribeKey", KeyId=arguments["keyId"])["KeyMetadata"]
    return {
        "id": found["KeyId"],
        "keyId": arguments["keyId"],
        "arn": found["Arn"],
        "awsAccountId": found.get("AWSAccountId", ""),
        "creationDate": found["CreationDate"].isoformat(),
        "customerMasterKeySpec": found.get("KeySpec", "SYMMETRIC_DEFAULT"),
        "keySpec": found.get("KeySpec", "SYMMETRIC_DEFAULT"),
        "description": found.get("Description", ""),
        "enabled": found["Enabled"],
        "keyManager": found.get("KeyManager", ""),
        "keyState": found["KeyState"],
        "keyUsage": found.get("KeyUsage", "ENCRYPT_DECRYPT"),
        "multiRegion": found.get("MultiRegion", False),
        "origin": found.get("Origin", ""),
    }


def _alias(scope: Scope, arguments: Values) -> Values:
    for page in scope.client().get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == arguments["name"] and alias.get("TargetKeyId"):
                key = scope.call("DescribeKey", KeyId=alias["TargetKeyId"])["KeyMetadata"]
                return {
                    "id": alias["AliasArn"],
                    "arn": alias["AliasArn"],
                    "name": alias["AliasName"],
                    "targetKeyId": key["KeyId"],
                    "targetKeyArn": key["Arn"],
                }
    raise LookupError(f"NotFoundException: {scope.region} has no KMS alias {arguments['name']!r}")


MEMBERS = (
    ("actions", "Action"),
    ("notActions", "NotAction"),
    ("resources", "Resource"),
    ("notResources", "NotResource"),
)


def _one_or_all(values: list[Value]) -> Value:
    return values[0] if len(values) == 1 else values


def _statements(arguments: Values) -> Iterator[Values]:
    for statement in arguments.get("statements", []):
        result: Values = {"Sid": statement["sid"]} if statement.get("sid") else {}
        result["Effect"] = statement.get("effect", "Allow")
        for name, member in MEMBERS:
            if statement.get(name):
                result[member] = _one_or_all(statement[name])
        for name, member in (("principals", "Principal"), ("notPrincipals", "NotPrincipal")):
            given = {p["type"]: _one_or_all(p["identifiers"]) for p in statement.get(name, [])}
            if given:
                result[member] = "*" if given == {"*": "*"} else given
        conditions: dict[str, dict[str, Any]] = {}
        for condition in statement.get("conditions", []):
            test = conditions.setdefault(condition["test"], {})
            test[condition["variable"]] = _one_or_all(condition["values"])
        if conditions:
            result["Condition"] = conditions
        yield result


def _policy_document(_: Scope, arguments: Values) -> Values:
    """Built from the arguments alone; later documents win by statement id, as in pulumi-aws."""
    document: Values = {"Version": arguments.get("version", "2012-10-17")}
    if arguments.get("policyId"):
        document["Id"] = arguments["policyId"]
    statements: list[Values] = []
    for source in arguments.get("sourcePolicyDocuments", []):
        statements += _listed(json.loads(source))
    statements += _statements(arguments)
    for override in arguments.get("overridePolicyDocuments", []):
        for statement in _listed(json.loads(override)):
            sid = statement.get("Sid")
            statements = [s for s in statements if not sid or s.get("Sid") != sid]
            statements.append(statement)
    document["Statement"] = statements
    text = json.dumps(document, indent=2)
    return {
        "json": text,
        "minifiedJson": json.dumps(document, separators=(",", ":")),
        "id": str(int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)),
    }


def _listed(document: Values) -> list[Values]:
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


FUNCTIONS: dict[str, Function] = {
    "aws:index/getCallerIdentity:getCallerIdentity": Function("sts", (), _caller_identity),
    "aws:index/getRegion:getRegion": Function("sts", ("name", "endpoint", "id"), _region),
    "aws:index/getPartition:getPartition": Function("sts", (), _partition),
    "aws:index/getAvailabilityZones:getAvailabilityZones": Function(
        "ec2", ("excludeNames", "excludeZoneIds", "filters", "state"), _zones
    ),
    "aws:iam/getPolicyDocument:getPolicyDocument": Function(
        "iam",
        (
            "overridePolicyDocuments",
            "policyId",
            "sourcePolicyDocuments",
            "statements",
            "version",
        ),
        _policy_document,
    ),
    "aws:kms/getAlias:getAlias": Function("kms", ("name",), _alias),
    "aws:kms/getKey:getKey": Function("kms", ("keyId",), _key),
    "aws:s3/getBucket:getBucket": Function("s3", ("bucket",), _bucket),
    "aws:s3/getObject:getObject": Function("s3", ("bucket", "key", "versionId"), _object),
}


def find(token: str, arguments: Values) -> Function:
    """The function of a token.

    Raises:
        UnknownFunctionError: it or one of its arguments is not known here.
    """
    function = FUNCTIONS.get(token)
    if function is None:
        raise UnknownFunctionError(
            f"the local provider has no function {token}; it has {', '.join(sorted(FUNCTIONS))}"
        )
    unknown = set(arguments) - set(function.arguments) - {"region"}
    if unknown:
        raise UnknownFunctionError(
            f"{token} has no argument {', '.join(sorted(unknown))} here; it has "
            f"{', '.join((*function.arguments, 'region'))}"
        )
    return function
