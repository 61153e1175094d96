import threading
import time

import pytest
import requests
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)

from local.gateway.control import ControlError
from tests.gateway.conftest import EAST, WEST, eventually

pytestmark = pytest.mark.engine

CALLS = {
    "s3": lambda c: c.list_buckets(),
    "sts": lambda c: c.get_caller_identity(),
    "sns": lambda c: c.list_topics(),
    "dynamodb": lambda c: c.list_tables(),
    "cloudwatch": lambda c: c.list_metrics(),
    "stepfunctions": lambda c: c.list_state_machines(),
    "lambda": lambda c: c.list_functions(),
    "mwaa": lambda c: c.get_environment(Name="x"),
    "ec2": lambda c: c.describe_vpcs(),
    "events": lambda c: c.list_rules(),
    "kms": lambda c: c.list_keys(),
    "logs": lambda c: c.describe_log_groups(),
    "scheduler": lambda c: c.list_schedules(),
}


@pytest.mark.parametrize("service", sorted(CALLS))
def test_server_errors_are_parsed_as_the_services_own(aws, service):
    aws.control.begin_outage(EAST, mode="5xx")
    with pytest.raises(ClientError) as caught:
        CALLS[service](aws.client(service))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    assert not caught.value.response["Error"]["Code"].isdigit()
    assert caught.value.response["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("service", sorted(CALLS))
def test_throttling_is_what_botocore_calls_throttling(aws, service):
    aws.control.begin_outage(EAST, mode="throttle")
    with pytest.raises(ClientError) as caught:
        CALLS[service](aws.client(service))
    code = caught.value.response["Error"]["Code"]
    assert code in {
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
    }


def test_hanging_region_gives_no_answer_and_others_work(aws):
    aws.control.begin_outage(EAST)
    started = time.monotonic()
    with pytest.raises(ReadTimeoutError):
        aws.client("sts", read_timeout=0.5).get_caller_identity()
    assert 0.4 < time.monotonic() - started < 3
    assert aws.client("sts", WEST).get_caller_identity()["Account"] == "123456789012"
    aws.control.end_outage(EAST)
    assert aws.client("sts").get_caller_identity()


def test_an_environment_is_lost_alone(aws):
    aws.control.begin_outage(EAST, mode="environment", environment="etl")
    try:
        for service in sorted(CALLS):
            if service != "mwaa":
                CALLS[service](aws.client(service))
        (outage,) = aws.control.state()["outages"]
        assert (outage["mode"], outage["environment"]) == ("environment", "etl")
    finally:
        aws.control.end_outage(EAST)
    assert aws.control.state()["outages"] == []


@pytest.mark.parametrize("asked", [{"mode": "environment"}, {"environment": "etl"}])
def test_the_mode_and_the_name_of_a_lost_environment_go_together(aws, asked):
    with pytest.raises(ControlError, match="name the environment with mode environment"):
        aws.control.begin_outage(EAST, **asked)


def test_hanging_calls_end_when_the_region_returns_but_without_an_answer(aws):
    aws.control.begin_outage(EAST)
    seen = []

    def call():
        try:
            aws.client("sqs", read_timeout=20).create_queue(QueueName="never")
        except BotoCoreError as error:
            seen.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.3)
    aws.control.end_outage(EAST)
    thread.join(5)
    assert isinstance(seen[0], ConnectionClosedError)
    assert not aws.client("sqs").list_queues(QueueNamePrefix="never").get("QueueUrls")


def test_many_hanging_calls_do_not_block_other_regions(aws):
    aws.control.begin_outage(EAST)

    def hang():
        with pytest.raises(requests.exceptions.RequestException):
            requests.get(
                aws.running.endpoint + "/",
                headers={
                    "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/"
                    "aws4_request, SignedHeaders=host, Signature=x"
                },
                timeout=2,
            )

    threads = [threading.Thread(target=hang) for _ in range(40)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    started = time.monotonic()
    aws.client("sts", WEST).get_caller_identity()
    assert time.monotonic() - started < 1
    for thread in threads:
        thread.join()


def test_refused_calls_fail_at_once(aws):
    aws.control.begin_outage(EAST, mode="refuse")
    started = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        aws.client("dynamodb").list_tables()
    assert time.monotonic() - started < 1


def test_outage_of_one_service_leaves_the_others(aws):
    aws.control.begin_outage(EAST, services=["cloudwatch"], mode="5xx")
    with pytest.raises(ClientError):
        aws.client("cloudwatch").list_metrics()
    aws.client("mwaa").exceptions  # noqa: B018 -- only that the client can be made
    aws.client("s3").list_buckets()


def test_flapping_service_fails_and_works_in_turns(aws):
    aws.control.begin_outage(EAST, mode="flapping", flap_seconds=0.5)
    results = set()
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and len(results) < 2:
        try:
            aws.client("sts").get_caller_identity()
            results.add("works")
        except ClientError:
            results.add("fails")
        time.sleep(0.05)
    assert results == {"works", "fails"}


def test_bucket_is_lost_with_its_own_region_whatever_the_client_says(aws):
    bucket = aws.bucket("lost", EAST)
    aws.client("s3").put_object(Bucket=bucket, Key="k", Body=b"1")
    aws.control.begin_outage(EAST, mode="5xx")
    with pytest.raises(ClientError, match="ServiceUnavailable"):
        aws.client("s3", WEST).get_object(Bucket=bucket, Key="k")


def test_iam_is_lost_with_its_home_region_only(aws):
    aws.control.begin_outage(WEST, mode="5xx")
    aws.client("iam", WEST).list_roles()
    aws.control.end_outage()
    aws.control.begin_outage(EAST, mode="5xx")
    with pytest.raises(ClientError):
        aws.client("iam", WEST).list_roles()


def test_presigned_address_belongs_to_its_region(aws):
    bucket = aws.bucket("presigned", EAST)
    aws.client("s3").put_object(Bucket=bucket, Key="k", Body=b"body")
    signed = aws.client("s3", signature_version="s3v4")
    url = signed.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
    assert requests.get(url, timeout=5).content == b"body"
    aws.control.begin_outage(EAST, mode="5xx")
    assert requests.get(url, timeout=5).status_code == 503


def test_losing_environments_reaches_the_emulator_and_ends_with_the_outage(aws):
    aws.client("mwaa", EAST).create_environment(
        Name="e",
        DagS3Path="dags",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/test",
        NetworkConfiguration={},
        SourceBucketArn="arn:aws:s3:::b",
    )
    aws.control.begin_outage(EAST, lose_environments=True)
    found = [e for e in aws.control.state()["environments"] if e["name"] == "e"]
    assert found[0]["lost"]
    aws.control.end_outage(EAST)
    found = [e for e in aws.control.state()["environments"] if e["name"] == "e"]
    assert not found[0]["lost"]


def test_losing_environments_kills_running_functions_of_that_region(aws):
    arn = aws.function("import time\ndef handler(e, c): time.sleep(8)\n")
    seen = []

    def call():
        try:
            aws.client("lambda", EAST).invoke(FunctionName=arn)
        except BotoCoreError as error:
            seen.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    time.sleep(0.7)
    aws.control.begin_outage(EAST, mode="refuse", lose_environments=True)
    thread.join(5)
    assert isinstance(seen[0], ConnectionClosedError)


def test_requests_are_kept_with_region_service_operation_and_status(aws):
    last = max((entry["number"] for entry in aws.control.requests(limit=1)), default=0)
    aws.client("dynamodb", WEST).list_tables()
    aws.client("sns", WEST).list_topics()
    aws.control.begin_outage(WEST, mode="5xx")
    with pytest.raises(ClientError):
        aws.client("s3", WEST).list_buckets()
    kept = aws.control.requests(after=last, region=WEST)
    assert [(e["service"], e["operation"], e["status"]) for e in kept] == [
        ("dynamodb", "ListTables", 200),
        ("sns", "ListTopics", 200),
        ("s3", "GET /", 503),
    ]


def test_state_tells_regions_outages_and_endpoint(aws):
    aws.client("sts", WEST).get_caller_identity()
    aws.control.begin_outage(EAST, services=["mwaa", "s3"], mode="throttle")
    state = aws.control.state()
    assert state["endpoint"] == aws.running.endpoint
    assert {EAST, WEST} <= set(state["regions"])
    assert state["outages"][0]["services"] == ["airflow", "s3"]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"region": ""}, "region"),
        ({"region": EAST, "mode": "explode"}, "flapping"),
        ({"region": EAST, "services": ["mailbox"]}, "mailbox"),
        ({"region": EAST, "mode": "flapping", "flap_seconds": -1}, "flap_seconds"),
    ],
)
def test_wrong_control_requests_are_refused_with_the_reason(aws, wrong, word):
    with pytest.raises(ControlError, match=word):
        aws.control.begin_outage(**wrong)


def test_hung_connection_of_a_caller_who_left_is_given_up(aws):
    aws.control.begin_outage(EAST)
    with pytest.raises(ReadTimeoutError):
        aws.client("sqs", read_timeout=0.3).create_queue(QueueName="left")

    def given_up():
        return [e for e in aws.control.requests(service="sqs") if e["status"] is None]

    assert eventually(given_up)[-1]["seconds"] < 5
