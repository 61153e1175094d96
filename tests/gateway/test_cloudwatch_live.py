import json
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.gateway.conftest import EAST, WEST, eventually

pytestmark = pytest.mark.engine


def namespace():
    return f"Test/{uuid.uuid4().hex[:8]}"


def put(aws, space, name="m", region=EAST, dimensions=None, **datum):
    pairs = [{"Name": k, "Value": v} for k, v in (dimensions or {}).items()]
    aws.client("cloudwatch", region).put_metric_data(
        Namespace=space, MetricData=[{"MetricName": name, "Dimensions": pairs, **datum}]
    )


def ask(aws, *queries, region=EAST, back=600, **more):
    now = time.time()
    answer = aws.client("cloudwatch", region).get_metric_data(
        MetricDataQueries=list(queries), StartTime=now - back, EndTime=now + 60, **more
    )
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


def stat(space, *, name="m", stat="Sum", identifier="q", dimensions=None, period=60, **more):
    pairs = [{"Name": k, "Value": v} for k, v in (dimensions or {}).items()]
    return {
        "Id": identifier,
        "MetricStat": {
            "Metric": {"Namespace": space, "MetricName": name, "Dimensions": pairs},
            "Period": period,
            "Stat": stat,
        },
        **more,
    }


def test_query_without_dimensions_sees_no_dimensioned_samples(aws):
    space = namespace()
    put(aws, space, Value=1, dimensions={"Environment": "a"})
    put(aws, space, Value=5, dimensions={"Environment": "b"})
    assert ask(aws, stat(space)) == {"q": []}
    assert ask(aws, stat(space, dimensions={"Environment": "b"}))["q"] == [5]


def test_statistics_over_values_counts_and_statistic_sets(aws):
    space = namespace()
    moment = int(time.time()) // 600 * 600 - 600
    put(aws, space, Values=[1, 3], Counts=[2, 1], Timestamp=moment)
    put(
        aws,
        space,
        StatisticValues={"SampleCount": 1, "Sum": 7, "Minimum": 7, "Maximum": 7},
        Timestamp=moment + 1,
    )
    found = ask(
        aws,
        *(
            stat(space, stat=name, identifier=name.lower(), period=600)
            for name in ("Sum", "Average", "Minimum", "Maximum", "SampleCount")
        ),
        back=1800,
    )
    assert found == {
        "sum": [12],
        "average": [3],
        "minimum": [1],
        "maximum": [7],
        "samplecount": [4],
    }


def test_percentiles_and_metric_math_are_computed(aws):
    space = namespace()
    moment = int(time.time()) // 600 * 600 - 600
    for value in range(1, 101):
        put(aws, space, Value=value, Timestamp=moment)
    found = ask(
        aws,
        stat(space, stat="p95", identifier="p", period=600),
        stat(space, name="absent", identifier="gap", period=600, ReturnData=False),
        {"Id": "twice", "Expression": "p * 2 + 1"},
        {"Id": "filled", "Expression": "MAX([FILL(gap, 0), p])", "Period": 600},
        back=1200,
    )
    assert found["p"] == [95]
    assert found["twice"] == [191]
    assert 95 in found["filled"]
    assert "gap" not in found


@pytest.mark.parametrize("expression", ["SEARCH('{x} y', 'Sum')", "ANOMALY_DETECTION_BAND(q)"])
def test_what_is_not_understood_is_refused_not_left_empty(aws, expression):
    with pytest.raises(ClientError, match="not supported by the local AWS"):
        ask(aws, stat(namespace()), {"Id": "e", "Expression": expression})


def test_metrics_are_listed_once_per_series_and_by_region(aws):
    space = namespace()
    for _ in range(3):
        put(aws, space, Value=1, dimensions={"Environment": "a"}, region=WEST)
    listed = aws.client("cloudwatch", WEST).list_metrics(Namespace=space)["Metrics"]
    assert len(listed) == 1
    assert listed[0]["Dimensions"] == [{"Name": "Environment", "Value": "a"}]
    assert aws.client("cloudwatch", EAST).list_metrics(Namespace=space)["Metrics"] == []
    filtered = aws.client("cloudwatch", WEST).list_metrics(
        Namespace=space, Dimensions=[{"Name": "Environment", "Value": "b"}]
    )
    assert filtered["Metrics"] == []


def alarm(aws, space, region=EAST, **more):
    name = f"a-{uuid.uuid4().hex[:8]}"
    aws.client("cloudwatch", region).put_metric_alarm(
        **{
            "AlarmName": name,
            "Namespace": space,
            "MetricName": "m",
            "Statistic": "Sum",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "LessThanThreshold",
            **more,
        }
    )
    return name


def state(aws, name, region=EAST):
    found = aws.client("cloudwatch", region).describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return found[0]["StateValue"]


def test_missing_data_breaches_tells_the_topic_and_is_remembered(aws):
    topic = aws.client("sns").create_topic(Name="alarms")["TopicArn"]
    queue = aws.client("sqs").create_queue(QueueName="alarm-events")["QueueUrl"]
    aws.client("events").put_rule(
        Name="alarm-events", EventPattern=json.dumps({"source": ["aws.cloudwatch"]})
    )
    aws.client("events").put_targets(
        Rule="alarm-events",
        Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:alarm-events"}],
    )
    since = time.time()
    name = alarm(
        aws, namespace(), TreatMissingData="breaching", AlarmActions=[topic], OKActions=[topic]
    )
    assert state(aws, name) == "INSUFFICIENT_DATA"
    eventually(lambda: state(aws, name) == "ALARM")

    def told():
        return [n for n in aws.control.notifications(since=since) if name in n["message"]]

    message = json.loads(eventually(told)[0]["message"])
    assert (message["NewStateValue"], message["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
    history = aws.client("cloudwatch").describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
    assert {item["HistoryItemType"] for item in history} == {
        "ConfigurationUpdate",
        "StateUpdate",
        "Action",
    }

    def announced():
        messages = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        details = [json.loads(m["Body"])["detail"] for m in messages.get("Messages", [])]
        return [d for d in details if d["alarmName"] == name]

    assert eventually(announced)[0]["state"]["value"] == "ALARM"


def test_data_brings_the_alarm_back_and_without_data_it_says_so(aws):
    space = namespace()
    name = alarm(aws, space)
    now = time.time()
    put(aws, space, Value=0, Timestamp=now - 10)
    put(aws, space, Value=0, Timestamp=now)
    eventually(lambda: state(aws, name) == "ALARM", 20)
    put(aws, space, Value=5, Timestamp=now - 10)
    put(aws, space, Value=5, Timestamp=now)
    eventually(lambda: state(aws, name) == "OK", 25)


def test_changed_alarm_keeps_its_state_and_set_state_acts(aws):
    topic = aws.client("sns").create_topic(Name="set-state")["TopicArn"]
    space, since = namespace(), time.time()
    name = alarm(aws, space, Period=86_400, TreatMissingData="ignore", AlarmActions=[topic])
    client = aws.client("cloudwatch")
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="by hand")
    eventually(lambda: [n for n in aws.control.notifications(since=since) if name in n["message"]])
    client.put_metric_alarm(
        AlarmName=name,
        Namespace=space,
        MetricName="m",
        Statistic="Sum",
        Period=86_400,
        EvaluationPeriods=1,
        Threshold=2,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="ignore",
    )
    assert state(aws, name) == "ALARM"


def test_alarm_of_a_lost_region_stands_still(aws):
    name = alarm(aws, namespace(), WEST, TreatMissingData="breaching")
    aws.control.begin_outage(WEST, services=["cloudwatch"])
    time.sleep(2.5)
    aws.control.end_outage()
    history = aws.client("cloudwatch", WEST).describe_alarm_history(
        AlarmName=name, HistoryItemType="StateUpdate"
    )["AlarmHistoryItems"]
    assert history == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"ComparisonOperator": "LessThanLowerThreshold"},
        {"TreatMissingData": "hopeful"},
    ],
)
def test_alarms_that_would_be_misjudged_are_refused(aws, wrong):
    with pytest.raises(ClientError, match="not supported by the local AWS"):
        alarm(aws, namespace(), **wrong)


def test_composite_alarms_are_refused_clearly(aws):
    with pytest.raises(ClientError, match="composite alarms are not supported"):
        aws.client("cloudwatch").put_composite_alarm(AlarmName="c", AlarmRule='ALARM("a")')
