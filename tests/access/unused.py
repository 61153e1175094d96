"""Grants that a drill does not use, each with the reason why it is there all the same.

A drill takes one course of many. What it leaves out is either exercised by the machines' own tests,
where each step acts as its role (`tests/handlers/permissions.py`), or used by AWS itself.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

COURSES = "another course of a recovery takes it; the machines' tests go there as the step's role"
FAILURES = "only when something fails on the way"
MWAA = "MWAA itself uses it (user guide, 'Amazon MWAA execution role'); the local Airflow does not"
TABLE_KEY = "DynamoDB documents it for who uses a table under a customer managed key"


@dataclass(frozen=True)
class Unused:
    """Grants, by patterns.

    Args:
        role: the end of its name, after the site.
    """

    role: str
    actions: tuple[str, ...]
    reason: str
    resource: str = "*"

    def covers(self, grant: dict[str, Any]) -> bool:
        return (
            fnmatchcase(grant["role"], f"*-{self.role}")
            and any(fnmatchcase(grant["action"], one) for one in self.actions)
            and fnmatchcase(grant["resource"], self.resource)
        )


REASONS = (
    Unused("execution", ("airflow:PublishMetrics", "logs:*", "sqs:*"), MWAA),
    Unused("execution", ("s3:GetAccountPublicAccessBlock", "s3:GetBucket*"), MWAA),
    Unused("execution", ("s3:GetObject[*]", "s3:List[*]"), MWAA),
    Unused(
        "execution",
        ("kms:DescribeKey", "kms:Encrypt"),
        "MWAA documents it for execution roles with a customer managed key",
    ),
    Unused("execution", ("s3:AbortMultipartUpload",), FAILURES),
    Unused(
        "execution",
        ("s3:PutObject", "s3:GetObject", "s3:ListBucket", "kms:*"),
        "written and read when a site returns or work goes back, which one drill in two does",
    ),
    Unused("*", ("kms:Encrypt", "kms:ReEncrypt*", "kms:DescribeKey"), TABLE_KEY),
    Unused("*", ("dynamodb:*",), COURSES),
    Unused("*", ("kms:Decrypt", "kms:GenerateDataKey"), COURSES),
    Unused("*", ("sns:Publish", "events:PutEvents"), COURSES),
    Unused("*", ("s3:GetObject", "s3:PutObject", "s3:ListBucket"), COURSES),
    Unused("*", ("airflow:GetEnvironment",), COURSES),
    Unused("remove-environment", ("*",), "a drill of the installation's own ends with it"),
    Unused(
        "hasten",
        ("ec2:*",),
        "Lambda uses it in the role's name where the function is in a VPC ('Giving Lambda "
        "functions access to resources in a VPC')",
    ),
    Unused("approval", ("*",), "a drill asks nobody"),
    Unused("note-event", ("*",), "AWS tells of no trouble in a drill"),
    Unused("flow-logs", ("logs:*",), "EC2 writes flow logs; locally there are no packets"),
    Unused("region-switch", ("*",), "a plan of ARC Region switch calls it"),
    Unused(
        "create-environment",
        (
            *("ec2:Describe*", "kms:ListGrants", "kms:RevokeGrant", "iam:CreateServiceLinkedRole"),
            *("kms:GenerateDataKeyWithoutPlaintext", "s3:GetObjectVersion"),
            "s3:ListBucketVersions",
        ),
        "MWAA asks for it in the caller's name (user guide, 'Accessing an environment', 'Customer "
        "managed keys'); the first environment of an account makes the service-linked role",
    ),
    Unused(
        "dr-replication",
        ("s3:Get*", "s3:ReplicateObject"),
        "code is written at the DR site, and carried back, only while work goes on there",
        "*-dags-*",
    ),
    Unused("send-order", ("airflow:InvokeRestApi",), "a site that is lost cannot be asked"),
    Unused("recovery-machine", ("lambda:InvokeFunction",), COURSES),
    Unused(
        "replication", ("s3:ReplicateDelete", "s3:ReplicateTags"), "nothing is deleted or tagged"
    ),
    Unused("capture", ("s3:GetObjectVersion",), "the drill's environment has no plugins"),
)


def unexplained(told: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Grants that nobody used and no reason covers, of what the local AWS told of access."""
    return [one for one in told["unused"] if not any(reason.covers(one) for reason in REASONS)]
