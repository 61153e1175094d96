"""Which resources a rule is about, and what counts as the thing it asks for."""

import pytest
from policy_breaks import policy
from policy_judge import DELETE, judge, violated
from policy_parts import (
    EAST,
    WEST,
    add_alarm,
    add_bucket,
    add_replication,
    s3_arn,
    tls_only,
)
from policy_programs import dr, primary, replicating

from mwaa_dr_policy import kinds as k

UNTOLD = "mwaa-dr-site-complete"
"""What a site says that has lost a tag: other rules may still find the resource by its use."""

# Found by what they are


def test_the_dag_bucket_is_the_one_the_environment_loads_from():
    program = primary().set("dags", "tags", {})
    del program["dags-versioning"]
    assert violated(program) == {"mwaa-dr-bucket-versioned", UNTOLD}


def test_a_bucket_that_is_neither_for_dags_nor_for_backups_is_left_alone():
    program = primary().set("backups", "tags", {})
    program.set("environment", "sourceBucketArn", s3_arn("demo-primary-dags"))
    for part in ("versioning", "encryption", "public", "policy"):
        del program[f"backups-{part}"]
    assert violated(program) == {UNTOLD}


def test_an_untagged_backup_bucket_is_found_by_its_configured_name():
    program = primary().set("backups", "tags", {})
    del program["backups-versioning"]
    config = {"mwaa-dr-bucket-versioned": {"backupBuckets": ["demo-primary-backups"]}}
    assert violated(program, config=config) == {"mwaa-dr-bucket-versioned", UNTOLD}


def test_an_untagged_dag_bucket_is_found_by_its_configured_name():
    program = dr().set("dags", "tags", {})
    del program["dags-public"]
    config = {"mwaa-dr-bucket-private": {"dagBuckets": ["demo-dr-dags"]}}
    assert violated(program, config=config) == {"mwaa-dr-bucket-private", UNTOLD}
    assert violated(program) == {UNTOLD}


def test_an_untagged_table_is_found_by_its_configured_name():
    program = dr().set("state", "tags", {}).set("state", "pointInTimeRecovery.enabled", False)
    config = {"mwaa-dr-state-table-recoverable": {"tables": ["demo-dr-state"]}}
    assert violated(program, config=config) == {"mwaa-dr-state-table-recoverable", UNTOLD}


def test_a_tag_that_the_provider_adds_by_default_counts():
    program = primary()
    tags = program["backups"]["props"]["tags"]
    program.set("backups", "tags", {}).set("backups", "tagsAll", tags)
    program["backups"]["protect"] = False
    assert violated(program) == {"mwaa-dr-backup-bucket-protected"}


def test_a_table_that_is_not_the_ownership_table_may_expire_its_items():
    program = dr()
    program.add("cache", k.TABLE, {"name": "cache", "tags": {}, "ttl": {"enabled": True}})
    assert violated(program) == set()


def test_the_former_inline_properties_of_a_bucket_count():
    program = dr()
    for part in ("versioning", "encryption", "policy"):
        del program[f"dags-{part}"]
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn:aws:kms:us-west-2:1:key/x"}
    rule = {"applyServerSideEncryptionByDefault": default}
    program.set("dags", "versioning", {"enabled": True})
    program.set("dags", "serverSideEncryptionConfiguration", {"rule": rule})
    program.set("dags", "policy", tls_only("demo-dr-dags"))
    assert violated(program) == set()


def test_an_inline_lifecycle_rule_counts():
    rules = [{"id": "x", "enabled": True, "expiration": {"days": 1.0}}]
    assert violated(dr().set("backups", "lifecycleRules", rules)) == {"mwaa-dr-backup-retention"}


def test_an_inline_lifecycle_rule_for_old_versions_counts():
    rules = [{"id": "x", "enabled": True, "noncurrentVersionExpiration": {"days": 1.0}}]
    assert violated(dr().set("backups", "lifecycleRules", rules)) == {"mwaa-dr-backup-retention"}


def test_a_disabled_inline_lifecycle_rule_takes_nothing_away():
    rules = [{"id": "x", "enabled": False, "expiration": {"days": 1.0}}]
    assert violated(dr().set("backups", "lifecycleRules", rules)) == set()


def test_a_class_that_can_be_read_at_once_is_no_archive():
    path = "rules.0.transitions.0"
    program = dr().set("backups-lifecycle", path, {"days": 1.0, "storageClass": "GLACIER_IR"})
    assert violated(program) == set()


def test_messages_name_the_rule_of_a_lifecycle_and_of_a_replication():
    program = dr().set("backups-lifecycle", "rules.0.expiration.days", 1.0)
    [message] = judge(program)[0]["mwaa-dr-backup-retention"]
    assert "lifecycle rule old deletes objects after 1 days" in message
    program.set("backups-lifecycle", "rules.0.id", DELETE)
    [message] = judge(program)[0]["mwaa-dr-backup-retention"]
    assert "lifecycle rule without an id deletes" in message
    program = primary().set("copy-dags", "rules.0.destination.metrics", DELETE)
    [message] = judge(program)[0]["mwaa-dr-replication-measured"]
    assert "replication rule all publishes no metrics" in message
    program.set("copy-dags", "rules.0.id", DELETE)
    [message] = judge(program)[0]["mwaa-dr-replication-measured"]
    assert "replication rule without an id publishes no metrics" in message


@pytest.mark.parametrize(
    ("status", "expected"), [("Enabled", set()), ("Disabled", {"mwaa-dr-bucket-replicated"})]
)
def test_inline_replication_counts_if_it_is_enabled(status, expected):
    program = primary()
    del program["copy-dags"]
    program.set("dags", "replicationConfiguration", {"rules": [{"status": status}]})
    assert violated(program) == expected


def test_a_disabled_lifecycle_rule_takes_nothing_away():
    program = dr().set("backups-lifecycle", "rules.0.expiration.days", 1.0)
    assert violated(program.set("backups-lifecycle", "rules.0.status", "Disabled")) == set()


def test_tls_may_be_required_by_two_statements_and_a_list_of_principals():
    common = {
        "Effect": "Deny",
        "Principal": {"AWS": ["*"]},
        "Action": ["s3:*"],
        "Condition": {"Bool": {"aws:SecureTransport": [False]}},
    }
    document = policy(
        {**common, "Resource": s3_arn("demo-dr-backups")},
        {**common, "Resource": [s3_arn("demo-dr-backups/*")]},
    )
    assert violated(dr().set("backups-policy", "policy", document)) == set()


@pytest.mark.parametrize("resource", ["*", s3_arn("demo-dr-backups*")])
def test_tls_may_be_required_by_one_pattern_for_bucket_and_objects(resource):
    document = tls_only("demo-dr-backups", Resource=resource)
    assert violated(dr().set("backups-policy", "policy", document)) == set()


# Replication over two stacks


def test_dr_with_the_primary_stack_at_hand_is_decided():
    other = primary().set("copy-dags", "rules.0.status", "Disabled")
    violations, undecided = judge(dr(), other=other)
    assert set(violations) == {"mwaa-dr-bucket-replicated"}
    assert undecided == {}


def test_the_alarm_beside_a_dr_bucket_is_judged_with_the_primary_stack_at_hand():
    program = dr()
    del program["failed-demo-dr-backups"]
    assert violated(program) == set()
    assert violated(program, other=primary()) == {"mwaa-dr-replication-failure-alarm"}


def test_a_bucket_that_only_receives_copies_needs_no_alarm_on_them():
    program = primary()
    assert "copy-back" in program
    assert violated(program, other=dr()) == set()


def test_a_dr_bucket_without_tags_is_not_excused_from_replication():
    config = {"mwaa-dr-bucket-replicated": {"backupBuckets": ["demo-dr-backups"]}}
    program = dr().set("backups", "tags", {})
    assert violated(program, config=config) == {"mwaa-dr-bucket-replicated", UNTOLD}


def test_code_that_a_pipeline_deploys_needs_no_replication():
    program = primary()
    del program["copy-dags"]
    assert violated(program) == {"mwaa-dr-bucket-replicated"}
    config = {"mwaa-dr-bucket-replicated": {"codeByPipeline": True}}
    assert violated(program, config=config) == set()


def test_backups_need_replication_even_if_a_pipeline_deploys_code():
    program = primary()
    del program["copy-back"]
    config = {"mwaa-dr-bucket-replicated": {"codeByPipeline": True}}
    assert violated(program, config=config) == {"mwaa-dr-bucket-replicated"}


def test_replication_of_a_bucket_of_no_interest_may_leave_out_encrypted_objects():
    program = primary()
    add_bucket(program, "notes", "notes", "primary", EAST)
    add_replication(program, "copy-notes", "demo-primary-notes", "elsewhere", EAST)
    program.set("copy-notes", "rules.0.sourceSelectionCriteria", DELETE)
    assert violated(program) == set()


IN_TIME = "mwaa-dr-replication-in-time"


def test_replicated_backups_with_time_control_meet_the_objective():
    assert judge(replicating()) == ({}, {})


def test_replicated_backups_without_time_control_are_refused():
    program = replicating().set("copy-out", "rules.0.destination.replicationTime", DELETE)
    violations, _ = judge(program)
    assert set(violations) == {IN_TIME}
    assert "has no time limit, and the objective is 60 minutes" in violations[IN_TIME][0]


def test_an_objective_of_a_day_needs_no_time_control():
    program = replicating().set("copy-out", "rules.0.destination.replicationTime", DELETE)
    assert violated(program, config={IN_TIME: {"rpoMinutes": 1440}}) == set()


def test_code_may_be_replicated_without_time_control_beside_replicated_backups():
    program = replicating().set("copy-dags", "rules.0.destination.replicationTime", DELETE)
    assert judge(program, other=dr()) == ({}, {})


@pytest.mark.parametrize(("rpo", "expected"), [(20, {IN_TIME}), (21, set())])
def test_an_objective_below_replication_and_interval_is_refused(rpo, expected):
    assert violated(replicating(), config={IN_TIME: {"rpoMinutes": rpo}}) == expected


@pytest.mark.parametrize(("interval", "expected"), [(45, {IN_TIME}), (44, set())])
def test_a_configured_interval_goes_before_that_of_the_environment(interval, expected):
    assert violated(replicating(), config={IN_TIME: {"exportMinutes": interval}}) == expected


def test_the_second_copy_of_directly_written_backups_needs_no_time_control():
    program = primary().set("copy-back", "rules.0.destination.replicationTime", DELETE)
    assert violated(program) == set()
    assert violated(program, other=dr()) == set()


def test_code_replication_needs_no_time_control():
    program = primary().set("copy-dags", "rules.0.destination.replicationTime", DELETE)
    assert violated(program, other=dr()) == set()


# Alarms


def test_one_alarm_of_metric_math_may_watch_both_failures():
    program = dr()
    del program["recovery-ExecutionsTimedOut"]
    dimensions = {"StateMachineArn": program["recovery"]["props"]["arn"]}
    queries = [
        {"id": "sum", "expression": "a+b", "returnData": True},
        *(
            {
                "id": key,
                "metric": {
                    "namespace": "AWS/States",
                    "metricName": metric,
                    "dimensions": dimensions,
                    "period": 60.0,
                    "stat": "Sum",
                },
            }
            for key, metric in (("a", "ExecutionsFailed"), ("b", "ExecutionsTimedOut"))
        ),
    ]
    for key in ("metricName", "namespace", "dimensions", "comparisonOperator"):
        program.set("recovery-ExecutionsFailed", key, DELETE)
    assert violated(program.set("recovery-ExecutionsFailed", "metricQueries", queries)) == set()


def test_a_composite_alarm_may_act_for_an_alarm():
    program = dr().set("dead-man", "alarmActions", [])
    action = program["age"]["props"]["alarmActions"]
    props = {"alarmName": "all", "region": WEST, "alarmActions": action}
    program.add("all", k.COMPOSITE_ALARM, {**props, "alarmRule": 'ALARM("demo-dead-man")'})
    assert violated(program) == set()
    program.set("all", "alarmRule", 'ALARM("demo-age")')
    assert violated(program) == {"mwaa-dr-dead-man-alarm"}


def test_a_composite_alarm_of_another_region_cannot_act():
    program = dr().set("dead-man", "alarmActions", [])
    rule = 'ALARM("demo-dead-man")'
    props = {"alarmName": "all", "region": EAST, "alarmRule": rule}
    program.add("all", k.COMPOSITE_ALARM, {**props, "alarmActions": [f"arn:aws:sns:{EAST}:1:x"]})
    assert violated(program) == {"mwaa-dr-dead-man-alarm"}


@pytest.mark.parametrize(
    ("make", "alarm", "rule"),
    [
        (primary, "heartbeat", "mwaa-dr-environment-heartbeat-alarm"),
        (primary, "monitor", "mwaa-dr-reverse-dead-man-alarm"),
        (dr, "age", "mwaa-dr-backup-age-alarm"),
        (dr, "dead-man", "mwaa-dr-dead-man-alarm"),
        (dr, "recovery-ExecutionsFailed", "mwaa-dr-state-machine-failure-alarm"),
    ],
)
def test_an_alarm_in_another_region_reads_nothing_though_its_topic_is_there(make, alarm, rule):
    program = make().set(alarm, "region", "eu-west-1")
    program.set(alarm, "alarmActions", ["arn:aws:sns:eu-west-1:1:x"])
    assert violated(program) == {rule}


def test_an_alarm_with_a_learned_threshold_is_accepted():
    assert violated(dr().set("age", "threshold", DELETE)) == set()


@pytest.mark.parametrize(("periods", "expected"), [(15.0, set()), (16.0, {"x"})])
def test_a_heartbeat_alarm_may_take_the_allowed_time_and_no_longer(periods, expected):
    expected = expected and {"mwaa-dr-dead-man-alarm"}
    assert violated(dr().set("dead-man", "evaluationPeriods", periods)) == expected


def test_a_good_alarm_excuses_a_bad_one_on_the_same_metric():
    program = dr()
    topic = program["age"]["props"]["alarmActions"][0]
    add_alarm(program, "loose", WEST, topic, "PrimaryHeartbeat", treatMissingData="missing")
    assert violated(program) == set()


def test_a_topic_without_subscribers_is_refused_unless_somebody_subscribes_elsewhere():
    program = dr()
    del program["subscription"]
    rule = "mwaa-dr-alarm-subscribed"
    assert violated(program) == {rule}
    config = {rule: {"subscribedElsewhere": ["demo-dr-alerts"]}}
    assert violated(program, config=config) == set()


def test_a_topic_that_gets_no_alarms_needs_no_subscriber():
    program = dr()
    program.add("other", k.TOPIC, {"name": "other", "arn": "arn:aws:sns:us-west-2:1:other"})
    assert violated(program) == set()


def test_an_id_that_the_engine_keeps_apart_is_known_by_where_it_comes_from():
    """After an update a group's `id` is no property of it, and who names it names a known text."""
    program = primary().set("group", "id", DELETE)
    assert "mwaa-dr-network-self-trust" in violated(program)
    for rule in ("group-in", "group-out"):
        program[rule]["links"]["securityGroupId"] = ("group",)
    program["group-in"]["links"]["referencedSecurityGroupId"] = ("group",)
    assert "mwaa-dr-network-self-trust" not in violated(program)
