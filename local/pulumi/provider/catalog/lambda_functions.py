"""Lambda functions and who may invoke them."""

import json
from typing import Any

from local.pulumi.provider.assets import asset_bytes
from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Deletes, Updates, properties
from local.pulumi.provider.wire import Values

KEY = {"FunctionName": "{id}"}
NAMES = {
    "name": "FunctionName",
    "fileSystemConfig": "FileSystemConfigs",
    "commands": "Command",
    "entryPoints": "EntryPoint",
    "codeSha256": "CodeSha256",
    "sourceCodeSize": "CodeSize",
    "arn": "FunctionArn",
}
CODE = ("code", "imageUri", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash")
CONFIGURATION = (
    "deadLetterConfig",
    "description",
    "environment",
    "ephemeralStorage",
    "fileSystemConfig",
    "handler",
    "imageConfig",
    "kmsKeyArn",
    "layers",
    "loggingConfig",
    "memorySize",
    "role",
    "runtime",
    "timeout",
    "tracingConfig",
    "vpcConfig",
)
CLEARED = {
    "deadLetterConfig": {"targetArn": ""},
    "description": "",
    "environment": {"variables": {}},
    "kmsKeyArn": "",
    "layers": [],
    "vpcConfig": {"subnetIds": [], "securityGroupIds": []},
}
UNRESERVED = -1


def _code(values: Values) -> dict[str, Any]:
    if "code" in values:
        return {"ZipFile": asset_bytes(values["code"])}
    if "imageUri" in values:
        return {"ImageUri": values["imageUri"]}
    if "s3Bucket" not in values:
        raise ValueError(f"function {values['name']}: give one of code, s3Bucket and imageUri")
    place = {"S3Bucket": values["s3Bucket"], "S3Key": values["s3Key"]}
    version = values.get("s3ObjectVersion")
    return {**place, "S3ObjectVersion": version} if version else place


def _write_code(scope: Scope, values: Values) -> None:
    arguments = {**_code(values), "Publish": values.get("publish", False)}
    if values.get("architectures"):
        arguments["Architectures"] = values["architectures"]
    scope.call("UpdateFunctionCode", FunctionName=scope.id, **arguments)
    _ready(scope)


def _write_reserved(scope: Scope, values: Values) -> None:
    reserved = int(values.get("reservedConcurrentExecutions", UNRESERVED))
    if reserved != UNRESERVED:
        scope.call(
            "PutFunctionConcurrency",
            FunctionName=scope.id,
            ReservedConcurrentExecutions=reserved,
        )
    elif scope.state.get("reservedConcurrentExecutions", UNRESERVED) != UNRESERVED:
        scope.call("DeleteFunctionConcurrency", FunctionName=scope.id)


def _read(scope: Scope) -> Values | None:
    answer = scope.call("GetFunction", FunctionName=scope.id)
    found = answer["Configuration"]
    values = properties(scope, {k: v for k, v in found.items() if k != "Layers"}, NAMES)
    arn = found["FunctionArn"]
    reserved = answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", UNRESERVED)
    invoke = f"arn:{scope.partition}:apigateway:{scope.region}:lambda:path/2015-03-31/functions"
    version = found.get("Version", "$LATEST")
    return {
        **values,
        "layers": [layer["Arn"] for layer in found.get("Layers", [])],
        "reservedConcurrentExecutions": reserved,
        "invokeArn": f"{invoke}/{arn}/invocations",
        "qualifiedArn": f"{arn}:{version}",
        "qualifiedInvokeArn": f"{invoke}/{arn}:{version}/invocations",
        "tagsAll": dict(answer.get("Tags", {})),
    }


def _ready(scope: Scope) -> None:
    def settled() -> bool:
        found = scope.call("GetFunction", FunctionName=scope.id)["Configuration"]
        for state in ("State", "LastUpdateStatus"):
            if found.get(state) == "Failed":
                raise RuntimeError(f"function {scope.id}: {found.get(f'{state}Reason', 'Failed')}")
        return "Pending" not in (found.get("State"),) and (
            found.get("LastUpdateStatus") != "InProgress"
        )

    scope.wait(f"Lambda function {scope.id}", settled)


def _statements(scope: Scope) -> list[dict[str, Any]]:
    qualifier = scope.state.get("qualifier")
    arguments = {"Qualifier": qualifier} if qualifier else {}
    answer = scope.call("GetPolicy", FunctionName=scope.state["function"], **arguments)
    return json.loads(answer["Policy"])["Statement"]


def _read_permission(scope: Scope) -> Values | None:
    """The program's own words: AWS keeps a policy statement made of them."""
    if "/" in scope.id:
        function, _, scope.id = scope.id.partition("/")
        scope.state = {**scope.state, "function": function}
    statement = next((s for s in _statements(scope) if s.get("Sid") == scope.id), None)
    if statement is None:
        return None
    principal = statement["Principal"]
    if isinstance(principal, dict):
        principal = next(iter(principal.values()))
    found = {
        "function": scope.state["function"],
        "statementId": scope.id,
        "action": statement["Action"],
        "principal": principal,
    }
    conditions = {
        key.lower(): value
        for operator in statement.get("Condition", {}).values()
        for key, value in operator.items()
    }
    for name, key in (("sourceArn", "aws:sourcearn"), ("sourceAccount", "aws:sourceaccount")):
        if key in conditions:
            found[name] = conditions[key]
    return {**{k: v for k, v in scope.state.items() if k in PERMISSION}, **found}


PERMISSION = (
    "action",
    "eventSourceToken",
    "function",
    "principal",
    "principalOrgId",
    "qualifier",
    "sourceAccount",
    "sourceArn",
    "statementId",
)

RESOURCES = (
    Resource(
        type="aws:lambda/function:Function",
        service="lambda",
        create=Creates(
            "CreateFunction",
            "{name}",
            names=NAMES,
            adapt=lambda _, values: {"Code": _code(values)},
            before=lambda values: {k: v for k, v in values.items() if k not in CODE},
        ),
        read=_read,
        delete=Deletes("DeleteFunction", KEY),
        ready=_ready,
        fixed=("name", "packageType"),
        parts=(
            Part((*CODE, "architectures", "publish"), _write_code, created=True),
            Part(
                CONFIGURATION,
                Updates(
                    "UpdateFunctionConfiguration",
                    KEY,
                    names=NAMES,
                    only=CONFIGURATION,
                    changed_only=True,
                    cleared=CLEARED,
                ),
                created=True,
            ),
            Part(("reservedConcurrentExecutions",), _write_reserved),
        ),
        refused=("vpcConfig.vpcId",),
        local=("skipDestroy",),
        unread=(*CODE, "publish"),
        defaults={
            "memorySize": 128,
            "packageType": "Zip",
            "publish": False,
            "reservedConcurrentExecutions": UNRESERVED,
            "skipDestroy": False,
            "timeout": 3,
        },
        chosen=(
            "architectures",
            "ephemeralStorage",
            "loggingConfig",
            "sourceCodeHash",
            "tracingConfig",
            "vpcConfig",
        ),
        ordered=("layers",),
        naming=Naming(),
        identity=("name",),
        tagging=Tagging("Resource", "{arn}", ""),
        volatile=(
            "codeSha256",
            "lastModified",
            "qualifiedArn",
            "qualifiedInvokeArn",
            "sourceCodeSize",
            "version",
        ),
    ),
    Resource(
        type="aws:lambda/permission:Permission",
        service="lambda",
        create=Creates("AddPermission", "{statementId}", names={"function": "FunctionName"}),
        read=_read_permission,
        delete=Deletes("RemovePermission", {"FunctionName": "{function}", "StatementId": "{id}"}),
        fixed=(*PERMISSION, "statementIdPrefix"),
        naming=Naming("statementId", 100),
        identity=("function", "statementId"),
    ),
)
