"""Starts the recovery of an incident, however often it is asked for."""

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from contract.machines import RECOVERY

if TYPE_CHECKING:
    from handlers.runtime import Runtime

logger = logging.getLogger(__name__)


def start_recovery(runtime: "Runtime", opened: Mapping[str, Any]) -> None:
    """Start what `open-incident` answered; the execution's name is the incident's id."""
    region = runtime.config.dr.region
    client = runtime.clients.stepfunctions(region)
    try:
        client.start_execution(
            stateMachineArn=runtime.config.names.state_machine_arn(RECOVERY, region),
            name=opened["incident_id"],
            input=json.dumps(opened["input"]),
        )
    except client.exceptions.ExecutionAlreadyExists:
        logger.info("%s is under way", opened["incident_id"])
