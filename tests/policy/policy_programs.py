"""Two small programs that break no rule, written as the resources that a rule sees.

A test takes one, changes one thing and says which rules must object.
"""

import json

from policy_judge import Program

from mwaa_dr_policy import kinds as k

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "123456789012"
OPEN_WITHOUT_PRIMARY = {"mwaa-dr-bucket-replicated", "mwaa-dr-replication-failure-alarm"}
"""What cannot be said of a DR program alone: the primary one declares its replication."""


def s3_arn(name):
    return f"arn:aws:s3:::{name}"


def tls_only(name, **changes):
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [s3_arn(name), f"{s3_arn(name)}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **changes}]})


def add_bucket(program, name, role, site, region):
    physical = f"demo-{site}-{name}"
    program.add(
        name,
        k.BUCKET,
        {
            "bucket": physical,
            "id": physical,
            "arn": s3_arn(physical),
            "region": region,
            "forceDestroy": False,
            "tags": {"mwaa-dr:object": role, "mwaa-dr:site": site},
        },
        protect=role == "backups",
    )
    common = {"bucket": physical, "region": region}
    program.add(
        f"{name}-versioning",
        k.BUCKET_VERSIONING,
        {**common, "versioningConfiguration": {"status": "Enabled"}},
    )
    key = f"arn:aws:kms:{region}:{ACCOUNT}:key/{site}"
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    program.add(
        f"{name}-encryption",
        k.BUCKET_ENCRYPTION,
        {**common, "rules": [{"applyServerSideEncryptionByDefault": default}]},
    )
    closed = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    program.add(f"{name}-public", k.BUCKET_PUBLIC_ACCESS, {**common, **dict.fromkeys(closed, True)})
    program.add(f"{name}-policy", k.BUCKET_POLICY, {**common, "policy": tls_only(physical)})
    program.add(
        f"{name}-lifecycle",
        k.BUCKET_LIFECYCLE,
        {
            **common,
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"prefix": "backups/"},
                    "expiration": {"days": 30.0},
                    "noncurrentVersionExpiration": {"noncurrentDays": 30.0},
                    "transitions": [{"days": 15.0, "storageClass": "GLACIER"}],
                },
                {
                    "id": "pulses",
                    "status": "Enabled",
                    "filter": {"prefix": "control/"},
                    "expiration": {"days": 1.0},
                },
            ],
        },
    )


def add_replication_alarm(program, source, region, topic):
    add_alarm(
        program,
        f"failed-{source}",
        region,
        topic,
        "OperationsFailedReplication",
        namespace="AWS/S3",
        falls=False,
        treatMissingData="notBreaching",
        dimensions={"SourceBucket": source, "DestinationBucket": "x", "RuleId": "all"},
    )


def add_replication(program, name, source, target, region):
    program.add(
        name,
        k.BUCKET_REPLICATION,
        {
            "bucket": source,
            "region": region,
            "role": "arn:aws:iam::123456789012:role/copy",
            "rules": [
                {
                    "id": "all",
                    "status": "Enabled",
                    "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
                    "destination": {
                        "bucket": s3_arn(target),
                        "encryptionConfiguration": {"replicaKmsKeyId": "arn:aws:kms:r:1:key/x"},
                        "metrics": {"status": "Enabled"},
                        "replicationTime": {"status": "Enabled", "time": {"minutes": 15.0}},
                    },
                }
            ],
        },
    )


def add_topic(program, site, region):
    arn = f"arn:aws:sns:{region}:{ACCOUNT}:demo-{site}-alerts"
    program.add(
        "topic", k.TOPIC, {"name": f"demo-{site}-alerts", "arn": arn, "id": arn, "region": region}
    )
    program.add(
        "subscription", k.SUBSCRIPTION, {"topic": arn, "protocol": "email", "region": region}
    )
    return arn


def add_alarm(program, name, region, topic, metric, *, namespace="MwaaDr", falls=True, **props):
    program.add(
        name,
        k.ALARM,
        {
            "name": f"demo-{name}",
            "region": region,
            "namespace": namespace,
            "metricName": metric,
            "dimensions": {"Installation": "demo"},
            "comparisonOperator": "LessThanThreshold" if falls else "GreaterThanThreshold",
            "threshold": 1.0,
            "period": 60.0,
            "evaluationPeriods": 5.0,
            "treatMissingData": "breaching",
            "alarmActions": [topic],
            **props,
        },
    )


def primary():
    program = Program()
    topic = add_topic(program, "primary", EAST)
    add_bucket(program, "backups", "backups", "primary", EAST)
    add_bucket(program, "dags", "dags", "primary", EAST)
    add_replication(program, "copy-dags", "demo-primary-dags", "demo-dr-dags", EAST)
    add_replication(program, "copy-back", "demo-dr-backups", "demo-primary-backups", WEST)
    logs = ("dagProcessingLogs", "schedulerLogs", "taskLogs", "webserverLogs", "workerLogs")
    program.add(
        "environment",
        k.ENVIRONMENT,
        {
            "name": "demo-primary",
            "arn": f"arn:aws:airflow:{EAST}:{ACCOUNT}:environment/demo-primary",
            "region": EAST,
            "airflowVersion": "2.10.3",
            "sourceBucketArn": s3_arn("demo-primary-dags"),
            "kmsKey": "arn:aws:kms:us-east-1:123456789012:key/primary",
            "loggingConfiguration": {log: {"enabled": True, "logLevel": "INFO"} for log in logs},
            "airflowConfigurationOptions": {
                "mwaa_dr.site": "primary",
                "mwaa_dr.copy_mode": "direct",
                "mwaa_dr.export_seconds": "300",
            },
        },
    )
    add_alarm(
        program,
        "heartbeat",
        EAST,
        topic,
        "SchedulerHeartbeat",
        namespace="AmazonMWAA",
        dimensions={"Function": "Scheduler", "Environment": "demo-primary"},
    )
    add_replication_alarm(program, "demo-primary-dags", EAST, topic)
    add_alarm(program, "monitor", EAST, topic, "MonitorHeartbeat")
    program.add(
        "execution-policy",
        k.POLICIES[1],
        {
            "role": "demo-primary-execution",
            "policy": json.dumps(
                {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["s3:GetObject*", "s3:List*"],
                            "Resource": "*",
                        },
                        {
                            "Effect": "Allow",
                            "Action": "logs:*",
                            "Resource": "arn:aws:logs:us-east-1:1:log-group:airflow-*",
                        },
                        {
                            "Effect": "Allow",
                            "Action": "iam:PassRole",
                            "Resource": "arn:aws:iam::123456789012:role/demo-dr-execution",
                        },
                    ]
                }
            ),
        },
    )
    return program


def dr():
    program = Program()
    topic = add_topic(program, "dr", WEST)
    add_bucket(program, "backups", "backups", "dr", WEST)
    add_bucket(program, "dags", "dags", "dr", WEST)
    program.add(
        "state",
        k.TABLE,
        {
            "name": "demo-dr-state",
            "arn": f"arn:aws:dynamodb:{WEST}:{ACCOUNT}:table/demo-dr-state",
            "region": WEST,
            "pointInTimeRecovery": {"enabled": True},
            "tags": {"mwaa-dr:object": "state", "mwaa-dr:site": "dr"},
        },
    )
    arn = f"arn:aws:states:{WEST}:{ACCOUNT}:stateMachine:demo-dr-recovery"
    program.add(
        "recovery",
        k.STATE_MACHINE,
        {
            "name": "demo-dr-recovery",
            "arn": arn,
            "region": WEST,
            "loggingConfiguration": {"level": "ALL", "logDestination": "arn:x:*"},
            "tracingConfiguration": {"enabled": True},
        },
    )
    for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):
        add_alarm(
            program,
            metric,
            WEST,
            topic,
            metric,
            namespace="AWS/States",
            falls=False,
            treatMissingData="notBreaching",
            dimensions={"StateMachineArn": arn},
        )
    add_alarm(program, "age", WEST, topic, "BackupAgeSeconds", falls=False, threshold=3600.0)
    add_replication_alarm(program, "demo-dr-backups", WEST, topic)
    add_alarm(program, "dead-man", WEST, topic, "PrimaryHeartbeat")
    variables = {"MWAA_DR_CONFIG": json.dumps({"detection": {"probe_seconds": 3.0}})}
    program.add(
        "assess",
        k.FUNCTION,
        {
            "name": "demo-dr-assess",
            "region": WEST,
            "timeout": 40.0,
            "environment": {"variables": variables},
        },
    )
    return program
