"""A fence outlives its recovery at times: whoever comes next knows what it had paused."""

import pytest

from contract import keys, state
from contract.orders import Order, OrderKind
from contract.sites import Site
from contract.state import IncidentStatus
from handlers.send_order import send_order
from tests.handlers.stage import PASSIVE, InjectedError, Stage, nothing_moved

pytestmark = pytest.mark.engine

FIRST = "planned-failover-e0001-01"


def agents_with_dags(stage: Stage, active: set[str]) -> set[str]:
    """A primary whose pause order pauses what is active, as a real agent does."""

    def pause(_order: Order):
        paused = sorted(active)
        active.clear()
        return {"paused": paused}, ""

    def unpause(order: Order):
        active.update(order.payload.get("dags", []))
        return {"unpaused": order.payload.get("dags", []), "missing": []}, ""

    stage.agents.on(OrderKind.PAUSE, pause, Site.PRIMARY)
    stage.agents.on(OrderKind.UNPAUSE, unpause, Site.PRIMARY)
    return active


def told(stage: Stage, kind: OrderKind) -> dict:
    """What the DR site's agent was told in the last order of a kind."""
    found = [one for one in stage.agents.done if (one.kind, one.site) == (kind, Site.DR)]
    return found[-1].payload.get("paused", {})


@PASSIVE
def test_an_import_and_the_un_pause_know_what_the_fence_paused(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    agents_with_dags(stage, {"sales"})
    assert stage.recover("planned-failover", by="me") == "SUCCEEDED", stage.incident()
    assert told(stage, OrderKind.IMPORT)["dags"] == ["sales"], "so that the forecast knows it too"
    assert told(stage, OrderKind.UNPAUSE) == told(stage, OrderKind.IMPORT)


@PASSIVE
def test_a_fence_that_was_never_undone_counts_for_the_next_recovery(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    active = agents_with_dags(stage, {"sales", "stock"})
    stage.agents.on(OrderKind.DRAIN, lambda _: ({}, "OperationalError"))
    stage.faults["UndoFence"] = [InjectedError("broken")] * 9
    assert stage.recover("planned-failover", by="me") == "FAILED"
    assert active == set(), "paused, and nobody un-paused them"
    del stage.agents.answers[None, OrderKind.DRAIN]
    stage.faults.clear()
    assert stage.recover("planned-failover", by="me") == "SUCCEEDED", stage.incident()
    assert told(stage, OrderKind.UNPAUSE)["dags"] == ["sales", "stock"]


@PASSIVE
def test_the_next_recovery_undoes_an_earlier_fence_with_its_own(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    active = agents_with_dags(stage, {"sales", "stock"})
    stage.agents.on(OrderKind.DRAIN, lambda _: ({}, "OperationalError"))
    stage.faults["UndoFence"] = [InjectedError("broken")] * 4
    assert stage.recover("planned-failover", by="me") == "FAILED"
    stage.faults.clear()
    assert stage.recover("planned-failover", by="me") == "FAILED"
    assert active == {"sales", "stock"}
    nothing_moved(stage)


@PASSIVE
def test_a_recovery_undoes_its_fence_after_its_lease(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    active = agents_with_dags(stage, {"sales"})
    stage.agents.on(OrderKind.DRAIN, lambda _: ({}, "OperationalError"))
    gone = {"status": IncidentStatus.FAILED.value, "reason": "its lease ended"}

    def given_up() -> None:
        stage.runtime.state.set(state.incident(FIRST), gone, expected={})
        stage.runtime.state.set(state.OPEN_INCIDENT, {"status": "failed"}, expected={})

    stage.before["UndoFence"] = given_up
    assert stage.recover("planned-failover", by="me") == "FAILED"
    assert active == {"sales"}


@PASSIVE
def test_a_fence_is_left_to_the_incident_that_is_open_now(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.backup(600)
    agents_with_dags(stage, {"sales"})
    opened = stage.open("planned-failover", by="me")
    pause = {
        "incident_id": FIRST,
        "kind": "pause",
        "site": "primary",
        "order_id": f"{FIRST}-pause",
        "epoch": 1,
        "expires_seconds": 60,
    }
    assert send_order(pause, stage.runtime)["sent"]
    stage.pass_time(5)
    stage.clock.at = stage.clock.at.replace(year=stage.clock.at.year + 1)
    second = stage.open("failover", by="me")
    assert second["incident_id"] == "failover-e0001-02"
    undo = {**pause, "kind": "unpause", "order_id": f"{FIRST}-undo-pause", "undo": True}
    answer = stage.call("send-order", undo)
    assert answer["errorType"] == "IncidentOverError"
    assert "failover-e0001-02 sees to its fence" in answer["errorMessage"]
    assert stage.keys(keys.ack(Site.PRIMARY, f"{FIRST}-undo-pause")) == []
    assert opened["incident_id"] == FIRST
