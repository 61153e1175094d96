"""Parts of small programs, written as the resources that a rule sees."""

import json

from mwaa_dr_policy import kinds as k

EAST, WEST = "us-east-1", "us-west-2"
ACCOUNT = "123456789012"


def tags(role, site):
    return {"mwaa-dr:installation": "demo", "mwaa-dr:site": site, "mwaa-dr:object": role}


def key_arn(name, region):
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{name}"


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
            "tags": tags(role, site),
        },
        protect=role == "backups",
    )
    common = {"bucket": physical, "region": region}
    program.add(
        f"{name}-versioning",
        k.BUCKET_VERSIONING,
        {**common, "versioningConfiguration": {"status": "Enabled"}},
    )
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key_arn(site, region)}
    program.add(
        f"{name}-encryption",
        k.BUCKET_ENCRYPTION,
        {**common, "rules": [{"applyServerSideEncryptionByDefault": default}]},
    )
    closed = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    program.add(
        f"{name}-ownership",
        k.BUCKET_OWNERSHIP,
        {**common, "rule": {"objectOwnership": "BucketOwnerEnforced"}},
    )
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
                    "transitions": [{"days": 16.0, "storageClass": "GLACIER"}],
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
            "role": role_arn("copy"),
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
        "topic",
        k.TOPIC,
        {
            "name": f"demo-{site}-alerts",
            "arn": arn,
            "id": arn,
            "region": region,
            "kmsMasterKeyId": key_arn(site, region),
            "tags": tags("alerts", site),
        },
    )
    publish = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": arn,
    }
    program.add(
        "topic-policy",
        k.TOPIC_POLICY,
        {"arn": arn, "region": region, "policy": json.dumps({"Statement": [publish]})},
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


def role_arn(name):
    return f"arn:aws:iam::{ACCOUNT}:role/demo-{name}"


def allowing(*actions, resource="arn:aws:x:us-east-1:1:thing/one"):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def add_role(program, name, service, *statements, role="", site="dr", physical=None):
    """A role that `service` assumes, and its one policy, `<name>-policy`."""
    physical = physical or name
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": [service]},
    }
    program.add(
        f"{name}-role",
        k.ROLE,
        {
            "name": f"demo-{physical}",
            "arn": role_arn(physical),
            "assumeRolePolicy": json.dumps({"Statement": [trust]}),
            **({"tags": tags(role, site)} if role else {}),
        },
    )
    program.add(
        f"{name}-policy",
        k.ROLE_POLICY,
        {"role": f"demo-{physical}", "policy": json.dumps({"Statement": list(statements)})},
    )


def add_execution_role(program, site):
    add_role(
        program,
        "execution",
        "airflow-env.amazonaws.com",
        allowing("s3:GetObject*", "s3:List*", resource="*"),
        allowing("logs:*", resource="arn:aws:logs:us-east-1:1:log-group:airflow-*"),
        allowing("iam:PassRole", resource=role_arn("dr-execution")),
        allowing(
            *("airflow:PublishMetrics", "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey"),
            *("sqs:SendMessage", "sqs:ReceiveMessage"),
        ),
        role="environment",
        site=site,
        physical=f"{site}-execution",
    )


def add_copy_role(program):
    add_role(
        program,
        "copy",
        "s3.amazonaws.com",
        allowing(
            *("s3:GetReplicationConfiguration", "s3:ListBucket", "kms:Decrypt", "kms:Encrypt"),
            *("s3:GetObjectVersionForReplication", "s3:ReplicateObject"),
        ),
    )


def add_key(program, name, site, region, *, role, kind=k.KEY, **props):
    open_to = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    alarms = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
    }
    program.add(
        name,
        kind,
        {
            "arn": key_arn(site if role == "data-key" else "seal", region),
            "keyId": f"id-of-{name}-{site}",
            "region": region,
            "deletionWindowInDays": 30.0,
            "policy": json.dumps({"Statement": [open_to, alarms]}),
            "tags": tags(role, site),
            **({"enableKeyRotation": True} if kind == k.KEY else {}),
            **props,
        },
        protect=True,
    )
    program.add(
        f"{name}-alias",
        k.ALIAS,
        {"name": f"alias/demo-{name}", "region": region, "targetKeyId": f"id-of-{name}-{site}"},
    )


def add_network(program, site, region):
    common = {"region": region}
    program.add(
        "subnet", k.SUBNET, {**common, "id": f"subnet-{site}", "tags": tags("network", site)}
    )
    program.add("table", k.ROUTE_TABLE, {**common, "id": f"rtb-{site}"})
    program.add(
        "association",
        k.ROUTE_TABLE_ASSOCIATION,
        {**common, "subnetId": f"subnet-{site}", "routeTableId": f"rtb-{site}"},
    )
    program.add(
        "route",
        k.ROUTE,
        {
            **common,
            "routeTableId": f"rtb-{site}",
            "destinationCidrBlock": "0.0.0.0/0",
            "natGatewayId": "nat-1",
        },
    )
    program.add(
        "group",
        k.SECURITY_GROUP,
        {**common, "id": f"sg-{site}", "name": "airflow", "tags": tags("network", site)},
    )
    program.add(
        "group-in",
        k.INGRESS_RULE,
        {**common, "securityGroupId": f"sg-{site}", "referencedSecurityGroupId": f"sg-{site}"},
    )
    program.add(
        "group-out",
        k.EGRESS_RULE,
        {**common, "securityGroupId": f"sg-{site}", "cidrIpv4": "0.0.0.0/0"},
    )


def add_environment(program, site, region, **options):
    """An environment with a role, in the network of `add_network`."""
    logs = ("dagProcessingLogs", "schedulerLogs", "taskLogs", "webserverLogs", "workerLogs")
    name = f"demo-{site}"
    program.add(
        "environment",
        k.ENVIRONMENT,
        {
            "name": name,
            "arn": f"arn:aws:airflow:{region}:{ACCOUNT}:environment/{name}",
            "region": region,
            "airflowVersion": "2.10.3",
            "environmentClass": "mw1.small",
            "sourceBucketArn": s3_arn(f"demo-{site}-dags"),
            "executionRoleArn": role_arn(f"{site}-execution"),
            "kmsKey": key_arn(site, region),
            "networkConfiguration": {
                "subnetIds": [f"subnet-{site}"],
                "securityGroupIds": [f"sg-{site}"],
            },
            "loggingConfiguration": {log: {"enabled": True, "logLevel": "INFO"} for log in logs},
            "airflowConfigurationOptions": {
                "core.default_task_retries": "2",
                "mwaa_dr.name": "demo",
                "mwaa_dr.site": site,
                "mwaa_dr.environment": name,
                "mwaa_dr.region": region,
                "mwaa_dr.dr_region": WEST,
                "mwaa_dr.local_bucket": f"demo-{site}-backups",
                "mwaa_dr.dr_bucket": "demo-dr-backups",
                "mwaa_dr.dag_bucket": f"demo-{site}-dags",
                "mwaa_dr.seal_key": f"arn:aws:kms:{region}:{ACCOUNT}:alias/demo-seal",
                "mwaa_dr.copy_mode": "direct",
                "mwaa_dr.agent_seconds": "60",
                "mwaa_dr.export_seconds": "300",
                **options,
            },
            "tags": tags("environment", site),
        },
        protect=site == "primary",
    )
    add_heartbeat_alarm(program, region, program["topic"]["props"]["arn"], name)


def add_heartbeat_alarm(program, region, topic, environment):
    add_alarm(
        program,
        "heartbeat",
        region,
        topic,
        "SchedulerHeartbeat",
        namespace="AmazonMWAA",
        dimensions={"Function": "Scheduler", "Environment": environment},
    )


def machine_arn(name):
    return f"arn:aws:states:{WEST}:{ACCOUNT}:stateMachine:demo-dr-{name}"


def function_arn(name):
    return f"arn:aws:lambda:{WEST}:{ACCOUNT}:function:demo-dr-{name}"


def add_machine(program, name, topic, *, calls):
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": calls},
        "End": True,
    }
    program.add(
        name,
        k.STATE_MACHINE,
        {
            "name": f"demo-dr-{name}",
            "arn": machine_arn(name),
            "region": WEST,
            "definition": json.dumps({"StartAt": "Only", "States": {"Only": state}}),
            "roleArn": role_arn("machine"),
            "loggingConfiguration": {"level": "ALL", "logDestination": "arn:x:*"},
            "tracingConfiguration": {"enabled": True},
            "tags": tags(name, "dr"),
        },
    )
    for metric in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"):
        add_alarm(
            program,
            f"{name}-{metric}",
            WEST,
            topic,
            metric,
            namespace="AWS/States",
            falls=False,
            treatMissingData="notBreaching",
            threshold=0.0,
            dimensions={"StateMachineArn": machine_arn(name)},
        )
