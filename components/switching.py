"""Changing the strategy of a running installation: refused while it would take the owner away."""

import pulumi
import pulumi_aws as aws

from components.base import Place
from contract import keys
from contract.ownership import Ownership
from contract.sites import Site

OUTPUT = "strategy"
"""The stack's output that says which strategy the last update deployed."""


class SwitchRefusedError(pulumi.RunError):
    """The strategy must not be changed now."""


def checked_strategy(place: Place) -> pulumi.Output[str]:
    """The strategy, once it is known that changing to it does no harm.

    The owner is asked for only when the strategy changes: its mirror lies in the DR bucket, which
    the earlier update made.
    """
    wanted = place.settings.strategy.value
    # Only a backend with organizations knows one.
    parts = (pulumi.get_organization(), pulumi.get_project(), pulumi.get_stack())
    stack = "/".join(part for part in parts if part)
    before = pulumi.StackReference("last-update", stack_name=stack).get_output(OUTPUT)
    return before.apply(lambda deployed: _checked(place, deployed, wanted))


def _checked(place: Place, deployed: str | None, wanted: str) -> pulumi.Output[str] | str:
    if deployed in (None, wanted):
        return wanted
    found = aws.s3.get_object_output(
        bucket=place.backup_bucket, key=keys.OWNERSHIP, region=place.region
    )
    return found.body.apply(lambda text: _judged(text, str(deployed), wanted))


def _judged(record: str, deployed: str, wanted: str) -> str:
    ownership = Ownership.from_json(record)
    if ownership.owned_by(Site.DR):
        raise SwitchRefusedError(
            f"mwaa-dr:strategy: {wanted!r} cannot replace {deployed!r} now: the DR site owns epoch "
            f"{ownership.epoch}, and its environment is the live one; run `mwaa-dr failback` first"
        )
    return wanted
