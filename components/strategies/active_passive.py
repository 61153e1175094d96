"""Active-passive: an environment like the primary one stands by, its DAGs paused, kept in sync."""

import pulumi

from components.environment import AirflowEnvironment, EnvironmentArgs
from components.plan import agent_config
from components.strategies.backup_restore import created_target
from components.strategies.base import DrGround
from contract.handler_config import Target

PAUSED = {"core.dags_are_paused_at_creation": "True"}
"""Whatever the primary environment's options say: only the owner's DAGs run."""


def active_passive(ground: DrGround) -> pulumi.Output[Target]:
    """Adds the passive environment."""
    place, code = ground.place, ground.code
    settings = place.settings
    environment = AirflowEnvironment(
        "standby",
        EnvironmentArgs(
            place=place,
            role_arn=ground.role.arn,
            bucket_arn=ground.dag_bucket.arn,
            key_arn=ground.key_arn,
            subnet_ids=ground.network.subnet_ids,
            security_group_ids=ground.network.security_group_ids,
            options={
                **settings.recovery.airflow_options,
                **agent_config(place).to_options(),
                **PAUSED,
            },
            files=code.extra if code else {},
            # The recovery DAGs hold back whatever is parsed beside them.
            after=(
                *((code,) if code else ()),
                *(ground.dag_bucket, ground.backup_bucket, ground.role, ground.network),
            ),
        ),
    )
    # No recovery creates an environment under this strategy; the answer is the same all the same.
    return pulumi.Output.all(environment.arn, created_target(ground)).apply(lambda found: found[1])
