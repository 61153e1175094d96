"""What stands against taking an installation down."""

import pytest
from program_run import LEAST_ADOPTED, run_program, settings_of

from components.base import Place
from components.settings import parse
from components.taking_down import refusal
from contract.created import CreatedEnvironment
from contract.ownership import INITIAL
from contract.sites import Site

DR_OWNS = INITIAL.promoted(Site.DR, "failover-e0001-01", "2026-11-26T12:00:00+00:00").to_json()
CREATED = CreatedEnvironment(
    "failover-e0001-01", "2026-11-26T12:00:00+00:00", {"Name": "analytics-dr"}
)
GONE = CreatedEnvironment(
    CREATED.incident_id, CREATED.at, CREATED.arguments, "2026-11-26T13:00:00+00:00"
)


def place(**changes) -> Place:
    return Place(parse({**settings_of("dr"), **changes}), Site.DR)


def test_the_live_environment_stands_against_it() -> None:
    said = refusal(place(), record=DR_OWNS, created="")
    assert "the DR site owns epoch 2" in said
    assert "`mwaa-dr failback`" in said
    assert refusal(place(adopted=LEAST_ADOPTED), record=DR_OWNS, created=CREATED.to_json())


def test_so_does_an_environment_that_belongs_to_no_stack() -> None:
    said = refusal(place(), record=INITIAL.to_json(), created=CREATED.to_json())
    assert "analytics-dr in us-west-2, which failover-e0001-01 created, belongs to no stack" in said


@pytest.mark.parametrize(
    ("created", "changes"),
    [
        ("", {}),
        (GONE.to_json(), {}),
        (CREATED.to_json(), {"adopted": LEAST_ADOPTED}),
        (CREATED.to_json(), {"strategy": "active-passive"}),
    ],
    ids=["never", "gone", "adopted", "other-strategy"],
)
def test_else_nothing_does(created: str, changes: dict) -> None:
    for record in ("", INITIAL.to_json()):
        assert refusal(place(**changes), record=record, created=created) == ""


def test_only_where_deletion_is_allowed_anybody_asks() -> None:
    asked = [token for token, _ in run_program("dr").invoked]
    assert "aws:s3/getObject:getObject" not in asked
    backup = {**settings_of("dr")["backup"], "allowDeletion": True}
    going = run_program("dr", {"backup": backup})
    keys = [arguments["key"] for token, arguments in going.invoked if "getObject" in token]
    assert keys == ["control/ownership.json", "config/dr/created.json"]
