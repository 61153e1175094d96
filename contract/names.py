"""Physical names, computed from settings so that neither stack has to ask the other Region."""

import re
from dataclasses import dataclass

from contract.sites import Site

NAME_PATTERN = re.compile(r"[a-z][a-z0-9-]{0,18}[a-z0-9]")
"""An installation's name: 2 to 20 characters, so that every name below fits the AWS limits
(S3 buckets 63, Lambda functions and IAM roles 64, MWAA environments and state machines 80)."""

RESERVED = ("amzn-s3-demo-", "sg-", "sthree-", "xn--")
"""Beginnings that S3 and EC2 refuse for buckets and security groups, which begin with the name."""

RECOVERY_DAG_PREFIX = "mwaa_dr_"
"""Every DAG of ours starts with this; imports, pauses and backups leave such DAGs alone."""

SEED = "seed"
"""The end of the name of the role that carries what was there before replication."""
AGENT_DAG = "mwaa_dr_agent"
EXPORT_DAG = "mwaa_dr_export"
IMPORT_DAG = "mwaa_dr_import"
SYNC_DAG = "mwaa_dr_sync"


@dataclass(frozen=True, slots=True)
class Names:
    """Every physical name of one installation.

    Args:
        name: the installation's name (see `NAME_PATTERN`).
        account: the twelve-digit account id; it makes bucket names globally unique.
        partition: `aws`, `aws-us-gov` or `aws-cn`.
    """

    name: str
    account: str
    partition: str = "aws"

    def __post_init__(self) -> None:
        if not NAME_PATTERN.fullmatch(self.name):
            raise ValueError(
                f"name: {self.name!r} is not allowed; use 2 to 20 lower-case letters, digits and "
                "hyphens, starting with a letter and not ending with a hyphen"
            )

    def environment(self, site: Site) -> str:
        return f"{self.name}-{site}"

    def dag_bucket(self, site: Site) -> str:
        return f"{self.name}-{site}-dags-{self.account}"

    def backup_bucket(self, site: Site) -> str:
        return f"{self.name}-{site}-backups-{self.account}"

    def topic(self, site: Site) -> str:
        return f"{self.name}-{site}-alerts"

    def ticket_topic(self, site: Site) -> str:
        """Where some recipients are told of pages only: the topic of all the other alarms."""
        return f"{self.name}-{site}-tickets"

    @property
    def escalation_topic(self) -> str:
        return f"{self.name}-dr-escalation"

    def role(self, site: Site, purpose: str) -> str:
        """IAM is global: the site keeps the two stacks' roles apart."""
        return f"{self.name}-{site}-{purpose}"

    def data_alias(self, site: Site) -> str:
        """The single-Region key that encrypts a site's buckets, topic, table and environment."""
        return f"alias/{self.name}-{site}-data"

    def seal_alias(self, site: Site) -> str:
        """The multi-Region key (made by `dr`, replica in primary) that seals backup secrets."""
        return f"alias/{self.name}-{site}-seal"

    @property
    def state_table(self) -> str:
        return f"{self.name}-dr-state"

    def function(self, step: str) -> str:
        return f"{self.name}-dr-{step}"

    def state_machine(self, machine: str) -> str:
        return f"{self.name}-dr-{machine}"

    def function_log(self, step: str) -> str:
        return f"/aws/lambda/{self.function(step)}"

    def flow_log(self, site: Site) -> str:
        return f"/aws/vpc/{self.name}-{site}"

    def machine_log(self, machine: str) -> str:
        """`vendedlogs` keeps Step Functions' entry in the log resource policy within its limit."""
        return f"/aws/vendedlogs/states/{self.state_machine(machine)}"

    @property
    def schedule(self) -> str:
        """The schedule of the monitor, in a group of the same name."""
        return f"{self.name}-dr-monitor"

    def rule(self, site: Site, purpose: str) -> str:
        """A rule of EventBridge."""
        return f"{self.name}-{site}-{purpose}"

    @property
    def drill_schedule(self) -> str:
        """The schedule of drills, in a group of the same name."""
        return f"{self.name}-dr-drill"

    @property
    def dashboard(self) -> str:
        return f"{self.name}-dr"

    def alarm(self, site: Site, subject: str) -> str:
        return f"{self.name}-{site}-{subject}"

    def bucket_arn(self, bucket: str) -> str:
        return f"arn:{self.partition}:s3:::{bucket}"

    def arn(self, service: str, region: str, resource: str) -> str:
        """An ARN of this account, e.g. `arn("lambda", "us-west-2", "function:x")`."""
        return f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}"

    def function_arn(self, step: str, region: str) -> str:
        return self.arn("lambda", region, f"function:{self.function(step)}")

    def state_machine_arn(self, machine: str, region: str) -> str:
        return self.arn("states", region, f"stateMachine:{self.state_machine(machine)}")
