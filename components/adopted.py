"""The environment that a recovery created, once the stack adopts it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.environment import UPDATE_MINUTES
from components.plan import agent_config
from components.settings.adopted import Adopted
from contract.metrics import TAG_INCIDENT
from contract.objects import ObjectRole

OWN_FIELDS = {"environment_name", "incident", "airflow_configuration_options", "tags"}
"""Of the settings: what is not an argument of the resource as it stands."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdoptedArgs:
    """What the environment stands on; the recovery took the same.

    Args:
        adopted: its own values.
    """

    place: Place
    adopted: Adopted
    role_arn: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]


class AdoptedEnvironment(Component):
    """Imported, never created: an import that would change it fails. Always protected.

    Produces these resources: mwaa.Environment.
    """

    def __init__(
        self, name: str, args: AdoptedArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place, adopted = args.place, args.adopted
        minutes = f"{place.settings.recovery.create_minutes:g}m"
        environment = aws.mwaa.Environment(
            f"{name}-environment",
            region=place.region,
            name=adopted.environment_name,
            **adopted.model_dump(exclude=OWN_FIELDS, exclude_none=True),
            airflow_configuration_options={
                **adopted.airflow_configuration_options,
                **agent_config(place).to_options(),
            },
            source_bucket_arn=args.bucket_arn,
            execution_role_arn=args.role_arn,
            kms_key=args.key_arn,
            network_configuration={
                "subnet_ids": list(args.subnet_ids),
                "security_group_ids": list(args.security_group_ids),
            },
            tags={
                **adopted.tags,
                **place.tags(ObjectRole.ENVIRONMENT),
                TAG_INCIDENT: adopted.incident,
            },
            opts=self.child(
                import_=adopted.environment_name,
                # Its metadata database goes with it, whatever the setting about backups says.
                protect=True,
                custom_timeouts=pulumi.CustomTimeouts(
                    create=minutes, update=f"{UPDATE_MINUTES}m", delete=minutes
                ),
            ),
        )
        self.register_outputs({"arn": environment.arn})
