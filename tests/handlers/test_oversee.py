"""What is not the owner: the other site, the protection, incidents that nobody ends."""

import dataclasses
import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import keys, state
from contract.lifecycle import SiteState
from contract.machines import recovery_seconds
from contract.orders import Ack, OrderStatus
from contract.ownership import Ownership
from contract.pulse import Pulse
from contract.sites import Site, Strategy
from handlers.adapters.notices import Notices
from handlers.close_incident import close_incident
from handlers.core import protection
from handlers.core.captured import Captured
from handlers.open_incident import open_incident
from handlers.oversee import oversee
from tests.handlers.installation import CONFIG, NAMES, START, Installation
from tests.handlers.test_create_environment import CAPTURED
from tests.handlers.test_incident_steps import incident, opened

AT = "2026-11-22T09:00:00+00:00"
DR_OWNS = Ownership(
    Site.DR, 2, SiteState.ACTIVE, "failover-e0001-01", AT, SiteState.FENCE_PENDING, AT
)


def pulse(site: Site, *, age: float = 10, **changes) -> Pulse:
    at = (START - timedelta(seconds=age)).isoformat()
    values = {"epoch": 1, "dags": 30, "active_dags": 30, "import_errors": 0, "holds": ""}
    return Pulse(site=site, environment=NAMES.environment(site), at=at, **{**values, **changes})


def look(installation: Installation) -> dict:
    return oversee({}, installation.runtime)


def own(installation: Installation, record: Ownership) -> None:
    installation.runtime.state.put(state.OWNERSHIP, dataclasses.asdict(record), expected=None)


def standby_of(installation: Installation) -> SiteState:
    return installation.runtime.state.ownership()[0].standby


def metric(installation: Installation, name: str) -> list[float]:
    found = installation.runtime.clients.cloudwatch("us-west-2").get_metric_statistics(
        Namespace="MwaaDr",
        MetricName=name,
        Dimensions=[{"Name": "Installation", "Value": "etl"}],
        StartTime=START - timedelta(hours=1),
        EndTime=START + timedelta(hours=1),
        Period=60,
        Statistics=["Minimum"],
    )
    return [point["Minimum"] for point in found["Datapoints"]]


def test_an_old_owner_is_fenced_once_it_says_so(installation: Installation) -> None:
    opened(installation)
    own(installation, DR_OWNS)
    installation.put(keys.pulse(Site.PRIMARY), pulse(Site.PRIMARY, epoch=1).to_json())
    assert look(installation)["standby"] == "FENCE_PENDING"
    said = pulse(Site.PRIMARY, epoch=2, active_dags=3)
    installation.put(keys.pulse(Site.PRIMARY), said.to_json())
    assert look(installation)["standby"] == "FENCE_PENDING", "some DAGs are not paused yet"
    said = dataclasses.replace(said, active_dags=0)
    installation.put(keys.pulse(Site.PRIMARY), said.to_json())
    assert look(installation)["standby"] == "FENCED"
    assert standby_of(installation) is SiteState.FENCED
    mirrored = Ownership.from_json(installation.text(keys.OWNERSHIP))
    assert mirrored.standby is SiteState.FENCED
    assert (mirrored.owner, mirrored.epoch, mirrored.state) == (Site.DR, 2, SiteState.ACTIVE)


PROMOTING = dataclasses.replace(DR_OWNS, state=SiteState.PROMOTING)


def test_an_owner_that_a_person_un_paused_is_active_once_its_recovery_is_over(
    installation: Installation,
) -> None:
    opened(installation)
    own(installation, PROMOTING)
    runs = pulse(Site.DR, epoch=2, active_dags=3)
    installation.put(keys.pulse(Site.DR), dataclasses.replace(runs, active_dags=0).to_json())
    close_incident(
        {"incident_id": PROMOTING.incident_id, "outcome": "attention"}, installation.runtime
    )
    assert look(installation)["state"] == "PROMOTING", "nothing is un-paused yet"
    installation.put(keys.pulse(Site.DR), dataclasses.replace(runs, epoch=1).to_json())
    assert look(installation)["state"] == "PROMOTING", "that was another epoch"
    installation.put(keys.pulse(Site.DR), runs.to_json())
    assert look(installation)["state"] == "ACTIVE"
    mirrored = Ownership.from_json(installation.text(keys.OWNERSHIP))
    assert (mirrored.owner, mirrored.epoch, mirrored.state) == (Site.DR, 2, SiteState.ACTIVE)
    assert incident(installation)["timeline"]["active"]["detail"]["noticed_by"]
    asked = {"kind": "failover", "owner": "dr", "epoch": 2, "by": "me"}
    assert open_incident(asked, installation.runtime)["start"]


def test_while_a_recovery_is_at_work_it_has_the_word(installation: Installation) -> None:
    opened(installation)
    own(installation, PROMOTING)
    installation.put(keys.pulse(Site.DR), pulse(Site.DR, epoch=2).to_json())
    assert look(installation)["state"] == "PROMOTING"
    installation.clock.forward(recovery_seconds(installation.runtime.config) + 1)
    assert look(installation)["state"] == "ACTIVE", "its lease is over: nobody works on it"


def test_what_the_old_owner_had_begun_stands_in_the_incident(installation: Installation) -> None:
    opened(installation)
    own(installation, DR_OWNS)
    ran = {"dag_id": "sales", "run_id": "r1", "state": "running", "started_at": "t", "tasks": []}
    report = {"site": "primary", "epoch": 2, "at": START.isoformat(), "paused": ["sales"]}
    body = {**report, "ended": [ran], "started": [ran]}
    installation.put(keys.fence(Site.PRIMARY, 2, START), json.dumps(body))
    for _ in range(2):
        look(installation)
    entries = [
        entry
        for entry in incident(installation)["timeline"].values()
        if entry["step"] == "runs-ended"
    ]
    assert [entry["detail"]["started"] for entry in entries] == [["sales/r1"]]


def test_an_owner_with_a_young_backup_is_protected(installation: Installation) -> None:
    installation.backup(60)
    assert look(installation)["gaps"] == []
    assert metric(installation, "Protected") == [1.0]


def test_without_a_young_backup_it_says_what_is_missing(installation: Installation) -> None:
    assert look(installation)["gaps"] == ["the owner has no complete backup"]
    installation.backup(3600)
    assert look(installation)["gaps"] == ["the newest backup is 3600 s old, 600 s allowed"]
    assert metric(installation, "Protected") == [0.0]


@pytest.fixture
def paired(installation: Installation) -> Installation:
    """Active-passive, with everything as it should be."""
    config = dataclasses.replace(installation.runtime.config, strategy=Strategy.ACTIVE_PASSIVE)
    installation.runtime = dataclasses.replace(installation.runtime, config=config)
    installation.backup(60)
    holds = (START - timedelta(seconds=90)).isoformat()
    installation.put(keys.pulse(Site.PRIMARY), pulse(Site.PRIMARY).to_json())
    installation.put(keys.pulse(Site.DR), pulse(Site.DR, active_dags=0, holds=holds).to_json())
    kept = Captured(START.isoformat(), json.loads(json.dumps(CAPTURED, default=str)))
    installation.put(keys.captured_environment(Site.PRIMARY), kept.to_json())
    return installation


def standby_is(installation: Installation, **changes) -> None:
    stub = installation.stub("mwaa", Site.DR, probe=True)
    found = {**CAPTURED, "Name": "etl-dr", **changes}
    stub.add_response("get_environment", {"Environment": found}, {"Name": "etl-dr"})


def test_a_standby_that_follows_protects(paired: Installation) -> None:
    standby_is(paired)
    assert look(paired)["gaps"] == []
    assert metric(paired, "StandbyAgeSeconds") == [90.0]
    assert metric(paired, "StandbyDrift") == [0.0]


def test_drift_is_named_property_by_property(paired: Installation) -> None:
    options = {**CAPTURED["AirflowConfigurationOptions"], "core.parallelism": "9"}
    standby_is(paired, EnvironmentClass="mw1.large", AirflowConfigurationOptions=options)
    fewer = pulse(Site.DR, active_dags=0, dags=29, holds=START.isoformat())
    paired.put(keys.pulse(Site.DR), fewer.to_json())
    assert look(paired)["gaps"] == [
        "dr differs: EnvironmentClass is 'mw1.large', not 'mw1.small'",
        "dr differs: option core.parallelism is '9', not None",
        "dr differs: 29 DAGs, not 30",
    ]
    assert metric(paired, "StandbyDrift") == [3.0]


def test_a_standby_that_is_gone_is_no_protection(paired: Installation) -> None:
    stub = paired.stub("mwaa", Site.DR, probe=True)
    stub.add_client_error("get_environment", "ResourceNotFoundException", http_status_code=404)
    assert look(paired)["gaps"] == ["dr differs: it does not exist"]


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"age": 400, "holds": START.isoformat()}, "the agent of dr is silent"),
        ({"holds": ""}, "dr holds no backup yet"),
        (
            {"holds": (START - timedelta(seconds=900)).isoformat()},
            "dr holds a state of 900 s ago",
        ),
    ],
)
def test_a_standby_that_stays_behind_is_reported(
    paired: Installation, changes: dict, gap: str
) -> None:
    standby_is(paired)
    paired.put(keys.pulse(Site.DR), pulse(Site.DR, active_dags=0, **changes).to_json())
    assert look(paired)["gaps"] == [gap]


def test_an_incident_that_nobody_ends_is_escalated_once(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        Notices, "escalate", lambda _self, subject, _detail: told.append(subject) or True
    )
    recovery = dataclasses.replace(CONFIG.recovery, escalation_seconds=1800)
    config = dataclasses.replace(CONFIG, recovery=recovery)
    installation.runtime = dataclasses.replace(installation.runtime, config=config)
    opened(installation)
    look(installation)
    assert told == []
    installation.clock.forward(1801)
    for _ in range(2):
        look(installation)
    assert told == ["failover-e0001-01 is open after 30 minutes"]


def test_the_age_of_the_last_drill_is_published(installation: Installation) -> None:
    look(installation)
    assert metric(installation, "DrillAgeDays") == [0]
    installation.clock.forward(1800)
    look(installation)
    assert max(metric(installation, "DrillAgeDays")) == pytest.approx(1 / 48), "never rehearsed"
    asked = {"kind": "drill", "owner": "primary", "epoch": 1, "by": "me"}
    made = open_incident(asked, installation.runtime)["incident_id"]
    close_incident({"incident_id": made, "outcome": "succeeded"}, installation.runtime)
    installation.clock.forward(86_400 / 2)
    assert look(installation)["standby"] == "STANDBY"
    last = installation.runtime.state.get(state.LAST_DRILL)
    assert last is not None
    assert last["incident_id"] == made
    assert datetime.fromisoformat(last["closed_at"]) == START + timedelta(seconds=1800)


@given(
    st.sampled_from(Site),
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(1, 3),
)
def test_only_the_other_site_s_own_word_of_this_epoch_fences_it(
    site: Site, epoch: int, active: int, known: int
) -> None:
    record = dataclasses.replace(DR_OWNS, epoch=epoch)
    said = pulse(site, epoch=known, active_dags=active)
    fenced = protection.is_fenced(record, said)
    assert fenced == (site is Site.PRIMARY and known == epoch and active == 0)
    assert not protection.is_fenced(record, None)


def test_an_owner_that_a_recovery_left_paused_is_no_protection(paired: Installation) -> None:
    opened(paired)
    paused = pulse(Site.PRIMARY, active_dags=0)
    paired.put(keys.pulse(Site.PRIMARY), paused.to_json())
    at = paired.runtime.at()
    ack = Ack("failover-e0001-01-pause", Site.PRIMARY, OrderStatus.SUCCEEDED, at, {"paused": ["a"]})
    paired.put(keys.ack(ack.site, ack.order_id), ack.to_json())

    def said() -> bool:
        return any("a recovery fenced it at" in gap for gap in look(paired)["gaps"])

    assert not said(), "its recovery is at work"
    over = {"status": "failed"}
    paired.runtime.state.set(state.incident("failover-e0001-01"), over, expected={})
    assert said()
    undone = Ack("failover-e0001-01-undo-pause", Site.PRIMARY, OrderStatus.SUCCEEDED, at)
    paired.put(keys.ack(undone.site, undone.order_id), undone.to_json())
    assert not said()
