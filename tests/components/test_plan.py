"""What the settings mean for agents and handlers."""

import pytest
from program_run import settings_of

from components.base import Place
from components.plan import (
    VARIABLE_BYTES,
    ConfigSizeError,
    agent_config,
    handler_config,
    target,
    with_target,
)
from components.settings import parse
from contract.agent_config import AgentConfig, variable
from contract.handler_config import HandlerConfig
from contract.machines import substitutions
from contract.sites import CopyMode, Site

FOUND = {
    "key_arn": "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000",
    "subnet_ids": ["subnet-00000000000000001", "subnet-00000000000000002"],
    "security_group_ids": ["sg-00000000000000001"],
}


def settings(**changes):
    return parse({**settings_of("dr"), **changes})


def test_both_stacks_mean_the_same_configuration():
    primary, dr = parse(settings_of("primary")), parse(settings_of("dr"))
    assert handler_config(primary) == handler_config(dr)
    for site in Site:
        assert agent_config(Place(primary, site)) == agent_config(Place(dr, site))


def test_minutes_become_seconds():
    config = handler_config(settings())
    assert config.recovery.order_seconds == 30 * 60
    assert config.recovery.create_seconds == 150 * 60
    assert config.rpo_minutes == 15


def test_each_agent_reads_its_own_bucket_and_seals_with_its_own_regions_key():
    for site, region in ((Site.PRIMARY, "us-east-1"), (Site.DR, "us-west-2")):
        config = agent_config(Place(settings(), site))
        assert config.local_bucket == f"analytics-{site}-backups-123456789012"
        assert config.seal_key == f"arn:aws:kms:{region}:123456789012:alias/analytics-{site}-seal"
        assert config.region == region
        environ = {
            variable(key.partition(".")[2]): value for key, value in config.to_options().items()
        }
        assert AgentConfig.from_env(environ) == config


def test_an_agent_is_told_how_often_to_take_a_base_and_what_to_purge():
    config = agent_config(Place(settings(), Site.DR))
    assert (config.base_seconds, config.purge_days) == (24 * 3600, 0)
    backup = {**settings_of("dr")["backup"], "baseIntervalHours": 6}
    changed = settings(backup=backup, metadata={"retentionDays": 90})
    for site in Site:
        config = agent_config(Place(changed, site))
        assert (config.base_seconds, config.purge_days) == (6 * 3600, 90)


def test_replicated_backups_are_written_at_home():
    changed = settings(
        backup={"intervalSeconds": 300, "copyMode": "replicate"}, objectives={"rpoMinutes": 30}
    )
    config = agent_config(Place(changed, Site.PRIMARY))
    assert config.copy_mode is CopyMode.REPLICATE
    assert config.export_bucket == config.local_bucket


def test_the_target_speaks_for_the_dr_site_and_overrides_come_through():
    changed = settings(recovery={"airflowOptions": {"core.parallelism": 4}})
    found = target(changed, **FOUND)
    assert found.options["mwaa_dr.site"] == "dr"
    assert found.options["mwaa_dr.region"] == "us-west-2"
    assert found.options["core.parallelism"] == "4"
    assert found.execution_role_arn == "arn:aws:iam::123456789012:role/analytics-dr-execution"


def test_the_configuration_survives_the_variable():
    found = target(settings(), **FOUND)
    text = with_target(handler_config(settings()), found)
    assert len(text) < VARIABLE_BYTES
    config = HandlerConfig.from_json(text)
    assert config.target == found
    assert substitutions(config) == substitutions(handler_config(settings()))


def test_a_configuration_that_lambda_would_refuse_is_refused_here():
    changed = settings(recovery={"airflowOptions": {"core.x": "y" * 4000}})
    with pytest.raises(ConfigSizeError, match=r"airflowOptions .* shorten them by \d+"):
        with_target(handler_config(changed), target(changed, **FOUND))
