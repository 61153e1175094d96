"""Opening, recording, promoting and closing, against moto."""

import dataclasses
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import keys, state
from contract.lifecycle import SiteState
from contract.machines import recovery_seconds
from contract.ownership import INITIAL, Ownership
from contract.sites import Site
from contract.state import IncidentKind, IncidentStatus, Step
from handlers.adapters.notices import Notices
from handlers.close_incident import close_incident, reason_of
from handlers.core import incidents, ownership
from handlers.core.errors import OwnershipChangedError, RequestError
from handlers.open_incident import open_incident
from handlers.promote import promote
from handlers.record import record
from tests.handlers.installation import CONFIG, START, Installation

DOWN = {"kind": "failover", "owner": "primary", "epoch": 1, "reasons": ["pulse: bad"]}
FIRST = "failover-e0001-01"


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What people and EventBridge are told."""
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(
        Notices, "tell", lambda _self, subject, _detail: told.append(("sns", subject)) or True
    )
    monkeypatch.setattr(
        Notices,
        "event",
        lambda _self, kind, detail: told.append((kind, detail.get("step"))) or True,
    )
    return told


def opened(installation: Installation) -> dict:
    return open_incident(DOWN, installation.runtime)


def incident(installation: Installation, incident_id: str = FIRST) -> dict:
    found = installation.runtime.state.get(state.incident(incident_id))
    assert found is not None
    return found


def test_a_second_call_finds_the_open_incident_and_tells_nobody_again(
    installation: Installation, messages: list
) -> None:
    first = opened(installation)
    installation.clock.forward(20)
    again = opened(installation)
    assert first["incident_id"] == again["incident_id"] == FIRST
    assert first["input"] == again["input"]
    assert first["start"]
    assert again["start"]
    assert len(messages) == 2


def test_an_incident_remembers_when_the_owner_was_last_alive(installation: Installation) -> None:
    installation.runtime.state.put(
        state.READINGS, {"last_alive_at": "2026-11-22T11:50:00+00:00"}, expected=None
    )
    opened(installation)
    assert incident(installation)["outage_at"] == "2026-11-22T11:50:00+00:00"
    assert incident(installation)["reasons"] == ["pulse: bad"]


def test_an_epoch_that_has_passed_opens_nothing(installation: Installation) -> None:
    moved = Ownership(Site.DR, 2, SiteState.ACTIVE, FIRST, "t")
    installation.runtime.state.put(state.OWNERSHIP, dataclasses.asdict(moved), expected=None)
    with pytest.raises(OwnershipChangedError, match="epoch 2 belongs to dr"):
        opened(installation)


def test_a_failed_attempt_cools_off_and_then_the_next_one_opens(
    installation: Installation,
) -> None:
    opened(installation)
    close_incident({"incident_id": FIRST, "outcome": "failed"}, installation.runtime)
    assert not opened(installation)["start"]
    installation.clock.forward(61)
    second = opened(installation)
    assert (second["start"], second["incident_id"]) == (True, "failover-e0001-02")


def test_an_incident_that_nobody_closed_is_abandoned(installation: Installation) -> None:
    opened(installation)
    installation.clock.forward(recovery_seconds(CONFIG) + 1)
    assert opened(installation)["incident_id"] == "failover-e0001-02"
    assert incident(installation)["status"] == "failed"
    assert "did not close it" in incident(installation)["reason"]


LEASE = timedelta(hours=4)


STEPS = st.tuples(
    st.sampled_from(["down", "fail", "wait"]),
    st.integers(0, 20000),
    st.sampled_from(IncidentKind),
    st.booleans(),
)


@given(st.lists(STEPS))
def test_there_is_never_more_than_one_open_incident(
    steps: list[tuple[str, int, IncidentKind, bool]],
) -> None:
    now, last, seen = START, None, []
    for step, seconds, kind, by_hand in steps:
        now += timedelta(seconds=seconds)
        if step == "down":
            found = incidents.opening(
                last,
                kind=kind,
                owner=Site.PRIMARY,
                epoch=1,
                by_hand=by_hand,
                lease=LEASE,
                now=now,
            )
            if found.is_new:
                assert last is None or not last.is_open or found.given_up
                assert found.incident is not None
                last = found.incident
                seen.append(last.incident_id)
        elif step == "fail" and last is not None and last.status is IncidentStatus.OPEN:
            last = dataclasses.replace(
                last, status=IncidentStatus.FAILED, closed_at=now.isoformat()
            )
    assert len(set(seen)) == len(seen)
    assert seen == sorted(seen, key=lambda name: int(name.rsplit("-", 1)[1]))


def test_a_step_is_told_once_and_keeps_its_first_time(
    installation: Installation, messages: list
) -> None:
    opened(installation)
    messages.clear()
    step = {"incident_id": FIRST, "step": "fenced", "at": "2026-11-22T12:01:00+00:00"}
    assert record(step, installation.runtime)["new"]
    assert not record({**step, "at": "later"}, installation.runtime)["new"]
    assert incident(installation)["timeline"]["fenced"]["at"] == "2026-11-22T12:01:00+00:00"
    assert [kind for kind, _ in messages] == ["MWAA DR Incident Step", "sns"]


def test_steps_with_different_keys_stand_beside_each_other(installation: Installation) -> None:
    opened(installation)
    for key in ("one", "two"):
        record(
            {"incident_id": FIRST, "step": "backup-refused", "key": key, "detail": {"n": 1.5}},
            installation.runtime,
        )
    timeline = incident(installation)["timeline"]
    assert {"backup-refused#one", "backup-refused#two"} <= set(timeline)
    assert timeline["backup-refused#one"]["detail"] == {"n": 1.5}


def test_an_unknown_step_names_those_that_are_known(installation: Installation) -> None:
    with pytest.raises(RequestError, match="'dance' is not allowed; use one of opened"):
        record({"incident_id": FIRST, "step": "dance"}, installation.runtime)


def test_a_topic_that_is_gone_does_not_stop_a_step(installation: Installation) -> None:
    sns = installation.runtime.clients.sns("us-west-2")
    sns.delete_topic(TopicArn=CONFIG.topic_arn)
    opened(installation)
    assert record({"incident_id": FIRST, "step": "fenced"}, installation.runtime)["new"]


BEGIN = {"incident_id": FIRST, "target": "dr", "epoch": 1, "action": "begin"}


def mirror(installation: Installation, site: Site) -> Ownership:
    return Ownership.from_json(installation.text(keys.OWNERSHIP, site))


def test_promotion_moves_the_record_and_both_mirrors(installation: Installation) -> None:
    opened(installation)
    installation.put(keys.OWNERSHIP, INITIAL.to_json(), Site.PRIMARY)
    begun = promote(BEGIN, installation.runtime)
    assert begun == {"promoted": True, "owner": "dr", "epoch": 2}
    stored, _ = installation.runtime.state.ownership()
    assert (stored.owner, stored.epoch, stored.state) == (Site.DR, 2, SiteState.PROMOTING)
    assert mirror(installation, Site.DR) == mirror(installation, Site.PRIMARY) == stored
    installation.clock.forward(5)
    finish = {**BEGIN, "action": "finish", "unpaused_at": "2026-11-22T12:00:03+00:00"}
    promote(finish, installation.runtime)
    stored, _ = installation.runtime.state.ownership()
    assert (stored.epoch, stored.state) == (2, SiteState.ACTIVE)
    assert mirror(installation, Site.DR) == stored
    assert incident(installation)["timeline"]["unpaused"]["at"] == "2026-11-22T12:00:03+00:00"


def test_what_a_lost_owner_does_alone_begins_at_its_own_last_sign_of_life(
    installation: Installation,
) -> None:
    """By its own clock, since its runs are dated by that one."""
    ahead = (START + timedelta(seconds=120)).isoformat()
    installation.runtime.state.put(state.READINGS, {"last_alive_at": ahead}, expected=None)
    opened(installation)
    promote(BEGIN, installation.runtime)
    assert installation.runtime.state.ownership()[0].lost_at == ahead


def test_an_owner_that_worked_until_it_handed_over_was_lost_then(
    installation: Installation,
) -> None:
    opened(installation)
    promote(BEGIN, installation.runtime)
    assert installation.runtime.state.ownership()[0].lost_at == installation.clock.at.isoformat()


def test_promotion_twice_is_once(installation: Installation) -> None:
    opened(installation)
    promote(BEGIN, installation.runtime)
    first, _ = installation.runtime.state.ownership()
    installation.clock.forward(60)
    assert promote(BEGIN, installation.runtime)["epoch"] == 2
    assert installation.runtime.state.ownership()[0] == first


def test_another_incident_cannot_promote_the_same_epoch(installation: Installation) -> None:
    opened(installation)
    promote(BEGIN, installation.runtime)
    other = {**BEGIN, "incident_id": "failover-e0001-02"}
    with pytest.raises(OwnershipChangedError):
        promote(other, installation.runtime)
    with pytest.raises(OwnershipChangedError):
        promote({**other, "action": "finish"}, installation.runtime)
    assert not promote({**other, "action": "check"}, installation.runtime)["promoted"]
    assert promote({**BEGIN, "action": "check"}, installation.runtime)["promoted"]


def test_promotion_does_without_the_primary_bucket(installation: Installation) -> None:
    opened(installation)
    installation.s3(Site.PRIMARY).delete_bucket(Bucket=CONFIG.primary.backup_bucket)
    assert promote(BEGIN, installation.runtime)["promoted"]
    assert mirror(installation, Site.DR).epoch == 2


@given(
    st.builds(
        Ownership,
        st.sampled_from(Site),
        st.integers(1, 3),
        st.sampled_from([SiteState.ACTIVE, SiteState.PROMOTING]),
        st.sampled_from(["", FIRST, "failover-e0001-02"]),
    )
)
def test_begin_changes_a_record_by_one_epoch_or_not_at_all(current: Ownership) -> None:
    try:
        moved = ownership.begin(current, site=Site.DR, epoch=1, incident_id=FIRST, at="t")
    except OwnershipChangedError:
        return
    if moved != current:
        assert current.epoch == 1
        assert moved == Ownership(
            Site.DR, 2, SiteState.PROMOTING, FIRST, "t", SiteState.FENCE_PENDING, "t"
        )
    else:
        assert current.owned_by(Site.DR)


def test_a_closed_incident_has_its_figures(installation: Installation, messages: list) -> None:
    installation.runtime.state.put(
        state.READINGS,
        {"last_alive_at": (START - timedelta(seconds=100)).isoformat()},
        expected=None,
    )
    opened(installation)
    promote(BEGIN, installation.runtime)
    unpaused = (START + timedelta(seconds=300)).isoformat()
    promote({**BEGIN, "action": "finish", "unpaused_at": unpaused}, installation.runtime)
    messages.clear()
    event = {
        "incident_id": FIRST,
        "outcome": "succeeded",
        "backup": {"snapshot_at": (START - timedelta(seconds=130)).isoformat()},
    }
    for _ in range(2):
        closed = close_incident(event, installation.runtime)
        assert closed["figures"] == {
            "detection_seconds": 100,
            "recovery_seconds": 300,
            "rto_unpaused_seconds": 400,
            "rpo_seconds": 30,
        }
    assert incident(installation)["status"] == "succeeded"
    item = installation.runtime.state.get(state.OPEN_INCIDENT)
    assert item is not None
    assert item["status"] == "succeeded"
    assert [kind for kind, _ in messages] == ["MWAA DR Incident Closed", "sns"]
    assert {Step.PROMOTING, Step.UNPAUSED, Step.CLOSED} <= set(incident(installation)["timeline"])


def test_a_failed_incident_says_why_and_can_be_closed_once(installation: Installation) -> None:
    opened(installation)
    cause = json.dumps({"errorType": "NoBackupError", "errorMessage": "there is none"})
    event = {
        "incident_id": FIRST,
        "outcome": "failed",
        "failure": {"Error": "NoBackupError", "Cause": cause},
        "note": "look at the primary",
    }
    closed = close_incident(event, installation.runtime)
    assert closed["reason"] == "NoBackupError: there is none; look at the primary"
    again = close_incident({**event, "outcome": "succeeded"}, installation.runtime)
    assert again["status"] == "failed"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({}, ""),
        ({"Error": "States.Timeout", "Cause": ""}, "States.Timeout"),
        ({"Error": "X", "Cause": "text"}, "X: text"),
        ({"Error": "X", "Cause": "[1]"}, "X: [1]"),
        ({"Error": "X", "Cause": '{"errorType": "Y", "errorMessage": "z"}'}, "Y: z"),
    ],
)
def test_a_failure_reads_as_text(failure: dict[str, str], expected: str) -> None:
    assert reason_of(failure) == expected
