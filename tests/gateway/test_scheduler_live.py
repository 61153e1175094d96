import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.gateway.conftest import EAST, ROLE, WEST, eventually

pytestmark = pytest.mark.engine

WRITER = """
import os, boto3
def handler(event, context):
    key = f"{event['at']}-{context.aws_request_id}"
    body = os.environ["AWS_REGION"].encode()
    boto3.client("s3").put_object(Bucket=event["bucket"], Key=key, Body=body)
"""


def schedule(aws, name, target, given, *, region=WEST, expression="rate(1 minute)", **more):
    aws.client("scheduler", region).create_schedule(
        Name=name,
        ScheduleExpression=expression,
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": target, "RoleArn": ROLE, "Input": json.dumps(given)},
        **more,
    )


@pytest.fixture
def writer(aws):
    return aws.function(WRITER, WEST)


def written(aws, bucket):
    return aws.client("s3", WEST).list_objects_v2(Bucket=bucket).get("Contents", [])


def test_schedule_starts_a_machine_that_calls_a_function_at_once(aws, writer):
    bucket = aws.bucket("ticks", WEST)
    machine = aws.machine(
        {
            "StartAt": "Call",
            "States": {
                "Call": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Parameters": {"FunctionName": writer, "Payload.$": "$"},
                    "End": True,
                }
            },
        },
        WEST,
    )
    started = time.time()
    schedule(aws, "ticks", machine, {"bucket": bucket, "at": "<aws.scheduler.scheduled-time>"})
    found = eventually(lambda: written(aws, bucket))
    assert time.time() - started < 10
    assert found[0]["Key"].startswith("20")
    body = aws.client("s3", WEST).get_object(Bucket=bucket, Key=found[0]["Key"])["Body"].read()
    assert body == WEST.encode()
    time.sleep(1)
    assert len(written(aws, bucket)) == 1  # the next one comes a minute later
    aws.client("scheduler", WEST).delete_schedule(Name="ticks")


def test_schedule_of_a_lost_region_does_not_fire(aws, writer):
    bucket = aws.bucket("lost", WEST)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 2))
    for name, region in (("lost", EAST), ("kept", WEST)):
        given = {"bucket": bucket, "at": name}
        schedule(aws, name, writer, given, region=region, expression=f"at({moment})")
    aws.control.begin_outage(EAST)
    eventually(lambda: written(aws, bucket))
    time.sleep(1)
    assert [item["Key"].split("-")[0] for item in written(aws, bucket)] == ["kept"]


def test_disabled_schedule_waits_until_it_is_enabled(aws, writer):
    bucket = aws.bucket("disabled", WEST)
    schedule(aws, "off", writer, {"bucket": bucket, "at": "x"}, State="DISABLED")
    time.sleep(1.2)
    assert written(aws, bucket) == []
    scheduler = aws.client("scheduler", WEST)
    given = scheduler.get_schedule(Name="off")
    scheduler.update_schedule(
        Name="off",
        ScheduleExpression=given["ScheduleExpression"],
        FlexibleTimeWindow=given["FlexibleTimeWindow"],
        Target=given["Target"],
        State="ENABLED",
    )
    eventually(lambda: written(aws, bucket))


def test_one_time_schedule_fires_once_and_is_deleted_when_asked(aws, writer):
    bucket = aws.bucket("once", WEST)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1))
    schedule(
        aws,
        "once",
        writer,
        {"bucket": bucket, "at": "x"},
        expression=f"at({moment})",
        ActionAfterCompletion="DELETE",
    )
    eventually(lambda: written(aws, bucket))
    time.sleep(0.7)
    assert len(written(aws, bucket)) == 1
    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws.client("scheduler", WEST).get_schedule(Name="once")


def test_universal_target_calls_an_api(aws):
    queue = aws.client("sqs", WEST).create_queue(QueueName="universal")["QueueUrl"]
    schedule(
        aws,
        "universal",
        "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
        {"QueueUrl": queue, "MessageBody": "tick"},
    )
    messages = eventually(
        lambda: aws.client("sqs", WEST).receive_message(QueueUrl=queue).get("Messages")
    )
    assert messages[0]["Body"] == "tick"


def test_missing_target_is_given_up_at_once_and_its_payload_kept(aws):
    queue = aws.client("sqs", WEST).create_queue(QueueName="dead")["QueueUrl"]
    aws.client("scheduler", WEST).create_schedule(
        Name="missing",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:lambda:us-west-2:123456789012:function:nobody",
            "RoleArn": ROLE,
            "Input": '"for nobody"',
            "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-west-2:123456789012:dead"},
        },
    )
    messages = eventually(
        lambda: aws.client("sqs", WEST).receive_message(QueueUrl=queue).get("Messages")
    )
    assert messages[0]["Body"] == '"for nobody"'
    given_up = aws.control.state()["failed_deliveries"]
    assert any(item["target"].endswith(":nobody") and item["attempts"] == 1 for item in given_up)


def test_target_that_nobody_can_serve_is_reported_not_dropped(aws):
    schedule(aws, "odd", "arn:aws:batch:us-west-2:123456789012:job-queue/x", {})

    def reported():
        failed = aws.control.state()["failed_deliveries"]
        return [item for item in failed if ":job-queue/" in item["target"]]

    assert "delivers to" in eventually(reported)[0]["error"]


def test_nonsense_is_refused_where_it_is_put(aws, writer):
    for expression in ("nonsense", "rate(0 minutes)", "cron(0 4 * * * *)"):
        with pytest.raises(ClientError, match="ValidationException"):
            schedule(aws, "bad", writer, {}, expression=expression)
    with pytest.raises(ClientError, match="ValidationException"):
        aws.client("events", WEST).put_rule(Name="bad", ScheduleExpression="every day")
