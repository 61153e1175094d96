"""The settings: what is refused, with which words, and that all problems come at once."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from program_run import ROOT, settings_of

from components.settings import Settings, SettingsError, parse
from components.settings.section import by_alias
from components.strategies import STRATEGIES
from contract.sites import Site, Strategy

LEAST = {
    "name": "acme",
    "account": "123456789012",
    "strategy": "backup-restore",
    "primaryRegion": "us-east-1",
    "drRegion": "us-west-2",
    "witnessRegion": "eu-west-1",
    "environment": {"airflowVersion": "2.10.3"},
}


def changed(path, value):
    """The least settings with one value changed, added or (None) taken away."""
    top, _, rest = path.partition(".")
    settings = {key: dict(item) if isinstance(item, dict) else item for key, item in LEAST.items()}
    node, key = settings, top
    while rest:
        node = node.setdefault(key, {})
        key, _, rest = rest.partition(".")
    if value is None:
        node.pop(key)
    else:
        node[key] = value
    return settings


def refusal(settings):
    with pytest.raises(SettingsError) as caught:
        parse(settings)
    return caught.value.problems


def test_the_least_settings_are_enough():
    settings = parse(LEAST)
    assert settings.region(Site.PRIMARY) == "us-east-1"
    assert settings.region(Site.DR) == "us-west-2"
    assert settings.recovery.automatic is True


def test_both_stack_files_hold_the_same_settings():
    assert settings_of("primary") == settings_of("dr")
    parse(settings_of("dr"))


def test_the_project_file_declares_every_setting():
    declared = set(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"])
    # The CLI demands a declared key without a default; these have neither.
    assert {*declared, "permissionsBoundary", "adopted"} == set(by_alias(Settings))


def test_what_settings_allow_is_what_can_be_deployed():
    assert set(Strategy) == set(STRATEGIES)


def test_settings_are_frozen():
    settings = parse(LEAST)
    with pytest.raises(ValueError, match="frozen"):
        settings.name = "other"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "Acme", "mwaa-dr:name: 'Acme' is not allowed; use 2 to 20 lower-case"),
        ("name", None, "mwaa-dr:name: is missing; give 2 to 20 lower-case letters"),
        ("name", "sg", "mwaa-dr:name: 'sg' is not allowed; use one that does not begin with"),
        ("name", "xn--data", "'xn--data' is not allowed"),
        ("account", 123456789012, "use the account's twelve digits, in quotes"),
        ("account", "1234", "mwaa-dr:account: '1234' is not allowed"),
        ("strategy", "warm", "'warm' is not allowed; use backup-restore or active-passive"),
        ("drRegion", "oregon", "mwaa-dr:drRegion: 'oregon' is not allowed; use a Region like"),
        ("environment", None, "mwaa-dr:environment.airflowVersion: is missing; give a version"),
        ("environment.airflowVersion", None, "or name an environment that is there in existing"),
        ("environment.airflowVersion", "latest", "use a version that MWAA can create"),
        ("environment.environmentClass", "mw1.huge", "'mw1.huge' is not allowed; use one of mw1"),
        ("environment.schedulers", 6, "environment.schedulers: 6 is not allowed; use 2 to 5"),
        ("environment.schedulers", "3", "environment.schedulers: '3' is not allowed"),
        ("environment.schedulers", 1, "1 is not allowed with mw1.small; use 2 to 5"),
        (
            "environment.environmentClass",
            "mw1.micro",
            "schedulers: 2 is not allowed with mw1.micro",
        ),
        (
            "environment.minWorkers",
            11,
            "minWorkers: 11 is not allowed; use at most 10 (maxWorkers)",
        ),
        (
            "environment.webserverAccessMode",
            "PUBLIC_AND_PRIVATE",
            "is not allowed before Airflow 3.2 (airflowVersion is 2.10.3)",
        ),
        ("environment.weeklyMaintenanceWindowStart", "SUN:3:15", "use DAY:HH:MM in UTC"),
        ("environment.pluginsS3Path", "plugins.zip", "goes with pluginsS3ObjectVersion"),
        (
            "environment.airflowConfigurationOptions",
            {"mwaa_dr.site": "secret"},
            "['mwaa_dr.site'] is not allowed; use Airflow options like",
        ),
        ("recovery.airflowOptions", {"core": "x"}, "recovery.airflowOptions.core"),
        ("environment.logging.task", "INFOO", "use CRITICAL, ERROR, WARNING, INFO, DEBUG or OFF"),
        ("environment.logging.tasks", "INFO", "valid keys are dagProcessing, scheduler, task"),
        ("network.primary", {}, "network.primary: give either subnetIds and securityGroupIds, or"),
        ("network.dr", {"vpcCidr": "8.8.0.0/16"}, "use a private IPv4 range of /16 to /24"),
        ("network.dr", {"vpcCidr": "10.1.0.0/26"}, "'10.1.0.0/26' is not allowed"),
        ("network.dr", {"subnetIds": ["a"], "securityGroupIds": ["g"]}, "['a'] is not allowed; gi"),
        (
            "network.primary",
            {"vpcCidr": "10.1.0.0/16", "egress": "endpoints"},
            "network.primary.egress: 'endpoints' is not allowed with a DR site in another Region",
        ),
        (
            "network.dr",
            {"vpcCidr": "10.1.0.0/16", "egress": "endpoints", "natGateways": 1},
            "network.dr.natGateways: goes with egress nat only",
        ),
        (
            "network.dr",
            {"vpcCidr": "10.1.0.0/16", "endpointServices": ["athena"]},
            "network.dr.endpointServices: goes with egress endpoints only",
        ),
        (
            "network.dr",
            {"subnetIds": ["a", "b"], "securityGroupIds": ["g"], "flowLogDays": 30},
            "network.dr.flowLogDays: goes with vpcCidr only",
        ),
        (
            "network.dr",
            {"vpcCidr": "10.1.0.0/16", "flowLogDays": 31},
            "network.dr.flowLogDays: 31 is not allowed; use 90 (default), 0 for no flow logs",
        ),
        ("backup.objectLockDays", 15, "objectLockDays: 15 is not allowed; use at most 14 (backup"),
        ("backup.objectLockMode", "COMPLIANCE", "goes with backup.objectLockDays only"),
        ("existing.dr.environment", "x", "existing.dr.environment: no such key; valid keys are"),
        ("existing.primary.environment", "prod", "existing.primary.dagBucket: is missing; give"),
        ("existing.primary.environment", "prod", "executionRoleArn: is missing; give the one that"),
        ("existing.primary.environment", "prod", "environment: airflowVersion describe an envir"),
        (
            "existing.dr.dataKeyArn",
            "arn:aws:kms:us-east-1:123456789012:key/a",
            "existing.dr.dataKeyArn: 'arn:aws:kms:us-east-1:123456789012:key/a' is not allowed; "
            "use one that starts with arn:aws:kms:us-west-2:",
        ),
        (
            "existing.dr.dataKeyArn",
            "arn:aws:kms:us-west-2:123456789012:alias/a",
            "use the ARN of a symmetric KMS key in the site's Region (no alias)",
        ),
        (
            "existing.primary.executionRoleArn",
            "arn:aws:iam::999999999999:role/a",
            "is not allowed; use one of 123456789012",
        ),
        (
            "existing.primary.executionRoleArn",
            "arn:aws-cn:iam::123456789012:role/a",
            "use one that starts with arn:aws:iam::",
        ),
        (
            "existing.dr.topicKeyArn",
            "arn:aws:kms:us-west-2:123456789012:key/a",
            "existing.dr.topicKeyArn: goes with existing.dr.topicArn only",
        ),
        ("existing.dr.replicationRules", "owner", "'owner' goes with existing.dr.dagBucket and"),
        (
            "existing",
            {"primary": {"dagBucket": "one"}, "dr": {"dagBucket": "one"}},
            "existing.dr.dagBucket: 'one' is the primary site's; each site needs its own",
        ),
        (
            "code",
            {"replication": False, "seed": True},
            "code.seed: goes with code.replication true",
        ),
        ("network.dr", {"subnetIds": ["a", "b"]}, "securityGroupIds: is missing; give 1 to 5"),
        ("backup.intervalSeconds", 5, "backup.intervalSeconds: 5 is not allowed; use 10 to 86400"),
        ("backup.baseIntervalHours", 0, "baseIntervalHours: 0 is not allowed; use 1 to 168 hours"),
        ("metadata.retentionDays", 6, "6 is not allowed; use 7 to 3650 days, or leave it out and"),
        ("metadata.retentionDays", 13, "13 is not allowed; use at least 14 (backup.retentionDays"),
        ("backup.copyMode", "both", "backup.copyMode: 'both' is not allowed; use direct or repl"),
        ("backup.copyMode", "replicate", "copyMode replicate: schedule 5 + export 1"),
        ("backup.allowDeletion", "yes", "backup.allowDeletion: 'yes' is not allowed"),
        ("backup.schedule", "x", "no such key; valid keys are allowDeletion, baseIntervalHo"),
        ("objectives.rpoMinutes", 5, "schedule 5 + export 1 = 6 minutes; use at least 6"),
        ("detection.readingSeconds", 7, "7 is not allowed; use 5, 6, 10, 12, 15, 20, 30 or 60"),
        ("detection.needed", 4, "detection.needed: 4 is not allowed; use at most 3"),
        ("detection.pulseSeconds", 119, "pulseSeconds: 119 is not allowed; use at least 120"),
        ("detection.backupSeconds", 599, "backupSeconds: 599 is not allowed; use at least 600"),
        ("detection.backupSeconds", 901, "backupSeconds: 901 is not allowed; use at most 900"),
        ("detection", {"probeSeconds": 6, "readingSeconds": 6}, "use less than 6"),
        ("recovery.fenceSeconds", 60, "recovery.fenceSeconds: 60 is not allowed; use at least 120"),
        ("recovery.inFlight", "kill", "'kill' is not allowed; use fail, rerun or keep"),
        ("witnessRegion", "us-east-1", "use a Region other than primaryRegion"),
        ("witnessRegion", "us-west-2", "use a Region other than drRegion"),
        ("primaryRegion", "us-gov-west-1", "is not allowed in aws; it is in aws-us-gov"),
        ("partition", "aws-cn", "primaryRegion: 'us-east-1' is not allowed in aws-cn"),
        ("notifications", [{"protocol": "fax", "endpoint": "123"}], "notifications.0.protocol"),
        ("notifications", [{"protocol": "email", "endpoint": "me"}], "use a mail address"),
        ("notifications", [{"protocol": "https", "endpoint": "ftp://x"}], "that starts with https"),
        ("tags", {"aws:x": "1"}, "tags: 'aws:x' is not allowed"),
        ("tags", {"mwaa-dr:object": "1"}, "are reserved"),
        (
            "tags",
            {"team": ""},
            "mwaa-dr:tags: ['team'] is not allowed; use up to 40 tags of letters",
        ),
        ("tags", {"team": "a*b"}, "mwaa-dr:tags: ['team'] is not allowed"),
        ("tags", {"t" * 129: "a"}, "at most 128 in a key and 1 to 256 in a value"),
        ("recovery.airflowOptions", {"core.Mode": "x"}, "recovery.airflowOptions.core.Mode"),
        ("recovery.airflowOptions", {f"core.{'x' * 60}": "x"}, "recovery.airflowOptions.core.xxx"),
        ("permissionsBoundary", "boundary", "use the ARN of a policy"),
        ("strategi", "x", "mwaa-dr:strategi: no such key; valid keys are account, adopted, agent"),
    ],
)
def test_a_bad_value_is_refused_with_key_value_and_what_is_allowed(path, value, message):
    problems = refusal(changed(path, value))
    assert any(message in problem for problem in problems), problems
    assert all(problem.startswith("mwaa-dr:") for problem in problems)


def test_every_problem_is_in_one_error():
    problems = refusal(
        {
            **LEAST,
            "strategy": "warm",
            "witnessRegion": "us-east-1",
            "surprise": 1,
            "detection": {"readingSeconds": 7, "needed": 9},
            "notifications": [{"protocol": "fax", "endpoint": "123"}],
            "tags": {"aws:x": "1"},
        }
    )
    for key in (
        *("strategy", "witnessRegion", "surprise", "detection.readingSeconds"),
        *("detection.needed", "notifications.0.protocol", "tags"),
    ):
        assert sum(problem.startswith(f"mwaa-dr:{key}:") for problem in problems) == 1, key


def test_a_rule_about_a_refused_value_is_left_out():
    problems = refusal(changed("detection", {"needed": "many", "window": 1}))
    assert len(problems) == 1


@pytest.mark.parametrize("options", [{"mwaa_dr.name": "hunter2"}, {"smtp.password": "hunter2ä"}])
def test_values_of_options_are_never_shown(options):
    problems = refusal(changed("environment.airflowConfigurationOptions", options))
    assert not any("hunter2" in problem for problem in problems)


def test_what_mwaa_does_not_take_as_an_option_is_refused():
    for value in ("", "ä", "two\nlines"):
        (problem,) = refusal(changed("recovery.airflowOptions", {"core.x": value}))
        assert "recovery.airflowOptions: ['core.x'] is not allowed; use Airflow options" in problem


def test_an_endpoint_that_is_refused_is_not_repeated():
    told = [{"protocol": "https", "endpoint": "http://hooks.example.com/hunter2"}]
    problems = refusal(changed("notifications", told))
    assert problems == ("mwaa-dr:notifications.0.endpoint: is not allowed with https; use one that "
                        "starts with https://",)  # fmt: skip


def test_numbers_and_truth_values_are_options_too():
    options = {"core.parallelism": 32, "core.load_examples": False, "email.from": "x"}
    settings = parse(changed("environment.airflowConfigurationOptions", options))
    assert settings.environment.airflow_configuration_options == {
        "core.parallelism": "32",
        "core.load_examples": "False",
        "email.from": "x",
    }


def test_both_sites_may_be_in_one_region():
    assert parse({**LEAST, "drRegion": "us-east-1"}).region(Site.DR) == "us-east-1"


@given(
    mode=st.sampled_from(["direct", "replicate"]),
    interval=st.integers(10, 86_400),
    rpo=st.floats(0.5, 3000),
    stale=st.integers(20, 604_800),
)
def test_an_accepted_recovery_point_is_reachable_and_alarmed_in_time(mode, interval, rpo, stale):
    raw = {
        **LEAST,
        "backup": {"intervalSeconds": interval, "copyMode": mode},
        "objectives": {"rpoMinutes": rpo},
        "detection": {"backupSeconds": stale},
    }
    transit = 15 * 60 if mode == "replicate" else 0
    fits = interval + 60 + transit <= rpo * 60 + 1e-6 and 2 * interval <= stale <= rpo * 60
    if fits:
        parse(raw)
    else:
        refusal(raw)


@given(agent=st.integers(5, 300), pulse=st.integers(10, 3600), fence=st.integers(10, 3600))
def test_an_agent_always_has_two_chances(agent, pulse, fence):
    raw = {
        **LEAST,
        "agent": {"intervalSeconds": agent},
        "detection": {"pulseSeconds": pulse},
        "recovery": {"fenceSeconds": fence},
    }
    if min(pulse, fence) >= 2 * agent:
        parse(raw)
    else:
        assert len(refusal(raw)) == (pulse < 2 * agent) + (fence < 2 * agent)


@given(primary=st.sampled_from("abc"), dr=st.sampled_from("abc"), witness=st.sampled_from("abc"))
def test_the_witness_never_shares_a_region_with_a_site(primary, dr, witness):
    regions = {"primaryRegion": primary, "drRegion": dr, "witnessRegion": witness}
    raw = {**LEAST, **{key: f"eu-{letter}est-1" for key, letter in regions.items()}}
    if witness in (primary, dr):
        refusal(raw)
    else:
        parse(raw)


def there(site, region):
    return {
        "dagBucket": f"acme-{site}",
        "executionRoleArn": f"arn:aws:iam::123456789012:role/{site}",
        "topicArn": f"arn:aws:sns:{region}:999999999999:{site}",
    }


BROUGHT = {
    **{key: value for key, value in LEAST.items() if key != "environment"},
    "existing": {
        "primary": {"environment": "prod", **there("primary", "us-east-1")},
        "dr": there("dr", "us-west-2"),
    },
}


def test_what_exists_need_not_be_described():
    settings = parse(BROUGHT)
    assert settings.existing.primary.environment == "prod"
    assert settings.environment.airflow_version is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"strategy": "active-passive"},
            "under active-passive `environment` describes the one that stands by",
        ),
        ({"network": {"primary": {"vpcCidr": "10.1.0.0/16"}}}, "network.primary: prod has its net"),
        ({"code": {"pluginsFile": "p.zip"}}, "code.pluginsFile: prod is configured by its owner"),
        (
            {"notifications": [{"protocol": "email", "endpoint": "a@b"}]},
            "notifications: goes with topics that this program makes",
        ),
        (
            {"environment": {"executionPolicyArns": ["arn:aws:iam::aws:policy/a"]}},
            "environment.executionPolicyArns: goes with execution roles that this program makes",
        ),
        ({"environment": {"schedulers": 3}}, "environment: schedulers describe an environment"),
    ],
)
def test_what_does_not_go_with_existing_things_is_refused(more, message):
    (problem,) = refusal({**BROUGHT, **more})
    assert message in problem


def test_a_standby_for_an_existing_environment_is_described():
    described = {"strategy": "active-passive", "environment": {"airflowVersion": "2.10.3"}}
    assert parse({**BROUGHT, **described}).environment.airflow_version == "2.10.3"


TWO_REGIONS = {
    **LEAST,
    "partition": "aws-us-gov",
    "primaryRegion": "us-gov-west-1",
    "drRegion": "us-gov-east-1",
    "witnessRegion": "us-gov-east-1",
}


@pytest.mark.parametrize(
    ("recovery", "allowed"),
    [
        ({"approvalMinutes": 30}, True),
        ({"automatic": False}, True),
        ({}, False),
        ({"approvalMinutes": 30, "proceedUnanswered": True}, False),
    ],
)
def test_without_a_third_region_a_person_decides(recovery, allowed):
    settings = {**TWO_REGIONS, "recovery": recovery}
    if allowed:
        assert parse(settings).witness_region == "us-gov-east-1"
    else:
        (problem,) = refusal(settings)
        assert "a cut line between the sites looks like the loss of one" in problem
