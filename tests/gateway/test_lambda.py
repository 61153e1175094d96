import base64
import json
import time

import pytest
from botocore.exceptions import ClientError

from tests.gateway.conftest import WEST, archive, eventually

pytestmark = pytest.mark.engine


def call(aws, arn, event=None, region="us-east-1", **options):
    answer = aws.client("lambda", region).invoke(
        FunctionName=arn, Payload=json.dumps(event).encode(), **options
    )
    return answer, json.loads(answer["Payload"].read() or b"null")


def test_function_runs_from_its_archive_with_its_own_environment_and_region(aws):
    source = """
import os, boto3
def handler(event, context):
    return {"event": event, "name": context.function_name, "mine": os.environ["MINE"],
            "region": os.environ["AWS_REGION"], "left": context.get_remaining_time_in_millis(),
            "arn": context.invoked_function_arn,
            "account": boto3.client("sts").get_caller_identity()["Account"]}
"""
    arn = aws.function(source, WEST, Environment={"Variables": {"MINE": "1"}})
    answer, value = call(aws, arn, {"a": [1]}, WEST)
    assert "FunctionError" not in answer
    assert value["event"] == {"a": [1]}
    assert value["mine"] == "1"
    assert value["region"] == WEST
    assert value["arn"] == arn
    assert value["account"] == "123456789012"
    assert 5000 < value["left"] <= 10_000


def test_function_sees_the_archive_and_the_aws_runtime_only(aws):
    source = """
def handler(event, context):
    found = []
    for name in event:
        try:
            __import__(name); found.append(name)
        except ImportError:
            pass
    return found
"""
    arn = aws.function(source)
    _, found = call(aws, arn, ["boto3", "contract", "moto", "pydantic", "json", "local"])
    assert found == ["boto3", "json"]


def test_warm_process_keeps_module_state_until_code_changes(aws):
    source = "count = 0\ndef handler(e, c):\n    global count\n    count += 1\n    return count\n"
    arn = aws.function(source)
    assert [call(aws, arn)[1] for _ in range(3)] == [1, 2, 3]
    aws.client("lambda").update_function_code(
        FunctionName=arn, ZipFile=archive({"app.py": source.replace("+= 1", "+= 10")})
    )
    assert call(aws, arn)[1] == 10


def test_exception_is_reported_by_its_class_name(aws):
    source = "class TooOldError(Exception): pass\ndef handler(e, c): raise TooOldError('by far')\n"
    answer, value = call(aws, aws.function(source), LogType="Tail")
    assert answer["FunctionError"] == "Unhandled"
    assert value["errorType"] == "TooOldError"
    assert value["errorMessage"] == "by far"
    assert b"TooOldError" in base64.b64decode(answer["LogResult"])


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("import nothing_there\ndef handler(e, c): pass\n", "Runtime.ImportModuleError"),
        ("def other(e, c): pass\n", "Runtime.HandlerNotFound"),
        ("import os\ndef handler(e, c): os._exit(3)\n", "Runtime.ExitError"),
        ("def handler(e, c): return {1, 2}\n", "Runtime.MarshalError"),
    ],
)
def test_runtime_errors_have_the_names_of_aws(aws, source, kind):
    answer, value = call(aws, aws.function(source))
    assert answer["FunctionError"] == "Unhandled"
    assert value["errorType"] == kind


def test_time_out_ends_the_process_and_the_next_call_gets_a_new_one(aws):
    source = "import time\ndef handler(e, c):\n    time.sleep(e)\n    return 'done'\n"
    arn = aws.function(source, Timeout=1)
    started = time.monotonic()
    _, value = call(aws, arn, 30)
    assert 0.9 < time.monotonic() - started < 5
    assert value["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 1.00 seconds" in value["errorMessage"]
    assert call(aws, arn, 0)[1] == "done"


def test_event_invocation_does_not_wait_and_is_logged(aws):
    source = "import time\ndef handler(e, c):\n    time.sleep(4)\n    print('was', 'here')\n"
    arn = aws.function(source)
    started = time.monotonic()
    answer, _ = call(aws, arn, InvocationType="Event")
    assert answer["StatusCode"] == 202
    assert time.monotonic() - started < 4
    group = f"/aws/lambda/{arn.rsplit(':', 1)[-1]}"

    def logged():
        try:
            events = aws.client("logs").filter_log_events(logGroupName=group)["events"]
        except ClientError:
            return False
        return any("was here" in event["message"] for event in events)

    eventually(logged)


def test_reserved_concurrency_throttles(aws, tmp_path):
    source = """
import pathlib, time
def handler(event, context):
    if event is None:
        return "free"
    pathlib.Path(event, "begun").touch()
    while not pathlib.Path(event, "release").exists():
        time.sleep(0.02)
"""
    tmp_path.chmod(0o777)
    arn = aws.function(source, Timeout=60)
    aws.client("lambda").put_function_concurrency(FunctionName=arn, ReservedConcurrentExecutions=1)
    call(aws, arn, str(tmp_path), InvocationType="Event")
    eventually((tmp_path / "begun").exists, 30)
    with pytest.raises(aws.client("lambda").exceptions.TooManyRequestsException):
        call(aws, arn)
    (tmp_path / "release").touch()

    def free():
        try:
            return call(aws, arn)[1] == "free"
        except aws.client("lambda").exceptions.TooManyRequestsException:
            return False

    eventually(free)


def test_archives_with_layers_are_refused_instead_of_running_without_them(aws):
    layer = aws.client("lambda").publish_layer_version(
        LayerName="l", Content={"ZipFile": archive({"python/x.py": ""})}
    )["LayerVersionArn"]
    arn = aws.function("def handler(e, c): pass\n", Layers=[layer])
    with pytest.raises(ClientError, match="without layers"):
        call(aws, arn)
