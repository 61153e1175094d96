"""Changes that must break one rule each: program, resource, property, wrong values for it."""

import json

from policy_judge import DELETE
from policy_parts import EAST, WEST, allowing, s3_arn, tls_only
from policy_programs import dr, handlers, primary, replicating, standby


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
SLOW_PROBE = handlers(detection={"probe_seconds": 40.0})
SLOW_FENCE = handlers(recovery={"fence_seconds": 3600})
CONFIG = "environment.variables.MWAA_DR_CONFIG"
NOTHING = policy()
DEFINITION = dr()["recovery"]["props"]["definition"]
OWN = "airflowConfigurationOptions"

_BY_RULE = {
    "bucket-versioned": [
        (primary, "backups-versioning", "versioningConfiguration.status", ["Suspended", DELETE]),
        (primary, "dags-versioning", "bucket", ["demo-primary-backups"]),
        (primary, "dags-versioning", "region", [WEST]),
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
        (
            dr,
            "backups-lifecycle",
            "rules.0.expiration",
            # 14 of retention and, in whole days, a day of base and five minutes of export.
            [{"days": 13.0}, {"days": 15.0}, {"date": "2027-01-01"}],
        ),
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
        (primary, "return-dags", "rules.0.status", ["Disabled"]),
        (primary, "copy-dags", "rules.0.filter", [{"prefix": "elsewhere/"}]),
        (primary, "copy-back", "rules.0.prefix", ["control/"]),
    ],
    "replication-complete": [
        (primary, "copy-dags", "rules.0.sourceSelectionCriteria", [DELETE, {}]),
        (primary, "copy-dags", f"{DESTINATION}.encryptionConfiguration", [DELETE]),
        (primary, "copy-back", "rules.0.sourceSelectionCriteria", [DELETE]),
    ],
    "replication-in-time": [
        (replicating, "copy-out", f"{DESTINATION}.replicationTime.status", ["Disabled", DELETE]),
        (replicating, "copy-out", f"{DESTINATION}.replicationTime", [DELETE]),
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
        (dr, "dead-man", "threshold", [0.0]),
    ],
    "reverse-dead-man-alarm": [
        (primary, "monitor", "treatMissingData", ["missing"]),
        (primary, "monitor", "region", [WEST]),
    ],
    "state-machine-failure-alarm": [
        (dr, "recovery-ExecutionsFailed", "alarmActions", [[]]),
        (dr, "recovery-ExecutionsFailed", "dimensions.StateMachineArn", [OTHER_MACHINE]),
        (dr, "recovery-ExecutionsTimedOut", "metricName", ["ExecutionsSucceeded"]),
        (dr, "monitor-ExecutionsAborted", "threshold", [5.0]),
    ],
    "replication-failure-alarm": [
        (primary, "failed-demo-primary-dags", "dimensions.SourceBucket", ["other"]),
        (primary, "failed-demo-primary-dags", "alarmActions", [[]]),
        (primary, "failed-demo-primary-dags", "metricName", ["ReplicationLatency"]),
        (primary, "failed-demo-primary-dags", "dimensions.RuleId", ["another"]),
        (primary, "failed-demo-primary-dags", "threshold", [100.0]),
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
            "other-policy",
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
            "other-policy",
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
        (dr, "monitor", "loggingConfiguration.logDestination", [DELETE]),
        (dr, "recovery", "loggingConfiguration.level", ["OFF", DELETE]),
    ],
    "state-machine-traced": [
        (dr, "recovery", "tracingConfiguration", [DELETE]),
        (dr, "recovery", "tracingConfiguration.enabled", [False]),
    ],
    "function-timeout": [
        (dr, "capture", "timeout", [DELETE, 901.0, 9.0]),
        (dr, "capture", CONFIG, [SLOW_PROBE]),
    ],
    "state-table-recoverable": [
        (dr, "state", "pointInTimeRecovery", [DELETE]),
        (dr, "state", "pointInTimeRecovery.enabled", [False]),
    ],
    "state-table-protected": [
        (dr, "state", "deletionProtectionEnabled", [False, DELETE]),
    ],
    "state-table-encrypted": [
        (dr, "state", "serverSideEncryption", [DELETE, {"enabled": False}]),
        (dr, "state", "serverSideEncryption.kmsKeyArn", [DELETE]),
    ],
    "bucket-owned": [
        (dr, "backups-ownership", "rule.objectOwnership", ["ObjectWriter", DELETE]),
        (primary, "dags-ownership", "bucket", ["another"]),
    ],
    "key-kept": [
        (dr, "data", "deletionWindowInDays", [7.0]),
        (dr, "seal", "isEnabled", [False]),
        (primary, "seal", "enabled", [False]),
    ],
    "key-manageable": [
        (dr, "seal", "policy", ["not JSON", NOTHING, policy(allowing("kms:*"))]),
    ],
    "key-rotated": [(primary, "data", "enableKeyRotation", [False, DELETE])],
    "seal-key-shared": [(dr, "seal", "multiRegion", [False, DELETE])],
    "key-named": [
        (primary, "seal-alias", "targetKeyId", ["another"]),
        (dr, "data-alias", "targetKeyId", ["another"]),
    ],
    "alarm-deliverable": [
        (primary, "topic", "kmsMasterKeyId", ["alias/aws/sns"]),
        (dr, "topic-policy", "policy", [NOTHING, policy(allowing("sns:Publish")), "not JSON"]),
    ],
    "verdict-alarm": [
        (dr, "verdict", "threshold", [5.0]),
        (dr, "verdict", "treatMissingData", ["ignore"]),
    ],
    "function-error-alarm": [
        (dr, "capture-errors", "dimensions.FunctionName", ["another"]),
        (dr, "capture-errors", "metricName", ["Throttles"]),
    ],
    "environment-unattended": [(primary, "environment", "endpointManagement", ["CUSTOMER"])],
    "environment-place": [
        (primary, "environment", f"{OWN}.mwaa_dr~local_bucket", [DELETE]),
        (primary, "environment", f"{OWN}.mwaa_dr~copy_mode", ["sideways"]),
        (primary, "environment", f"{OWN}.mwaa_dr~agent_seconds", ["often"]),
    ],
    "environment-agent": [
        (primary, "dag-agent", "key", ["dags/other.py"]),
        (primary, "dag-import", "key", [DELETE]),
    ],
    "environment-seals": [(primary, "seal", "region", [WEST])],
    "environment-paused": [
        (standby, "environment", f"{OWN}.core~dags_are_paused_at_creation", ["False", False]),
    ],
    "environment-equal": [
        (standby, "environment", "airflowVersion", ["2.9.2"]),
        (standby, "environment", "environmentClass", ["mw1.medium", DELETE]),
        (standby, "environment", "maxWorkers", [5.0]),
        (standby, "environment", f"{OWN}.core~default_task_retries", ["3", DELETE]),
        (standby, "environment", f"{OWN}.core~parallelism", ["8"]),
    ],
    "network-way-out": [
        (dr, "route", "destinationCidrBlock", ["10.0.0.0/8"]),
        (dr, "route", "natGatewayId", [DELETE]),
        (dr, "route", "region", [EAST]),
        (primary, "association", "subnetId", ["another"]),
        (primary, "association", "routeTableId", ["another"]),
    ],
    "network-self-trust": [
        (dr, "group-in", "referencedSecurityGroupId", ["another"]),
        (primary, "group-out", "securityGroupId", ["another"]),
        (primary, "group-out", "region", [WEST]),
    ],
    "role-sufficient": [
        (primary, "execution-policy", "policy", [NOTHING]),
        (primary, "execution-policy", "role", ["another"]),
        (dr, "machine-policy", "policy", [policy(allowing("logs:*", "xray:*"))]),
        (dr, "timer-policy", "policy", [NOTHING]),
        (dr, "capture-policy", "policy", [policy(allowing("logs:*", "kms:Decrypt"))]),
        (primary, "copy-policy", "policy", [policy(allowing("s3:*"))]),
        (dr, "execution-role", "assumeRolePolicy", [NOTHING]),
        (dr, "machine-role", "assumeRolePolicy", [policy(allowing("sts:AssumeRole"))]),
    ],
    "state-machine-complete": [
        (dr, "recovery", "definition", ["not JSON", '{"StartAt": "x", "States": {}}']),
        (dr, "recovery", "definition", [DEFINITION.replace("capture", "elsewhere")]),
    ],
    "monitor-scheduled": [
        (dr, "schedule", "state", ["DISABLED"]),
        (dr, "schedule", "scheduleExpression", ["rate(6 minutes)", "rate(1 day)", DELETE]),
    ],
    "function-configured": [
        (dr, "capture", CONFIG, ["{}"]),
    ],
    "log-kept": [(dr, "log", "retentionInDays", [1.0, 0.0, DELETE])],
    "log-encrypted": [(dr, "log", "kmsKeyId", [DELETE])],
    "resource-tagged": [
        (dr, "log", "tags.mwaa-dr:site", [DELETE]),
        (primary, "group", "tags.mwaa-dr:installation", [DELETE, ""]),
    ],
    "site-complete": [
        (dr, "state", "tags", [{}]),
        (dr, "topic", "tags", [{}]),
        (primary, "execution-role", "tags", [DELETE]),
    ],
    "objective-rpo": [
        (primary, "environment", f"{OWN}.mwaa_dr~export_seconds", ["3600"]),
    ],
    "objective-rto": [
        (
            dr,
            "capture",
            CONFIG,
            [handlers(rto_minutes=30), handlers(recovery={"fence_seconds": 3600})],
        ),
    ],
    "state-table-permanent": [(dr, "state", "ttl", [{"enabled": True, "attributeName": "x"}])],
}

BREAKS = [
    (f"mwaa-dr-{rule}", make, name, path, value)
    for rule, rows in _BY_RULE.items()
    for make, name, path, values in rows
    for value in values
]
PRESENT = {
    ("mwaa-dr-bucket-encrypted", "kmsMasterKeyId"),
    ("mwaa-dr-environment-key", "kmsKey"),
    ("mwaa-dr-log-encrypted", "kmsKeyId"),
    ("mwaa-dr-network-way-out", "natGatewayId"),
    ("mwaa-dr-replication-complete", "replicaKmsKeyId"),
    ("mwaa-dr-state-machine-logged", "logDestination"),
    ("mwaa-dr-state-table-encrypted", "kmsKeyArn"),
}
"""What only has to be there: a value that is being computed is, whichever it will be."""
