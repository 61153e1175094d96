"""Drills that begin by the clock: one for each time that the schedule says."""

import json
from typing import Any

import pytest

from contract import state
from contract.lifecycle import SiteState
from contract.ownership import Ownership
from contract.sites import Site
from contract.verdict import Verdict
from handlers.core.readings import Readings
from tests.handlers.stage import PASSIVE, Stage, nothing_moved

pytestmark = pytest.mark.engine

DUE = {"scheduled_at": "2026-11-26T04:00:00Z"}
DRILL = "drill-e0001-01"


def due(stage: Stage, **event: str) -> dict[str, Any]:
    return stage.call("rehearse", {**DUE, **event})


def test_a_drill_that_is_due_runs_to_its_end(stage: Stage) -> None:
    stage.backup(60)
    code = stage.runtime.code(Site.DR).keys("")
    answer = due(stage)
    assert (answer["started"], answer["incident_id"]) == (True, DRILL)
    assert stage.end(stage.recoveries()[DRILL]) == "SUCCEEDED", stage.incident(DRILL)
    nothing_moved(stage)
    assert stage.environments == []
    assert stage.runtime.code(Site.DR).keys("") == code, "what the drill made is still there"
    last = stage.runtime.state.get(state.LAST_DRILL)
    assert last is not None
    assert last["incident_id"] == DRILL
    assert "the schedule of 2026-11-26T04:00:00Z" in stage.incident(DRILL)["reasons"]


def test_a_schedule_that_asks_twice_gets_one_drill(stage: Stage) -> None:
    stage.backup(60)
    first = due(stage)
    stage.end(stage.recoveries()[first["incident_id"]])
    again = due(stage)
    assert again["incident_id"] == first["incident_id"]
    assert again["reason"] == "it was started before"
    assert list(stage.recoveries()) == [DRILL]
    later = due(stage, scheduled_at="2026-12-26T04:00:00Z")
    assert later["incident_id"] == "drill-e0001-02"
    stage.end(stage.recoveries()[later["incident_id"]])


def test_a_call_that_ended_halfway_finds_its_drill_again(stage: Stage) -> None:
    stage.backup(60)
    opened = stage.open("drill", by="the drill schedule")
    assert due(stage)["incident_id"] == opened["incident_id"] == DRILL
    assert stage.end(stage.recoveries()[DRILL]) == "SUCCEEDED"


@pytest.mark.parametrize("verdict", [Verdict.DOWN, Verdict.BLIND])
def test_no_drill_begins_while_people_have_something_else_to_do(
    stage: Stage, verdict: Verdict
) -> None:
    item = {**Readings().to_item(), "verdict": verdict.value}
    stage.runtime.state.put(state.READINGS, item, expected=None)
    assert due(stage) == {
        "started": False, "incident_id": "", "reason": f"the verdict is {verdict}",
    }  # fmt: skip
    assert stage.recoveries() == {}


@PASSIVE
def test_where_a_drill_cannot_begin_it_is_said_and_no_failure(stage: Stage) -> None:
    stage.own(Ownership(Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", "2026-11-26T09:00:00"))
    stage.own(
        Ownership(Site.DR, 2, SiteState.ACTIVE, "x", "2026-11-26T09:00:01", SiteState.FENCE_PENDING)
    )
    answer = due(stage)
    assert not answer["started"]
    assert "has not yet said that its DAGs are paused" in answer["reason"]


def test_the_event_must_say_when_it_was_due(stage: Stage) -> None:
    answer = stage.call("rehearse", {})
    assert "scheduled_at" in json.dumps(answer)
    assert answer["errorType"] == "RequestError"
