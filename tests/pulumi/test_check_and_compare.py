"""What becomes of a program's inputs, and what a difference leads to."""

import json

import pytest

from local.pulumi.provider import check, schema
from local.pulumi.provider.catalog import RESOURCES
from local.pulumi.provider.check import Settings
from local.pulumi.provider.compare import adopt, difference, imported, unconfirmed
from local.pulumi.provider.wire import UNKNOWN

BUCKET = "aws:s3/bucket:Bucket"
SCHEDULE = "aws:scheduler/schedule:Schedule"
ENVIRONMENT = "aws:mwaa/environment:Environment"
ROLE = "aws:iam/role:Role"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


@pytest.fixture(scope="module")
def known():
    return schema.load(RESOURCES)


def complete(known, token, inputs, *, old=None, seed=b"1", **settings):
    return check.complete(
        RESOURCES[token],
        known.resources[token],
        inputs,
        old or {},
        name="thing",
        seed=seed,
        settings=Settings(**{"region": "us-west-2", **settings}),
    )


def reasons(known, token, inputs):
    found = check.failures(RESOURCES[token], known.resources[token], known, inputs)
    return {failure.property: failure.reason for failure in found}


def test_a_misspelt_property_is_refused_with_the_right_name(known):
    assert (
        "did you mean 'forceDestroy'"
        in reasons(known, BUCKET, {"forceDestory": True})["forceDestory"]
    )


def test_a_property_that_only_pulumi_aws_supports_is_refused(known):
    assert "does not support 'acl'" in reasons(known, BUCKET, {"acl": "private"})["acl"]


def test_a_nested_misspelling_is_refused_at_its_path(known):
    inputs = {
        "scheduleExpression": "rate(1 minute)",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {"arn": "a", "roleArn": UNKNOWN, "retryPolicy": {"maximumRetries": 3}},
    }
    assert list(reasons(known, SCHEDULE, inputs)) == ["target.retryPolicy.maximumRetries"]


def test_a_nested_property_that_cannot_be_carried_is_refused(known):
    inputs = {
        "scheduleExpression": "rate(1 minute)",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {"arn": "a", "roleArn": "r", "ecsParameters": {"taskDefinitionArn": "t"}},
    }
    assert list(reasons(known, SCHEDULE, inputs)) == ["target.ecsParameters"]


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"bucket": 5}, "bucket"),
        ({"forceDestroy": "yes"}, "forceDestroy"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {"a": 1}}, "tags.a"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(known, inputs, path):
    assert "must be" in reasons(known, BUCKET, inputs)[path]


def test_a_missing_required_property_is_named(known):
    assert "assumeRolePolicy" in reasons(known, ROLE, {})


def test_a_made_up_name_is_kept_and_follows_awss_limits(known):
    made = complete(known, BUCKET, {})["bucket"]
    assert made.startswith("thing-")
    assert complete(known, BUCKET, {}, seed=b"2")["bucket"] != made
    assert complete(known, BUCKET, {}, old={"bucket": made}, seed=b"2")["bucket"] == made


def test_default_tags_join_the_programs_own_which_win(known):
    tags = {"team": "data", "env": "test"}
    made = complete(known, BUCKET, {"tags": {"env": "prod"}}, default_tags=tags)
    assert made["tagsAll"] == {"team": "data", "env": "prod"}
    assert made["tags"] == {"env": "prod"}


def test_a_nested_default_is_filled_in_beside_what_is_given(known):
    target = {"arn": "a", "roleArn": "r", "retryPolicy": {"maximumRetryAttempts": 0}}
    made = complete(known, SCHEDULE, {"target": target})
    assert made["target"]["retryPolicy"] == {
        "maximumRetryAttempts": 0,
        "maximumEventAgeInSeconds": 86400,
    }


def changes(known, token, old, new, state=None):
    before = complete(known, token, old)
    after = complete(known, token, new, old=before)
    return difference(RESOURCES[token], before, {**before, **(state or {})}, after)


def test_the_same_inputs_are_no_difference(known):
    assert changes(known, BUCKET, {"bucket": "a"}, {"bucket": "a"}).changes == {}


def test_another_name_replaces_and_another_tag_updates(known):
    renamed = changes(known, BUCKET, {"bucket": "a"}, {"bucket": "b"})
    assert renamed.replaces
    assert not renamed.delete_first
    tagged = changes(known, BUCKET, {"bucket": "a"}, {"bucket": "a", "tags": {"x": "y"}})
    assert not tagged.replaces
    assert set(tagged.changes) == {"tags", "tagsAll"}


def test_a_replacement_that_keeps_its_name_deletes_the_old_one_first(known):
    moved = changes(
        known,
        BUCKET,
        {"bucket": "a", "region": "us-east-1"},
        {"bucket": "a", "region": "us-west-2"},
    )
    assert moved.replaces
    assert moved.delete_first


def test_other_subnets_replace_an_environment_and_other_groups_do_not(known):
    def environment(subnets, groups):
        return {
            "name": "e",
            "networkConfiguration": {"subnetIds": subnets, "securityGroupIds": groups},
        }

    one = environment(["s1", "s2"], ["g"])
    assert changes(known, ENVIRONMENT, one, environment(["s3", "s4"], ["g"])).replaces
    assert not changes(known, ENVIRONMENT, one, environment(["s2", "s1"], ["h"])).replaces


def test_an_environment_that_failed_to_create_can_only_be_replaced(known):
    same = {"name": "e"}
    failed = changes(known, ENVIRONMENT, same, same, {"status": "CREATE_FAILED"})
    assert failed.replaces
    assert failed.delete_first


def test_policies_that_differ_in_layout_only_are_the_same(known):
    policy = {"Statement": [{"Action": ["a"], "Effect": "Allow"}]}
    other = {"Statement": [{"Effect": "Allow", "Action": "a"}]}
    old = {"assumeRolePolicy": json.dumps(policy), "name": "r"}
    new = {"assumeRolePolicy": json.dumps(other, indent=2), "name": "r"}
    assert changes(known, ROLE, old, new).changes == {}


def test_an_unknown_that_only_a_replacement_can_take_foretells_the_replacement(known):
    assert changes(known, BUCKET, {"bucket": "a"}, {"bucket": UNKNOWN}).replaces


def test_a_refresh_keeps_the_programs_words_and_shows_what_changed(known):
    row = RESOURCES[ALARM]
    old = complete(known, ALARM, {"name": "a", "threshold": 1, "alarmActions": ["x", "y"]})
    actual = {**old, "threshold": 2.0, "alarmActions": ["y", "x"], "arn": "arn"}
    kept = adopt(row, old, actual, ())
    assert kept["alarmActions"] == ["x", "y"]
    assert kept["threshold"] == 2.0


def test_a_setting_that_aws_no_longer_has_is_a_difference_after_a_refresh(known):
    row = RESOURCES[ALARM]
    old = complete(known, ALARM, {"name": "a", "alarmDescription": "x"})
    actual = {name: value for name, value in old.items() if name != "alarmDescription"}
    found = difference(row, adopt(row, old, actual, ()), actual, old)
    assert set(found.changes) == {"alarmDescription"}


def test_importing_what_the_program_describes_changes_nothing(known):
    row, described = RESOURCES[ENVIRONMENT], known.resources[ENVIRONMENT]
    logs = {"enabled": True, "logLevel": "INFO"}
    program = complete(
        known,
        ENVIRONMENT,
        {"name": "e", "dagS3Path": "dags", "loggingConfiguration": {"taskLogs": logs}},
    )
    actual = {
        **program,
        "maxWorkers": 10,
        "environmentClass": "mw1.small",
        "loggingConfiguration": {
            "taskLogs": {**logs, "cloudWatchLogGroupArn": "arn"},
            "workerLogs": {"enabled": False, "logLevel": "INFO"},
        },
        "status": "AVAILABLE",
    }
    inputs = imported(row, described.inputs.types, actual)
    assert inputs["maxWorkers"] == 10
    assert "status" not in inputs
    assert difference(row, inputs, actual, program).changes == {}


def test_what_aws_never_showed_is_not_taken_for_drift(known):
    row = RESOURCES[ALARM]
    old = complete(known, ALARM, {"name": "a", "alarmDescription": "x", "threshold": 1})
    shown = {name: value for name, value in old.items() if name != "alarmDescription"}
    skipped = unconfirmed(row, old, shown)
    assert skipped == ["alarmDescription"]
    later = {**shown, "threshold": 2}
    found = difference(row, adopt(row, old, later, skipped), later, old)
    assert set(found.changes) == {"threshold"}
