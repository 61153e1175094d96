"""Orders to an agent and its answers, against moto; the agent is played by the test."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ConnectTimeoutError

from contract import keys, state
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.sites import Site
from contract.state import Step
from handlers.adapters import timeline
from handlers.core.errors import (
    BackupRefusedError,
    OrderFailedError,
    OrderOverdueError,
    RequestError,
)
from handlers.hasten import hasten
from handlers.order_status import order_status
from handlers.runtime import Runtime
from handlers.send_order import send_order
from tests.handlers.installation import CONFIG, Installation
from tests.handlers.test_incident_steps import FIRST, incident, opened

PAUSE = {
    "incident_id": FIRST,
    "kind": "pause",
    "site": "primary",
    "order_id": f"{FIRST}-pause",
    "epoch": 1,
    "expires_seconds": 120,
    "payload": {},
}


@pytest.fixture
def rest(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Calls of InvokeRestApi; moto has none."""
    calls: list[dict] = []
    for region in ("us-east-1", "us-west-2"):
        client = installation.runtime.clients.mwaa(region, probe=True)
        monkeypatch.setattr(client, "invoke_rest_api", lambda **arguments: calls.append(arguments))
    opened(installation)
    return calls


def answer(installation: Installation, order: dict, status: OrderStatus, **parts) -> None:
    ack = Ack(order["order_id"], Site(order["site"]), status, installation.runtime.at(), **parts)
    installation.put(keys.ack(ack.site, ack.order_id), ack.to_json())


def look(installation: Installation, sent: dict, within: int = 120) -> dict:
    return order_status({**sent, "within_seconds": within}, installation.runtime)


def test_an_order_lies_in_the_site_s_own_bucket(installation: Installation, rest: list) -> None:
    sent = send_order(PAUSE, installation.runtime)
    key = keys.order(Site.PRIMARY, PAUSE["order_id"])
    order = Order.from_json(installation.text(key, Site.PRIMARY))
    assert (order.kind, order.epoch, order.incident_id) == (OrderKind.PAUSE, 1, FIRST)
    assert order.expires_at == (installation.clock.at + timedelta(seconds=120)).isoformat()
    assert installation.keys(keys.orders(Site.PRIMARY), Site.DR) == []
    assert sent["sent"]
    assert sent["accelerated"]
    assert rest[0]["Path"] == "/dags/mwaa_dr_agent/dagRuns"
    assert f"order-sent#{PAUSE['order_id']}" in incident(installation)["timeline"]


@pytest.mark.usefixtures("rest")
def test_an_import_is_told_when_the_old_owner_was_last_seen(installation: Installation) -> None:
    seen = {"outage_at": "2026-11-22T11:50:00+00:00"}
    installation.runtime.state.set(state.incident(FIRST), seen, expected={"status": "open"})
    send_order({**PAUSE, "kind": "import", "payload": {"phase": "resume"}}, installation.runtime)
    key = keys.order(Site.PRIMARY, PAUSE["order_id"])
    payload = Order.from_json(installation.text(key, Site.PRIMARY)).payload
    assert payload == {"phase": "resume", **seen}


@pytest.mark.usefixtures("rest")
def test_an_import_is_told_when_the_old_owner_was_fenced(installation: Installation) -> None:
    at = "2026-11-22T12:03:00+00:00"
    timeline.add(installation.runtime.state, FIRST, Step.FENCED, at)
    send_order({**PAUSE, "kind": "import"}, installation.runtime)
    key = keys.order(Site.PRIMARY, PAUSE["order_id"])
    payload = Order.from_json(installation.text(key, Site.PRIMARY)).payload
    assert payload == {"outage_at": at}


@pytest.mark.usefixtures("rest")
def test_of_an_answer_with_a_headline_that_is_passed_on(installation: Installation) -> None:
    sent = send_order(PAUSE, installation.runtime)
    result = {
        "rows": 7,
        "interrupted": [{}, {}],
        "forecast": {"headline": "18 runs of 1 DAGs", "dags": [{}] * 200},
        "long": "x" * 500,
    }
    answer(installation, PAUSE, OrderStatus.SUCCEEDED, result=result)
    assert look(installation, sent)["result"] == {
        "rows": 7,
        "interrupted": 2,
        "forecast": "18 runs of 1 DAGs",
    }


def test_an_order_sent_again_stays_the_first(installation: Installation, rest: list) -> None:
    first = send_order(PAUSE, installation.runtime)
    installation.clock.forward(60)
    again = send_order(PAUSE, installation.runtime)
    assert again["issued_at"] == first["issued_at"]
    assert len(rest) == 2


def test_an_airflow_that_does_not_answer_does_not_matter(
    installation: Installation, rest: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = installation.runtime.clients.mwaa("us-east-1", probe=True)

    def hang(**_) -> None:
        raise ConnectTimeoutError(endpoint_url="https://env.airflow")

    monkeypatch.setattr(client, "invoke_rest_api", hang)
    sent = send_order(PAUSE, installation.runtime)
    assert (sent["sent"], sent["accelerated"], rest) == (True, False, [])


INSIDE = {"hastens_inside": True}


def within(installation: Installation, calls: list, error: Exception | None = None) -> Runtime:
    """The means of an installation whose DR site has a private web server."""
    functions = installation.runtime.clients.functions(CONFIG.dr.region)

    def invoke(**arguments) -> None:
        calls.append(arguments)
        if error:
            raise error

    functions.invoke = invoke
    return replace(installation.runtime, config=replace(installation.runtime.config, **INSIDE))


def test_a_private_web_server_is_asked_from_inside_and_not_waited_for(
    installation: Installation, rest: list
) -> None:
    calls: list = []
    sent = send_order({**PAUSE, "site": "dr"}, within(installation, calls))
    assert (sent["sent"], sent["accelerated"], rest) == (True, True, [])
    (call,) = calls
    assert call["FunctionName"] == CONFIG.names.function("hasten")
    assert call["InvocationType"] == "Event"
    asked = hasten(json.loads(call["Payload"]), installation.runtime)
    assert asked == {"taken": True}
    assert (rest[0]["Name"], rest[0]["Path"]) == (
        CONFIG.dr.environment,
        "/dags/mwaa_dr_agent/dagRuns",
    )


def test_the_primary_site_is_never_asked_from_inside_the_dr_network(
    installation: Installation, rest: list
) -> None:
    calls: list = []
    assert send_order(PAUSE, within(installation, calls))["accelerated"]
    assert (len(rest), calls) == (1, [])


def test_a_function_that_hastens_and_cannot_be_called_does_not_matter(
    installation: Installation, rest: list
) -> None:
    error = ConnectTimeoutError(endpoint_url="https://lambda")
    sent = send_order({**PAUSE, "site": "dr"}, within(installation, [], error))
    assert (sent["sent"], sent["accelerated"], rest) == (True, False, [])


def test_airflow_3_is_asked_in_its_own_words(
    installation: Installation, rest: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = installation.runtime.clients.mwaa("us-east-1", probe=True)
    error = client.exceptions.RestApiClientException
    bodies = []

    def demanding(**arguments) -> None:
        bodies.append(arguments["Body"])
        if "logical_date" not in arguments["Body"]:
            raise error({"Error": {"Code": "RestApiClientException"}}, "InvokeRestApi")

    monkeypatch.setattr(client, "invoke_rest_api", demanding)
    assert send_order(PAUSE, installation.runtime)["accelerated"]
    assert bodies[-1] == {"conf": {}, "logical_date": None}
    assert rest == []


def test_a_pause_is_taken_back_for_what_it_paused(installation: Installation, rest: list) -> None:
    sent = send_order(PAUSE, installation.runtime)
    undo = {
        **PAUSE,
        "kind": "unpause",
        "order_id": f"{FIRST}-undo-pause",
        "undo": True,
    }
    assert not send_order(undo, installation.runtime)["sent"]
    answer(installation, sent, OrderStatus.SUCCEEDED, result={"paused": ["a", "b"]})
    assert send_order(undo, installation.runtime)["sent"]
    key = keys.order(Site.PRIMARY, undo["order_id"])
    assert Order.from_json(installation.text(key, Site.PRIMARY)).payload == {"dags": ["a", "b"]}
    assert len(rest) == 2


def test_an_un_pause_order_says_what_the_fence_paused(
    installation: Installation, rest: list
) -> None:
    fence = send_order(PAUSE, installation.runtime)
    asked = {
        **{**PAUSE, "kind": "unpause", "site": "dr", "order_id": f"{FIRST}-unpause-1"},
        **{"fenced": "primary", "fenced_epoch": 1},
    }
    send_order(asked, installation.runtime)
    first = Order.from_json(installation.text(keys.order(Site.DR, asked["order_id"])))
    assert first.payload == {"paused": {}}, "the old owner never answered"
    answer(installation, fence, OrderStatus.SUCCEEDED, result={"paused": ["a", "b"]})
    again = {**asked, "order_id": f"{FIRST}-unpause-2"}
    send_order(again, installation.runtime)
    second = Order.from_json(installation.text(keys.order(Site.DR, again["order_id"])))
    assert second.payload["paused"]["dags"] == ["a", "b"]
    assert datetime.fromisoformat(second.payload["paused"]["at"])
    assert rest


def test_an_order_goes_from_no_answer_to_done(installation: Installation, rest: list) -> None:
    sent = send_order(PAUSE, installation.runtime)
    assert not look(installation, sent)["done"]
    answer(installation, sent, OrderStatus.RUNNING)
    assert not look(installation, sent)["done"]
    answer(installation, sent, OrderStatus.SUCCEEDED, result={"paused": ["a"], "n": 3})
    done = look(installation, sent)
    assert (done["done"], done["result"]) == (True, {"paused": 1, "n": 3})
    assert len(rest) == 1


def test_a_failed_order_says_what_the_agent_said(installation: Installation, rest: list) -> None:
    sent = send_order(PAUSE, installation.runtime)
    error = {"type": "OperationalError", "message": "database is gone"}
    answer(installation, sent, OrderStatus.FAILED, error=error)
    with pytest.raises(OrderFailedError, match="OperationalError: database is gone"):
        look(installation, sent)
    error = {"type": "BackupRefusedError", "message": "altered"}
    answer(installation, sent, OrderStatus.FAILED, error=error)
    with pytest.raises(BackupRefusedError, match="altered"):
        look(installation, sent)
    assert rest


def test_an_order_that_nobody_finishes_is_overdue(installation: Installation, rest: list) -> None:
    sent = send_order(PAUSE, installation.runtime)
    installation.clock.forward(121)
    with pytest.raises(OrderOverdueError, match="no answer at all"):
        look(installation, sent)
    assert look(installation, sent, within=600)["wait_seconds"] == 12
    assert rest


def test_an_unknown_kind_names_those_that_are_known(installation: Installation) -> None:
    with pytest.raises(RequestError, match="'dance' is not allowed; use one of export"):
        send_order({**PAUSE, "kind": "dance"}, installation.runtime)
