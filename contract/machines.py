"""Turns a state machine's file into the definition that is deployed.

In the file a string that is exactly `${key}` becomes the value with its type, so that the file
itself is valid JSON; inside a longer string the value is written as text. What a file may say in
short is in `contract.shorthand`.
"""

import json
import re
from typing import Any

from contract import shorthand
from contract.functions import FUNCTIONS
from contract.handler_config import HandlerConfig
from contract.sites import Strategy

MONITOR = "monitor"
RECOVERY = "recovery"
MACHINES = (MONITOR, RECOVERY)

MAX_REFUSED_BACKUPS = 5
"""So many backups may be refused at import before recovery gives up."""

REMOVAL_SECONDS = 2 * 3600
"""How long the environment of a drill may take to go; MWAA needs about half an hour."""

_PLACEHOLDER = re.compile(r"\$\{([a-z0-9_-]+)\}")


def recovery_seconds(config: HandlerConfig) -> int:
    """The overall time limit of a recovery, above the sum of the limits of its steps.

    Every step has its own limit; this one only ends an execution that is stuck beyond them.
    """
    recovery = config.recovery
    orders = MAX_REFUSED_BACKUPS + 8  # imports, exports, reconciling, un-pauses, history, undoing
    return (
        recovery.approval_seconds
        + recovery.create_seconds
        + orders * recovery.order_seconds
        + recovery.drain_seconds
        + 2 * recovery.fence_seconds
        + REMOVAL_SECONDS
        + 1800
    )


def substitutions(config: HandlerConfig) -> dict[str, str | int | bool]:
    """Every key that a state machine's file may use."""
    names = config.names
    region = config.dr.region
    return {
        "partition": config.partition,
        **{
            f"function-{spec.step}": names.function_arn(spec.step, region)
            for spec in FUNCTIONS
            if spec.only in (None, config.strategy)
        },
        "recovery-machine": names.state_machine_arn(RECOVERY, region),
        "strategy": config.strategy.value,
        "readings-per-minute": config.detection.readings_per_minute,
        "reading-seconds": config.detection.reading_seconds,
        "automatic": config.recovery.automatic,
        "order-seconds": config.recovery.order_seconds,
        "fence-seconds": config.recovery.fence_seconds,
        "create-seconds": config.recovery.create_seconds,
        "drain-seconds": config.recovery.drain_seconds,
        "drain-within-seconds": config.recovery.drain_seconds + config.recovery.order_seconds,
        "recovery-seconds": recovery_seconds(config),
    }


def render(text: str, values: dict[str, str | int | bool]) -> dict[str, Any]:
    """The definition in `text` for the strategy in `values`, with every placeholder replaced.

    Raises:
        KeyError: a placeholder has no value; the message lists the known ones.
    """

    def value_of(key: str) -> str | int | bool:
        if key not in values:
            raise KeyError(f"${{{key}}} is not known; use one of {', '.join(sorted(values))}")
        return values[key]

    def walk(node: Any) -> Any:  # noqa: ANN401
        if isinstance(node, dict):
            return {key: walk(item) for key, item in node.items()}
        if isinstance(node, list):
            return [walk(item) for item in node]
        if isinstance(node, str):
            whole = _PLACEHOLDER.fullmatch(node)
            if whole:
                return value_of(whole[1])
            return _PLACEHOLDER.sub(lambda match: str(value_of(match[1])), node)
        return node

    return walk(shorthand.expand(json.loads(text), Strategy(str(values["strategy"]))))
