"""The settings tree. Times are in the unit that ends the key's name."""

from typing import Annotated, Literal, get_args
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

from components.settings.adopted import Adopted
from components.settings.airflow import Environment
from components.settings.declared import CheckSettings
from components.settings.existing import Existing
from components.settings.section import OPTIONS, REGION, TAGS, Options, Region, Section, Tags
from contract.names import NAME_PATTERN, Names
from contract.severity import Severity
from contract.sites import CopyMode, InFlightRule, Site, Strategy

LockMode = Literal["GOVERNANCE", "COMPLIANCE"]
Protocol = Literal["email", "email-json", "https", "sms", "sqs", "lambda"]


def _divides_a_minute(seconds: int) -> int:
    if 60 % seconds:
        raise ValueError("not a divisor of 60")
    return seconds


def _is_a_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("no such zone")
    return name


class Objectives(Section):
    """What the business was promised."""

    rto_minutes: float = Field(default=60, gt=0, description="minutes above 0")
    rpo_minutes: float = Field(default=15, gt=0, description="minutes above 0")


Egress = Literal["nat", "endpoints"]
LOG_DAYS = (30, 60, 90, 120, 150, 180, 365, 400, 545, 731)
"""What CloudWatch Logs takes as a retention, a month and more: incidents are written up late."""
FLOW_LOG_DAYS = 90


def _kept_by_logs(days: int) -> int:
    if days not in (0, *LOG_DAYS):
        raise ValueError("not a retention of CloudWatch Logs")
    return days


class SiteNetwork(Section):
    """Where a site's environment runs: an existing network, or a VPC made for it."""

    subnet_ids: tuple[str, ...] = Field(default=(), description="two private subnets in two zones")
    security_group_ids: tuple[str, ...] = Field(
        default=(), max_length=5, description="1 to 5 group ids"
    )
    vpc_cidr: str | None = Field(default=None, description="a private IPv4 range of /16 to /24")
    egress: Egress | None = Field(
        default=None,
        description="nat (default), or endpoints for a VPC that reaches nothing but its own Region",
    )
    nat_gateways: int | None = Field(
        default=None, ge=1, le=2, description="1 (default), or 2 to survive the loss of a zone"
    )
    endpoint_services: tuple[Annotated[str, Field(pattern=r"^[a-z0-9.-]+$")], ...] = Field(
        default=(),
        description="services that the DAGs need beside MWAA's own, like secretsmanager or athena",
    )
    flow_log_days: Annotated[int, AfterValidator(_kept_by_logs)] | None = Field(
        default=None,
        description=f"{FLOW_LOG_DAYS} (default), 0 for no flow logs, or one of "
        f"{', '.join(map(str, LOG_DAYS))}",
    )

    @property
    def exists(self) -> bool:
        return bool(self.subnet_ids)

    @property
    def closed(self) -> bool:
        """Whether it reaches nothing but its own Region."""
        return self.egress == "endpoints"


class Network(Section):
    """The networks of both sites."""

    primary: SiteNetwork = Field(
        default=SiteNetwork(vpc_cidr="10.64.0.0/16"),
        description="subnetIds and securityGroupIds, or vpcCidr",
    )
    dr: SiteNetwork = Field(
        default=SiteNetwork(vpc_cidr="10.65.0.0/16"),
        description="subnetIds and securityGroupIds, or vpcCidr",
    )

    def of(self, site: Site) -> SiteNetwork:
        return self.primary if site is Site.PRIMARY else self.dr


class Code(Section):
    """What is uploaded to the DAG bucket, by paths relative to the project."""

    dags_directory: str | None = Field(default=None, description="a directory of DAGs")
    plugins_file: str | None = Field(default=None, description="a plugins.zip")
    requirements_file: str | None = Field(default=None, description="a requirements.txt")
    startup_script_file: str | None = Field(default=None, description="a shell script")
    replication: bool = Field(
        default=True,
        description="true, or false where a pipeline of yours writes to both DAG buckets",
    )
    seed: bool = Field(
        default=False,
        description="true to make the role of `mwaa-dr code seed`, which carries older objects",
    )


class Backup(Section):
    """When metadata is backed up, where to, and for how long it is kept."""

    interval_seconds: int = Field(default=300, ge=10, le=86_400, description="10 to 86400 seconds")
    base_interval_hours: int = Field(
        default=24, ge=1, le=168, description="1 to 168 hours; between bases only changes are kept"
    )
    retention_days: int = Field(default=14, ge=1, le=3650, description="1 to 3650 days")
    rendered_fields: bool = Field(
        default=True, description="true, or false to leave tasks' rendered templates out of backups"
    )
    copy_mode: CopyMode = Field(default=CopyMode.DIRECT, description="direct or replicate")
    object_lock_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="up to retentionDays in which nobody can delete a backup, or leave it out",
    )
    object_lock_mode: LockMode = Field(
        default="GOVERNANCE",
        description="GOVERNANCE, or COMPLIANCE where not even the account's root may delete",
    )
    allow_deletion: bool = Field(
        default=False, description="true only to take an installation down, with its backups"
    )


class Standby(Section):
    """The environment that stands by under the strategy active-passive."""

    sync_seconds: int | None = Field(
        default=None,
        ge=10,
        le=86_400,
        description="10 to 86400 seconds, or leave it out for backup.intervalSeconds",
    )


class Metadata(Section):
    """What is kept in Airflow's own database."""

    retention_days: int | None = Field(
        default=None,
        ge=7,
        le=3650,
        description="7 to 3650 days, or leave it out and nothing is purged",
    )


class Agent(Section):
    """The DAG that proves life and takes orders."""

    interval_seconds: int = Field(default=60, ge=5, le=300, description="5 to 300 seconds")


class Detection(Section):
    """When silence and bad signals make a verdict; see `contract.handler_config.Detection`."""

    reading_seconds: Annotated[int, AfterValidator(_divides_a_minute)] = Field(
        default=20, ge=5, le=60, description="5, 6, 10, 12, 15, 20, 30 or 60 seconds"
    )
    needed: int = Field(default=2, ge=1, le=20, description="1 to 20, not above window")
    window: int = Field(default=3, ge=1, le=20, description="1 to 20")
    heartbeat_seconds: int = Field(default=180, ge=30, le=3600, description="30 to 3600 seconds")
    pulse_seconds: int = Field(default=180, ge=10, le=3600, description="10 to 3600 seconds")
    backup_seconds: int = Field(default=900, ge=20, le=604_800, description="20 to 604800 seconds")
    probe_seconds: float = Field(default=3, ge=0.5, le=10, description="0.5 to 10 seconds")
    checks: tuple[CheckSettings, ...] = Field(
        default=(), max_length=20, description="up to 20 checks of name, kind and what to look at"
    )


class Recovery(Section):
    """How a recovery acts; see `contract.handler_config.Recovery`."""

    automatic: bool = Field(
        default=True, description="true, or false to leave the start to a person"
    )
    in_flight: InFlightRule = Field(default=InFlightRule.FAIL, description="fail, rerun or keep")
    order_minutes: float = Field(default=30, ge=0.5, le=1440, description="0.5 to 1440 minutes")
    fence_seconds: int = Field(default=120, ge=10, le=3600, description="10 to 3600 seconds")
    create_minutes: float = Field(default=150, ge=1, le=1440, description="1 to 1440 minutes")
    drain_minutes: float = Field(
        default=10, ge=0, le=1440, description="0 to 1440 minutes for running tasks to end"
    )
    approval_minutes: float | None = Field(
        default=None,
        gt=0,
        le=1440,
        description="up to 1440 minutes for a person to decide, or leave it out to go on at once",
    )
    proceed_unanswered: bool = Field(
        default=False, description="true to go on when nobody decided in approvalMinutes"
    )
    airflow_options: Options = Field(default_factory=dict, description=OPTIONS)


class Drill(Section):
    """Rehearsals that begin by themselves."""

    schedule: str | None = Field(
        default=None,
        pattern=r"^(rate\((1 (hour|day)|([2-9]|[1-9]\d+) (hours|days))\)"
        r"|cron\([^ ()]+( [^ ()]+){5}\))$",
        description="an expression of EventBridge Scheduler like rate(30 days) or "
        "cron(0 4 ? * SUN *), or leave it out and a person starts every drill",
    )
    timezone: Annotated[str, AfterValidator(_is_a_zone)] = Field(
        default="UTC", description="a zone like Europe/Berlin"
    )


class Notification(Section):
    """Someone who is told."""

    protocol: Protocol = Field(description=f"one of {', '.join(get_args(Protocol))}")
    endpoint: str = Field(description="the address that goes with the protocol")


class Recipient(Notification):
    """Someone who is told of alarms and incidents."""

    severity: Severity = Field(
        default=Severity.TICKET,
        description="page for what cannot wait and nothing else, or ticket for everything",
    )


class Escalation(Section):
    """Who is told when nobody has brought an incident to an end in time."""

    after_minutes: float = Field(default=30, ge=1, le=1440, description="1 to 1440 minutes")
    notifications: tuple[Notification, ...] = Field(
        default=(), description="a list of protocol and endpoint"
    )


class Settings(Section):
    """Everything that can be set; both stacks hold the same values."""

    name: str = Field(
        pattern=f"^{NAME_PATTERN.pattern}$",
        description="2 to 20 lower-case letters, digits and hyphens, starting with a letter",
        examples=["analytics"],
    )
    account: str = Field(
        pattern=r"^\d{12}$",
        description="the account's twelve digits, in quotes",
        examples=["123456789012"],
    )
    partition: Literal["aws", "aws-us-gov", "aws-cn"] = Field(
        default="aws", description="aws, aws-us-gov or aws-cn"
    )
    strategy: Strategy = Field(
        description=" or ".join(Strategy), examples=[Strategy.BACKUP_RESTORE.value]
    )
    primary_region: Region = Field(description=REGION, examples=["us-east-1"])
    dr_region: Region = Field(description=REGION, examples=["us-west-2"])
    witness_region: Region = Field(
        description=f"{REGION}, other than both sites' Regions", examples=["eu-west-1"]
    )
    permissions_boundary: str | None = Field(
        default=None,
        pattern=r"^arn:[^:]+:iam::\d{12}:policy/.+$",
        description="the ARN of a policy",
    )
    objectives: Objectives = Field(default=Objectives(), description="rto and rpo")
    environment: Environment = Field(default=Environment(), description="at least airflowVersion")
    existing: Existing = Field(
        default=Existing(), description="primary and dr: what is there and is not to be made"
    )
    network: Network = Field(default=Network(), description="primary and dr")
    code: Code = Field(default=Code(), description="what to upload")
    backup: Backup = Field(default=Backup(), description="backup settings")
    standby: Standby = Field(default=Standby(), description="standby settings")
    metadata: Metadata = Field(default=Metadata(), description="metadata settings")
    agent: Agent = Field(default=Agent(), description="agent settings")
    detection: Detection = Field(default=Detection(), description="detection settings")
    recovery: Recovery = Field(default=Recovery(), description="recovery settings")
    drill: Drill = Field(default=Drill(), description="drill settings")
    adopted: Adopted | None = Field(default=None, description="what `mwaa-dr adopt` writes")
    notifications: tuple[Recipient, ...] = Field(
        default=(), description="a list of protocol, endpoint and severity"
    )
    runbook_url: str = Field(
        default="docs/runbook.md",
        pattern=r"^[^\s#]{1,300}$",
        description="where your people read docs/runbook.md: an address without # and spaces",
    )
    escalation: Escalation = Field(default=Escalation(), description="escalation settings")
    tags: Tags = Field(default_factory=dict, max_length=40, description=TAGS)

    @property
    def names(self) -> Names:
        return Names(self.name, self.account, self.partition)

    @property
    def sync_seconds(self) -> int:
        """How often a standby takes over the newest backup; 0 where none stands by."""
        if self.strategy is not Strategy.ACTIVE_PASSIVE:
            return 0
        return self.standby.sync_seconds or self.backup.interval_seconds

    def region(self, site: Site) -> str:
        return self.primary_region if site is Site.PRIMARY else self.dr_region
