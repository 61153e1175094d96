"""MWAA environments: through a real boto3 client whose requests a small service answers."""

import io
import json
import threading
import time

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from local.pulumi.provider import lifecycle, model, schema
from local.pulumi.provider.catalog import RESOURCES
from local.pulumi.provider.lifecycle import IncompleteError
from local.pulumi.provider.model import CancelledError, Scope

TOKEN = "aws:mwaa/environment:Environment"
ROW = RESOURCES[TOKEN]
ARN = "arn:aws:airflow:us-west-2:123456789012:environment/e"
INPUTS = {
    "name": "e",
    "dagS3Path": "dags",
    "executionRoleArn": "arn:aws:iam::123456789012:role/x",
    "sourceBucketArn": "arn:aws:s3:::b",
    "networkConfiguration": {"subnetIds": ["s1", "s2"], "securityGroupIds": ["g"]},
    "airflowConfigurationOptions": {"core.parallelism": "8"},
    "region": "us-west-2",
    "tagsAll": {"team": "data"},
}


class Service:
    """Keeps one environment and lets each new one take `polls` reads to become available."""

    def __init__(self, *, polls=2, ends="AVAILABLE"):
        self.polls, self.ends, self.left = polls, ends, 0
        self.environment = None
        self.requests = []

    def answer(self, request, **_):
        body = json.loads(request.body or b"{}")
        self.requests.append((request.method, body))
        if request.method == "PUT":
            self.environment = {**body, "Name": "e", "Arn": ARN, "Status": "CREATING"}
            self.left = self.polls
        elif self.environment is None:
            return self._reply(404, {"message": "no"}, "ResourceNotFoundException")
        elif request.method == "PATCH":
            self.environment |= {**body, "Status": "UPDATING"}
            self.left = self.polls
        elif request.method == "DELETE":
            self.environment["Status"] = "DELETING"
        elif self.environment["Status"] == "DELETING":
            self.environment = None
            return self._reply(404, {"message": "no"}, "ResourceNotFoundException")
        elif self.left:
            self.left -= 1
            if not self.left:
                self.environment["Status"] = self.ends
        return self._reply(200, {"Environment": self.environment, "Arn": ARN})

    @staticmethod
    def _reply(status, body, error=""):
        class Raw(io.BytesIO):
            def stream(self, **_):
                yield self.read()

        headers = {"content-type": "application/json", "x-amzn-errortype": error}
        return AWSResponse("http://x", status, headers, Raw(json.dumps(body).encode()))


class Clients:
    def __init__(self, service):
        self._client = boto3.client(
            "mwaa", "us-west-2", aws_access_key_id="a", aws_secret_access_key="b"
        )
        self._client.meta.events.register("before-send.mwaa", service.answer)

    def get(self, *_):
        return self._client


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(model, "POLL_SECONDS", 0.01)


def scope_of(service, **more):
    known = schema.load(RESOURCES)
    return Scope(
        Clients(service), "mwaa", known, known.resources[TOKEN], "us-west-2", threading.Event(),
        **more,
    )  # fmt: skip


def test_create_waits_until_it_is_available_and_gives_its_real_properties():
    service = Service()
    made = lifecycle.create(ROW, scope_of(service), INPUTS)
    assert made["status"] == "AVAILABLE"
    assert made["arn"] == ARN
    assert made["networkConfiguration"] == INPUTS["networkConfiguration"]
    assert service.requests[0][1]["Tags"] == {"team": "data"}
    assert service.requests[0][1]["AirflowConfigurationOptions"] == {"core.parallelism": "8"}


def test_an_update_sends_only_what_changed_and_never_the_subnets():
    service = Service()
    scope = scope_of(service)
    state = lifecycle.create(ROW, scope, INPUTS)
    new = {
        **INPUTS,
        "maxWorkers": 5,
        "networkConfiguration": {"subnetIds": ["s2", "s1"], "securityGroupIds": ["h"]},
    }
    del new["airflowConfigurationOptions"]
    lifecycle.update(ROW, scope_of(service, id="e", state=state), INPUTS, new)
    sent = next(body for method, body in service.requests if method == "PATCH")
    assert sent == {
        "MaxWorkers": 5,
        "NetworkConfiguration": {"SecurityGroupIds": ["h"]},
        "AirflowConfigurationOptions": {},
    }


def test_a_failed_creation_is_kept_as_failed_so_that_the_next_up_replaces_it():
    with pytest.raises(IncompleteError) as raised:
        lifecycle.create(ROW, scope_of(Service(ends="CREATE_FAILED")), INPUTS)
    assert raised.value.id == "e"
    assert "CREATE_FAILED" in str(raised.value.cause)
    assert ROW.broken(raised.value.properties)


def test_a_create_that_takes_too_long_says_so():
    scope = scope_of(Service(polls=10**6), deadline=time.monotonic() + 0.2)
    with pytest.raises(IncompleteError) as raised:
        lifecycle.create(ROW, scope, INPUTS)
    assert "custom_timeouts" in str(raised.value.cause)


def test_an_interrupted_create_ends_at_once_and_keeps_what_was_made():
    scope = scope_of(Service(polls=10**6))
    threading.Timer(0.2, scope.cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(IncompleteError) as raised:
        lifecycle.create(ROW, scope, INPUTS)
    assert isinstance(raised.value.cause, CancelledError)
    assert raised.value.id == "e"
    assert time.monotonic() - started < 5


def test_delete_waits_until_it_is_gone():
    service = Service()
    scope = scope_of(service)
    lifecycle.create(ROW, scope, INPUTS)
    lifecycle.delete(ROW, scope)
    assert service.environment is None
    assert lifecycle.read(ROW, scope) is None
