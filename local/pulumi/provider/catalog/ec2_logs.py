"""Flow logs of a VPC."""

from typing import Any

from local.pulumi.provider.catalog.ec2 import TAGGING, arn_of, tagged
from local.pulumi.provider.model import Resource, Scope
from local.pulumi.provider.regular import Deletes, properties
from local.pulumi.provider.wire import Values

NAMES = {"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"}
CLOUDWATCH = "cloud-watch-logs"


def _create(scope: Scope, values: Values) -> str:
    arguments: dict[str, Any] = {
        "ResourceType": "VPC",
        "ResourceIds": [values["vpcId"]],
        "TrafficType": values["trafficType"],
        "LogDestinationType": values["logDestinationType"],
        "LogDestination": values["logDestination"],
        "DeliverLogsPermissionArn": values["iamRoleArn"],
        "MaxAggregationInterval": int(values["maxAggregationInterval"]),
        **tagged("vpc-flow-log")(scope, values),
    }
    answer = scope.call("CreateFlowLogs", **arguments)
    if answer.get("Unsuccessful"):
        error = answer["Unsuccessful"][0]["Error"]
        raise RuntimeError(f"{error['Code']}: {error['Message']}")
    return answer["FlowLogIds"][0]


def _read(scope: Scope) -> Values | None:
    found = scope.call("DescribeFlowLogs", FlowLogIds=[scope.id])["FlowLogs"]
    if not found:
        return None
    return {
        **properties(scope, found[0], NAMES),
        **arn_of("vpc-flow-log")(scope, {}, found[0]),
    }


RESOURCES = (
    Resource(
        type="aws:ec2/flowLog:FlowLog",
        service="ec2",
        create=_create,
        read=_read,
        delete=Deletes("DeleteFlowLogs", {"FlowLogIds": ["{id}"]}),
        # EC2 has no operation that changes a flow log.
        fixed=(
            *("iamRoleArn", "logDestination", "logDestinationType", "maxAggregationInterval"),
            *("trafficType", "vpcId"),
        ),
        defaults={"logDestinationType": CLOUDWATCH, "maxAggregationInterval": 600},
        tagging=TAGGING,
    ),
)
