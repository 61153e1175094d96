"""What exists already: used, checked and left alone, and its owner is told what to add."""

import json
from functools import cache

import pytest
from program_run import ACCOUNT, run_program, settings_of
from test_examples import EXAMPLES, settings

from components.existing import ExistingError
from contract.agent_config import AgentConfig, variable
from contract.handler_config import VARIABLE, HandlerConfig
from contract.sites import Site

STACKS = ("primary", "dr")
OWN = settings(next(one for one in EXAMPLES if one.name.startswith("bring-your-own")), Site.DR)
EXISTING = OWN["existing"]
BUCKET = {site: EXISTING[site]["dagBucket"] for site in STACKS}
KEY = {site: EXISTING[site]["dataKeyArn"] for site in STACKS}
ROLE = {site: EXISTING[site]["executionRoleArn"] for site in STACKS}
ENVIRONMENT = EXISTING["primary"]["environment"]
THERE = {
    ENVIRONMENT: {
        "sourceBucketArn": f"arn:aws:s3:::{BUCKET['primary']}",
        "executionRoleArn": ROLE["primary"],
        "airflowConfigurationOptions": {"core.parallelism": "32"},
    }
}
RULE = {"id": "to-archive", "status": "Enabled", "destination": {"bucket": "arn:aws:s3:::archive"}}


def bring(stack, *, there=None, **changes):
    """A stack for which everything exists."""
    nothing = dict.fromkeys(settings_of(stack))
    return run_program(stack, {**nothing, **OWN, **changes}, there={**THERE, **(there or {})})


@cache
def brought(stack):
    return bring(stack)


def existing(site, **more):
    return {**EXISTING, site: {**EXISTING[site], **more}}


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_that_exists_is_made_or_changed(stack):
    made = brought(stack)
    kinds = {one.type.rpartition(":")[2] for one in made.resources}
    assert not kinds & {"Environment", "Vpc", "Topic", "TopicPolicy", "TopicSubscription"}
    touching = [one for one in made.resources if BUCKET[stack] in str(one.inputs.get("bucket"))]
    allowed = {"BucketObjectv2", "BucketReplicationConfig"}
    assert {one.type.rpartition(":")[2] for one in touching} <= allowed
    names = {one.inputs["name"] for one in made.of("Role")}
    assert f"analytics-{stack}-execution" not in names
    keys = [one.inputs["description"] for one in (*made.of("Key"), *made.of("ReplicaKey"))]
    assert all("seals" in one for one in keys)


@pytest.mark.parametrize("stack", STACKS)
def test_the_existing_key_encrypts_what_this_program_makes(stack):
    made = brought(stack)
    (rule,) = made.one("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"] == KEY[stack]
    for log in made.of("LogGroup"):
        assert log.inputs["kmsKeyId"] == KEY[stack]


def test_both_stacks_know_the_real_names_without_asking_the_other_region():
    made = brought("dr")
    texts = {one.inputs["environment"]["variables"][VARIABLE] for one in made.of("Function")}
    config = HandlerConfig.from_json(texts.pop())
    assert config.primary.environment == ENVIRONMENT
    assert config.primary.dag_bucket == BUCKET["primary"]
    assert config.dr.dag_bucket == BUCKET["dr"]
    assert config.topic_arn == EXISTING["dr"]["topicArn"]
    assert config.target.execution_role_arn == ROLE["dr"]
    assert config.target.kms_key_arn == KEY["dr"]
    where = [args.get("region") for _, args in made.invoked if "region" in args]
    where += [state.get("region") for _, _, state in made.read]
    assert set(where) == {"us-west-2"}


@pytest.mark.parametrize("stack", STACKS)
def test_alarms_tell_the_existing_topic(stack):
    for alarm in brought(stack).of("MetricAlarm"):
        assert alarm.inputs["alarmActions"] == [EXISTING[stack]["topicArn"]]


def test_the_monitor_may_ask_for_the_real_environment_and_no_other():
    made = brought("dr")
    granted = {
        resource
        for policy in made.of("RolePolicy")
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if "airflow:GetEnvironment" in statement["Action"]
        for resource in statement["Resource"]
    }
    assert granted == {
        f"arn:aws:airflow:us-east-1:{ACCOUNT}:environment/{ENVIRONMENT}",
        f"arn:aws:airflow:us-west-2:{ACCOUNT}:environment/analytics-dr",
    }


def test_the_environments_owner_is_told_the_options_and_the_statements():
    add = brought("primary").outputs["ownersAdd"]
    options = add["environment"]["airflowConfigurationOptions"]
    environ = {variable(key.partition(".")[2]): value for key, value in options.items()}
    assert AgentConfig.from_env(environ).environment == ENVIRONMENT
    actions = {action for one in add["executionRoleArn"]["statements"] for action in one["Action"]}
    assert {"airflow:PublishMetrics", "s3:PutObject", "kms:GenerateDataKey"} <= actions
    services = [str(one.get("Principal")) for one in add["dataKeyArn"]["statements"]]
    assert any("logs.us-east-1.amazonaws.com" in one for one in services)
    assert any("cloudwatch" in str(one) for one in add["topicArn"]["statements"])
    assert add["dagBucket"]["leastNoncurrentDays"]["dags/"] > 28


@pytest.mark.parametrize("stack", STACKS)
def test_where_all_is_made_here_nobody_has_to_add_anything(stack):
    assert "ownersAdd" not in run_program(stack).outputs


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ({"versioning": {"enabled": False}}, "'{bucket}' is not versioned; turn versioning on"),
        ({"versioning": None}, "'{bucket}' is not versioned"),
        ({"bucketRegion": "eu-west-1"}, "'{bucket}' is in eu-west-1; name one in us-east-1"),
    ],
)
def test_a_bucket_that_cannot_be_used_is_refused(seen, message):
    with pytest.raises(ExistingError) as caught:
        bring("primary", there={BUCKET["primary"]: seen})
    assert message.format(bucket=BUCKET["primary"]) in str(caught.value)


@pytest.mark.parametrize(
    ("default", "refused"),
    [
        ({"sseAlgorithm": "AES256"}, False),
        ({"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY["primary"]}, False),
        ({"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY["primary"].rpartition("/")[2]}, False),
        ({"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "arn:aws:kms:us-east-1:1:key/b"}, True),
        ({"sseAlgorithm": "aws:kms"}, True),
    ],
)
def test_a_bucket_under_a_key_that_nobody_here_may_use_is_refused(default, refused):
    rule = {"applyServerSideEncryptionByDefault": default}
    seen = {"serverSideEncryptionConfiguration": {"rule": rule}}
    if not refused:
        bring("primary", there={BUCKET["primary"]: seen})
        return
    with pytest.raises(ExistingError, match=r"set mwaa-dr:existing\.primary\.dataKeyArn"):
        bring("primary", there={BUCKET["primary"]: seen})


@pytest.mark.parametrize("site", STACKS)
def test_a_second_owner_of_replication_rules_is_refused_with_the_rules_to_paste(site):
    seen = {"replicationConfiguration": {"role": "r", "rules": [RULE]}}
    with pytest.raises(ExistingError) as caught:
        bring("primary", there={BUCKET[site]: seen})
    text = str(caught.value)
    assert "has replication rules already (to-archive)" in text
    assert f"set mwaa-dr:existing.{site}.replicationRules to owner" in text
    rules = json.loads(text[text.index("rules: [") + 7 : text.index("\nstatements: ")])
    assert [rule["ID"] for rule in rules] == [f"dags-{site}-to-{Site(site).other}"]
    other = Site(site).other
    assert rules[0]["Destination"]["Bucket"] == f"arn:aws:s3:::{BUCKET[other]}"
    assert rules[0]["Destination"]["EncryptionConfiguration"] == {"ReplicaKmsKeyID": KEY[other]}
    statements = json.loads(text[text.index("statements: ") + 12 :])
    assert {"s3:ReplicateObject", "kms:Decrypt"} <= {a for one in statements for a in one["Action"]}


def test_rules_of_this_program_are_its_own_again():
    ours = {**RULE, "id": "dags-primary-to-dr"}
    seen = {"replicationConfiguration": {"role": "r", "rules": [ours]}}
    made = bring("primary", there={BUCKET["primary"]: seen})
    assert made.one("BucketReplicationConfig", bucket=BUCKET["primary"])


def test_where_the_owner_keeps_the_rules_they_are_not_declared():
    there = {BUCKET["primary"]: {"replicationConfiguration": {"role": "r", "rules": [RULE]}}}
    changed = existing("primary", replicationRules="owner")
    made = bring("primary", there=there, existing=changed)
    buckets = {one.inputs["bucket"] for one in made.of("BucketReplicationConfig")}
    assert BUCKET["primary"] not in buckets
    assert BUCKET["dr"] in buckets
    add = made.outputs["ownersAdd"]["dagBucket"]
    assert [rule["ID"] for rule in add["replicationRules"]] == ["dags-primary-to-dr"]
    assert add["replicationRoleStatements"]


def test_a_pipelines_bucket_may_have_any_replication_rules():
    there = {BUCKET["primary"]: {"replicationConfiguration": {"role": "r", "rules": [RULE]}}}
    made = bring("primary", there=there, code={"replication": False})
    assert BUCKET["primary"] not in {
        one.inputs["bucket"] for one in made.of("BucketReplicationConfig")
    }


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (
            {"sourceBucketArn": "arn:aws:s3:::other"},
            "uses arn:aws:s3:::other; set mwaa-dr:existing",
        ),
        (
            {"executionRoleArn": "arn:x"},
            "uses arn:x; set mwaa-dr:existing.primary.executionRoleArn",
        ),
        ({"dagS3Path": "src/dags"}, "loads DAGs from 'src/dags'; only 'dags' is supported"),
    ],
)
def test_an_environment_that_does_not_fit_the_settings_is_refused(seen, message):
    with pytest.raises(ExistingError) as caught:
        bring("primary", there={ENVIRONMENT: {**THERE[ENVIRONMENT], **seen}})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ({"enabled": False}, "is disabled or about to be deleted"),
        ({"keyUsage": "SIGN_VERIFY"}, "is of SYMMETRIC_DEFAULT for SIGN_VERIFY"),
        ({"customerMasterKeySpec": "RSA_2048"}, "name a symmetric one for encryption"),
    ],
)
@pytest.mark.parametrize("stack", STACKS)
def test_a_key_that_cannot_encrypt_is_refused(stack, seen, message):
    with pytest.raises(ExistingError) as caught:
        bring(stack, there={KEY[stack]: seen})
    assert f"existing.{stack}.dataKeyArn" in str(caught.value)
    assert message in str(caught.value)


def test_a_topic_under_a_key_of_its_own_can_be_written_to():
    key = f"arn:aws:kms:us-west-2:{ACCOUNT}:key/topic"
    made = bring("dr", existing=existing("dr", topicKeyArn=key))
    (policy,) = [
        one.inputs["policy"]
        for one in made.of("RolePolicy")
        if one.inputs["role"] == "analytics-dr-record" and one.inputs["name"] == "keys"
    ]
    assert key in policy
    assert "cloudwatch" in str(made.outputs["ownersAdd"]["topicKeyArn"])
