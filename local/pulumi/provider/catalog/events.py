"""EventBridge rules and their targets."""

from typing import Any

from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import properties, put
from local.pulumi.provider.shapes import from_aws, to_aws
from local.pulumi.provider.wire import Values

DEFAULT_BUS = "default"
TARGET_NAMES = {
    "targetId": "Id",
    "inputPaths": "InputPathsMap",
    "sqsTarget": "SqsParameters",
}
TARGET = (
    "arn",
    "deadLetterConfig",
    "input",
    "inputPath",
    "inputTransformer",
    "retryPolicy",
    "roleArn",
    "sqsTarget",
)


def _bus_and_name(identifier: str) -> tuple[str, str]:
    bus, _, name = identifier.rpartition("/")
    return bus or DEFAULT_BUS, name


def _rule_id(values: Values) -> str:
    bus, name = values["eventBusName"], values["name"]
    return name if bus == DEFAULT_BUS else f"{bus}/{name}"


def _read_rule(scope: Scope) -> Values | None:
    bus, name = _bus_and_name(scope.id)
    answer = scope.call("DescribeRule", Name=name, EventBusName=bus)
    return {**properties(scope, answer, {}), "eventBusName": bus}


def _delete_rule(scope: Scope) -> None:
    bus, name = _bus_and_name(scope.id)
    if scope.state.get("forceDestroy"):
        listed = scope.call("ListTargetsByRule", Rule=name, EventBusName=bus)["Targets"]
        if listed:
            ids = [target["Id"] for target in listed]
            scope.call("RemoveTargets", Rule=name, EventBusName=bus, Ids=ids)
    scope.call("DeleteRule", Name=name, EventBusName=bus)


def _target(scope: Scope, values: Values) -> dict[str, Any]:
    shape = scope.input_shape("PutTargets").members["Targets"].member
    wanted = {name: values[name] for name in ("targetId", *TARGET) if name in values}
    return to_aws(shape, wanted, TARGET_NAMES)


def _put_target(scope: Scope, values: Values) -> str:
    answer = scope.call(
        "PutTargets",
        Rule=values["rule"],
        EventBusName=values["eventBusName"],
        Targets=[_target(scope, values)],
    )
    if answer.get("FailedEntryCount"):
        error = answer["FailedEntries"][0]
        raise RuntimeError(f"{error['ErrorCode']}: {error['ErrorMessage']}")
    return f"{values['eventBusName']}/{values['rule']}/{values['targetId']}"


def _overwrite_target(scope: Scope, values: Values) -> None:
    _put_target(scope, values)


def _target_key(scope: Scope) -> tuple[str, str, str]:
    bus, rule, target = scope.id.rsplit("/", 2)
    return bus, rule, target


def _read_target(scope: Scope) -> Values | None:
    bus, rule, target = _target_key(scope)
    listed = scope.call("ListTargetsByRule", Rule=rule, EventBusName=bus)["Targets"]
    found = next((item for item in listed if item["Id"] == target), None)
    if found is None:
        return None
    values = from_aws(scope.schema, scope.resource.inputs, found, TARGET_NAMES)
    return {**values, "rule": rule, "eventBusName": bus, "targetId": target}


def _delete_target(scope: Scope) -> None:
    bus, rule, target = _target_key(scope)
    scope.call("RemoveTargets", Rule=rule, EventBusName=bus, Ids=[target])


RESOURCES = (
    put(
        "aws:cloudwatch/eventRule:EventRule",
        "events",
        "PutRule",
        identity=_rule_id,
        key=("eventBusName", "name"),
        body=("description", "eventPattern", "roleArn", "scheduleExpression", "state"),
        read=_read_rule,
        delete=_delete_rule,
        local=("forceDestroy",),
        defaults={"eventBusName": DEFAULT_BUS, "forceDestroy": False, "state": "ENABLED"},
        json=("eventPattern",),
        naming=Naming(),
        tagging=Tagging("ResourceARN"),
    ),
    Resource(
        type="aws:cloudwatch/eventTarget:EventTarget",
        service="events",
        create=_put_target,
        read=_read_target,
        delete=_delete_target,
        fixed=("eventBusName", "rule", "targetId"),
        parts=(Part(TARGET, _overwrite_target, created=True),),
        defaults={"eventBusName": DEFAULT_BUS},
        json=("input",),
        naming=Naming("targetId"),
        identity=("eventBusName", "rule", "targetId"),
    ),
)
