"""Backup and restore: no environment in the DR Region until recovery creates it."""

import pulumi

from components.plan import target
from components.strategies.base import DrGround
from contract.handler_config import Target


def backup_restore(ground: DrGround) -> pulumi.Output[Target]:
    """Adds no resource: recovery makes the environment on the ground that is there."""
    return pulumi.Output.all(
        key_arn=ground.key_arn,
        subnet_ids=ground.network.subnet_ids,
        security_group_ids=ground.network.security_group_ids,
    ).apply(lambda found: target(ground.place.settings, **found))
