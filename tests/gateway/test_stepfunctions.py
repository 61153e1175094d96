import json
import time
from datetime import datetime

import pytest

from tests.gateway.conftest import ROLE, WEST, eventually

pytestmark = pytest.mark.engine


def one(state, **more):
    return {"StartAt": "It", "States": {"It": {"End": True, **state}, **more}}


def output(described):
    assert described["status"] == "SUCCEEDED", (described.get("error"), described.get("cause"))
    return json.loads(described["output"])


def invoke(arn, **more):
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": arn, "Payload.$": "$"},
        **more,
    }


def test_lambda_integration_gives_the_shape_of_aws(aws):
    arn = aws.function("def handler(e, c): return {'got': e['x'] + 1}\n")
    result = output(aws.execute(one(invoke(arn)), {"x": 1}))
    assert result["Payload"] == {"got": 2}
    assert result["StatusCode"] == 200
    assert result["ExecutedVersion"] == "$LATEST"


def test_lambda_exceptions_are_retried_and_caught_by_class_name(aws):
    arn = aws.function(
        "class NotYet(Exception): pass\n"
        "class Never(Exception): pass\n"
        "n = 0\n"
        "def handler(e, c):\n"
        "    global n\n"
        "    n += 1\n"
        "    raise NotYet('wait') if n < 3 else Never('no')\n"
    )
    machine = one(
        invoke(
            arn,
            Retry=[
                {
                    "ErrorEquals": ["NotYet"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 5,
                    "BackoffRate": 1.0,
                }
            ],
            Catch=[{"ErrorEquals": ["Never"], "Next": "Caught"}],
        ),
        Caught={"Type": "Pass", "End": True},
    )
    caught = output(aws.execute(machine))
    assert caught["Error"] == "Never"
    assert json.loads(caught["Cause"])["errorMessage"] == "no"


def test_lambda_time_out_is_a_task_failure(aws):
    arn = aws.function("import time\ndef handler(e, c): time.sleep(9)\n", Timeout=1)
    machine = one(
        invoke(arn, Catch=[{"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}]),
        Caught={"Type": "Pass", "End": True},
    )
    assert output(aws.execute(machine))["Error"] == "Sandbox.Timedout"


def test_unknown_function_gives_lambdas_own_error(aws):
    machine = one(
        invoke(
            "arn:aws:lambda:us-east-1:123456789012:function:nobody",
            Catch=[{"ErrorEquals": ["Lambda.ResourceNotFoundException"], "Next": "Caught"}],
        ),
        Caught={"Type": "Pass", "End": True},
    )
    assert output(aws.execute(machine))["Error"] == "Lambda.ResourceNotFoundException"


def test_task_time_out_is_states_timeout(aws):
    arn = aws.function("import time\ndef handler(e, c): time.sleep(9)\n")
    ended = aws.execute(one(invoke(arn, TimeoutSeconds=1)))
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Timeout")


def test_machine_time_out_ends_timed_out_with_a_stop_date(aws):
    machine = {"TimeoutSeconds": 1, **one({"Type": "Wait", "Seconds": 30})}
    ended = aws.execute(machine)
    assert ended["status"] == "TIMED_OUT"
    assert ended["stopDate"] > ended["startDate"]


def test_expired_heartbeat_is_caught_by_its_name(aws):
    queue = aws.client("sqs").create_queue(QueueName="tokens")["QueueUrl"]
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": queue, "MessageBody": {"t.$": "$$.Task.Token"}},
            "TimeoutSeconds": 20,
            "HeartbeatSeconds": 1,
            "Catch": [{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Caught"}],
        },
        Caught={"Type": "Pass", "End": True},
    )
    assert output(aws.execute(machine))["Error"] == "States.HeartbeatTimeout"


def test_task_token_is_answered_with_error_and_cause(aws):
    queue = aws.client("sqs").create_queue(QueueName="answers")["QueueUrl"]
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {"QueueUrl": queue, "MessageBody": {"t.$": "$$.Task.Token"}},
            "TimeoutSeconds": 20,
        }
    )
    client = aws.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=aws.machine(machine))["executionArn"]
    message = eventually(lambda: aws.client("sqs").receive_message(QueueUrl=queue).get("Messages"))[
        0
    ]
    client.send_task_failure(
        taskToken=json.loads(message["Body"])["t"], error="Refused", cause="by a person"
    )
    ended = eventually(
        lambda: (d := client.describe_execution(executionArn=arn))["status"] != "RUNNING" and d
    )
    assert (ended["error"], ended["cause"]) == ("Refused", "by a person")


def test_unnamed_executions_do_not_collide_and_named_ones_are_idempotent(aws):
    client = aws.client("stepfunctions")
    machine = aws.machine(one({"Type": "Wait", "Seconds": 3}))
    arns = {client.start_execution(stateMachineArn=machine)["executionArn"] for _ in range(3)}
    assert len(arns) == 3
    named = [
        client.start_execution(stateMachineArn=machine, name="incident", input='{"a": 1}')
        for _ in range(2)
    ]
    assert named[0]["executionArn"] == named[1]["executionArn"]
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=machine, name="incident", input='{"a": 2}')


def test_machine_starts_another_and_waits_for_its_output(aws):
    inner = aws.machine(one({"Type": "Pass", "Result": {"answer": 42}}))
    started = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Parameters": {"StateMachineArn": inner, "Input": {"x": 1}},
        }
    )
    assert output(aws.execute(started))["Output"] == {"answer": 42}
    plain = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution",
            "Parameters": {"StateMachineArn": inner, "Name.$": "$.id", "Input.$": "$"},
        }
    )
    result = output(aws.execute(plain, {"id": "one"}))
    assert result["ExecutionArn"].endswith(":one")
    assert isinstance(result["StartDate"], str)


def test_sdk_integrations_spell_parameters_and_times_as_aws_does(aws):
    aws.client("dynamodb", WEST).create_table(
        TableName="state",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    machine = {
        "StartAt": "Put",
        "States": {
            "Put": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:dynamodb:putItem",
                "Parameters": {"TableName": "state", "Item": {"pk": {"S.$": "$.key"}}},
                "ResultPath": None,
                "Next": "Describe",
            },
            "Describe": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:dynamodb:describeTable",
                "Parameters": {"TableName": "state"},
                "End": True,
            },
        },
    }
    table = output(aws.execute(machine, {"key": "k"}, WEST))["Table"]
    assert table["TableName"] == "state"
    assert table["CreationDateTime"].endswith("Z")
    item = aws.client("dynamodb", WEST).get_item(TableName="state", Key={"pk": {"S": "k"}})
    assert item["Item"] == {"pk": {"S": "k"}}


def test_sdk_integration_reaches_mwaa_and_names_its_errors(aws):
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:mwaa:getEnvironment",
            "Parameters": {"Name.$": "$.name"},
            "Catch": [{"ErrorEquals": ["Mwaa.ResourceNotFoundException"], "Next": "Missing"}],
        },
        Missing={"Type": "Pass", "Result": "missing", "End": True},
    )
    assert output(aws.execute(machine, {"name": "nobody"}, WEST)) == "missing"
    aws.client("mwaa", WEST).create_environment(
        Name="there",
        DagS3Path="dags",
        ExecutionRoleArn=ROLE,
        NetworkConfiguration={},
        SourceBucketArn="arn:aws:s3:::b",
    )
    found = output(aws.execute(machine, {"name": "there"}, WEST))["Environment"]
    assert found["Status"] == "AVAILABLE"
    assert found["DagS3Path"] == "dags"


def test_call_into_a_lost_service_is_an_sdk_client_error(aws):
    aws.control.begin_outage("us-east-1", services=["sqs"], mode="refuse")
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sqs:listQueues",
            "Parameters": {},
            "Catch": [{"ErrorEquals": ["Sqs.SdkClientException"], "Next": "Caught"}],
        },
        Caught={"Type": "Pass", "Result": "caught", "End": True},
    )
    assert output(aws.execute(machine)) == "caught"


def test_states_all_does_not_catch_runtime_errors(aws):
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sqs:listQueues",
            "Parameters": {"QueueNamePrefix.$": "$.not.there"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
        },
        Caught={"Type": "Pass", "End": True},
    )
    assert aws.execute(machine)["status"] == "FAILED"


def test_start_time_in_the_context_is_text_and_the_execution_succeeds(aws):
    machine = one({"Type": "Pass", "Parameters": {"at.$": "$$.Execution.StartTime"}})
    at = output(aws.execute(machine))["at"]
    assert at.endswith("Z")
    assert abs(datetime.fromisoformat(at).timestamp() - time.time()) < 60


def test_history_can_be_read_forwards_backwards_and_in_pages(aws):
    client = aws.client("stepfunctions")
    arn = aws.execute(one({"Type": "Pass"}))["executionArn"]
    events = client.get_execution_history(executionArn=arn)["events"]
    assert [e["type"] for e in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]
    newest = client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)
    assert newest["events"][0]["type"] == "ExecutionSucceeded"
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=arn, PaginationConfig={"PageSize": 3}
    )
    assert [e["id"] for page in pages for e in page["events"]] == [e["id"] for e in events]


def test_jsonata_and_variables_work_with_awkward_text(aws):
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "Keep",
        "States": {
            "Keep": {
                "Type": "Pass",
                "Assign": {"said": "{% $states.input.said %}"},
                "Next": "Say",
            },
            "Say": {
                "Type": "Pass",
                "Output": {
                    "said": "{% $said %}",
                    "sum": "{% $sum($states.input.numbers) %}",
                    "id": "{% $uuid() %}",
                    "hash": "{% $hash('a', 'SHA-256') %}",
                    "parsed": "{% $parse('{\"k\": [1]}').k %}",
                },
                "End": True,
            },
        },
    }
    said = 'a "quoted"\nline \\ and $more'
    result = output(aws.execute(machine, {"said": said, "numbers": [1, 2, 3]}))
    assert result["said"] == said
    assert result["sum"] == 6
    assert len(result["id"]) == 36
    assert result["hash"].startswith("ca978112ca1bbdca")
    assert result["parsed"] in (1, [1])


def test_definition_with_a_missing_state_is_refused(aws):
    client = aws.client("stepfunctions")
    broken = json.dumps({"StartAt": "Nowhere", "States": {"A": {"Type": "Succeed"}}})
    with pytest.raises(client.exceptions.InvalidDefinition, match="Nowhere"):
        client.create_state_machine(name="broken", definition=broken, roleArn=ROLE)
    answer = client.validate_state_machine_definition(definition=broken)
    assert answer["result"] == "FAIL"
    assert "Nowhere" in answer["diagnostics"][0]["message"]


def test_second_machine_of_the_same_name_is_refused(aws):
    client = aws.client("stepfunctions")
    first = aws.machine(one({"Type": "Pass"}))
    name = first.rsplit(":", 1)[-1]
    with pytest.raises(client.exceptions.StateMachineAlreadyExists):
        client.create_state_machine(
            name=name, definition=json.dumps(one({"Type": "Succeed"})), roleArn=ROLE
        )


def test_executions_are_counted_and_announced(aws):
    queue = aws.client("sqs").create_queue(QueueName="announced")["QueueUrl"]
    events = aws.client("events")
    pattern = {"source": ["aws.states"], "detail": {"status": ["FAILED"]}}
    events.put_rule(Name="failed", EventPattern=json.dumps(pattern))
    target = "arn:aws:sqs:us-east-1:123456789012:announced"
    events.put_targets(Rule="failed", Targets=[{"Id": "1", "Arn": target}])
    ended = aws.execute(one({"Type": "Fail", "Error": "Bad", "Cause": "luck"}))
    machine = ended["stateMachineArn"]

    def announced():
        messages = aws.client("sqs").receive_message(QueueUrl=queue).get("Messages", [])
        bodies = [json.loads(message["Body"]) for message in messages]
        return [b for b in bodies if b["detail"]["stateMachineArn"] == machine]

    event = eventually(announced)[0]
    assert event["detail"]["error"] == "Bad"
    assert event["detail-type"] == "Step Functions Execution Status Change"

    def counted():
        now = time.time()
        return aws.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/States",
            MetricName="ExecutionsFailed",
            Dimensions=[{"Name": "StateMachineArn", "Value": machine}],
            StartTime=now - 300,
            EndTime=now + 1,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]

    assert sum(point["Sum"] for point in eventually(counted)) == 1
