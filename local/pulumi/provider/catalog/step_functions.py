"""Step Functions state machines, and EventBridge Scheduler."""

from typing import Any

from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Deletes, Reads, Updates, properties
from local.pulumi.provider.wire import Values

MACHINE = (
    "definition",
    "encryptionConfiguration",
    "loggingConfiguration",
    "publish",
    "roleArn",
    "tracingConfiguration",
)
MACHINE_KEY = {"stateMachineArn": "{id}"}
MACHINE_NAMES = {"arn": "stateMachineArn"}
SCHEDULE = (
    "actionAfterCompletion",
    "description",
    "endDate",
    "flexibleTimeWindow",
    "kmsKeyArn",
    "scheduleExpression",
    "scheduleExpressionTimezone",
    "startDate",
    "state",
    "target",
)
SCHEDULE_NAMES = {"eventbridgeParameters": "EventBridgeParameters"}


def _with_destinations(values: Values) -> Values:
    """Pulumi names the one log group; AWS wants a list of typed destinations."""
    logging = values.get("loggingConfiguration")
    if not logging or "logDestination" not in logging:
        return values
    rest = {k: v for k, v in logging.items() if k != "logDestination"}
    group = {"cloudWatchLogsLogGroup": {"logGroupArn": logging["logDestination"]}}
    return {**values, "loggingConfiguration": {**rest, "destinations": [group]}}


def _log_destination(_: Scope, values: Values, answer: Values) -> Values:
    destinations = answer.get("loggingConfiguration", {}).get("destinations") or []
    if not destinations:
        return {}
    arn = destinations[0]["cloudWatchLogsLogGroup"]["logGroupArn"]
    return {"loggingConfiguration": {**values["loggingConfiguration"], "logDestination": arn}}


def _delete_machine(scope: Scope) -> None:
    """AWS deletes it when its last execution has ended; the name is free only then."""
    scope.call("DeleteStateMachine", stateMachineArn=scope.id)

    def gone() -> bool:
        client = scope.client()
        try:
            client.describe_state_machine(stateMachineArn=scope.id)
        except client.exceptions.StateMachineDoesNotExist:
            return True
        return False

    scope.wait(f"state machine {scope.id} to be deleted", gone)


def _group_and_name(scope: Scope) -> dict[str, Any]:
    group, _, name = scope.id.partition("/")
    return {"GroupName": group, "Name": name}


def _read_schedule(scope: Scope) -> Values | None:
    return properties(scope, scope.call("GetSchedule", **_group_and_name(scope)), SCHEDULE_NAMES)


def _delete_schedule(scope: Scope) -> None:
    scope.call("DeleteSchedule", **_group_and_name(scope))


RESOURCES = (
    Resource(
        type="aws:sfn/stateMachine:StateMachine",
        service="stepfunctions",
        create=Creates("CreateStateMachine", ".stateMachineArn", before=_with_destinations),
        read=Reads(
            "DescribeStateMachine", MACHINE_KEY, names=MACHINE_NAMES, after=_log_destination
        ),
        delete=_delete_machine,
        fixed=("name", "namePrefix", "type"),
        parts=(
            Part(
                MACHINE,
                Updates("UpdateStateMachine", MACHINE_KEY, only=MACHINE, before=_with_destinations),
                created=True,
            ),
        ),
        unread=("publish",),
        defaults={"publish": False, "type": "STANDARD"},
        chosen=("encryptionConfiguration", "loggingConfiguration", "tracingConfiguration"),
        json=("definition",),
        naming=Naming(limit=80),
        identity=("name",),
        tagging=Tagging("resourceArn", answer="tags"),
        volatile=("revisionId",),
    ),
    Resource(
        type="aws:scheduler/schedule:Schedule",
        service="scheduler",
        create=Creates("CreateSchedule", "{groupName}/{name}", names=SCHEDULE_NAMES),
        read=_read_schedule,
        delete=_delete_schedule,
        fixed=("groupName", "name", "namePrefix"),
        parts=(Part(SCHEDULE, Updates("UpdateSchedule", {}, names=SCHEDULE_NAMES), created=True),),
        refused=("target.ecsParameters", "target.sagemakerPipelineParameters"),
        defaults={
            "actionAfterCompletion": "NONE",
            "groupName": "default",
            "scheduleExpressionTimezone": "UTC",
            "state": "ENABLED",
            "target.retryPolicy.maximumEventAgeInSeconds": 86400,
            "target.retryPolicy.maximumRetryAttempts": 185,
        },
        naming=Naming(),
        identity=("groupName", "name"),
    ),
    Resource(
        type="aws:scheduler/scheduleGroup:ScheduleGroup",
        service="scheduler",
        create=Creates("CreateScheduleGroup", "{name}"),
        read=Reads(
            "GetScheduleGroup",
            {"Name": "{id}"},
            names={"lastModificationDate": "LastModificationDate"},
        ),
        delete=Deletes("DeleteScheduleGroup", {"Name": "{id}"}),
        fixed=("name", "namePrefix"),
        naming=Naming(),
        identity=("name",),
        tagging=Tagging(),
        volatile=("lastModificationDate",),
    ),
)
