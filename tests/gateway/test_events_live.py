import json
import time

import pytest

from local.gateway.control import ControlError
from tests.gateway.conftest import EAST, ROLE, WEST, document, eventually

pytestmark = pytest.mark.engine
ACCOUNT = "123456789012"


class Queue:
    def __init__(self, aws, name, region=EAST):
        self.aws, self.region = aws, region
        self.url = aws.client("sqs", region).create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"
        self.kept = []

    def bodies(self):
        answer = self.aws.client("sqs", self.region).receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=600
        )
        self.kept += [message["Body"] for message in answer.get("Messages", [])]
        return self.kept


def rule(aws, name, pattern, *targets, region=EAST):
    events = aws.client("events", region)
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule=name, Targets=[{"Id": str(n), **target} for n, target in enumerate(targets)]
    )


def put(aws, source, detail, region=EAST):
    entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail)}
    answer = aws.client("events", region).put_events(Entries=[entry])
    assert answer["FailedEntryCount"] == 0


def test_event_reaches_functions_machines_topics_and_queues(aws):
    bucket = aws.bucket("events", EAST)
    function = aws.function(
        "import boto3, json\n"
        "def handler(e, c):\n"
        f"    boto3.client('s3').put_object(Bucket='{bucket}', Key='e', Body=json.dumps(e))\n"
    )
    machine = aws.machine({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    topic = aws.client("sns").create_topic(Name="fan")["TopicArn"]
    let_in = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    aws.client("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=document(let_in)
    )
    queue = Queue(aws, "fan")
    since = time.time()
    rule(
        aws,
        "fan",
        {"source": ["fan"], "detail": {"n": [{"numeric": [">", 1]}]}},
        {"Arn": function},
        {"Arn": machine, "RoleArn": ROLE},
        {"Arn": topic, "InputPath": "$.detail"},
        {
            "Arn": queue.arn,
            "InputTransformer": {
                "InputPathsMap": {"n": "$.detail.n", "who": "$.detail.who", "at": "$.time"},
                "InputTemplate": '{"count": <n>, "text": "It is <who>", "who": <who>}',
            },
        },
    )
    put(aws, "fan", {"n": 1, "who": "too small"})
    put(aws, "fan", {"n": 2, "who": 'a "person"'})
    assert json.loads(eventually(queue.bodies)[0]) == {
        "count": 2,
        "text": 'It is a "person"',
        "who": 'a "person"',
    }
    told = eventually(
        lambda: [n for n in aws.control.notifications(since=since) if n["topic"] == topic]
    )
    assert json.loads(told[0]["message"])["n"] == 2
    executions = eventually(
        lambda: aws.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    )
    assert len(executions) == 1
    given = aws.client("stepfunctions").describe_execution(
        executionArn=executions[0]["executionArn"]
    )["input"]
    assert json.loads(given)["detail-type"] == "Test"

    def seen():
        listed = aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents")
        return listed and aws.client("s3").get_object(Bucket=bucket, Key="e")["Body"].read()

    event = json.loads(eventually(seen))
    assert event["detail"]["who"] == 'a "person"'
    assert event["time"].endswith("Z")
    assert "ingestion-time" not in event
    assert len(queue.bodies()) == 1


def test_rule_forwards_to_the_bus_of_another_region(aws):
    queue = Queue(aws, "forwarded", WEST)
    rule(aws, "take", {"source": ["far"]}, {"Arn": queue.arn}, region=WEST)
    bus = f"arn:aws:events:{WEST}:{ACCOUNT}:event-bus/default"
    rule(aws, "forward", {"source": ["far"]}, {"Arn": bus, "RoleArn": ROLE})
    put(aws, "far", {"n": 1})
    event = json.loads(eventually(queue.bodies)[0])
    assert (event["source"], event["detail"]) == ("far", {"n": 1})
    assert event["region"] == EAST, "where it happened, not where it is told"


def test_delivery_into_a_lost_region_is_repeated_until_it_returns(aws):
    queue = Queue(aws, "later", WEST)
    bus = f"arn:aws:events:{WEST}:{ACCOUNT}:event-bus/default"
    rule(aws, "take-later", {"source": ["later"]}, {"Arn": queue.arn}, region=WEST)
    rule(aws, "send-later", {"source": ["later"]}, {"Arn": bus, "RoleArn": ROLE})
    aws.control.begin_outage(WEST, mode="refuse")
    put(aws, "later", {})
    time.sleep(0.5)
    aws.control.end_outage()
    eventually(queue.bodies)


def test_disabled_rule_and_schedule_only_rule_take_no_events(aws):
    queue = Queue(aws, "quiet")
    rule(aws, "quiet", {"source": ["quiet"]}, {"Arn": queue.arn, "Input": '"pattern"'})
    aws.client("events").disable_rule(Name="quiet")
    aws.client("events").put_rule(Name="daily", ScheduleExpression="cron(0 4 1 1 ? 2190)")
    aws.client("events").put_targets(
        Rule="daily", Targets=[{"Id": "1", "Arn": queue.arn, "Input": '"schedule"'}]
    )
    put(aws, "quiet", {})
    time.sleep(0.7)
    assert queue.bodies() == []


def test_scheduled_rule_fires(aws):
    queue = Queue(aws, "scheduled")
    aws.client("events").put_rule(Name="often", ScheduleExpression="rate(1 minute)")
    aws.client("events").put_targets(Rule="often", Targets=[{"Id": "1", "Arn": queue.arn}])
    aws.client("events").disable_rule(Name="often")
    time.sleep(0.6)
    aws.client("events").enable_rule(Name="often")
    event = json.loads(eventually(queue.bodies)[0])
    assert event["detail-type"] == "Scheduled Event"
    assert event["resources"] == [f"arn:aws:events:{EAST}:{ACCOUNT}:rule/often"]


def test_topic_calls_a_function_and_records_mail_without_sending_it(aws):
    bucket = aws.bucket("sns", EAST)
    function = aws.function(
        "import boto3, json\n"
        "def handler(e, c):\n"
        f"    boto3.client('s3').put_object(Bucket='{bucket}', Key='e', Body=json.dumps(e))\n"
    )
    sns = aws.client("sns")
    topic = sns.create_topic(Name="told")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=function)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="someone@example.com")
    since = time.time()
    message = sns.publish(TopicArn=topic, Subject="Down", Message="all of it")["MessageId"]
    told = [n for n in aws.control.notifications(since=since) if n["topic"] == topic]
    assert (told[0]["subject"], told[0]["message"]) == ("Down", "all of it")
    assert set(told[0]["recipients"]) == {f"lambda:{function}", "email:someone@example.com"}

    def seen():
        listed = aws.client("s3").list_objects_v2(Bucket=bucket).get("Contents")
        return listed and aws.client("s3").get_object(Bucket=bucket, Key="e")["Body"].read()

    record = json.loads(eventually(seen))["Records"][0]["Sns"]
    assert (record["TopicArn"], record["MessageId"], record["Message"]) == (
        topic,
        message,
        "all of it",
    )


def test_health_tells_of_trouble_where_it_is_and_in_the_backup_region(aws):
    queues = {region: Queue(aws, f"health-{region}", region) for region in (EAST, WEST)}
    for region, queue in queues.items():
        rule(aws, "health", {"source": ["aws.health"]}, {"Arn": queue.arn}, region=region)
    told = aws.control.health_event(EAST, service="S3", event="e1")
    for region, queue in queues.items():
        event = json.loads(eventually(queue.bodies)[0])
        assert event["region"] == region, "where it is told"
        assert event["detail"]["eventRegion"] == EAST, "where the trouble is"
        assert event["detail"]["eventArn"] == told["eventArn"]
    for region in queues:
        aws.client("events", region).disable_rule(Name="health")


def test_a_lost_region_tells_nothing_itself_and_the_backup_region_does(aws):
    queues = {region: Queue(aws, f"lost-{region}", region) for region in (EAST, WEST)}
    for region, queue in queues.items():
        rule(aws, "lost", {"source": ["aws.health"]}, {"Arn": queue.arn}, region=region)
    aws.control.begin_outage(EAST, mode="refuse")
    aws.control.health_event(EAST)
    eventually(queues[WEST].bodies)
    aws.control.end_outage()
    assert queues[EAST].bodies() == []
    for region in queues:
        aws.client("events", region).disable_rule(Name="lost")


def test_a_bad_health_event_is_refused(aws):
    with pytest.raises(ControlError, match="status: 'over' is not allowed"):
        aws.control.health_event(EAST, status="over")


def test_what_a_rule_hands_over_and_what_it_gives_up_is_counted(aws):
    queue = Queue(aws, "counted")
    missing = f"arn:aws:sqs:{EAST}:{ACCOUNT}:not-there"
    rule(aws, "counted", {"source": ["counted"]}, {"Arn": queue.arn}, {"Arn": missing})
    put(aws, "counted", {})

    def count(name):
        found = aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Events",
            MetricName=name,
            Dimensions=[{"Name": "RuleName", "Value": "counted"}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in found)

    assert eventually(lambda: count("FailedInvocations")) == 1
    assert eventually(lambda: count("Invocations")) == 1
