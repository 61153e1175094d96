"""An order is carried out once, in time, and in its own epoch."""

from datetime import UTC, datetime, timedelta

import pytest

from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.sites import Site
from mwaa_dr_site.inbox import STALE_AFTER, Action, decide

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = 3


def order(*, epoch: int = EPOCH, expires: timedelta = timedelta(minutes=5)) -> Order:
    return Order(
        "failover-e0003-01-import",
        OrderKind.IMPORT,
        Site.DR,
        epoch,
        NOW.isoformat(),
        (NOW + expires).isoformat(),
    )


def ack(status: OrderStatus, age: timedelta) -> Ack:
    return Ack("failover-e0003-01-import", Site.DR, status, (NOW - age).isoformat())


def test_a_new_order_is_carried_out() -> None:
    assert decide(order(), None, EPOCH, NOW).action is Action.CARRY_OUT


@pytest.mark.parametrize("status", [OrderStatus.SUCCEEDED, OrderStatus.FAILED])
def test_an_answered_order_is_left_however_old_the_answer(status: OrderStatus) -> None:
    assert decide(order(), ack(status, timedelta(days=9)), EPOCH, NOW).action is Action.LEAVE


def test_a_running_order_is_left_to_its_worker() -> None:
    answer = ack(OrderStatus.RUNNING, STALE_AFTER - timedelta(seconds=1))
    assert decide(order(), answer, EPOCH, NOW).action is Action.LEAVE


def test_a_running_order_without_a_sign_of_life_starts_again() -> None:
    answer = ack(OrderStatus.RUNNING, STALE_AFTER)
    assert decide(order(), answer, EPOCH, NOW).action is Action.CARRY_OUT


def test_an_order_of_an_older_epoch_is_refused() -> None:
    decision = decide(order(epoch=EPOCH - 1), None, EPOCH, NOW)
    assert decision.action is Action.REFUSE
    assert "epoch 2" in decision.reason


def test_an_order_of_a_newer_epoch_is_carried_out() -> None:
    """The mirror that this site reads may lag behind the table that the order came from."""
    assert decide(order(epoch=EPOCH + 1), None, EPOCH, NOW).action is Action.CARRY_OUT


def test_an_expired_order_is_refused() -> None:
    decision = decide(order(expires=timedelta(seconds=-1)), None, EPOCH, NOW)
    assert decision.action is Action.REFUSE
    assert "expired" in decision.reason


@pytest.mark.parametrize("skew", [-120, 0, 120])
def test_an_order_lives_as_long_as_its_sender_means_it_to(skew: int) -> None:
    """Its sender's clock and this site's are two minutes apart, and the limit is a minute."""
    given, here = order(expires=timedelta(seconds=60)), NOW + timedelta(seconds=skew)
    alive = decide(given, None, EPOCH, here, age=timedelta(seconds=60))
    assert alive.action is Action.CARRY_OUT
    late = decide(given, None, EPOCH, here, age=timedelta(seconds=61))
    assert (late.action, "expired" in late.reason) == (Action.REFUSE, True)
