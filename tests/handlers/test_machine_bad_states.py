"""A person's word, environments in a bad state, and two who want the same at once."""

import threading
from dataclasses import replace

import pytest

from contract import state
from contract.machines import RECOVERY
from contract.sites import Site
from tests.handlers.installation import CONFIG
from tests.handlers.stage import PASSIVE, InjectedError, Stage, TransientError, nothing_moved

pytestmark = pytest.mark.engine

FAILOVER = "failover-e0001-01"


def asking(*, proceed: bool) -> dict:
    return {"recovery": replace(CONFIG.recovery, approval_seconds=600, proceed_unanswered=proceed)}


# approval


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("stage", [asking(proceed=False)], indirect=True, ids=["asks"])
def test_a_person_s_word_counts(stage: Stage, approved: bool) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    given = stage.open("failover")
    decision = {"approved": approved, "by": "me", "at": stage.runtime.at()}
    stage.runtime.state.set(state.incident(FAILOVER), {"decision": decision}, expected={})
    execution = stage.start(RECOVERY, given["input"], given["incident_id"])
    assert stage.end(execution) == ("SUCCEEDED" if approved else "FAILED")
    assert ("approved" if approved else "rejected") in stage.steps(FAILOVER)
    assert stage.ownership.epoch == (2 if approved else 1)
    if not approved:
        assert stage.incident(FAILOVER)["reason"] == "NotApprovedError: rejected by me"
        assert stage.agents.kinds() == []


@pytest.mark.parametrize(
    ("stage", "proceeds"),
    [(asking(proceed=True), True), (asking(proceed=False), False)],
    indirect=["stage"],
    ids=["goes-on", "stops"],
)
def test_where_nobody_answers_the_default_applies(stage: Stage, proceeds: bool) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover() == ("SUCCEEDED" if proceeds else "FAILED")
    decision = stage.incident()["decision"]
    assert decision["approved"] is proceeds
    assert "nobody answered in 600 s" in decision["by"]


@pytest.mark.parametrize("stage", [asking(proceed=False)], indirect=True, ids=["asks"])
def test_a_person_who_asks_for_it_is_not_asked(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover(by="me") == "SUCCEEDED"
    assert "approval-asked" not in stage.steps()


@pytest.mark.parametrize("stage", [asking(proceed=False)], indirect=True, ids=["asks"])
def test_a_person_is_never_overruled_by_the_default(stage: Stage) -> None:
    """The decision is written between the look and the default's own write."""
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    given = stage.open("failover")
    word = {"approved": True, "by": "me", "at": stage.runtime.at()}
    table = type(stage.runtime.state)
    original = table.set
    entered = threading.Event()

    def set_late(self, pk, changes, *, expected):
        if changes.get("decision", {}).get("approved") is False and not entered.is_set():
            entered.set()
            original(self, pk, {"decision": word}, expected={})
        return original(self, pk, changes, expected=expected)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "set", set_late)
        execution = stage.start(RECOVERY, given["input"], given["incident_id"])
        assert stage.end(execution) == "SUCCEEDED", stage.incident(FAILOVER)
    assert entered.is_set()
    assert stage.incident(FAILOVER)["decision"] == word


# environments in a bad state


@PASSIVE
def test_a_missing_passive_environment_is_said_and_the_owner_goes_on(stage: Stage) -> None:
    stage.backup(60)
    assert stage.recover() == "FAILED"
    reason = stage.incident()["reason"]
    assert "environment etl-dr does not exist in us-west-2" in reason
    assert stage.agents.kinds(Site.PRIMARY) == ["pause", "export", "unpause"]
    nothing_moved(stage)


@PASSIVE
def test_a_passive_environment_that_updates_for_ever_is_said(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.becomes("UPDATING")
    stage.backup(60)
    assert stage.recover("planned-failover", by="me") == "FAILED"
    assert "etl-dr in us-west-2 is still UPDATING after" in stage.incident()["reason"]
    assert stage.agents.kinds() == []
    nothing_moved(stage)


@PASSIVE
def test_a_passive_environment_that_ends_updating_is_waited_for(stage: Stage) -> None:
    stage.environment(Site.DR)
    stage.becomes("UPDATING")
    stage.backup(60)
    begun = stage.clock.at
    original = stage.pass_time

    def later(seconds: float) -> None:
        if (stage.clock.at - begun).total_seconds() > 300:
            stage.becomes("AVAILABLE")
        original(seconds)

    stage.pass_time = later
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert (stage.clock.at - begun).total_seconds() > 300


def test_a_creation_that_fails_is_undone(stage: Stage) -> None:
    stage.becomes("CREATE_FAILED")
    stage.backup(60)
    assert stage.recover() == "FAILED"
    assert "is CREATE_FAILED" in stage.incident()["reason"]
    assert stage.agents.kinds(Site.PRIMARY) == ["pause", "export", "unpause"]
    nothing_moved(stage)


def test_an_agent_that_was_never_parsed_is_given_up(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY, Site.DR}
    assert stage.recover() == "FAILED"
    assert "no answer at all" in stage.incident()["reason"]
    assert stage.environments == [CONFIG.dr.environment]
    nothing_moved(stage)
    stage.agents.silent = {Site.PRIMARY}
    assert stage.recover(by="me") == "SUCCEEDED", stage.incident()


def test_a_lost_token_is_tried_again_and_then_said(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    stage.faults["CreateEnvironment"] = [TransientError("ExpiredToken")] * 2
    assert stage.recover() == "SUCCEEDED", stage.incident()
    assert stage.story(stage.execution).count("CreateEnvironment") == 1


# one at a time


def test_two_monitors_at_once_are_one_recovery(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    answers = [None, None]
    gate = threading.Barrier(2)

    def ask(index: int) -> None:
        gate.wait()
        answers[index] = stage.open("failover")

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = answers
    assert first is not None
    assert second is not None
    assert {first["incident_id"], second["incident_id"]} == {FAILOVER}
    assert first["input"] == second["input"]
    started = {stage.start(RECOVERY, one["input"], FAILOVER) for one in (first, second)}
    assert len(started) == 1
    assert stage.end(started.pop()) == "SUCCEEDED"
    assert stage.agents.kinds().count("unpause") == 1


def test_a_recovery_that_outlived_its_incident_touches_nothing_more(stage: Stage) -> None:
    stage.backup(60)
    stage.agents.silent = {Site.PRIMARY}
    gone = {"status": "failed", "reason": "its lease ended"}
    stage.before["Restore"] = lambda: stage.runtime.state.set(
        state.incident(FAILOVER), gone, expected={}
    )
    assert stage.recover() == "FAILED"
    assert stage.agents.kinds() == []
    assert stage.ownership.epoch == 1


def test_a_fault_that_nobody_knows_is_undone_too(stage: Stage) -> None:
    stage.backup(60)
    stage.faults["CreateEnvironment"] = [InjectedError("never seen")]
    assert stage.recover() == "FAILED"
    assert stage.incident()["reason"].startswith("InjectedError: never seen")
    assert stage.agents.kinds(Site.PRIMARY) == ["pause", "export", "unpause"]
