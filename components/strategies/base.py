"""What the DR site asks of a strategy."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi

from components.base import Place
from components.code import DagCode
from components.execution_role import ExecutionRole
from components.existing import ExistingBucket, Named
from components.network import EnvironmentNetwork
from components.storage import SafeBucket
from contract.handler_config import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class DrGround:
    """What is in place in the DR Region under every strategy, ready for an environment.

    IAM's control plane and new capacity may be out of reach during an outage: keys, buckets, role
    and network are there beforehand.

    Args:
        code: what this stack itself uploads to the DAG bucket, if anything.
    """

    place: Place
    key_arn: pulumi.Output[str]
    dag_bucket: SafeBucket | ExistingBucket
    backup_bucket: SafeBucket
    role: ExecutionRole | Named
    network: EnvironmentNetwork
    code: DagCode | None


DrStrategy = Callable[[DrGround], pulumi.Output[Target]]
"""Adds a strategy's own parts to the DR site; gives what a recovery puts in place of the captured
regional values."""
