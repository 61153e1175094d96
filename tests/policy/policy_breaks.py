"""Changes that must break one rule each: program, resource, property, wrong values for it."""

import json

from policy_judge import DELETE
from policy_programs import EAST, WEST, dr, primary, s3_arn, tls_only


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource, **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


DEFAULT = "rules.0.applyServerSideEncryptionByDefault"
DESTINATION = "rules.0.destination"
BACKUPS = "demo-dr-backups"
OTHER_TOPIC = [f"arn:aws:sns:{WEST}:1:x"]
OTHER_MACHINE = f"arn:aws:states:{WEST}:1:stateMachine:other"
NO_TLS = {"aws:SecureTransport": "false"}
SLOW_PROBE = '{"detection": {"probe_seconds": 40}}'

_BY_RULE = {
    "bucket-versioned": [
        (primary, "backups-versioning", "versioningConfiguration.status", ["Suspended", DELETE]),
        (primary, "dags-versioning", "bucket", ["demo-primary-backups"]),
    ],
    "bucket-encrypted": [
        (dr, "backups-encryption", f"{DEFAULT}.sseAlgorithm", ["AES256"]),
        (dr, "dags-encryption", f"{DEFAULT}.kmsMasterKeyId", [DELETE, "alias/aws/s3"]),
    ],
    "bucket-private": [
        (primary, "dags-public", "blockPublicAcls", [False]),
        (primary, "dags-public", "blockPublicPolicy", [False]),
        (primary, "dags-public", "ignorePublicAcls", [DELETE]),
        (dr, "backups-public", "restrictPublicBuckets", [False]),
    ],
    "bucket-tls-only": [
        (
            dr,
            "backups-policy",
            "policy",
            [
                policy(),
                "not JSON",
                tls_only("demo-dr-dags"),
                tls_only(BACKUPS, Effect="Allow"),
                tls_only(BACKUPS, Action="s3:GetObject"),
                tls_only(BACKUPS, Resource=s3_arn(f"{BACKUPS}/*")),
                tls_only(BACKUPS, Principal={"AWS": "arn:aws:iam::1:root"}),
                tls_only(BACKUPS, Condition={"Bool": {"aws:SecureTransport": "true"}}),
                tls_only(BACKUPS, Condition={"Bool": NO_TLS, "StringEquals": {"aws:x": "1"}}),
                tls_only(BACKUPS, Condition={}),
            ],
        ),
    ],
    "backup-bucket-protected": [(dr, "backups", "forceDestroy", [True])],
    "backup-retention": [
        (dr, "backups-lifecycle", "rules.0.expiration", [{"days": 13.0}, {"date": "2027-01-01"}]),
        (dr, "backups-lifecycle", "rules.0.noncurrentVersionExpiration.noncurrentDays", [1.0]),
        (dr, "backups-lifecycle", "rules.0.transitions.0.days", [1.0, DELETE]),
        (
            dr,
            "backups-lifecycle",
            "rules.1.filter",
            [{"prefix": ""}, {"and": {"prefix": "backups/"}}, DELETE],
        ),
    ],
    "bucket-replicated": [
        (primary, "copy-dags", "rules.0.status", ["Disabled"]),
        (primary, "copy-dags", "bucket", ["something-else"]),
        (primary, "copy-dags", "rules", [[], DELETE]),
        (primary, "copy-back", f"{DESTINATION}.bucket", [s3_arn("elsewhere")]),
    ],
    "replication-complete": [
        (primary, "copy-dags", "rules.0.sourceSelectionCriteria", [DELETE, {}]),
        (primary, "copy-dags", f"{DESTINATION}.encryptionConfiguration", [DELETE]),
        (primary, "copy-back", "rules.0.sourceSelectionCriteria", [DELETE]),
    ],
    "replication-measured": [
        (primary, "copy-dags", f"{DESTINATION}.metrics", [DELETE]),
        (primary, "copy-back", f"{DESTINATION}.metrics.status", ["Disabled"]),
    ],
    "environment-heartbeat-alarm": [
        (primary, "heartbeat", "treatMissingData", ["missing", "notBreaching", "ignore", DELETE]),
        (primary, "heartbeat", "alarmActions", [[], DELETE, OTHER_TOPIC]),
        (primary, "heartbeat", "actionsEnabled", [False]),
        (primary, "heartbeat", "region", [WEST]),
        (primary, "heartbeat", "dimensions.Environment", ["demo-other", DELETE]),
        (primary, "heartbeat", "dimensions.Function", ["Executor"]),
        (primary, "heartbeat", "metricName", ["QueuedTasks"]),
        (primary, "heartbeat", "namespace", ["AWS/MWAA"]),
        (primary, "heartbeat", "comparisonOperator", ["GreaterThanThreshold"]),
        (primary, "heartbeat", "period", [3600.0]),
    ],
    "backup-age-alarm": [
        (dr, "age", "metricName", ["Other"]),
        (dr, "age", "treatMissingData", ["ignore"]),
        (dr, "age", "region", [EAST]),
        (dr, "age", "threshold", [7200.0]),
        (dr, "age", "comparisonOperator", ["LessThanThreshold"]),
    ],
    "dead-man-alarm": [
        (dr, "dead-man", "treatMissingData", ["notBreaching"]),
        (dr, "dead-man", "region", [EAST]),
        (dr, "dead-man", "alarmActions", [[]]),
    ],
    "reverse-dead-man-alarm": [
        (primary, "monitor", "treatMissingData", ["missing"]),
        (primary, "monitor", "region", [WEST]),
    ],
    "state-machine-failure-alarm": [
        (dr, "ExecutionsFailed", "alarmActions", [[]]),
        (dr, "ExecutionsFailed", "dimensions.StateMachineArn", [OTHER_MACHINE]),
        (dr, "ExecutionsTimedOut", "metricName", ["ExecutionsSucceeded"]),
    ],
    "replication-failure-alarm": [
        (primary, "failed-demo-primary-dags", "dimensions.SourceBucket", ["other"]),
        (primary, "failed-demo-primary-dags", "alarmActions", [[]]),
        (primary, "failed-demo-primary-dags", "metricName", ["ReplicationLatency"]),
    ],
    "alarm-subscribed": [(dr, "subscription", "topic", ["arn:aws:sns:us-west-2:1:other"])],
    "environment-logged": [
        (primary, "environment", "loggingConfiguration", [DELETE]),
        (primary, "environment", "loggingConfiguration.taskLogs.enabled", [False]),
        (primary, "environment", "loggingConfiguration.schedulerLogs", [DELETE]),
    ],
    "environment-supported": [
        (primary, "environment", "airflowVersion", ["2.6.3", "2.5.1", "2.4.3"]),
    ],
    "environment-key": [(primary, "environment", "kmsKey", [DELETE])],
    "policy-pass-role": [
        (
            primary,
            "execution-policy",
            "policy",
            [
                policy(allow("iam:PassRole", "*")),
                policy(allow(["iam:passrole"], ["*"])),
                policy(allow("iam:PassRole", "arn:aws:iam::1:role/*")),
                policy(allow("iam:PassRol?", "arn:aws:iam::*:*")),
                policy(
                    {
                        "Effect": "Allow",
                        "Action": "iam:PassRole",
                        "NotResource": "arn:aws:iam::1:role/x",
                    }
                ),
            ],
        ),
    ],
    "policy-wildcard-writes": [
        (
            primary,
            "execution-policy",
            "policy",
            [
                policy(allow("s3:*", "*")),
                policy(allow("s3:Put*", "arn:aws:s3:::*")),
                policy(allow("dynamodb:*", "arn:aws:dynamodb:*:*:table/*")),
                policy({"Effect": "Allow", "NotAction": ["iam:*"], "Resource": "*"}),
            ],
        ),
    ],
    "state-machine-logged": [
        (dr, "recovery", "loggingConfiguration", [DELETE]),
        (dr, "recovery", "loggingConfiguration.level", ["OFF", DELETE]),
    ],
    "state-machine-traced": [
        (dr, "recovery", "tracingConfiguration", [DELETE]),
        (dr, "recovery", "tracingConfiguration.enabled", [False]),
    ],
    "function-timeout": [
        (dr, "assess", "timeout", [DELETE, 901.0, 9.0]),
        (dr, "assess", "environment.variables.MWAA_DR_CONFIG", [SLOW_PROBE]),
    ],
    "state-table-recoverable": [
        (dr, "state", "pointInTimeRecovery", [DELETE]),
        (dr, "state", "pointInTimeRecovery.enabled", [False]),
    ],
    "state-table-permanent": [(dr, "state", "ttl", [{"enabled": True, "attributeName": "x"}])],
}

BREAKS = [
    (f"mwaa-dr-{rule}", make, name, path, value)
    for rule, rows in _BY_RULE.items()
    for make, name, path, values in rows
    for value in values
]
