"""Who talked to whom in a VPC: its flow logs, in an encrypted log group."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.iam import RoleArgs, ServiceRole, Statement
from contract.objects import ObjectRole


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowLogArgs:
    """What is logged, and for how long it is kept.

    Args:
        place: the site.
        vpc_id: its VPC.
        key_arn: encrypts the log group.
        days: retention.
    """

    place: Place
    vpc_id: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    days: int


class FlowLogs(Component):
    """A log group, the role that writes to it, and the flow log of the VPC.

    Produces these resources: cloudwatch.LogGroup, ec2.FlowLog, iam.Role, iam.RolePolicy.
    """

    def __init__(
        self, name: str, args: FlowLogArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        group = place.names.flow_log(place.site)
        log = aws.cloudwatch.LogGroup(
            f"{name}-log",
            region=place.region,
            name=group,
            retention_in_days=args.days,
            kms_key_id=args.key_arn,
            tags=place.tags(ObjectRole.NETWORK),
            opts=self.child(),
        )
        arn = place.names.arn("logs", place.region, f"log-group:{group}")
        role = ServiceRole(
            f"{name}-access",
            RoleArgs(
                place=place,
                purpose="flow-logs",
                role=ObjectRole.NETWORK,
                services=("vpc-flow-logs.amazonaws.com",),
                policies={
                    "log": [
                        Statement(("logs:CreateLogStream", "logs:PutLogEvents"), (f"{arn}:*",)),
                        Statement(("logs:DescribeLogStreams",), (arn, f"{arn}:*")),
                        Statement(("logs:DescribeLogGroups",)),
                    ]
                },
            ),
            opts=self.child(),
        )
        aws.ec2.FlowLog(
            f"{name}-flow",
            region=place.region,
            vpc_id=args.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=log.arn,
            iam_role_arn=role.arn,
            tags={**place.tags(ObjectRole.NETWORK), "Name": f"{place.environment}-flow"},
            opts=self.child(depends_on=[role]),
        )
        self.register_outputs({})
