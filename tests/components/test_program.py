"""Both stacks as a whole, from the committed files, without an engine."""

import json
import zipfile
from functools import cache
from pathlib import Path

import pytest
from program_run import (
    ACCOUNT,
    LEAST_ADOPTED,
    OURS,
    program,
    rehearsing,
    run_program,
    settings_of,
)

from components.functions import wanted
from components.plan import handler_config
from components.settings import SettingsError, parse
from components.sites import WrongAccountError
from contract.agent_config import AgentConfig, variable
from contract.functions import FUNCTIONS, HASTEN
from contract.handler_config import VARIABLE, HandlerConfig
from contract.machines import MACHINES
from contract.metrics import TAG_INSTALLATION, TAG_OBJECT, TAG_SITE
from contract.names import Names
from contract.objects import ObjectRole
from contract.sites import CopyMode, Site
from local.pulumi.provider import schema

STACKS = ("primary", "dr")
REGION = {"primary": "us-east-1", "dr": "us-west-2"}
NAMES = Names("analytics", ACCOUNT)
UNTAGGED = {"BucketObjectv2"}
"""Code, not infrastructure: S3 bills tags per object, and the policies look at buckets."""
NEEDED = {
    "primary": {"BucketReplicationConfig", "ReplicaKey", "Environment", "BucketObjectv2"},
    "dr": {"Table", "Function", "StateMachine", "Schedule", "Dashboard"},
}


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/edge"
EXISTING = {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
EXISTING_PRIMARY = {
    "existing": {
        "primary": {
            "environment": "shop",
            "dagBucket": "shop-dags",
            "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/shop",
        }
    }
}


@cache
def brought(stack):
    """With a network, a pipeline and a boundary of the user's own, and ready to be taken down."""
    settings = settings_of(stack)
    return run_program(
        stack,
        {
            "network": {"primary": EXISTING, "dr": EXISTING},
            "code": {"replication": False},
            "environment": {
                **settings["environment"],
                "requirementsS3Path": "ci/requirements.txt",
                "requirementsS3ObjectVersion": "abc",
            },
            "permissionsBoundary": BOUNDARY,
            "backup": {**settings["backup"], "allowDeletion": True},
        },
    )


@pytest.fixture(scope="module")
def replicated(tmp_path_factory):
    """Backups by replication, both sites in one Region, and code of the user's own."""
    folder = tmp_path_factory.mktemp("code")
    (folder / "dags" / "team").mkdir(parents=True)
    for name in ("dags/team/report.py", "plugins.zip", "reqs.txt", "start.sh"):
        (folder / name).write_text(name)
    return run_program(
        "primary",
        {
            "backup": {"intervalSeconds": 300, "copyMode": "replicate"},
            "objectives": {"rpoMinutes": 30},
            "drRegion": "us-east-1",
            "code": {
                "dagsDirectory": str(folder / "dags"),
                "pluginsFile": str(folder / "plugins.zip"),
                "requirementsFile": str(folder / "reqs.txt"),
                "startupScriptFile": str(folder / "start.sh"),
            },
        },
    )


@cache
def properties(token):
    return schema.load([token])


def texts(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def wrong_names(kind, value, known):
    """Property names in `value` that `pulumi_aws` does not have."""
    if kind.startswith("#"):
        for key, item in value.items():
            inner = known.objects[kind[1:]].types.get(key)
            yield from [key] if inner is None else wrong_names(inner, item, known)
    elif kind.startswith(("[", "{")):
        for item in value.values() if isinstance(value, dict) else value:
            yield from wrong_names(schema.element(kind), item, known)


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_has_its_building_blocks_and_not_the_other_ones(stack):
    kinds = {one.type.rpartition(":")[2] for one in program(stack).resources}
    other = NEEDED["dr" if stack == "primary" else "primary"]
    assert kinds >= NEEDED[stack]
    assert not kinds & other


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_that_can_be_tagged_says_whose_and_what_for_it_is(stack):
    for one in program(stack).resources:
        types = properties(one.type).resources[one.type].inputs.types
        if "tags" not in types or one.type.rpartition(":")[2] in UNTAGGED:
            continue
        tags = one.inputs["tags"]
        assert tags[TAG_INSTALLATION] == "analytics", one.urn
        assert tags[TAG_SITE] in set(Site), one.urn
        assert tags[TAG_OBJECT] in set(ObjectRole), one.urn
        assert tags["cost-centre"] == "data-platform", one.urn


@pytest.mark.parametrize("stack", STACKS)
def test_every_regional_resource_names_its_region(stack):
    for one in program(stack).resources:
        if "region" in properties(one.type).resources[one.type].inputs.types:
            crosses = one.type.endswith("ReplicationConfig") and "-dr-" in one.name
            assert one.inputs["region"] == (REGION["dr"] if crosses else REGION[stack]), one.urn


@pytest.mark.parametrize("stack", STACKS)
def test_every_property_is_one_that_pulumi_aws_has(stack):
    for one in program(stack).resources:
        known = properties(one.type)
        types = known.resources[one.type].inputs.types
        for key, value in one.inputs.items():
            assert key in types, f"{one.urn}: {key}"
            assert not list(wrong_names(types[key], value, known)), f"{one.urn}: {key}"


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_unset_is_written_into_a_text(stack):
    for one in program(stack).resources:
        for text in texts(one.inputs):
            assert "None" not in text, f"{one.urn}: {text}"
            assert "Output" not in text or "Calling __str__" not in text, f"{one.urn}: {text}"


@pytest.mark.parametrize("stack", STACKS)
def test_a_preview_before_the_first_update_needs_no_real_value(stack):
    preview = run_program(stack, preview=True)
    assert {one.urn for one in preview.resources} == {one.urn for one in program(stack).resources}


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_belongs_to_a_component_with_our_token(stack):
    found = program(stack)
    parents = {one.urn for one in found.registered if one.type.startswith(OURS)}
    assert all(one.parent in parents for one in found.resources)


def test_dr_never_asks_the_primary_region():
    found = program("dr")
    assert all(args.get("region", "us-west-2") == "us-west-2" for _, args in found.invoked)
    assert all(one.inputs.get("region", "us-west-2") == "us-west-2" for one in found.resources)


def test_primary_looks_up_only_the_dr_keys():
    looked_up = {
        (args["region"], args["name"])
        for token, args in program("primary").invoked
        if token.startswith("aws:kms")
    }
    assert looked_up == {
        ("us-west-2", NAMES.data_alias(Site.DR)),
        ("us-west-2", NAMES.seal_alias(Site.DR)),
    }


@pytest.mark.parametrize("stack", STACKS)
def test_data_and_keys_are_protected_until_deletion_is_allowed(stack):
    kept = {"Key", "ReplicaKey", "Table", "Environment"}
    for allow, found in ((False, program(stack)), (True, brought(stack))):
        backups = found.one("Bucket", bucket=NAMES.backup_bucket(Site(stack)))
        protected = [one for one in found.resources if one.type.rpartition(":")[2] in kept]
        assert protected
        assert all(one.protect is not allow for one in [*protected, backups])
        assert all(one.inputs["forceDestroy"] is allow for one in found.of("Bucket"))
        for table in found.of("Table"):
            assert table.inputs["deletionProtectionEnabled"] is not allow
        assert ("allowDeletion" in found.outputs["deletion"]) is not allow


@pytest.mark.parametrize("stack", STACKS)
def test_every_bucket_has_all_its_guards(stack):
    found = program(stack)
    for bucket in found.of("Bucket"):
        name = bucket.inputs["bucket"]
        assert found.one("BucketVersioning", bucket=name).inputs["versioningConfiguration"] == {
            "status": "Enabled"
        }
        encryption = found.one("BucketServerSideEncryptionConfiguration", bucket=name)
        rule = encryption.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        assert rule["sseAlgorithm"] == "aws:kms"
        assert f":{REGION[stack]}:" in rule["kmsMasterKeyId"]
        closed = found.one("BucketPublicAccessBlock", bucket=name).inputs
        assert [value for value in closed.values() if isinstance(value, bool)] == [True] * 4
        policy = json.loads(found.one("BucketPolicy", bucket=name).inputs["policy"])
        assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        found.one("BucketOwnershipControls", bucket=name)


@pytest.mark.parametrize("stack", STACKS)
def test_no_lifecycle_rule_is_shorter_than_the_retention(stack):
    found = program(stack)
    for config in found.of("BucketLifecycleConfiguration"):
        for rule in config.inputs["rules"]:
            prefix = rule["filter"]["prefix"]
            if prefix.startswith("control/") or rule["id"] == "unfinished":
                continue
            kept = rule.get("noncurrentVersionExpiration", {}).get("noncurrentDays", 14)
            assert kept >= 14
            assert rule.get("expiration", {}).get("days", 14) >= 14
            if prefix == "backups/":
                assert rule["expiration"]["days"] * 24 * 3600 >= 14 * 86_400 + 86_400 + 300
    dags = found.one("BucketLifecycleConfiguration", bucket=NAMES.dag_bucket(Site(stack)))
    expiring = [rule for rule in dags.inputs["rules"] if "noncurrentVersionExpiration" in rule]
    assert [rule["filter"]["prefix"] for rule in expiring] == ["dags/"]
    backups = found.one("BucketLifecycleConfiguration", bucket=NAMES.backup_bucket(Site(stack)))
    [lived] = [rule for rule in backups.inputs["rules"] if rule["id"] == "backups"]
    longest = lived["expiration"]["days"] + lived["noncurrentVersionExpiration"]["noncurrentDays"]
    assert expiring[0]["noncurrentVersionExpiration"]["noncurrentDays"] > longest


def test_the_environment_knows_its_place():
    inputs = program("primary").one("Environment").inputs
    environ = {
        variable(key.partition(".")[2]): value
        for key, value in inputs["airflowConfigurationOptions"].items()
        if key.startswith("mwaa_dr.")
    }
    config = AgentConfig.from_env(environ)
    assert config.environment == inputs["name"] == NAMES.environment(Site.PRIMARY)
    assert config.export_bucket == NAMES.backup_bucket(Site.DR)
    assert inputs["airflowConfigurationOptions"]["core.default_task_retries"] == "2"


def test_the_handlers_get_the_whole_configuration():
    found = program("dr").of("Function")
    texts = {one.inputs["environment"]["variables"][VARIABLE] for one in found}
    assert len(texts) == 1
    config = HandlerConfig.from_json(texts.pop())
    role = program("dr").one("Role", name=NAMES.role(Site.DR, "execution"))
    assert config.target.execution_role_arn == f"arn:aws:iam::{ACCOUNT}:role/{role.inputs['name']}"
    assert config.target.kms_key_arn.startswith("arn:aws:kms:us-west-2:")
    assert len(config.target.subnet_ids) == 2
    assert config.target.options["mwaa_dr.site"] == "dr"
    assert config.target.tags[TAG_OBJECT] == ObjectRole.ENVIRONMENT
    assert config.topic_arn == program("dr").outputs["topicArn"]
    assert config.dr.dag_bucket == program("dr").outputs["dagBucket"]


def steps(program):
    return {one.inputs["name"].removeprefix("analytics-dr-") for one in program.of("Function")}


def test_a_site_that_stands_by_has_nothing_that_could_create_or_delete_an_environment():
    passive = run_program("dr", {"strategy": "active-passive"})
    assert steps(program("dr")) - steps(passive) == {"create-environment", "remove-environment"}
    assert steps(passive) < steps(program("dr"))
    granted = [json.loads(one.inputs["policy"]) for one in passive.of("RolePolicy")]
    actions = {a for one in granted for statement in one["Statement"] for a in statement["Action"]}
    assert not actions & {"airflow:CreateEnvironment", "airflow:DeleteEnvironment", "iam:PassRole"}


def test_only_what_calls_a_private_web_server_is_in_the_network_of_the_dr_environment():
    inside = {
        one.inputs["name"]: one.inputs["vpcConfig"]
        for one in program("dr").of("Function")
        if one.inputs.get("vpcConfig")
    }
    assert inside == {
        NAMES.function(HASTEN): {
            "subnetIds": ["subnet-networkprivate0", "subnet-networkprivate1"],
            "securityGroupIds": ["sg-networkgroup"],
        }
    }


PUBLIC = {**settings_of("dr")["environment"], "webserverAccessMode": "PUBLIC_ONLY"}


@pytest.mark.parametrize(
    ("changes", "inside"),
    [
        ({}, True),
        ({"environment": PUBLIC}, False),
        ({"environment": {}, "network": {"dr": EXISTING}, **EXISTING_PRIMARY}, True),
        (
            {
                "environment": PUBLIC,
                "adopted": {**LEAST_ADOPTED, "webserverAccessMode": "PRIVATE_ONLY"},
            },
            True,
        ),
        (
            {
                "environment": PUBLIC,
                "adopted": {**LEAST_ADOPTED, "webserverAccessMode": "PUBLIC_ONLY"},
            },
            False,
        ),
        ({"strategy": "active-passive", "environment": PUBLIC}, False),
    ],
    ids=["private", "public", "as-captured", "adopted-private", "adopted-public", "passive"],
)
def test_the_dr_web_server_is_asked_from_inside_unless_it_is_known_to_be_public(changes, inside):
    settings = parse({**settings_of("dr"), **changes})
    assert handler_config(settings).hastens_inside is inside
    assert (HASTEN in {spec.step for spec in wanted(settings)}) is inside


def test_every_step_is_a_function_with_its_own_role_and_log():
    found = rehearsing("dr")
    roles = set()
    for spec in FUNCTIONS:
        inputs = found.one("Function", name=NAMES.function(spec.step)).inputs
        assert inputs["timeout"] == spec.timeout_seconds
        assert inputs["handler"] == spec.handler
        assert inputs["loggingConfig"]["logGroup"] == f"/aws/lambda/{inputs['name']}"
        found.one("LogGroup", name=inputs["loggingConfig"]["logGroup"])
        roles.add(inputs["role"])
    assert len(roles) == len(FUNCTIONS)


def test_without_a_schedule_of_drills_nothing_is_made_for_it():
    names = {one.urn: json.dumps(one.inputs, default=str) for one in program("dr").resources}
    assert [urn for urn, text in names.items() if "analytics-dr-rehearse" in text] == []
    made = {one.urn for one in rehearsing("dr").resources} - names.keys()
    assert any("analytics-dr-rehearse" in one.inputs.get("name", "")
               for one in rehearsing("dr").resources if one.urn in made)  # fmt: skip


def test_functions_start_after_their_permissions():
    found = program("dr")
    for one in found.of("Function"):
        step = one.inputs["name"].removeprefix("analytics-dr-")
        policies = {
            policy.urn
            for policy in found.of("RolePolicy")
            if policy.inputs["role"] == f"analytics-dr-{step}"
        }
        assert policies
        assert policies <= set(one.dependencies)


def test_the_machines_are_logged_traced_and_alarmed():
    found = program("dr")
    for machine in MACHINES:
        inputs = found.one("StateMachine", name=NAMES.state_machine(machine)).inputs
        assert inputs["tracingConfiguration"]["enabled"] is True
        assert inputs["loggingConfiguration"]["level"] == "ALL"
        assert "${" not in inputs["definition"]
        json.loads(inputs["definition"])
        arn = NAMES.state_machine_arn(machine, "us-west-2")
        alarmed = {
            alarm.inputs["metricName"]
            for alarm in found.of("MetricAlarm")
            if alarm.inputs["dimensions"].get("StateMachineArn") == arn
        }
        assert alarmed == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}


def test_the_schedule_starts_the_monitor_each_minute():
    inputs = program("dr").one("Schedule").inputs
    assert inputs["scheduleExpression"] == "rate(1 minute)"
    assert inputs["target"]["arn"] == NAMES.state_machine_arn("monitor", "us-west-2")


@pytest.mark.parametrize("stack", STACKS)
def test_every_alarm_tells_the_topic_of_its_own_region(stack):
    found = program(stack)
    topic = found.outputs["topicArn"]
    assert f":{REGION[stack]}:" in topic
    for alarm in found.of("MetricAlarm"):
        assert alarm.inputs["alarmActions"] == [topic]


@pytest.mark.parametrize(
    ("stack", "metric"),
    [
        ("primary", "SchedulerHeartbeat"),
        ("primary", "MonitorHeartbeat"),
        ("dr", "PrimaryHeartbeat"),
        ("dr", "BackupAgeSeconds"),
    ],
)
def test_silence_is_bad_news_where_nobody_else_would_say_so(stack, metric):
    alarm = program(stack).one("MetricAlarm", metricName=metric)
    assert alarm.inputs["treatMissingData"] == "breaching"


def test_the_verdict_pages_when_the_monitor_is_silent():
    verdicts = [
        one.inputs["treatMissingData"]
        for one in program("dr").of("MetricAlarm")
        if one.inputs["metricName"] == "Verdict"
    ]
    assert sorted(verdicts) == ["breaching", "notBreaching"]


@pytest.mark.parametrize("mode", CopyMode)
def test_each_object_is_replicated_in_one_direction_by_the_copy_mode(mode, replicated):
    found = program("primary") if mode is CopyMode.DIRECT else replicated
    rules = {
        (config.inputs["bucket"], rule["filter"]["prefix"]): rule
        for config in found.of("BucketReplicationConfig")
        for rule in config.inputs["rules"]
    }
    primary, dr = Site.PRIMARY, Site.DR
    dags = {(NAMES.dag_bucket(primary), ""), (NAMES.dag_bucket(dr), "")}
    backups = {
        CopyMode.DIRECT: {(NAMES.backup_bucket(dr), "backups/")},
        CopyMode.REPLICATE: {
            (NAMES.backup_bucket(primary), "backups/primary/"),
            (NAMES.backup_bucket(dr), "backups/dr/"),
        },
    }
    assert set(rules) == dags | backups[mode]
    for (bucket, _), rule in rules.items():
        carries = "dags" in bucket
        marker = rule["deleteMarkerReplication"]["status"]
        assert marker == ("Enabled" if carries else "Disabled")
        timed = "replicationTime" in rule["destination"]
        assert timed == ("primary" in bucket)
        assert rule["destination"]["metrics"]["status"] == "Enabled"
        key = rule["destination"]["encryptionConfiguration"]["replicaKmsKeyId"]
        assert ("behind" in key) == ("primary" in bucket), "the key of the other site"


@pytest.mark.parametrize("stack", STACKS)
def test_every_replication_rule_that_starts_here_has_an_alarm_here(stack):
    names = {
        alarm.inputs["dimensions"]["RuleId"]
        for alarm in program(stack).of("MetricAlarm")
        if alarm.inputs["metricName"] == "OperationsFailedReplication"
    }
    rules = {
        rule["id"]
        for config in program("primary").of("BucketReplicationConfig")
        for rule in config.inputs["rules"]
        if f"-{stack}-to-" in rule["id"]
    }
    assert names == rules
    assert rules


def test_code_is_uploaded_after_replication_and_before_the_environment():
    found = program("primary")
    links = {one.urn for one in found.of("BucketReplicationConfig")}
    objects = found.of("BucketObjectv2")
    assert all(links <= set(one.dependencies) for one in objects)
    environment = found.one("Environment")
    assert {one.urn for one in objects} <= set(environment.dependencies)


def test_user_code_and_files_reach_the_environment(replicated):
    found = replicated
    keys = {one.inputs["key"] for one in found.of("BucketObjectv2")}
    assert {"dags/team/report.py", "plugins.zip", "requirements.txt", "startup.sh"} <= keys
    inputs = found.one("Environment").inputs
    assert inputs["requirementsS3Path"] == "requirements.txt"
    assert inputs["requirementsS3ObjectVersion"] == "version-of-requirements.txt"
    assert inputs["startupScriptS3ObjectVersion"] == "version-of-startup.sh"
    assert inputs["pluginsS3Path"] == "plugins.zip"


def test_files_of_a_pipeline_are_named_by_version():
    inputs = brought("primary").one("Environment").inputs
    assert inputs["requirementsS3Path"] == "ci/requirements.txt"
    assert inputs["requirementsS3ObjectVersion"] == "abc"
    assert "pluginsS3Path" not in inputs


@pytest.mark.parametrize("stack", STACKS)
def test_without_replication_each_stack_uploads_the_recovery_code_itself(stack):
    found = brought(stack)
    keys = {one.inputs["key"] for one in found.of("BucketObjectv2")}
    assert "dags/mwaa_dr/mwaa_dr_agent.py" in keys
    assert not any("dags" in one.inputs["bucket"] for one in found.of("BucketReplicationConfig"))


@pytest.mark.parametrize("stack", STACKS)
def test_every_role_carries_the_permissions_boundary(stack):
    roles = brought(stack).of("Role")
    assert {one.inputs["permissionsBoundary"] for one in roles} == {BOUNDARY}


def test_an_existing_network_is_used_as_it_is():
    primary = brought("primary")
    assert not [one for one in primary.resources if one.type.startswith("aws:ec2")]
    assert primary.one("Environment").inputs["networkConfiguration"] == EXISTING
    function = brought("dr").of("Function")[0]
    config = HandlerConfig.from_json(function.inputs["environment"]["variables"][VARIABLE])
    assert config.target.subnet_ids == EXISTING["subnetIds"]
    assert config.target.security_group_ids == EXISTING["securityGroupIds"]


@pytest.mark.parametrize(("stack", "gateways"), [("primary", 2), ("dr", 1)])
def test_a_made_network_has_two_private_subnets_in_two_zones_with_a_way_out(stack, gateways):
    found = program(stack)
    private = [one for one in found.of("Subnet") if "private" in one.name]
    assert len({one.inputs["availabilityZone"] for one in private}) == 2
    assert len({one.inputs["cidrBlock"] for one in found.of("Subnet")}) == 4
    assert len(found.of("NatGateway")) == gateways
    out = [one for one in found.of("Route") if "natGatewayId" in one.inputs]
    assert {one.inputs["destinationCidrBlock"] for one in out} == {"0.0.0.0/0"}
    assert len(out) == 2


def test_both_sites_in_one_region_share_the_sealing_key(replicated):
    found = replicated
    assert not found.of("ReplicaKey")
    alias = found.one("Alias", name=NAMES.seal_alias(Site.PRIMARY))
    assert alias.inputs["targetKeyId"].endswith(NAMES.seal_alias(Site.DR))


def test_notifications_subscribe_at_both_sites():
    for stack in STACKS:
        subscription = program(stack).one("TopicSubscription")
        assert subscription.inputs["endpoint"] == "data-platform@example.com"


def test_another_stack_name_is_refused():
    with pytest.raises(SettingsError, match="a stack is called `primary` or `dr`"):
        run_program("dr", stack_name="staging")


def test_the_wrong_account_is_refused():
    with pytest.raises(WrongAccountError, match="999999999999"):
        run_program("dr", {"account": "999999999999"})


def test_a_stack_in_the_other_sites_region_is_refused():
    with pytest.raises(SettingsError, match="never calls the other site's Region"):
        run_program("dr", {"drRegion": "us-east-2"})


def test_the_archive_path_in_the_state_is_relative():
    for function in program("dr").of("Function"):
        path = Path(function.inputs["code"].path)
        assert not path.is_absolute()
        assert "contract/handler_config.py" in zipfile.ZipFile(path).namelist()
