"""What all components share: their token, their children's options, and where they stand."""

from dataclasses import dataclass
from typing import Any

import pulumi

from components.settings import Settings
from components.settings.existing import ExistingSite
from contract.metrics import TAG_INSTALLATION, TAG_OBJECT, TAG_SITE
from contract.names import Names
from contract.objects import ObjectRole
from contract.severity import Severity
from contract.sites import Site


@dataclass(frozen=True, slots=True)
class Place:
    """One site of an installation: what every component needs to name, tag and place things.

    Args:
        settings: the installation's settings.
        site: the site that owns the resources.
    """

    settings: Settings
    site: Site

    @property
    def names(self) -> Names:
        return self.settings.names

    @property
    def region(self) -> str:
        return self.settings.region(self.site)

    @property
    def other(self) -> "Place":
        return Place(self.settings, self.site.other)

    @property
    def existing(self) -> ExistingSite:
        """What is there already; the rest is made under the names below."""
        return self.settings.existing.of(self.site)

    @property
    def environment(self) -> str:
        primary = self.settings.existing.primary
        own = primary.environment if self.site is Site.PRIMARY else None
        return own or self.names.environment(self.site)

    @property
    def environment_arn(self) -> str:
        return self.names.arn("airflow", self.region, f"environment/{self.environment}")

    @property
    def dag_bucket(self) -> str:
        return self.existing.dag_bucket or self.names.dag_bucket(self.site)

    @property
    def backup_bucket(self) -> str:
        return self.names.backup_bucket(self.site)

    @property
    def topic_arn(self) -> str:
        return self.existing.topic_arn or self.names.arn(
            "sns", self.region, self.names.topic(self.site)
        )

    @property
    def escalation_arn(self) -> str:
        """Of the topic for those who are told later; empty where there are none."""
        if not self.settings.escalation.notifications:
            return ""
        return self.names.arn("sns", self.region, self.names.escalation_topic)

    @property
    def sorts_by_severity(self) -> bool:
        """Whether somebody wants to be told of pages only."""
        return any(one.severity is Severity.PAGE for one in self.settings.notifications)

    @property
    def keep(self) -> bool:
        """Whether data, and the keys that open it, are protected from deletion."""
        return not self.settings.backup.allow_deletion

    def tags(self, role: ObjectRole) -> dict[str, str]:
        return {
            **self.settings.tags,
            TAG_INSTALLATION: self.settings.name,
            TAG_SITE: self.site.value,
            TAG_OBJECT: role.value,
        }


class Component(pulumi.ComponentResource):
    """A building block: `mwaadr:<module>:<Type>`, its children below it."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        module = type(self).__module__.rpartition(".")[2]
        super().__init__(f"mwaadr:{module}:{type(self).__name__}", name, None, opts)

    def child(self, **options: Any) -> pulumi.ResourceOptions:  # noqa: ANN401 - ResourceOptions'
        return pulumi.ResourceOptions(parent=self, **options)
