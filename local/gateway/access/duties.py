"""What AWS does in a role's name beside the calls that its holder makes.

Sources: Lambda developer guide, "Execution role" and "Securing environment variables"; Step
Functions developer guide, "Logging in CloudWatch Logs" and "IAM policies for X-Ray"; S3 user guide,
"Setting up permissions for live replication" and "Replicating encrypted objects"; Lambda developer
guide, "Giving Lambda functions access to resources in a VPC".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from local.gateway.access.needs import Need

_ANYWHERE = ("*",)
TRACED = tuple(
    Need(f"xray:{name}", _ANYWHERE) for name in ("PutTraceSegments", "PutTelemetryRecords")
)
"""A function that is traced."""
MACHINE_TRACED = (
    *TRACED,
    *(Need(f"xray:{name}", _ANYWHERE) for name in ("GetSamplingRules", "GetSamplingTargets")),
)
MACHINE_LOGGED = tuple(
    Need(f"logs:{name}", _ANYWHERE)
    for name in (
        *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery"),
        *("ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies"),
        "DescribeLogGroups",
    )
)
_READ_TO_REPLICATE = (
    *("GetObjectVersionForReplication", "GetObjectVersionAcl"),
    "GetObjectVersionTagging",
)


def through(service: str, region: str, actions: tuple[str, ...], key_arn: str) -> list[Need]:
    """Actions on a key that a service asks for in the role's name; none without a key."""
    via = {"kms:ViaService": f"{service}.{region}.amazonaws.com"}
    return [Need(action, (key_arn,), via) for action in actions] if key_arn else []


def networked(role: str, region: str, network: Mapping[str, Any]) -> Iterator[Need]:
    """A function that is put into subnets; nothing for one outside of every VPC."""
    if not network.get("SubnetIds"):
        return
    _, partition, _, _, account, _ = role.split(":", 5)
    own = f"arn:{partition}:ec2:{region}:{account}:"
    for name in ("DescribeNetworkInterfaces", "DescribeSubnets"):
        yield Need(f"ec2:{name}", _ANYWHERE)
    used = (
        "network-interface/any",
        *(f"subnet/{one}" for one in network["SubnetIds"]),
        *(f"security-group/{one}" for one in network.get("SecurityGroupIds", ())),
    )
    for resource in used:
        yield Need("ec2:CreateNetworkInterface", (own + resource,))


def logged(group_arn: str) -> list[Need]:
    """A function that writes its log."""
    return [
        Need("logs:CreateLogStream", (f"{group_arn}:log-stream:",)),
        Need("logs:PutLogEvents", (f"{group_arn}:log-stream:any",)),
    ]


def read_to_replicate(bucket: str, key: str | None) -> Iterator[Need]:
    """What replication reads at the source; without a key it carries a delete marker."""
    yield Need("s3:GetReplicationConfiguration", (bucket,))
    yield Need("s3:ListBucket", (bucket,))
    if key is not None:
        for name in _READ_TO_REPLICATE:
            yield Need(f"s3:{name}", (f"{bucket}/{key}",))
