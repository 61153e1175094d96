"""The role that an environment's Airflow runs as."""

from dataclasses import dataclass

import pulumi

from components.base import Component, Place
from components.iam import KEY_SERVICE, RoleArgs, ServiceRole, Statement
from contract import keys
from contract.objects import ObjectRole
from contract.sites import CopyMode, Site

PURPOSE = "execution"
SERVICES = ("airflow.amazonaws.com", "airflow-env.amazonaws.com")


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutionArgs:
    """The role's keys.

    Args:
        place: the site whose environment runs as this role.
        data_keys: ARNs of the data keys whose buckets it uses: this site's, and the DR site's.
        seal_key: ARN of the sealing key in this site's Region.
    """

    place: Place
    data_keys: tuple[pulumi.Input[str], ...]
    seal_key: pulumi.Input[str]


def policies(args: ExecutionArgs) -> dict[str, list[Statement]]:
    """The statements of the role by concern."""
    return {
        "airflow": airflow_statements(args.place),
        "recovery": recovery_statements(args.place),
        "keys": [
            Statement(KEY_SERVICE, args.data_keys),
            Statement(("kms:Decrypt", "kms:GenerateDataKey"), (args.seal_key,)),
        ],
    }


class ExecutionRole(Component):
    """What MWAA asks for, what the recovery DAGs need, and the policies the user attached.

    Produces these resources: iam.Role, iam.RolePolicy, iam.RolePolicyAttachment.
    """

    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ExecutionArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place = args.place
        role = ServiceRole(
            name,
            RoleArgs(
                place=place,
                purpose=PURPOSE,
                role=ObjectRole.ENVIRONMENT,
                services=SERVICES,
                policies=policies(args),
                managed=place.settings.environment.execution_policy_arns,
            ),
            opts=self.child(),
        )
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})


def airflow_statements(place: Place) -> list[Statement]:
    """What MWAA documents for every execution role (user guide, 'Amazon MWAA execution role')."""
    names, region = place.names, place.region
    bucket = names.bucket_arn(place.dag_bucket)
    return [
        Statement(("airflow:PublishMetrics",), (place.environment_arn,)),
        Statement(("s3:GetObject*", "s3:GetBucket*", "s3:List*"), (bucket, f"{bucket}/*")),
        Statement(("s3:GetAccountPublicAccessBlock",)),
        Statement(
            (
                *("logs:CreateLogStream", "logs:CreateLogGroup", "logs:PutLogEvents"),
                *("logs:GetLogEvents", "logs:GetLogRecord", "logs:GetLogGroupFields"),
                "logs:GetQueryResults",
            ),
            (names.arn("logs", region, f"log-group:airflow-{place.environment}-*"),),
        ),
        Statement(("logs:DescribeLogGroups", "cloudwatch:PutMetricData")),
        Statement(
            (
                *("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
                *("sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:SendMessage"),
            ),
            # Celery's queue is in an account of the service.
            (f"arn:{names.partition}:sqs:{region}:*:airflow-celery-*",),
        ),
    ]


def recovery_statements(place: Place) -> list[Statement]:
    """What the agent, the export and the import DAG do in the backup buckets."""
    names, site = place.names, place.site
    local = names.bucket_arn(place.backup_bucket)
    dr = names.bucket_arn(names.backup_bucket(Site.DR))
    direct = place.settings.backup.copy_mode is CopyMode.DIRECT
    export = dr if direct else local
    both = tuple(sorted({local, dr}))
    exports = (
        f"{export}/{keys.site_backups(site)}*",
        f"{export}/{keys.DIVERGENCE}{keys.site_backups(site)}*",
    )
    return [
        Statement(("s3:ListBucket",), both),
        Statement(
            ("s3:GetObject",),
            tuple(f"{bucket}/{part}/*" for bucket in both for part in ("backups", "control")),
        ),
        Statement(
            ("s3:PutObject",),
            (
                *exports,
                f"{dr}/{keys.pulse(site)}",
                f"{dr}/{keys.ack(site, '*')}",
                f"{dr}/{keys.fences(site)}*",
            ),
        ),
        Statement(("s3:AbortMultipartUpload",), exports),
    ]
