"""Backup and restore: no environment in the DR Region until recovery creates it."""

import pulumi

from components.adopted import AdoptedArgs, AdoptedEnvironment
from components.plan import target
from components.strategies.base import DrGround
from contract.handler_config import Target


def backup_restore(ground: DrGround) -> pulumi.Output[Target]:
    """Adds the environment that a recovery made, if it is adopted, and else nothing."""
    adopted = ground.place.settings.adopted
    if adopted:
        AdoptedEnvironment(
            "adopted",
            AdoptedArgs(
                place=ground.place,
                adopted=adopted,
                role_arn=ground.role.arn,
                bucket_arn=ground.dag_bucket.arn,
                key_arn=ground.key_arn,
                subnet_ids=ground.network.subnet_ids,
                security_group_ids=ground.network.security_group_ids,
            ),
        )
    return created_target(ground)


def created_target(ground: DrGround) -> pulumi.Output[Target]:
    """What an environment gets that a recovery makes on the ground that is there."""
    return pulumi.Output.all(
        key_arn=ground.key_arn,
        subnet_ids=ground.network.subnet_ids,
        security_group_ids=ground.network.security_group_ids,
    ).apply(lambda found: target(ground.place.settings, **found))
