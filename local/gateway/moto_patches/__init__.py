"""What moto does differently from AWS, put right: one module per reason, each says which."""

from dataclasses import dataclass

from local.gateway.access.guard import Guard
from local.gateway.alarms import Alarms
from local.gateway.deliveries import Deliveries
from local.gateway.lambda_runtime.runner import Runner
from local.gateway.moto_patches import (
    cloudwatch_alarms,
    cloudwatch_metrics,
    events,
    kms,
    lambda_,
    s3,
    scheduler,
    sns,
    stepfunctions,
    stepfunctions_errors,
    stepfunctions_jsonata,
    stepfunctions_roles,
    stepfunctions_telemetry,
)
from local.gateway.replication import Replicator
from local.gateway.telemetry import Telemetry
from local.gateway.world import World


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the patches hand work to."""

    world: World
    guard: Guard
    telemetry: Telemetry
    deliveries: Deliveries
    runner: Runner
    replicator: Replicator
    alarms: Alarms


def apply_all(parts: Parts) -> None:
    """Change moto; once per process."""
    stepfunctions.apply(parts.world)
    stepfunctions_roles.apply(parts.world, parts.guard)
    stepfunctions_errors.apply()
    stepfunctions_jsonata.apply()
    stepfunctions_telemetry.apply(parts.telemetry)
    lambda_.apply(parts.world, parts.guard, parts.runner, parts.telemetry)
    lambda_.apply_networks(parts.guard)
    events.apply(parts.world, parts.deliveries, parts.telemetry)
    scheduler.apply()
    sns.apply(parts.world, parts.deliveries)
    kms.apply()
    s3.apply(parts.replicator)
    cloudwatch_metrics.apply()
    cloudwatch_alarms.apply(parts.alarms)
