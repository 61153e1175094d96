"""A user of the web interface: what differs between versions, and what is tried again."""

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from local.drill import user
from local.drill.user import RESTS, User
from local.gateway.process import LocalAws


@pytest.fixture(params=RESTS)
def somebody(request, monkeypatch):
    monkeypatch.setattr(user.time, "sleep", lambda _: None)
    return User(LocalAws("http://127.0.0.1:1", 1, "1"), "us-east-1", "e", RESTS[request.param])


def _answers(stub, *answers):
    for answer in answers:
        if answer is None:
            stub.add_client_error("invoke_rest_api", "RestApiServerException")
        else:
            stub.add_response("invoke_rest_api", {"RestApiResponse": answer})


def test_what_may_be_done_twice_is_tried_again_while_the_server_is_busy(somebody):
    with Stubber(somebody._mwaa) as stub:
        _answers(stub, None, None, {}, None, {"dag_runs": []})
        somebody.set_paused("d", paused=True)
        assert somebody.unfinished_runs() == []
        stub.assert_no_pending_responses()


def test_a_server_that_stays_silent_is_an_error_in_the_end(somebody):
    with Stubber(somebody._mwaa) as stub:
        _answers(stub, *[None] * user.TRIES, {})
        with pytest.raises(somebody._mwaa.exceptions.RestApiServerException):
            somebody.dags()


def test_a_run_is_never_asked_for_twice(somebody):
    with Stubber(somebody._mwaa) as stub:
        _answers(stub, None, {})
        with pytest.raises(somebody._mwaa.exceptions.RestApiServerException):
            somebody.trigger("d", {}, "note")


def test_runs_and_dags_are_due_by_the_fields_of_their_version(somebody):
    due = "2026-01-01T10:00:00Z"
    run = {"dag_id": "d", "dag_run_id": "r", somebody.rest.run_due[-1]: due}
    run = {**dict.fromkeys(somebody.rest.run_due), **run}
    dag = {"dag_id": "d", somebody.rest.next_due: due}
    own = {"dag_id": "mwaa_dr_agent", somebody.rest.next_due: due}
    before, after = datetime(2026, 1, 1, 9, tzinfo=UTC), datetime(2026, 1, 1, 11, tzinfo=UTC)
    with Stubber(somebody._mwaa) as stub:
        _answers(stub, *[{"dag_runs": [run]}] * 2, *[{"dags": [dag, own]}] * 2)
        assert somebody.unfinished_runs(before) == []
        assert somebody.unfinished_runs(after) == ["d/r"]
        assert somebody.with_a_run_due(before) == set()
        assert somebody.with_a_run_due(after) == {"d"}
