"""Changing the strategy of a running installation: refused while it would take the owner away."""

import time
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Place
from contract import keys
from contract.ownership import Ownership
from contract.sites import Site

READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"
"""A function of the engine's own."""
ATTEMPTS, PAUSE_SECONDS = 5, 0.2
OUTPUT = "strategy"
"""The stack's output that says which strategy the last update deployed."""


class SwitchRefusedError(pulumi.RunError):
    """The strategy must not be changed now."""


def checked_strategy(place: Place) -> str:
    """The strategy, once it is known that changing to it does no harm.

    It is asked before anything is registered: nothing is changed if it is refused. The owner is
    asked for only when the strategy changes: its mirror lies in the DR bucket, which the earlier
    update made.

    Raises:
        SwitchRefusedError: the DR site owns the epoch.
    """
    wanted, deployed = place.settings.strategy.value, _outputs_of_last_update().get(OUTPUT)
    if deployed not in (None, wanted):
        found = aws.s3.get_object(
            bucket=place.backup_bucket, key=keys.OWNERSHIP, region=place.region
        )
        _judge(found.body, str(deployed), wanted)
    return wanted


def _outputs_of_last_update() -> dict[str, Any]:
    """This stack's own outputs, as the last update left them.

    A `StackReference` would say the same, but reads the state while the update goes on: a backend
    of plain files shows half of what is just being written, and the update would fail.
    """
    # Only a backend with organizations knows one.
    parts = (pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack())
    asked = {"name": "/".join(part for part in parts if part)}
    left = ATTEMPTS
    while True:
        try:
            answer = pulumi.runtime.invoke(READ_OUTPUTS, asked).value
        except Exception:
            left -= 1
            if not left:
                raise
            time.sleep(PAUSE_SECONDS)  # the stack itself is just being written
        else:
            return dict((answer or {}).get("outputs") or {})


def _judge(record: str, deployed: str, wanted: str) -> None:
    ownership = Ownership.from_json(record)
    if ownership.owned_by(Site.DR):
        raise SwitchRefusedError(
            f"mwaa-dr:strategy: {wanted!r} cannot replace {deployed!r} now: the DR site owns epoch "
            f"{ownership.epoch}, and its environment is the live one; run `mwaa-dr failback` first"
        )
