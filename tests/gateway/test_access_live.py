"""What a role's policies do not allow is refused as AWS refuses it, whoever acts as the role."""

import json
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.gateway.conftest import EAST, WEST, document, eventually

pytestmark = pytest.mark.engine
ACCOUNT = "123456789012"


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def role(aws, *statements):
    return aws.role(f"r-{uuid.uuid4().hex[:8]}", list(statements))


def rewrite(aws, arn, *statements):
    aws.client("iam").put_role_policy(
        RoleName=arn.rsplit("/", 1)[1],
        PolicyName="access",
        PolicyDocument=document(*statements),
    )


def acting(aws, arn, service, region=EAST):
    """A client with the credentials that STS gives for a role."""
    given = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=aws.running.endpoint,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=Config(inject_host_prefix=False, retries={"total_max_attempts": 1}),
    )


def refused(call):
    """(status, code, message) of the refusal."""
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"].get("Message", ""),
    )


def key(aws, region=EAST, policy=None):
    more = {"Policy": json.dumps(policy)} if policy else {}
    return aws.client("kms", region).create_key(**more)["KeyMetadata"]["Arn"]


def encrypt(aws, bucket, key_arn, region=EAST):
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key_arn}
    aws.client("s3", region).put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": default}]
        },
    )


def test_a_role_is_somebody_and_the_operator_may_do_everything(aws):
    mine = role(aws)
    assert acting(aws, mine, "sts").get_caller_identity()["Arn"].endswith("/me")
    bucket = aws.bucket("free", EAST)
    aws.client("s3").put_object(Bucket=bucket, Key="x", Body=b"")
    status, code, message = refused(
        lambda: acting(aws, mine, "s3").put_object(Bucket=bucket, Key="x", Body=b"")
    )
    assert (status, code) == (403, "AccessDenied")
    name = mine.rsplit("/", 1)[1]
    assert message == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me is not authorized to perform: "
        f"s3:PutObject on resource: arn:aws:s3:::{bucket}/x because no identity-based policy "
        "allows the s3:PutObject action"
    )
    told = aws.control.access()
    assert [one["message"] for one in told["refused"] if one["caller"] == name] == [message]


def test_what_was_allowed_and_by_which_words_is_kept(aws):
    bucket = aws.bucket("kept", EAST)
    own = f"arn:aws:s3:::{bucket}"
    mine = role(aws, allow(["s3:Put*", "s3:GetObject", "s3:DeleteObject"], [f"{own}/a/*", own]))
    name = mine.rsplit("/", 1)[1]
    s3 = acting(aws, mine, "s3")
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"a/{number}", Body=b"x")
    s3.get_object(Bucket=bucket, Key="a/1")
    told = aws.control.access()
    assert [one for one in told["calls"] if one["caller"] == name] == [
        {"caller": name, "action": "s3:GetObject", "resource": f"{own}/a/*", "count": 1},
        {"caller": name, "action": "s3:PutObject", "resource": f"{own}/a/*", "count": 3},
    ]
    assert {one["action"] for one in told["uses"] if one["caller"] == name} == {
        "s3:GetObject",
        "s3:Put*",
    }
    assert [one for one in told["unused"] if one["role"] == name] == [
        {"role": name, "policy": "access", "action": action, "resource": resource}
        for action, resource in (
            ("s3:DeleteObject", own),
            ("s3:DeleteObject", f"{own}/a/*"),
            ("s3:GetObject", own),
            ("s3:Put*", own),
        )
    ]


def test_a_missing_object_is_only_told_to_who_may_list(aws):
    bucket = aws.bucket("missing", EAST)
    mine = role(aws, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    s3 = acting(aws, mine, "s3")
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="no"))[:2] == (403, "AccessDenied")
    assert refused(lambda: s3.head_object(Bucket=bucket, Key="no"))[0] == 403
    rewrite(aws, mine, allow(["s3:GetObject", "s3:ListBucket"], "*"))
    assert refused(lambda: s3.get_object(Bucket=bucket, Key="no"))[:2] == (404, "NoSuchKey")
    assert refused(lambda: s3.head_bucket(Bucket="nobody-has-this-one"))[0] == 404


def test_an_old_version_needs_an_action_of_its_own(aws):
    bucket = aws.bucket("versions", EAST)
    version = aws.client("s3").put_object(Bucket=bucket, Key="x", Body=b"1")["VersionId"]
    mine = role(aws, allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    s3 = acting(aws, mine, "s3")
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"1"
    said = refused(lambda: s3.get_object(Bucket=bucket, Key="x", VersionId=version))[2]
    assert "s3:GetObjectVersion on resource" in said


def test_encrypted_objects_need_the_key_as_well(aws):
    bucket, secret = aws.bucket("sealed", EAST), key(aws)
    encrypt(aws, bucket, secret)
    objects = allow(["s3:*"], [f"arn:aws:s3:::{bucket}/*", f"arn:aws:s3:::{bucket}"])
    mine = role(aws, objects)
    s3 = acting(aws, mine, "s3")
    put = lambda: s3.put_object(Bucket=bucket, Key="x", Body=b"1")  # noqa: E731
    assert f"kms:GenerateDataKey on resource: {secret}" in refused(put)[2]
    rewrite(aws, mine, objects, allow("kms:GenerateDataKey", secret))
    put()
    assert (
        f"kms:Decrypt on resource: {secret}"
        in refused(lambda: s3.get_object(Bucket=bucket, Key="x"))[2]
    )
    upload = s3.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    part = {"Bucket": bucket, "Key": "big", "UploadId": upload, "PartNumber": 1}
    assert "kms:Decrypt" in refused(lambda: s3.upload_part(**part, Body=b"x"))[2]
    through = {"StringEquals": {"kms:ViaService": f"s3.{EAST}.amazonaws.com"}}
    rewrite(
        aws, mine, objects, allow(["kms:GenerateDataKey", "kms:Decrypt"], "*", Condition=through)
    )
    assert s3.get_object(Bucket=bucket, Key="x")["Body"].read() == b"1"
    s3.upload_part(**part, Body=b"x")
    kms = acting(aws, mine, "kms")
    assert refused(lambda: kms.generate_data_key(KeyId=secret, KeySpec="AES_256"))[1] == (
        "AccessDeniedException"
    )


def test_a_key_is_meant_by_its_alias_and_its_own_policy_comes_first(aws):
    secret = key(aws, WEST)
    aws.client("kms", WEST).create_alias(AliasName="alias/access-mine", TargetKeyId=secret)
    by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/access-mine"}}
    mine = role(
        aws, allow("kms:Encrypt", f"arn:aws:kms:{WEST}:{ACCOUNT}:key/*", Condition=by_alias)
    )
    kms = acting(aws, mine, "kms", WEST)
    kms.encrypt(KeyId="alias/access-mine", Plaintext=b"x")
    assert refused(lambda: kms.encrypt(KeyId=key(aws, WEST), Plaintext=b"x"))[0] == 400
    other = {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}
    closed = key(aws, WEST, {"Statement": [allow("kms:*", Principal=other)]})
    rewrite(aws, mine, allow("kms:*"))
    said = refused(lambda: kms.encrypt(KeyId=closed, Plaintext=b"x"))[2]
    assert "no resource-based policy allows the kms:Encrypt action" in said


def test_conditions_look_into_the_request(aws):
    only = {"StringEquals": {"cloudwatch:namespace": "Ours", "aws:RequestedRegion": EAST}}
    mine = role(
        aws,
        allow("cloudwatch:PutMetricData", Condition=only),
        allow("events:PutEvents", Condition={"StringEquals": {"events:source": "ours"}}),
    )
    data = [{"MetricName": "x", "Value": 1}]
    acting(aws, mine, "cloudwatch").put_metric_data(Namespace="Ours", MetricData=data)
    for region, namespace in ((EAST, "Theirs"), (WEST, "Ours")):
        client = acting(aws, mine, "cloudwatch", region)
        assert (
            refused(lambda c=client, n=namespace: c.put_metric_data(Namespace=n, MetricData=data))[
                0
            ]
            == 403
        )
    events = acting(aws, mine, "events")
    entry = {"Source": "ours", "DetailType": "x", "Detail": "{}"}
    events.put_events(Entries=[entry])
    both = [entry, {**entry, "Source": "theirs"}]
    assert refused(lambda: events.put_events(Entries=both))[1] == "AccessDeniedException"


def test_a_bucket_policy_s_deny_and_a_boundary_win(aws):
    bucket = aws.bucket("denied", EAST)
    mine = role(aws, allow("s3:*"))
    s3 = acting(aws, mine, "s3")
    s3.put_object(Bucket=bucket, Key="x", Body=b"")
    deny = {**allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*", Principal="*"), "Effect": "Deny"}
    tls = {
        **allow("s3:*", f"arn:aws:s3:::{bucket}/*", Principal="*"),
        "Effect": "Deny",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(tls))
    s3.put_object(Bucket=bucket, Key="x", Body=b"")
    aws.client("s3").put_bucket_policy(Bucket=bucket, Policy=document(tls, deny))
    said = refused(lambda: s3.put_object(Bucket=bucket, Key="x", Body=b""))[2]
    assert f"with an explicit deny in arn:aws:s3:::{bucket}" in said
    iam = aws.client("iam")
    edge = iam.create_policy(PolicyName="edge", PolicyDocument=document(allow("s3:Get*")))[
        "Policy"
    ]["Arn"]
    iam.put_role_permissions_boundary(RoleName=mine.rsplit("/", 1)[1], PermissionsBoundary=edge)
    assert s3.get_object(Bucket=bucket, Key="x")
    assert (
        "no permissions boundary allows the s3:ListBucket"
        in refused(lambda: s3.list_objects_v2(Bucket=bucket))[2]
    )


def test_an_operation_without_a_row_is_judged_by_its_name(aws):
    mine = role(aws, allow("ssm:PutParameter", f"arn:aws:ssm:{EAST}:{ACCOUNT}:parameter/x"))
    ssm = acting(aws, mine, "ssm")
    ssm.put_parameter(Name="x", Value="1", Type="String")
    assert "ssm:GetParameter" in refused(lambda: ssm.get_parameter(Name="x"))[2]


PUT = (
    "import boto3\n"
    "def handler(event, context):\n"
    "    boto3.client('s3').put_object(Bucket=event['bucket'], Key='x', Body=b'')\n"
    "    return boto3.client('sts').get_caller_identity()['Arn']\n"
)


def call(aws, function, **event):
    answer = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


def test_a_function_is_put_into_a_vpc_only_if_its_role_lets_lambda_do_it(aws):
    ec2 = aws.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    network = {"SubnetIds": [subnet], "SecurityGroupIds": ["sg-1"]}
    mine = role(aws, allow("ec2:Describe*"))
    source = "def handler(event, context):\n    return 1\n"
    status, code, message = refused(lambda: aws.function(source, Role=mine, VpcConfig=network))
    assert (status, code) == (400, "InvalidParameterValueException")
    assert "CreateNetworkInterface" in message
    rewrite(aws, mine, allow(["ec2:Describe*", "ec2:CreateNetworkInterface"]))
    assert aws.function(source, Role=mine, VpcConfig=network)


def test_a_function_acts_as_its_role(aws):
    bucket = aws.bucket("function", EAST)
    mine = role(aws, allow("logs:*"))
    function = aws.function(PUT, Role=mine)
    kind, error = call(aws, function, bucket=bucket)
    assert kind == "Unhandled"
    assert "AccessDenied" in error["errorMessage"]
    assert "s3:PutObject on resource" in error["errorMessage"]
    rewrite(aws, mine, allow("logs:*"), allow("s3:PutObject", f"arn:aws:s3:::{bucket}/x"))
    name = mine.rsplit("/", 1)[1]
    kind, arn = call(aws, function, bucket=bucket)
    assert kind is None
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/")


def test_a_function_whose_role_may_not_log_leaves_no_log(aws):
    bucket = aws.bucket("silent", EAST)
    mine = role(aws, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*"))
    function = aws.function(PUT, Role=mine)
    assert call(aws, function, bucket=bucket)[0] is None
    group = f"/aws/lambda/{function.rsplit(':', 1)[1]}"
    logs = aws.client("logs")
    assert not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    rewrite(aws, mine, allow("s3:PutObject"), allow(["logs:CreateLogStream", "logs:PutLogEvents"]))
    call(aws, function, bucket=bucket)
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]


def test_encrypted_variables_need_the_key(aws):
    secret, mine = key(aws), role(aws, allow("logs:*"))
    source = "import os\ndef handler(event, context):\n    return os.environ['A']\n"
    function = aws.function(
        source, Role=mine, KMSKeyArn=secret, Environment={"Variables": {"A": "1"}}
    )
    status, code, _ = refused(lambda: call(aws, function))
    assert (status, code) == (502, "KMSAccessDeniedException")
    rewrite(aws, mine, allow("logs:*"), allow("kms:Decrypt", secret))
    assert call(aws, function) == (None, "1")


def test_a_role_that_does_not_trust_the_service_is_of_no_use(aws):
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
    iam = aws.client("iam")
    mine = role(aws, allow("*"))
    iam.update_assume_role_policy(
        RoleName=mine.rsplit("/", 1)[1],
        PolicyDocument=document({**trust, "Action": "sts:AssumeRole"}),
    )
    function = aws.function("def handler(e, c):\n    return 1\n", Role=mine)
    _, code, message = refused(lambda: call(aws, function))
    assert code == "AccessDeniedException"
    assert f"lambda.amazonaws.com may not assume {mine}" in message


def task(function):
    return {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": function},
                "End": True,
            }
        },
    }


def run(aws, arn):
    client = aws.client("stepfunctions")
    execution = client.start_execution(stateMachineArn=arn)["executionArn"]

    def ended():
        found = client.describe_execution(executionArn=execution)
        return found if found["status"] != "RUNNING" else None

    return eventually(ended)


def test_a_machine_calls_as_its_role(aws):
    function = aws.function("def handler(e, c):\n    return 7\n")
    mine = role(aws)
    machine = aws.client("stepfunctions").create_state_machine(
        name=f"m-{uuid.uuid4().hex[:8]}", definition=json.dumps(task(function)), roleArn=mine
    )["stateMachineArn"]
    failed = run(aws, machine)
    assert failed["status"] == "FAILED"
    assert "AccessDenied" in failed["error"]
    assert f"lambda:InvokeFunction on resource: {function}" in failed["cause"]
    rewrite(aws, mine, allow("lambda:InvokeFunction", function))
    assert run(aws, machine)["status"] == "SUCCEEDED"


def test_a_machine_that_logs_needs_a_role_that_may_set_it_up(aws):
    group = f"arn:aws:logs:{EAST}:{ACCOUNT}:log-group:/aws/vendedlogs/x:*"
    mine = role(aws)
    arguments = {
        "definition": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        "roleArn": mine,
        "loggingConfiguration": {
            "level": "ALL",
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
        },
    }
    client = aws.client("stepfunctions")
    _, code, message = refused(lambda: client.create_state_machine(name="logs", **arguments))
    assert code == "AccessDeniedException"
    assert "not authorized to access the Log Destination" in message
    rewrite(aws, mine, allow("logs:*"))
    assert client.create_state_machine(name="logs", **arguments)


def test_a_schedule_starts_what_its_role_may_start(aws):
    machine = aws.machine({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    mine = role(aws)
    name = f"s-{uuid.uuid4().hex[:8]}"
    aws.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": machine, "RoleArn": mine, "Input": "{}"},
    )

    def given_up():
        failed = aws.control.state()["failed_deliveries"]
        return [one for one in failed if one["target"] == machine]

    (failure,) = eventually(given_up)
    assert "states:StartExecution on resource" in failure["error"]
    aws.client("scheduler").delete_schedule(Name=name)


@pytest.mark.parametrize("missing", ["topic", "key", ""])
def test_an_alarm_reaches_an_encrypted_topic_only_if_topic_and_key_let_cloudwatch_in(aws, missing):
    cloudwatch = {"Service": "cloudwatch.amazonaws.com"}
    account = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    root = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    use = allow(["kms:Decrypt", "kms:GenerateDataKey"], Principal=cloudwatch, Condition=account)
    secret = key(aws, EAST, {"Statement": [root, *([] if missing == "key" else [use])]})
    sns = aws.client("sns")
    topic = sns.create_topic(
        Name=f"t-{uuid.uuid4().hex[:8]}", Attributes={"KmsMasterKeyId": secret}
    )["TopicArn"]
    publish = allow("sns:Publish", topic, Principal=cloudwatch, Condition=account)
    other = allow("sns:Publish", topic, Principal={"Service": "events.amazonaws.com"})
    sns.set_topic_attributes(
        TopicArn=topic,
        AttributeName="Policy",
        AttributeValue=document(other if missing == "topic" else publish),
    )
    name = f"a-{uuid.uuid4().hex[:8]}"
    client = aws.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace="Nothing",
        MetricName="Comes",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="breaching",
        AlarmActions=[topic],
    )

    def arrived():
        return [one for one in aws.control.notifications() if one["topic"] == topic]

    def given_up():
        return [
            one["error"]
            for one in aws.control.state()["failed_deliveries"]
            if one["target"] == topic
        ]

    if not missing:
        assert eventually(arrived)
    else:
        action = {"topic": "sns:Publish", "key": "kms:GenerateDataKey"}[missing]
        assert (
            f"User: cloudwatch.amazonaws.com is not authorized to perform: {action}"
            in (eventually(given_up)[0])
        )
        assert not arrived()
    client.delete_alarms(AlarmNames=[name])


def test_replication_needs_all_that_s3_documents(aws):
    source, target = aws.bucket("here", EAST), aws.bucket("there", WEST)
    here, there = f"arn:aws:s3:::{source}", f"arn:aws:s3:::{target}"
    known = [
        allow(["s3:GetReplicationConfiguration", "s3:ListBucket"], here),
        allow(
            [
                "s3:GetObjectVersionForReplication",
                "s3:GetObjectVersionAcl",
                "s3:GetObjectVersionTagging",
            ],
            f"{here}/*",
        ),
        allow("s3:ReplicateObject", f"{there}/*"),
    ]
    mine = role(aws, *known[:2])
    s3 = aws.client("s3")
    rule = {
        "ID": "all",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": there},
    }
    s3.put_bucket_replication(
        Bucket=source, ReplicationConfiguration={"Role": mine, "Rules": [rule]}
    )

    def status(name):
        return s3.head_object(Bucket=source, Key=name).get("ReplicationStatus")

    s3.put_object(Bucket=source, Key="first", Body=b"")
    eventually(lambda: status("first") == "FAILED")
    rewrite(aws, mine, *known)
    s3.put_object(Bucket=source, Key="second", Body=b"")
    eventually(lambda: status("second") == "COMPLETED")
