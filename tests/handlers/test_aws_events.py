"""What AWS itself says: whom it is about, how long it counts, and that it proves nothing."""

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import state
from contract.handler_config import Detection
from contract.sites import Site
from contract.verdict import Verdict
from handlers.assess import assess
from handlers.core.aws_events import FRESH, KEPT, Note, NotedEvents, needed, notes
from handlers.core.verdict import decide
from handlers.note_event import note_event
from tests.handlers.installation import CONFIG, START, Installation
from tests.handlers.test_assess import environments
from tests.handlers.test_verdict import reading

AT = START.isoformat()
DOWN, DEGRADED = Verdict.DOWN, Verdict.DEGRADED


def trouble(region: str = "us-east-1", **changes) -> dict:
    detail = {
        "eventArn": f"arn:aws:health:{region}::event/EC2/AWS_EC2_OPERATIONAL_ISSUE/1",
        "service": "EC2",
        "eventTypeCode": "AWS_EC2_OPERATIONAL_ISSUE",
        "eventTypeCategory": "issue",
        "eventRegion": region,
        "statusCode": "open",
    }
    return {"source": "aws.health", "region": "us-west-2", "detail": {**detail, **changes}}


def status(name: str = "etl-primary", word: str = "UNAVAILABLE", region: str = "us-east-1") -> dict:
    return {
        "id": "e-1",
        "source": "aws.airflow",
        "detail-type": "MWAA Environment Status Change",
        "region": region,
        "resources": [f"arn:aws:airflow:{region}:123456789012:environment/{name}"],
        "detail": {"new": {"status": word}},
    }


def told(event: dict) -> list[tuple[Site, bool]]:
    return [(note.site, note.alarming) for note in notes(event, CONFIG, AT)]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (trouble(), [(Site.PRIMARY, True)]),
        (trouble("us-west-2"), [(Site.DR, True)]),
        (trouble("eu-west-1"), []),
        (trouble(statusCode="closed"), [(Site.PRIMARY, False)]),
        (trouble(eventTypeCategory="scheduledChange"), [(Site.PRIMARY, False)]),
        (status(), [(Site.PRIMARY, True)]),
        (status("etl-dr", region="us-west-2"), [(Site.DR, True)]),
        (status(word="AVAILABLE"), [(Site.PRIMARY, False)]),
        (status(word="UPDATING"), [(Site.PRIMARY, False)]),
        (status(word="SOMETHING_NEW"), [(Site.PRIMARY, False)]),
        (status("another"), []),
        (status("etl-primary", region="eu-west-1"), []),
        ({"source": "aws.airflow", "region": "us-east-1", "detail": {"name": "etl-primary"}},
         [(Site.PRIMARY, False)]),
        ({"source": "aws.airflow", "region": "us-east-1", "detail": "text"}, []),
        ({"source": "aws.ec2", "detail": {"eventRegion": "us-east-1"}}, []),
        ({}, []),
    ],
)  # fmt: skip
def test_an_event_is_about_a_site_or_about_nothing(
    event: dict, expected: list[tuple[Site, bool]]
) -> None:
    assert told(event) == expected


def noted(installation: Installation) -> NotedEvents:
    return NotedEvents.from_item(installation.runtime.state.get(state.EVENTS))


def test_the_copy_from_the_backup_region_is_the_same_event(installation: Installation) -> None:
    for _ in range(2):
        note_event(trouble(), installation.runtime)
    assert len(noted(installation).notes) == 1


def test_the_end_of_a_trouble_replaces_its_beginning(installation: Installation) -> None:
    note_event(trouble(), installation.runtime)
    assert noted(installation).alarming(Site.PRIMARY, installation.clock.at)
    note_event(trouble(statusCode="closed"), installation.runtime)
    assert not noted(installation).alarming(Site.PRIMARY, installation.clock.at)


def test_what_is_about_somebody_else_is_not_kept(installation: Installation) -> None:
    assert note_event(trouble("eu-west-1"), installation.runtime) == {"noted": []}
    assert installation.runtime.state.get(state.EVENTS) is None


def test_an_event_counts_for_a_quarter_of_an_hour_and_for_its_own_site() -> None:
    kept = NotedEvents().with_notes(notes(trouble(), CONFIG, AT))
    assert kept.alarming(Site.PRIMARY, START + FRESH)
    assert not kept.alarming(Site.PRIMARY, START + FRESH + timedelta(seconds=1))
    assert not kept.alarming(Site.DR, START)
    assert not kept.alarming(Site.PRIMARY, START - timedelta(seconds=1))


@given(st.integers(0, 40))
def test_a_region_that_sends_many_fills_no_item(count: int) -> None:
    kept = NotedEvents()
    for number in range(count):
        kept = kept.with_notes([Note(str(number), AT, Site.DR, True, "x" * 90)])
    assert len(kept.notes) == min(count, KEPT)
    assert NotedEvents.from_item(kept.to_item()) == kept
    assert [note.key for note in kept.notes] == [str(n) for n in range(count)][-KEPT:]


EVENT = Note("k", AT, Site.PRIMARY, True, "EC2 in us-east-1")


@given(st.integers(1, 20), st.integers(1, 20))
def test_one_reading_less_has_to_agree_and_never_none(wanted: int, window: int) -> None:
    detection = Detection(20, wanted, window, 150, 180, 600, 3.0)
    assert needed(detection, []) == wanted
    assert needed(detection, [EVENT]) == max(1, wanted - 1)


@given(st.lists(st.sampled_from([one for one in Verdict if one is not DOWN]), min_size=1))
def test_an_event_alone_never_makes_the_verdict_worse(verdicts: list[Verdict]) -> None:
    readings = [reading(one, 20 * (len(verdicts) - n - 1)) for n, one in enumerate(verdicts)]
    detection = Detection(20, 1, 3, 150, 180, 600, 3.0)
    now = readings[-1].at
    assert decide(readings, detection, now, [EVENT]) == decide(readings, detection, now)


def test_an_event_lets_the_recovery_begin_one_reading_sooner(installation: Installation) -> None:
    environments(installation, "DELETED")
    installation.pulse(1000)
    note_event(trouble(), installation.runtime)
    event = {"index": 0, "started_at": installation.clock.at.isoformat()}
    found = assess(event, installation.runtime)
    assert (found["verdict"], found["recover"]) == ("DOWN", True)
    assert found["reasons"][-1].startswith("event: EC2 in us-east-1")


def test_without_an_event_the_first_reading_waits_for_the_second(
    installation: Installation,
) -> None:
    environments(installation, "DELETED")
    installation.pulse(1000)
    note_event(trouble("us-west-2"), installation.runtime)
    event = {"index": 0, "started_at": installation.clock.at.isoformat()}
    assert assess(event, installation.runtime)["verdict"] == "DEGRADED"


def test_two_notes_at_once_are_both_kept(installation: Installation) -> None:
    table = installation.runtime.state
    real_put, beaten = type(table).put, []

    def put(self, pk, item, *, expected):
        if not beaten:
            beaten.append(pk)
            note_event(status(), installation.runtime)
        real_put(self, pk, item, expected=expected)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(table), "put", put)
        note_event(trouble(), installation.runtime)
    assert {note.site for note in noted(installation).notes} == {Site.PRIMARY}
    assert len(noted(installation).notes) == 2


def test_both_sites_in_one_region_are_both_in_trouble() -> None:
    config = dataclasses.replace(CONFIG, dr=dataclasses.replace(CONFIG.dr, region="us-east-1"))
    assert [note.site for note in notes(trouble(), config, AT)] == [Site.PRIMARY, Site.DR]
