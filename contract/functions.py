"""The Lambda functions: one per step, each with what it may do.

The handlers implement the steps, the `dr` stack deploys them with a role per function made from the
grants, and tests compare both with this table.
"""

from dataclasses import dataclass
from enum import StrEnum

from contract.sites import Strategy


class Grant(StrEnum):
    """One thing a step needs; the `dr` stack turns it into the narrowest IAM statement."""

    OBSERVE = "observe"
    """cloudwatch:GetMetricData, cloudwatch:ListMetrics, airflow:ListEnvironments in all three
    Regions (sts:GetCallerIdentity needs no permission); s3:ListBucket (HeadBucket) on both backup
    buckets."""
    ENVIRONMENTS = "environments"
    """airflow:GetEnvironment of both sites' environments."""
    CHECKS = "checks"
    """What the user's own checks read: cloudwatch:GetMetricData in their Regions,
    cloudwatch:DescribeAlarms on their alarms."""
    READ_BACKUPS = "read-backups"
    """s3:GetObject, s3:ListBucket on the DR backup bucket, kms:Decrypt on its data key; what is
    sealed in a backup only an environment opens."""
    READ_CONTROL = "read-control"
    """s3:GetObject on `control/*` of the DR backup bucket, with its data key; s3:ListBucket there,
    since S3 otherwise answers 403 for an object that is not there yet."""
    WRITE_CONFIG = "write-config"
    """s3:PutObject on `config/*` of the DR backup bucket, with its data key."""
    WRITE_CONTROL = "write-control"
    """s3:GetObject, s3:PutObject on `control/*` of both backup buckets, with their data keys;
    s3:ListBucket there."""
    READ_CODE = "read-code"
    """s3:GetObject, s3:GetObjectVersion on both DAG buckets, with their data keys."""
    STATE = "state"
    """dynamodb:GetItem, PutItem, UpdateItem on the state table, with its key."""
    METRICS = "metrics"
    """cloudwatch:PutMetricData in our namespace, in the DR and the primary Region."""
    NOTIFY = "notify"
    """sns:Publish on the DR topics with their key, events:PutEvents on the default bus in DR."""
    START_RECOVERY = "start-recovery"
    """states:StartExecution on the recovery machine."""
    REMOVE_ENVIRONMENT = "remove-environment"
    """airflow:GetEnvironment and DeleteEnvironment on the DR environment."""
    CREATE_ENVIRONMENT = "create-environment"
    """airflow:CreateEnvironment, GetEnvironment, TagResource on the DR environment; iam:PassRole of
    its execution role to airflow.amazonaws.com; s3:GetObject, GetObjectVersion, ListBucket,
    GetEncryptionConfiguration on the DR DAG bucket and s3:PutObject on its `mwaa-dr/*`; what MWAA
    asks of its caller (kms:CreateGrant, DescribeKey, ec2 network reads and interface writes)."""
    INVOKE_REST = "invoke-rest"
    """airflow:InvokeRestApi on the Op role of the environments whose web servers it may reach (an
    accelerator only); lambda:InvokeFunction on what reaches the DR site's private one."""
    INVOKE_REST_INSIDE = "invoke-rest-inside"
    """airflow:InvokeRestApi on the Op role of the DR environment."""
    NETWORK = "network"
    """What Lambda itself does in the role's name to run a function in a VPC: the network interfaces
    of EC2; denied to the function's own code."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function.

    Args:
        step: its name; the handler is `handlers.<step>.handler`, `-` written as `_`.
        timeout_seconds: above the sum of its clients' time-outs.
        memory_mb: memory, and with it processor share.
        grants: what it may do.
        purpose: one line for the docs and the function's description.
        only: the one strategy whose machines call it; None for both.
        inside: whether it runs in the network of the DR environment.
    """

    step: str
    timeout_seconds: int
    memory_mb: int
    grants: tuple[Grant, ...]
    purpose: str
    only: Strategy | None = None
    inside: bool = False

    @property
    def handler(self) -> str:
        return f"handlers.{self.step.replace('-', '_')}.handler"


NOTE_EVENT = "note-event"
"""The one step that no machine takes: EventBridge calls it."""
HASTEN = "hasten"
"""What `send-order` calls where the DR site's web server is private."""

FUNCTIONS: tuple[FunctionSpec, ...] = (
    FunctionSpec(
        "assess",
        40,
        512,
        (
            *(Grant.OBSERVE, Grant.CHECKS, Grant.ENVIRONMENTS),
            *(Grant.READ_BACKUPS, Grant.WRITE_CONTROL),
            *(Grant.STATE, Grant.METRICS, Grant.NOTIFY),
        ),
        "Reads every signal, keeps the reading, gives the verdict and publishes it",
    ),
    FunctionSpec(
        NOTE_EVENT,
        30,
        256,
        (Grant.STATE,),
        "Notes an event of AWS about the owner, so that fewer readings have to agree",
    ),
    FunctionSpec(
        "oversee",
        30,
        256,
        (
            *(Grant.ENVIRONMENTS, Grant.READ_BACKUPS, Grant.WRITE_CONTROL),
            *(Grant.STATE, Grant.METRICS, Grant.NOTIFY),
        ),
        "Notes when the old owner is fenced, says how protected the owner is, escalates",
    ),
    FunctionSpec(
        "capture",
        30,
        256,
        (Grant.ENVIRONMENTS, Grant.READ_BACKUPS, Grant.WRITE_CONFIG, Grant.READ_CODE),
        "Keeps the owner's environment configuration in the DR Region when it changed",
    ),
    FunctionSpec(
        "open-incident",
        30,
        256,
        (Grant.STATE, Grant.NOTIFY),
        "Opens the one incident there may be, or finds the one that is open",
    ),
    FunctionSpec(
        "record",
        30,
        256,
        (Grant.STATE, Grant.NOTIFY),
        "Writes a step of the incident, tells people and EventBridge",
    ),
    FunctionSpec(
        "choose-backup",
        300,
        1024,
        (Grant.READ_BACKUPS, Grant.STATE),
        "Finds the newest backup that is complete and whose objects are what the manifest says",
    ),
    FunctionSpec(
        "create-environment",
        60,
        256,
        (Grant.READ_BACKUPS, Grant.WRITE_CONFIG, Grant.CREATE_ENVIRONMENT, Grant.STATE),
        "Maps the captured configuration to the DR Region and creates the environment",
        only=Strategy.BACKUP_RESTORE,
    ),
    FunctionSpec(
        "environment-status",
        30,
        256,
        (Grant.ENVIRONMENTS,),
        "Says whether the DR environment is usable, still on its way, or failed and why",
    ),
    FunctionSpec(
        "remove-environment",
        30,
        256,
        (Grant.READ_BACKUPS, Grant.WRITE_CONFIG, Grant.REMOVE_ENVIRONMENT, Grant.STATE),
        "Removes the environment that a drill made",
        only=Strategy.BACKUP_RESTORE,
    ),
    FunctionSpec(
        "approval",
        30,
        256,
        (Grant.STATE, Grant.NOTIFY),
        "Waits until a person approves or rejects a recovery",
    ),
    FunctionSpec(
        "region-switch",
        30,
        256,
        (Grant.STATE, Grant.NOTIFY, Grant.START_RECOVERY),
        "Moves the ownership when a plan of ARC Region switch asks for it",
    ),
    FunctionSpec(
        "rehearse",
        30,
        256,
        (Grant.STATE, Grant.NOTIFY, Grant.START_RECOVERY),
        "Starts a drill when its schedule says so",
    ),
    FunctionSpec(
        "send-order",
        30,
        256,
        (Grant.WRITE_CONTROL, Grant.STATE, Grant.INVOKE_REST),
        "Writes an order for a site's agent and asks Airflow to run the agent now",
    ),
    FunctionSpec(
        HASTEN,
        30,
        256,
        (Grant.INVOKE_REST_INSIDE, Grant.NETWORK),
        "Asks the DR site's Airflow, from inside its network, to run the agent now",
        inside=True,
    ),
    FunctionSpec(
        "order-status",
        30,
        256,
        (Grant.READ_CONTROL,),
        "Says how far the agent is with an order",
    ),
    FunctionSpec(
        "promote",
        30,
        256,
        (Grant.STATE, Grant.WRITE_CONTROL),
        "Moves the ownership record by compare-and-set and mirrors it",
    ),
    FunctionSpec(
        "close-incident",
        30,
        256,
        (Grant.STATE, Grant.NOTIFY),
        "Closes the incident with its measured RTO and RPO, or with the reason it failed",
    ),
)

BY_STEP: dict[str, FunctionSpec] = {spec.step: spec for spec in FUNCTIONS}
