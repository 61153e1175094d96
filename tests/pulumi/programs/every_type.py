"""One of every resource type but MWAA environments; `step` 2 changes whatever can be updated."""

import json

import pulumi
import pulumi_aws as aws

STEP = pulumi.Config().require_int("step")
NAME = pulumi.Config().require("name")
FIRST = STEP == 1
EAST = "us-east-1"


def either(first, second):
    """The value of this step."""
    return first if FIRST else second


def policy(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def after(*resources):
    return pulumi.ResourceOptions(depends_on=list(resources))


# --- identity and keys ---
trust = aws.iam.get_policy_document(
    statements=[
        {
            "actions": ["sts:AssumeRole"],
            "principals": [
                {
                    "type": "Service",
                    "identifiers": ["lambda.amazonaws.com", "states.amazonaws.com"],
                }
            ],
        }
    ]
)
role = aws.iam.Role(
    "role",
    assume_role_policy=trust.json,
    description=either("first", "second"),
    max_session_duration=either(3600, 7200),
    tags=either({"a": "1", "b": "1"}, {"a": "2", "c": "1"}),
)
aws.iam.RolePolicy(
    "role", role=role.name, policy=policy(Action=either("s3:GetObject", "s3:*"), Resource="*")
)
delivery = aws.iam.RolePolicy(
    "delivery", role=role.name, policy=policy(Action="logs:*", Resource="*")
)
key = aws.kms.Key(
    "key",
    region=EAST,
    multi_region=True,
    description=either("first", "second"),
    enable_key_rotation=either(True, False),
    deletion_window_in_days=7,
    tags={"step": str(STEP)},
)
replica = aws.kms.ReplicaKey(
    "replica",
    primary_key_arn=key.arn,
    description=either("first", "second"),
    deletion_window_in_days=7,
)
aws.kms.Alias("key", name=f"alias/{NAME}", target_key_id=key.key_id, region=EAST)

# --- buckets ---
bucket = aws.s3.Bucket("bucket", bucket=NAME, force_destroy=True, tags={"step": str(STEP)})
versioning = aws.s3.BucketVersioning(
    "bucket", bucket=bucket.id, versioning_configuration={"status": "Enabled"}
)
aws.s3.BucketServerSideEncryptionConfiguration(
    "bucket",
    bucket=bucket.id,
    rules=[
        {
            "apply_server_side_encryption_by_default": {
                "sse_algorithm": "aws:kms",
                "kms_master_key_id": replica.arn,
            },
            "bucket_key_enabled": either(True, False),
        }
    ],
)
aws.s3.BucketPublicAccessBlock(
    "bucket",
    bucket=bucket.id,
    block_public_acls=True,
    block_public_policy=True,
    ignore_public_acls=True,
    restrict_public_buckets=either(False, True),
)
aws.s3.BucketOwnershipControls(
    "bucket",
    bucket=bucket.id,
    rule={"object_ownership": either("BucketOwnerPreferred", "BucketOwnerEnforced")},
)
aws.s3.BucketPolicy(
    "bucket",
    bucket=bucket.id,
    policy=bucket.arn.apply(
        lambda arn: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": either("One", "Two"),
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": "s3:*",
                        "Resource": [arn, f"{arn}/*"],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                ],
            }
        )
    ),
)
aws.s3.BucketLifecycleConfiguration(
    "bucket",
    bucket=bucket.id,
    rules=[
        {
            "id": "old",
            "status": "Enabled",
            "noncurrent_version_expiration": {"noncurrent_days": either(30, 60)},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 3},
        },
        {
            "id": "backups",
            "status": "Enabled",
            "filter": {"prefix": "backups/"},
            "expiration": {"days": 5},
        },
    ],
)
copy = aws.s3.Bucket("copy", region=EAST, force_destroy=True)
copy_versioning = aws.s3.BucketVersioning(
    "copy", region=EAST, bucket=copy.id, versioning_configuration={"status": "Enabled"}
)
aws.s3.BucketReplicationConfig(
    "bucket",
    bucket=bucket.id,
    role=role.arn,
    rules=[
        {
            "id": "all",
            "priority": 1,
            "status": either("Enabled", "Disabled"),
            "filter": {"prefix": ""},
            "delete_marker_replication": {"status": "Enabled"},
            "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
            "destination": {
                "bucket": copy.arn,
                "encryption_configuration": {"replica_kms_key_id": key.arn},
                "metrics": {"status": "Enabled", "event_threshold": {"minutes": 15}},
                "replication_time": {"status": "Enabled", "time": {"minutes": 15}},
            },
        }
    ],
    opts=after(versioning, copy_versioning),
)
aws.s3.BucketObjectv2(
    "object",
    bucket=bucket.id,
    key="a/b.txt",
    content=either("first", "second"),
    content_type="text/plain",
    tags={"step": str(STEP)},
    opts=after(versioning),
)

# --- state, functions, machines ---
aws.dynamodb.Table(
    "table",
    hash_key="pk",
    range_key="sk",
    attributes=[{"name": "pk", "type": "S"}, {"name": "sk", "type": "S"}],
    billing_mode="PAY_PER_REQUEST",
    point_in_time_recovery={"enabled": either(True, False)},
    server_side_encryption={"enabled": True, "kms_key_arn": replica.arn},
    ttl={"attribute_name": "expires", "enabled": True},
    deletion_protection_enabled=either(True, False),
    tags={"step": str(STEP)},
)
function = aws.lambda_.Function(
    "function",
    role=role.arn,
    runtime=either("python3.12", "python3.13"),
    handler="h.handler",
    code=pulumi.AssetArchive(
        {"h.py": pulumi.StringAsset(f"def handler(e, c):\n    return {STEP}\n")}
    ),
    timeout=either(10, 20),
    memory_size=either(128, 256),
    environment=either({"variables": {"AB": "1"}}, None),
    reserved_concurrent_executions=either(1, 2),
    tracing_config={"mode": "Active"},
    tags={"step": str(STEP)},
)
logs = aws.cloudwatch.LogGroup("logs", retention_in_days=either(7, 14), tags={"step": str(STEP)})
topic = aws.sns.Topic(
    "topic",
    display_name=either("first", "second"),
    kms_master_key_id=replica.id,
    tags={"step": str(STEP)},
)
aws.sns.TopicPolicy(
    "topic",
    arn=topic.arn,
    policy=topic.arn.apply(
        lambda arn: policy(
            Sid=either("One", "Two"),
            Principal={"Service": "cloudwatch.amazonaws.com"},
            Action="sns:Publish",
            Resource=arn,
        )
    ),
)
aws.sns.TopicSubscription(
    "topic",
    topic=topic.arn,
    protocol="lambda",
    endpoint=function.arn,
    filter_policy=either(json.dumps({"a": ["1"]}), json.dumps({"a": ["2"]})),
)
aws.lambda_.Permission(
    "topic",
    action="lambda:InvokeFunction",
    function=function.name,
    principal="sns.amazonaws.com",
    source_arn=topic.arn,
)
machine = aws.sfn.StateMachine(
    "machine",
    role_arn=role.arn,
    definition=json.dumps(
        {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": STEP, "End": True}}}
    ),
    logging_configuration={
        "log_destination": logs.arn.apply(lambda arn: f"{arn}:*"),
        "level": either("ERROR", "ALL"),
        "include_execution_data": True,
    },
    tracing_configuration={"enabled": True},
    tags={"step": str(STEP)},
    # Its role must be able to deliver the log when it is made.
    opts=pulumi.ResourceOptions(depends_on=[delivery]),
)
group = aws.scheduler.ScheduleGroup("group", tags={"step": str(STEP)})
aws.scheduler.Schedule(
    "schedule",
    group_name=group.name,
    schedule_expression=either("rate(1 minute)", "rate(2 minutes)"),
    flexible_time_window={"mode": "OFF"},
    target={"arn": machine.arn, "role_arn": role.arn, "input": "{}"},
    state="DISABLED",
)

# --- watching ---
aws.cloudwatch.MetricAlarm(
    "alarm",
    comparison_operator="LessThanThreshold",
    evaluation_periods=either(2, 3),
    metric_name="SchedulerHeartbeat",
    namespace="AmazonMWAA",
    period=60,
    statistic="Sum",
    threshold=1,
    treat_missing_data="breaching",
    alarm_actions=[topic.arn],
    dimensions={"Function": "Scheduler", "Environment": "e"},
    tags={"step": str(STEP)},
)
aws.cloudwatch.MetricAlarm(
    "math",
    comparison_operator="LessThanThreshold",
    evaluation_periods=2,
    threshold=either(0.5, 1.5),
    metric_queries=[
        {"id": "e", "expression": "m*2", "label": "x", "return_data": True},
        {
            "id": "m",
            "metric": {
                "metric_name": "H",
                "namespace": "X",
                "period": 60,
                "stat": "Sum",
                "dimensions": {"a": "b"},
            },
        },
    ],
)
aws.cloudwatch.Dashboard(
    "dashboard",
    dashboard_name=NAME,
    dashboard_body=json.dumps({"widgets": [], "start": f"-PT{STEP}H"}),
)
rule = aws.cloudwatch.EventRule(
    "rule",
    event_pattern=json.dumps({"source": [f"mwaa-dr-{STEP}"]}),
    description=either("first", "second"),
    tags={"step": str(STEP)},
)
aws.cloudwatch.EventTarget(
    "rule",
    rule=rule.name,
    arn=topic.arn,
    retry_policy={
        "maximum_retry_attempts": either(3, 4),
        "maximum_event_age_in_seconds": 600,
    },
)
aws.s3.BucketNotification(
    "copy",
    bucket=copy.id,
    region=EAST,
    lambda_functions=[],
    topics=[
        {
            "topic_arn": aws.sns.Topic("east", region=EAST).arn,
            "events": ["s3:ObjectCreated:*"],
            "filter_suffix": either(".json", ".txt"),
        }
    ],
)

# --- network ---
vpc = aws.ec2.Vpc(
    "vpc",
    cidr_block="10.0.0.0/16",
    enable_dns_hostnames=either(False, True),
    tags={"step": str(STEP)},
)
zones = aws.get_availability_zones(state="available")
subnets = [
    aws.ec2.Subnet(
        f"subnet-{number}",
        vpc_id=vpc.id,
        cidr_block=f"10.0.{number}.0/24",
        availability_zone=zones.names[number],
        map_public_ip_on_launch=either(number == 0, False),
        tags={"step": str(STEP)},
    )
    for number in range(2)
]
gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id, tags={"step": str(STEP)})
address = aws.ec2.Eip("address", domain="vpc", tags={"step": str(STEP)})
nat = aws.ec2.NatGateway(
    "nat", allocation_id=address.id, subnet_id=subnets[0].id, tags={"step": str(STEP)}
)
routes = aws.ec2.RouteTable("routes", vpc_id=vpc.id, tags={"step": str(STEP)})
aws.ec2.Route(
    "out",
    route_table_id=routes.id,
    destination_cidr_block="0.0.0.0/0",
    nat_gateway_id=either(nat.id, None),
    gateway_id=either(None, gateway.id),
)
aws.ec2.RouteTableAssociation("private", route_table_id=routes.id, subnet_id=subnets[1].id)
security = aws.ec2.SecurityGroup("security", vpc_id=vpc.id, tags={"step": str(STEP)})
aws.vpc.SecurityGroupIngressRule(
    "self",
    security_group_id=security.id,
    ip_protocol="-1",
    referenced_security_group_id=security.id,
)
aws.vpc.SecurityGroupEgressRule(
    "anywhere",
    security_group_id=security.id,
    ip_protocol="tcp",
    from_port=443,
    to_port=either(443, 444),
    cidr_ipv4="0.0.0.0/0",
)
aws.ec2.SecurityGroup(
    "inline",
    vpc_id=vpc.id,
    ingress=[{"protocol": "-1", "from_port": 0, "to_port": 0, "self": True}],
    egress=[
        {
            "protocol": "tcp",
            "from_port": either(443, 80),
            "to_port": 443,
            "cidr_blocks": ["0.0.0.0/0"],
        }
    ],
)
aws.ec2.VpcEndpoint(
    "s3",
    vpc_id=vpc.id,
    service_name="com.amazonaws.us-west-2.s3",
    route_table_ids=either([routes.id], [vpc.main_route_table_id]),
)
aws.ec2.VpcEndpoint(
    "kms",
    vpc_id=vpc.id,
    service_name="com.amazonaws.us-west-2.kms",
    vpc_endpoint_type="Interface",
    subnet_ids=[subnet.id for subnet in subnets][: either(1, 2)],
    security_group_ids=[security.id],
    private_dns_enabled=True,
    tags={"step": str(STEP)},
)
