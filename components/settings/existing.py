"""Settings of what is there already: this program uses it, checks it and never changes it."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings.section import Section
from contract.sites import Site

KEY_ARN = r"^arn:[^:]+:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$"
"""A key's own ARN: policies cannot mean a key by its alias' ARN."""
KeyArn = Annotated[str, Field(pattern=KEY_ARN)]

PROGRAM = "program"
OWNER = "owner"


class ExistingSite(Section):
    """What exists at a site; whatever is left out is created."""

    dag_bucket: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="the name of a versioned bucket in the site's Region",
    )
    replication_rules: Literal["program", "owner"] = Field(
        default=PROGRAM,
        description=(
            "program, or owner where somebody else keeps the DAG bucket's replication "
            "configuration and has pasted in the rules of the output ownersAdd"
        ),
    )
    data_key_arn: KeyArn | None = Field(
        default=None,
        description="the ARN of a symmetric KMS key in the site's Region (no alias)",
    )
    execution_role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:[^:]+:iam::\d{12}:role/.+$",
        description="the ARN of the role that the site's environment runs as",
    )
    topic_arn: str | None = Field(
        default=None,
        pattern=r"^arn:[^:]+:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+$",
        description="the ARN of a topic in the site's Region",
    )
    topic_key_arn: KeyArn | None = Field(
        default=None, description="the ARN of the key that encrypts the topic of topicArn, if any"
    )


class ExistingPrimary(ExistingSite):
    """The primary site can have its environment already."""

    environment: str | None = Field(
        default=None,
        pattern=r"^[a-zA-Z][0-9a-zA-Z_-]{0,79}$",
        description="the name of an MWAA environment in primaryRegion",
    )


class Existing(Section):
    """What exists at both sites."""

    primary: ExistingPrimary = Field(
        default=ExistingPrimary(), description="what exists at the primary site"
    )
    dr: ExistingSite = Field(default=ExistingSite(), description="what exists at the DR site")

    def of(self, site: Site) -> ExistingSite:
        return self.primary if site is Site.PRIMARY else self.dr
