import io
import json

import pytest

from local.gateway.faults import reply
from local.gateway.outage import Mode, Outages, parse, signing_name
from local.gateway.request_log import RequestLog
from local.gateway.scope import Scope, read

REGIONS = {"east-bucket": "us-east-1", "west-bucket": "us-west-2"}


def request(service, region="us-east-1", path="/", **environ):
    credential = f"AWS4-HMAC-SHA256 Credential=x/20261122/{region}/{service}/aws4_request, Sig"
    return {
        "PATH_INFO": path,
        "REQUEST_METHOD": "POST",
        "QUERY_STRING": "",
        "HTTP_AUTHORIZATION": credential,
        "wsgi.input": io.BytesIO(),
        **environ,
    }


def scope_of(*arguments, **more):
    return read(request(*arguments, **more), REGIONS.get)


@pytest.mark.parametrize(
    ("scope", "regions"),
    [
        (scope_of("dynamodb", "eu-west-1"), ("eu-west-1",)),
        (scope_of("iam", "us-west-2"), ("us-east-1",)),
        (scope_of("s3", "us-west-2", "/west-bucket/k"), ("us-west-2",)),
        (scope_of("s3", "us-west-2", "/east-bucket/k"), ("us-west-2", "us-east-1")),
        (scope_of("s3", "us-west-2", "/new-bucket"), ("us-west-2",)),
        (scope_of("s3", "us-west-2"), ("us-west-2",)),
        (
            scope_of(
                "s3",
                "us-west-2",
                "/west-bucket/k",
                HTTP_X_AMZ_COPY_SOURCE="east-bucket%2Fk?versionId=1",
            ),
            ("us-east-1", "us-west-2"),
        ),
    ],
)
def test_every_region_a_request_needs_is_found(scope, regions):
    assert scope.regions == regions


def test_presigned_request_is_found_by_its_query():
    environ = request(
        "x",
        QUERY_STRING="X-Amz-Credential=x%2F20261122%2Fus-west-2%2Fs3%2F"
        "aws4_request&X-Amz-Signature=y",
    )
    del environ["HTTP_AUTHORIZATION"]
    assert read(environ, REGIONS.get).regions == ("us-west-2",)


def test_unsigned_request_has_no_region():
    environ = request("x")
    del environ["HTTP_AUTHORIZATION"]
    assert read(environ, REGIONS.get) == Scope((), None, "POST /")


def test_operation_is_read_from_target_or_form_and_the_body_stays():
    assert scope_of("kms", HTTP_X_AMZ_TARGET="TrentService.Decrypt").operation == "Decrypt"
    body = b"Version=1&Action=ListTopics&x=y"
    environ = request(
        "sns",
        CONTENT_TYPE="application/x-www-form-urlencoded; charset=utf-8",
        CONTENT_LENGTH=str(len(body)),
        **{"wsgi.input": io.BytesIO(body)},
    )
    assert read(environ, REGIONS.get).operation == "ListTopics"
    assert environ["wsgi.input"].read() == body


def outage(region="us-east-1", now=100.0, **more):
    return parse({"region": region, **more}, now)


def test_outage_covers_its_region_and_services_only():
    outages = Outages(clock=lambda: 100.0)
    outages.begin(outage(services=["s3", "mwaa"]))
    assert outages.effect(("us-east-1",), "s3") is Mode.HANG
    assert outages.effect(("us-east-1",), "airflow") is Mode.HANG
    assert outages.effect(("us-east-1",), "sts") is None
    assert outages.effect(("us-west-2",), "s3") is None
    assert outages.effect(("us-west-2", "us-east-1"), "s3") is Mode.HANG
    assert [o.region for o in outages.end("us-east-1")] == ["us-east-1"]
    assert outages.effect(("us-east-1",), "s3") is None


def test_flapping_takes_turns():
    times = iter([100.0, 104.9, 105.0, 109.9, 110.0])
    outages = Outages(clock=lambda: next(times))
    outages.begin(outage(mode="flapping", flap_seconds=5))
    found = [outages.effect(("us-east-1",), "s3") for _ in range(5)]
    assert found == [Mode.ERROR, Mode.ERROR, None, None, Mode.ERROR]


@pytest.mark.parametrize(
    ("mode", "suspended"), [("hang", True), ("refuse", True), ("5xx", True), ("throttle", False)]
)
def test_throttling_is_the_one_outage_in_which_services_work_on(mode, suspended):
    outages = Outages()
    outages.begin(outage(mode=mode))
    assert outages.suspended("us-east-1", "scheduler") is suspended


@pytest.mark.parametrize(
    ("name", "signed"),
    [
        ("cloudwatch", "monitoring"),
        ("mwaa", "airflow"),
        ("stepfunctions", "states"),
        ("s3", "s3"),
        ("monitoring", "monitoring"),
        ("logs", "logs"),
    ],
)
def test_services_are_known_by_their_boto3_names(name, signed):
    assert signing_name(name) == signed


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        ({}, "region"),
        ({"region": "us-east-1", "mode": "slow"}, "'slow'.*hang"),
        ({"region": "us-east-1", "services": ["post"]}, "'post'"),
        ({"region": "us-east-1", "since": 1}, "since"),
        ({"region": "us-east-1", "flap_seconds": -1}, "flap_seconds"),
    ],
)
def test_wrong_outages_are_refused_by_key_and_value(raw, word):
    with pytest.raises(ValueError, match=word):
        parse(raw, 0)


@pytest.mark.parametrize(
    ("service", "environ", "start"),
    [
        ("s3", {}, b"<?xml"),
        ("sns", {}, b"<?xml"),
        ("sts", {}, b"<?xml"),
        ("monitoring", {"CONTENT_TYPE": "application/x-www-form-urlencoded"}, b"<?xml"),
        ("monitoring", {"CONTENT_TYPE": "application/x-amz-json-1.0"}, b"{"),
        ("states", {}, b"{"),
        ("airflow", {}, b"{"),
    ],
)
def test_faults_speak_the_protocol_of_the_request(service, environ, start):
    status, headers, body = reply(Mode.ERROR, scope_of(service), request(service, **environ))
    assert status.startswith("5")
    assert body.startswith(start)
    assert dict(headers)["Content-Length"] == str(len(body))
    assert dict(headers)["x-amzn-RequestId"]
    if start == b"{":
        assert json.loads(body)["__type"] == dict(headers)["x-amzn-ErrorType"]


def test_request_log_forgets_the_oldest_and_pages_by_number():
    log = RequestLog(capacity=3)
    for n in range(5):
        log.add(time=n, region="r", service="s", operation=str(n), status=200, seconds=0)
    assert [e["operation"] for e in log.read()] == ["2", "3", "4"]
    assert [e["operation"] for e in log.read(after=4)] == ["4"]
    assert [e["operation"] for e in log.read(limit=2)] == ["3", "4"]
    assert log.read(region="other") == []
