"""Small programs that break no rule.

A test takes one, changes one thing and says which rules must object.
"""

import json

from policy_judge import Program
from policy_parts import (
    ACCOUNT,
    EAST,
    WEST,
    add_alarm,
    add_bucket,
    add_copy_role,
    add_environment,
    add_execution_role,
    add_key,
    add_machine,
    add_network,
    add_replication,
    add_replication_alarm,
    add_role,
    add_topic,
    allowing,
    function_arn,
    key_arn,
    machine_arn,
    role_arn,
    tags,
)

from contract.handler_config import Detection, HandlerConfig, Recovery, SitePlace, Target
from contract.sites import CopyMode, InFlightRule, Strategy
from mwaa_dr_policy import kinds as k

OPEN_WITHOUT_PRIMARY = {"mwaa-dr-bucket-replicated", "mwaa-dr-replication-failure-alarm"}
"""What cannot be said of a DR program alone: the primary one declares its replication."""


def place(site, region):
    return SitePlace(region, f"demo-{site}", f"demo-{site}-dags", f"demo-{site}-backups")


HANDLERS = HandlerConfig(
    name="demo",
    account=ACCOUNT,
    partition="aws",
    strategy=Strategy.BACKUP_RESTORE,
    copy_mode=CopyMode.DIRECT,
    primary=place("primary", EAST),
    dr=place("dr", WEST),
    witness_region="eu-west-1",
    topic_arn=f"arn:aws:sns:{WEST}:{ACCOUNT}:demo-dr-alerts",
    detection=Detection(20, 2, 3, 180, 180, 900, 3.0),
    recovery=Recovery(True, InFlightRule.FAIL, 1800, 120, 9000),
    target=Target(role_arn("dr-execution"), key_arn("dr", WEST), ["subnet-dr"], ["sg-dr"]),
    rto_minutes=60,
    rpo_minutes=60,
)


def primary():
    program = Program()
    topic = add_topic(program, "primary", EAST)
    add_key(program, "data", "primary", EAST, role="data-key")
    add_key(program, "seal", "primary", EAST, role="seal-key", kind=k.REPLICA_KEY)
    add_bucket(program, "backups", "backups", "primary", EAST)
    add_bucket(program, "dags", "dags", "primary", EAST)
    add_copy_role(program)
    add_replication(program, "copy-dags", "demo-primary-dags", "demo-dr-dags", EAST)
    add_replication(program, "return-dags", "demo-dr-dags", "demo-primary-dags", WEST)
    add_replication(program, "copy-back", "demo-dr-backups", "demo-primary-backups", WEST)
    add_execution_role(program, "primary")
    add_network(program, "primary", EAST)
    add_environment(program, "primary", EAST)
    program.add(
        "other-policy",
        k.ROLE_POLICY,
        {"role": "other", "policy": json.dumps({"Statement": [allowing("s3:Get*", resource="*")]})},
    )
    for dag in ("agent", "export", "import"):
        program.add(
            f"dag-{dag}",
            k.OBJECTS[0],
            {"bucket": "demo-primary-dags", "key": f"dags/mwaa_dr/mwaa_dr_{dag}.py"},
        )
    add_replication_alarm(program, "demo-primary-dags", EAST, topic)
    add_alarm(program, "monitor", EAST, topic, "MonitorHeartbeat")
    return program


def dr():
    program = Program()
    topic = add_topic(program, "dr", WEST)
    add_key(program, "data", "dr", WEST, role="data-key")
    add_key(program, "seal", "dr", WEST, role="seal-key", multiRegion=True)
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
            "deletionProtectionEnabled": True,
            "serverSideEncryption": {"enabled": True, "kmsKeyArn": key_arn("dr", WEST)},
            "tags": tags("state", "dr"),
        },
        protect=True,
    )
    add_execution_role(program, "dr")
    add_network(program, "dr", WEST)
    add_machines(program, topic)
    add_alarm(program, "age", WEST, topic, "BackupAgeSeconds", falls=False, threshold=3600.0)
    add_alarm(program, "verdict", WEST, topic, "Verdict", falls=False, threshold=3.0)
    for source in ("demo-dr-backups", "demo-dr-dags"):
        add_replication_alarm(program, source, WEST, topic)
    add_alarm(program, "dead-man", WEST, topic, "PrimaryHeartbeat")
    return program


def add_machines(program, topic):
    """A monitor, a recovery and a function, each with its role, log, alarms and schedule."""
    add_role(
        program,
        "machine",
        "states.amazonaws.com",
        allowing("lambda:InvokeFunction"),
        allowing("logs:CreateLogDelivery", "xray:PutTraceSegments", resource="*"),
    )
    for name in ("monitor", "recovery"):
        add_machine(program, name, topic, calls=function_arn("capture"))
    add_role(program, "timer", "scheduler.amazonaws.com", allowing("states:StartExecution"))
    program.add(
        "schedule",
        k.SCHEDULE,
        {
            "name": "demo-dr-monitor",
            "region": WEST,
            "scheduleExpression": "rate(1 minute)",
            "state": "ENABLED",
            "target": {"arn": machine_arn("monitor"), "roleArn": role_arn("timer")},
        },
    )
    add_role(
        program,
        "capture",
        "lambda.amazonaws.com",
        allowing("logs:CreateLogStream", "logs:PutLogEvents"),
        allowing("cloudwatch:GetMetricData", "airflow:GetEnvironment", resource="*"),
        allowing("s3:GetObject", "s3:PutObject", "s3:ListBucket", "kms:Decrypt"),
        allowing("kms:GenerateDataKey"),
    )
    program.add(
        "capture",
        k.FUNCTION,
        {
            "name": "demo-dr-capture",
            "arn": function_arn("capture"),
            "region": WEST,
            "handler": "handlers.capture.handler",
            "role": role_arn("capture"),
            "timeout": 40.0,
            "kmsKeyArn": key_arn("dr", WEST),
            "environment": {"variables": {"MWAA_DR_CONFIG": HANDLERS.to_json()}},
            "tags": tags("function", "dr"),
        },
    )
    add_alarm(
        program,
        "capture-errors",
        WEST,
        topic,
        "Errors",
        namespace="AWS/Lambda",
        falls=False,
        treatMissingData="notBreaching",
        dimensions={"FunctionName": "demo-dr-capture"},
    )
    program.add(
        "log",
        k.LOG_GROUP,
        {
            "name": "/aws/lambda/demo-dr-capture",
            "region": WEST,
            "retentionInDays": 90.0,
            "kmsKeyId": key_arn("dr", WEST),
            "tags": tags("function", "dr"),
        },
    )


def standby():
    """A DR program with a passive environment."""
    program = dr()
    add_environment(program, "dr", WEST)
    return program


def replicating():
    """A primary program that carries its backups by replication."""
    program = primary()
    program.set("environment", "airflowConfigurationOptions.mwaa_dr~copy_mode", "replicate")
    add_replication(program, "copy-out", "demo-primary-backups", "demo-dr-backups", EAST)
    add_replication_alarm(program, "demo-primary-backups", EAST, program["topic"]["props"]["arn"])
    return program


BESIDE = {primary: dr, dr: primary, standby: primary, replicating: dr}
"""The program of the other Region, by program."""


def handlers(**changes):
    """The functions' configuration with other values, as JSON."""
    config = json.loads(HANDLERS.to_json())
    for key, value in changes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    return json.dumps(config)
