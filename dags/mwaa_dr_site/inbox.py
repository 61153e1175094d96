"""Decides what to do about each order: no call, no clock of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from contract.orders import Ack, Order, OrderKind, OrderStatus

STALE_AFTER = timedelta(seconds=60)
"""A running order whose answer has not moved for so long has lost its worker and starts again."""


class OrderRefusedError(Exception):
    """The order must not be carried out, now or later."""


class Action(Enum):
    CARRY_OUT = auto()
    REFUSE = auto()
    LEAVE = auto()


@dataclass(frozen=True, slots=True)
class OrderDecision:
    """What to do with one order, and why when it is refused."""

    order: Order
    action: Action
    reason: str = ""


def decide(
    order: Order, ack: Ack | None, epoch: int, at: datetime, *, age: timedelta | None = None
) -> OrderDecision:
    """What the agent does with `order`.

    An order lives for as long as its sender means it to. Its times are of the sender's clock, which
    may differ from this site's; how long the order has been lying there S3 knows by one clock.

    Args:
        order: as read from the bucket.
        ack: what this site answered so far.
        epoch: the highest epoch this site knows.
        at: now, aware.
        age: how long S3 has had the order; None for what the two clocks say.
    """
    if ack is not None and ack.status is not OrderStatus.RUNNING:
        return OrderDecision(order, Action.LEAVE)
    looked_at_each_beat = order.kind is OrderKind.DRAIN
    if (
        ack is not None
        and not looked_at_each_beat
        and at - datetime.fromisoformat(ack.updated_at) < STALE_AFTER
    ):
        return OrderDecision(order, Action.LEAVE)
    if order.epoch < epoch:
        return OrderDecision(
            order,
            Action.REFUSE,
            f"it was given in epoch {order.epoch}, but this site knows epoch {epoch}",
        )
    issued_at, expires_at = (
        datetime.fromisoformat(moment) for moment in (order.issued_at, order.expires_at)
    )
    if (at - issued_at if age is None else age) > expires_at - issued_at:
        return OrderDecision(order, Action.REFUSE, f"it expired at {order.expires_at}")
    return OrderDecision(order, Action.CARRY_OUT)
