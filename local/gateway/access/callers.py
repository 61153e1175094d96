"""Who makes a call: a role with credentials of its own, a service in its own name, or nobody known.

The operator's credentials belong to nobody known: what a person may do is not of this program.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """One who calls.

    Args:
        role: ARN of the role; empty for a service in its own name.
        service: service principal; empty for a role.
        session: name of the role's session.
        source: ARN of the resource for which a service calls.
        subnets: where a function runs; none of a function outside of every VPC, and None for who
            is no function.
    """

    role: str = ""
    service: str = ""
    session: str = "local"
    source: str = ""
    subnets: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The role's name, or the service principal."""
        return self.role.rpartition("/")[2] or self.service

    @property
    def arn(self) -> str:
        """As AWS names it in a refusal."""
        if not self.role:
            return self.service
        partition, account = self.role.split(":")[1], self.role.split(":")[4]
        return f"arn:{partition}:sts::{account}:assumed-role/{self.name}/{self.session}"
