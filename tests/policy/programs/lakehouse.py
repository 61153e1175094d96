"""A program unlike this project's: other names and Regions, one stack for both Regions, providers
instead of `region`, no tags of this project, backups by another tool."""

import json

import pulumi
import pulumi_aws as aws

settings = pulumi.Config()


def unless(broken, value, otherwise=None):
    """`value`, or `otherwise` in the variant of the program that breaks the rule."""
    return otherwise if settings.get_bool(broken) else value


frankfurt = aws.Provider("frankfurt", region="eu-central-1")
dublin = aws.Provider("dublin", region="eu-west-1")


class Lake(pulumi.ComponentResource):
    """A bucket of the platform, with all that its security team asks for."""

    def __init__(self, name, provider, key, physical, *, keep=False):
        super().__init__("acme:lake:Lake", name)
        opts = pulumi.ResourceOptions(parent=self, provider=provider)
        self.bucket = aws.s3.Bucket(
            f"{name}Store",
            bucket=physical,
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=keep)),
        )
        ref = self.bucket.id
        if not (name == "code" and settings.get_bool("unversioned")):
            self.versioning = aws.s3.BucketVersioning(
                f"{name}History",
                bucket=ref,
                versioning_configuration={"status": "Enabled"},
                opts=opts,
            )
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}Sse",
            bucket=ref,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": key.arn,
                    }
                }
            ],
            opts=opts,
        )
        aws.s3.BucketOwnershipControls(
            f"{name}Owner",
            bucket=ref,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=opts,
        )
        aws.s3.BucketPublicAccessBlock(
            f"{name}Shut",
            bucket=ref,
            block_public_acls=True,
            block_public_policy=unless("public", True, False),
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=opts,
        )
        aws.s3.BucketPolicy(
            f"{name}Tls",
            bucket=ref,
            policy=json.dumps(
                {
                    "Statement": {
                        "Effect": "Deny",
                        "Principal": {"AWS": "*"},
                        "Action": "s3:*",
                        "Resource": [f"arn:aws:s3:::{physical}", f"arn:aws:s3:::{physical}/*"],
                        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                    }
                }
            ),
            opts=opts,
        )


def key(name, provider):
    return aws.kms.Key(
        name,
        description=name,
        enable_key_rotation=unless("unrotated", True),
        opts=pulumi.ResourceOptions(provider=provider, protect=True),
    )


here, there = key("home", frankfurt), key("away", dublin)
code = Lake("code", frankfurt, here, "acme-airflow-code")
mirror = Lake("mirror", dublin, there, "acme-airflow-code-mirror")
dumps = Lake("dumps", dublin, there, "acme-airflow-dumps", keep=True)
vault = Lake("vault", frankfurt, here, "acme-airflow-vault", keep=True)


def copy(name, source, target, target_key, provider):
    """S3 replication with a role that may do just that."""
    role = aws.iam.Role(
        f"{name}Role",
        assume_role_policy=json.dumps(
            {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "sts:AssumeRole",
                        "Principal": {"Service": "s3.amazonaws.com"},
                    }
                ]
            }
        ),
    )
    aws.iam.RolePolicy(
        f"{name}Rights",
        role=role.id,
        policy=json.dumps(
            {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": [
                            "s3:GetReplicationConfiguration",
                            "s3:ListBucket",
                            "s3:GetObjectVersion*",
                            "s3:Replicate*",
                            *unless("keyless", ["kms:Decrypt", "kms:Encrypt"], []),
                        ],
                        "Resource": ["arn:aws:s3:::acme-airflow-*", "arn:aws:kms:*:*:key/a"],
                    }
                ]
            }
        ),
    )
    aws.s3.BucketReplicationConfig(
        name,
        bucket=source.bucket.id,
        role=role.arn,
        rules=[
            {
                "id": name,
                "status": "Enabled",
                "filter": {"prefix": ""},
                "delete_marker_replication": {"status": "Enabled"},
                "source_selection_criteria": {"sse_kms_encrypted_objects": {"status": "Enabled"}},
                "destination": {
                    "bucket": target.bucket.arn,
                    "encryption_configuration": {"replica_kms_key_id": target_key.arn},
                    "metrics": {"status": unless("unmeasured", "Enabled", "Disabled")},
                },
            }
        ],
        opts=pulumi.ResourceOptions(provider=provider, depends_on=[source, target]),
    )


copy("mirrorCode", code, mirror, there, frankfurt)
copy("fetchDumps", dumps, vault, here, dublin)

pager = aws.sns.Topic("pager", opts=pulumi.ResourceOptions(provider=frankfurt))
aws.sns.TopicSubscription(
    "onCall",
    topic=pager.arn,
    protocol="https",
    endpoint="https://pager.acme.example/hook",
    opts=pulumi.ResourceOptions(provider=frankfurt),
)
aws.sns.Topic("gossip", opts=pulumi.ResourceOptions(provider=dublin))
siren = aws.sns.Topic("siren", opts=pulumi.ResourceOptions(provider=dublin))
aws.sns.TopicSubscription(
    "onCallAway",
    topic=siren.arn,
    protocol="https",
    endpoint="https://pager.acme.example/hook",
    opts=pulumi.ResourceOptions(provider=dublin),
)


def failed(name, source, rule, topic, provider):
    aws.cloudwatch.MetricAlarm(
        name,
        namespace="AWS/S3",
        metric_name="OperationsFailedReplication",
        dimensions={"SourceBucket": source.bucket.id, "RuleId": rule},
        statistic="Sum",
        period=300,
        evaluation_periods=1,
        threshold=0,
        comparison_operator="GreaterThanThreshold",
        alarm_actions=[topic.arn],
        opts=pulumi.ResourceOptions(provider=provider),
    )


failed("codeStuck", code, "mirrorCode", pager, frankfurt)
failed("dumpsStuck", dumps, "fetchDumps", siren, dublin)

runner = aws.iam.Role(
    "runner",
    assume_role_policy=json.dumps(
        {
            "Statement": {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": ["airflow.amazonaws.com", "airflow-env.amazonaws.com"]},
            }
        }
    ),
)
aws.iam.RolePolicy(
    "runnerRights",
    role=runner.id,
    policy=json.dumps(
        {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["airflow:Publish*", "s3:Get*", "s3:List*", "sqs:*", "kms:*"],
                    "Resource": ["arn:aws:s3:::acme-*", "arn:aws:sqs:eu-central-1:1:a-*"],
                },
                {
                    "Effect": "Allow",
                    "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                    "Resource": "*",
                },
            ]
        }
    ),
)
on = {"enabled": True, "log_level": "INFO"}
etl = aws.mwaa.Environment(
    "etl",
    name="acme-etl",
    airflow_version=unless("ended", "2.9.2", "2.6.3"),
    environment_class="mw1.small",
    source_bucket_arn=code.bucket.arn,
    dag_s3_path="pipelines",
    execution_role_arn=runner.arn,
    kms_key=here.arn,
    network_configuration={"subnet_ids": ["subnet-a", "subnet-b"], "security_group_ids": ["sg-a"]},
    logging_configuration={
        "dag_processing_logs": on,
        "scheduler_logs": on,
        "task_logs": {**on, "enabled": unless("mute", True, False)},
        "webserver_logs": on,
        "worker_logs": on,
    },
    opts=pulumi.ResourceOptions(provider=frankfurt, protect=True),
)
aws.cloudwatch.MetricAlarm(
    "etlDead",
    namespace="AmazonMWAA",
    metric_name="SchedulerHeartbeat",
    dimensions={"Environment": etl.name, "Function": "Scheduler"},
    statistic="SampleCount",
    period=60,
    evaluation_periods=10,
    threshold=1,
    comparison_operator="LessThanThreshold",
    treat_missing_data=unless("deaf", "breaching", "missing"),
    alarm_actions=[pager.arn],
    opts=pulumi.ResourceOptions(provider=frankfurt),
)

# What has nothing to do with recovery is none of the rules' business.
aws.dynamodb.Table(
    "carts",
    hash_key="id",
    billing_mode="PAY_PER_REQUEST",
    attributes=[{"name": "id", "type": "S"}],
    opts=pulumi.ResourceOptions(provider=frankfurt),
)
aws.s3.Bucket("scratch", opts=pulumi.ResourceOptions(provider=frankfurt))
