"""The real engine with our host and provider, on small programs."""

import http.client
import http.server
import json
import re
import shutil
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest

from local.pulumi.provider import clients
from local.pulumi.provider.compare import UNCONFIRMED
from tests.pulumi.conftest import STACK

pytestmark = pytest.mark.engine
PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def name():
    """Unique in the one AWS that all tests share."""
    return f"t-{uuid.uuid4().hex[:10]}"


def bucket_program(name, more="", body=""):
    return f"""
bucket = aws.s3.Bucket("b", bucket="{name}"{more})
{body}
pulumi.export("arn", bucket.arn)
"""


def test_a_resource_lives_through_create_update_replace_and_destroy(project, aws, name):
    s3 = aws.client("s3")
    project.write(bucket_program(name), {"aws:defaultTags": {"tags": {"team": "data"}}})
    assert "1 created" not in project.run("preview").stdout
    assert name not in [b["Name"] for b in s3.list_buckets()["Buckets"]]

    project.up()
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "team", "Value": "data"}]
    state = project.resources()["b"]
    assert state["outputs"]["arn"] == f"arn:aws:s3:::{name}"
    assert state["inputs"]["tagsAll"] == {"team": "data"}

    again = project.up("--expect-no-changes").stdout
    assert re.search(r"2 unchanged", again)

    tagged = bucket_program(name, ', tags={"a": "b"}')
    project.write(tagged, {"aws:defaultTags": {"tags": {"team": "data"}}})
    assert "1 updated" in project.up().stdout
    tags = {t["Key"]: t["Value"] for t in s3.get_bucket_tagging(Bucket=name)["TagSet"]}
    assert tags == {"team": "data", "a": "b"}

    project.write(bucket_program(f"{name}-2"))
    assert "1 replaced" in project.up().stdout
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert f"{name}-2" in names
    assert name not in names

    project.run("destroy", "--yes", "--skip-preview")
    assert f"{name}-2" not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_a_refresh_sees_drift_and_deletion_and_the_next_up_mends_both(project, aws, name):
    body = f"""
alarm = aws.cloudwatch.MetricAlarm("alarm", name="{name}", comparison_operator="LessThanThreshold",
    evaluation_periods=1, metric_name="M", namespace="N", period=60, statistic="Sum", threshold=1)
table = aws.dynamodb.Table("table", name="{name}", hash_key="pk", billing_mode="PAY_PER_REQUEST",
    attributes=[{{"name": "pk", "type": "S"}}])
"""
    project.write(body)
    project.up()
    clean = project.run("refresh", "--yes", "--skip-preview").stdout
    assert "3 unchanged" in clean

    cloudwatch, dynamodb = aws.client("cloudwatch"), aws.client("dynamodb")
    found = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    kept = ("ComparisonOperator", "EvaluationPeriods", "MetricName", "Namespace", "Period")
    cloudwatch.put_metric_alarm(
        AlarmName=name, Threshold=7, Statistic="Sum", **{key: found[key] for key in kept}
    )
    dynamodb.delete_table(TableName=name)
    drift = project.run("refresh", "--yes", "--skip-preview", "--diff").stdout
    assert "threshold" in drift
    assert "1 deleted" in drift

    mended = project.up().stdout
    assert "1 created" in mended
    assert "1 updated" in mended
    assert cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["Threshold"] == 1
    assert dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"


def test_an_existing_resource_is_imported_without_a_change_and_a_missing_one_is_not(
    project, aws, name
):
    topic = aws.client("sns").create_topic(Name=name, Attributes={"DisplayName": "x"})["TopicArn"]
    program = """
aws.sns.Topic("topic", name="{name}", display_name="x",
    opts=pulumi.ResourceOptions(import_="{arn}"))
"""
    project.write(program.format(name=name, arn=topic))
    shown = project.run("preview", "--diff").stdout
    assert "1 to import" in shown
    assert "update" not in shown.split("Resources:")[1]
    assert "1 imported" in project.up().stdout

    missing = topic.replace(name, "nothing")
    project.write(program.format(name="nothing", arn=missing).replace('"topic",', '"other",'))
    refused = project.up(check=False)
    assert refused.returncode != 0
    assert "does not exist" in refused.stdout


def test_get_reads_what_this_stack_does_not_own(project, aws, name):
    aws.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    project.write(
        f'pulumi.export("found", aws.s3.Bucket.get("b", "{name}").bucket_regional_domain_name)'
    )
    assert f"{name}.s3.us-west-2.amazonaws.com" in project.up().stdout


def test_unknown_types_and_properties_are_refused_in_the_preview(project):
    project.write('aws.sqs.Queue("q")')
    refused = project.run("preview", check=False)
    assert refused.returncode != 0
    assert "does not have the resource type aws:sqs/queue:Queue" in refused.stdout

    project.write('aws.s3.Bucket("b", acl="private")')
    refused = project.run("preview", check=False)
    assert refused.returncode != 0
    assert "does not support 'acl'" in refused.stdout

    project.write('aws.ec2.get_ami(owners=["self"])')
    refused = project.run("preview", check=False)
    assert "has no function aws:ec2/getAmi:getAmi" in refused.stdout


def test_secrets_are_never_in_clear_in_the_state(project, aws, name):
    project.write(
        f"""
hidden = pulumi.Output.secret("s3cr3t-value")
aws.sns.Topic("t", name="{name}", display_name=hidden, tags={{"open": "yes", "x": hidden}})
"""
    )
    project.up()
    assert "s3cr3t-value" not in project.run("stack", "export").stdout
    project.run("refresh", "--yes", "--skip-preview")
    assert "s3cr3t-value" not in project.run("stack", "export").stdout
    arn = next(
        t["TopicArn"] for t in aws.client("sns").list_topics()["Topics"] if name in t["TopicArn"]
    )
    attributes = aws.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["DisplayName"] == "s3cr3t-value"


def test_a_failed_create_leaves_a_state_from_which_the_next_up_goes_on(project, aws, name):
    program = f"""
aws.sns.TopicPolicy("p", arn="arn:aws:sns:us-west-2:123456789012:{name}",
    policy=json.dumps({{"Version": "2012-10-17", "Statement": []}}))
"""
    project.write(program)
    failed = project.up(check=False)
    assert failed.returncode != 0
    assert "NotFound" in failed.stdout
    assert "p" not in project.resources()

    aws.client("sns").create_topic(Name=name)
    assert "1 created" in project.up().stdout


def test_a_bucket_with_objects_is_only_deleted_when_that_was_asked_for(project, aws, name):
    versions = """
aws.s3.BucketVersioning("v", bucket=bucket.id, versioning_configuration={"status": "Enabled"})
"""
    project.write(bucket_program(name, body=versions))
    project.up()
    s3 = aws.client("s3")
    for _ in range(2):
        s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused = project.run("destroy", "--yes", "--skip-preview", check=False)
    assert refused.returncode != 0
    assert "BucketNotEmpty" in refused.stdout
    assert len(s3.list_object_versions(Bucket=name)["Versions"]) == 2

    project.write(bucket_program(name, ", force_destroy=True", versions))
    project.up()
    project.run("destroy", "--yes", "--skip-preview")
    assert name not in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_objects_and_functions_follow_the_content_of_their_files(project, aws, name):
    code = project.folder / "lib"
    code.mkdir()
    (code / "h.py").write_text("one = 1\n")
    project.write(
        bucket_program(
            name,
            ", force_destroy=True",
            """
aws.s3.BucketObjectv2("o", bucket=bucket.id, key="dags/h.py", source=pulumi.FileAsset("lib/h.py"))
aws.s3.BucketObjectv2("z", bucket=bucket.id, key="z.zip",
    source=pulumi.AssetArchive({"in": pulumi.FileArchive("lib")}))
trust = {"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "lambda.amazonaws.com"}}
role = aws.iam.Role("r", assume_role_policy=json.dumps(
    {"Version": "2012-10-17", "Statement": [trust]}))
f = aws.lambda_.Function("f", role=role.arn, runtime="python3.12", handler="h.x",
    code=pulumi.AssetArchive({".": pulumi.FileArchive("lib")}),
    environment={"variables": {"AB": "1"}})
pulumi.export("sha", f.code_sha256)
""",
        )
    )
    project.up()
    project.up("--expect-no-changes")
    s3 = aws.client("s3")
    assert s3.get_object(Bucket=name, Key="dags/h.py")["Body"].read() == b"one = 1\n"
    before = project.resources()["f"]["outputs"]["codeSha256"]

    (code / "h.py").write_text("one = 2\n")
    assert "3 updated" in project.up().stdout
    assert s3.get_object(Bucket=name, Key="dags/h.py")["Body"].read() == b"one = 2\n"
    assert project.resources()["f"]["outputs"]["codeSha256"] != before


def test_each_resource_lives_in_its_own_region(project, aws, name):
    project.write(
        f"""
aws.sns.Topic("here", name="{name}")
aws.sns.Topic("there", name="{name}", region="eu-west-1")
other = aws.Provider("other", region="us-east-1")
aws.sns.Topic("elsewhere", name="{name}", opts=pulumi.ResourceOptions(provider=other))
pulumi.export("here", aws.get_region().region)
"""
    )
    project.up()
    for region in ("us-west-2", "eu-west-1", "us-east-1"):
        topics = aws.client("sns", region).list_topics()["Topics"]
        assert f"arn:aws:sns:{region}:123456789012:{name}" in [t["TopicArn"] for t in topics]


def test_resources_are_created_side_by_side(project, aws, name):
    project.write(
        f"""
for number in range(12):
    aws.sns.Topic(f"t{{number}}", name=f"{name}-{{number}}")
"""
    )
    with Delaying(aws.running.endpoint, b"CreateTopic", seconds=2) as proxy:
        project.environment["AWS_ENDPOINT_URL"] = proxy.endpoint
        project.up("--parallel", "12")
    assert proxy.most_at_once >= 6


class Delaying:
    """An HTTP proxy that holds back requests with `marker` in them and counts how many at once."""

    def __init__(self, endpoint, marker, *, seconds):
        self._counting = threading.Lock()
        self._now = self.most_at_once = 0
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if marker in body:
                    proxy.hold(seconds)
                headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                connection = http.client.HTTPConnection(endpoint.removeprefix("http://"))
                connection.request("POST", self.path, body, headers)
                answer = connection.getresponse()
                payload = answer.read()
                connection.close()
                self.send_response(answer.status)
                self.send_header("content-type", answer.headers["content-type"])
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    def hold(self, seconds):
        with self._counting:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(seconds)
        with self._counting:
            self._now -= 1

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def test_a_mandatory_policy_stops_the_update(project, aws, name):
    pack = project.folder / "pack"
    pack.mkdir()
    virtualenv = json.loads((project.folder / "Pulumi.yaml").read_text())["runtime"]
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"runtime": virtualenv, "version": "0.1"}))
    (pack / "__main__.py").write_text(
        """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def validate(args, report):
    if args.resource_type == "aws:s3/bucket:Bucket" and "owner" not in args.props["tagsAll"]:
        report("tag the bucket with its owner")

PolicyPack("pack", [ResourceValidationPolicy("tagged", "Buckets have owners.", validate,
    EnforcementLevel.MANDATORY)])
"""
    )
    project.write(bucket_program(name))
    stopped = project.run("up", "--yes", "--policy-pack", "pack", check=False)
    assert stopped.returncode != 0
    assert "tag the bucket with its owner" in stopped.stdout
    assert name not in [b["Name"] for b in aws.client("s3").list_buckets()["Buckets"]]

    project.write(bucket_program(name, ', tags={"owner": "me"}'))
    project.run("up", "--yes", "--policy-pack", "pack")


def test_an_error_in_the_program_is_shown_with_its_place(project):
    project.write('raise ValueError("no such thing")')
    failed = project.run("preview", check=False)
    assert failed.returncode != 0
    assert "no such thing" in failed.stdout
    assert "__main__.py" in failed.stdout


def test_an_interrupt_ends_the_run_and_its_children(project):
    """The terminal's Ctrl-C reaches the CLI; the program must not go on without it."""
    project.write("import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    process = subprocess.Popen(
        ["pulumi", "preview", "-s", STACK, "--non-interactive"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pid = project.folder / "pid"
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    process.wait(30)
    deadline = time.monotonic() + 10
    while _alive(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(int(pid.read_text()))


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_stack_file_with_the_known_salt_is_left_as_it_is(project, name):
    file = project.folder / f"Pulumi.{STACK}.yaml"
    project.write(bucket_program(name), {})
    before = file.read_bytes()
    project.up()
    project.run("destroy", "--yes", "--skip-preview")
    assert file.read_bytes() == before


def test_another_configuration_file_serves_the_same_stack(project):
    project.write('pulumi.export("value", pulumi.Config().get("value"))', {"trial:value": "one"})
    assert "one" in project.up().stdout
    other = project.folder / "other.yaml"
    text = (project.folder / f"Pulumi.{STACK}.yaml").read_text()
    other.write_text(text.replace('"one"', '"two"'))
    assert "two" in project.up("--config-file", str(other)).stdout
    assert other.read_text() == text.replace('"one"', '"two"')


def test_every_type_is_created_read_updated_and_deleted_as_aws_shows_it(project, aws, name):
    project.write("")
    shutil.copyfile(PROGRAMS / "every_type.py", project.folder / "__main__.py")
    project.configure({"trial:step": "1", "trial:name": name})
    assert " created" in project.up().stdout
    project.up("--expect-no-changes")
    assert "50 unchanged" in summary(project.run("refresh", "--yes", "--skip-preview"))

    project.configure({"trial:step": "2", "trial:name": name})
    changed = summary(project.up())
    assert "39 updated" in changed
    assert "1 replaced" in changed
    project.up("--expect-no-changes")
    assert "50 unchanged" in summary(project.run("refresh", "--yes", "--skip-preview"))

    state = project.resources()
    unshown = {
        (item["type"], name)
        for item in state.values()
        for name in item.get("outputs", {}).get(UNCONFIRMED, [])
    }
    assert unshown == set(), "the catalog does not read these back"
    function = aws.client("lambda").get_function(FunctionName=state["function"]["id"])
    assert function["Configuration"]["MemorySize"] == 256
    assert function["Configuration"]["Runtime"] == "python3.13"
    assert "AB" not in function["Configuration"].get("Environment", {}).get("Variables", {})
    assert function["Tags"] == {"step": "2"}
    role = aws.client("iam").get_role(RoleName=state["role"]["id"])["Role"]
    assert role["MaxSessionDuration"] == 7200
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == {"a": "2", "c": "1"}
    rotation = aws.client("kms", "us-east-1").get_key_rotation_status(KeyId=state["key"]["id"])
    assert rotation["KeyRotationEnabled"] is False
    table = aws.client("ec2").describe_route_tables(RouteTableIds=[state["routes"]["id"]])
    routes = table["RouteTables"][0]["Routes"]
    assert any(route.get("GatewayId") == state["gateway"]["id"] for route in routes)

    project.run("destroy", "--yes", "--skip-preview")
    assert (
        aws.client("ec2").describe_vpcs(
            Filters=[{"Name": "vpc-id", "Values": [state["vpc"]["id"]]}]
        )["Vpcs"]
        == []
    )


def summary(done):
    return done.stdout.split("Resources:")[-1]


def test_a_stack_is_deployed_while_another_region_hangs(project, aws, name):
    """Only a new or changed role needs us-east-1, where AWS keeps IAM's control plane."""
    program = """
trust = {"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "lambda.amazonaws.com"}}
role = aws.iam.Role("r", assume_role_policy=json.dumps(
    {"Version": "2012-10-17", "Statement": [trust]}))
"""
    project.write(program)
    project.up()
    project.write(
        f"""{program}
aws.kms.Key("k")
bucket = aws.s3.Bucket("b", bucket="{name}", force_destroy=True)
aws.s3.BucketObjectv2("o", bucket=bucket.id, key="k", content="x")
pulumi.export("account", aws.get_caller_identity().account_id)
"""
    )
    aws.running.control.begin_outage("us-east-1")
    try:
        started = time.monotonic()
        assert "3 created" in project.up().stdout
        assert time.monotonic() - started < clients.READ_SECONDS
    finally:
        aws.running.control.end_outage()
