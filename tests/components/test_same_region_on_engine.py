"""Both sites in one Region: both stacks up beside each other, with the real engine."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from program_run import ROOT
from test_program_on_engine import ENVIRONMENT, NAMES, STAND_IN, Cloud, committed

from contract.sites import Site
from local.gateway.process import running
from local.pulumi.environment import init_stacks, pulumi_environment

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

REGION = "us-west-2"


def stack_file(folder: Path, stack: str, strategy: str = "backup-restore") -> str:
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    config["config"] |= {
        "aws:region": REGION,
        "mwaa-dr:primaryRegion": REGION,
        "mwaa-dr:drRegion": REGION,
        "mwaa-dr:strategy": strategy,
    }
    path = folder / f"{stack}-{strategy}.yaml"
    path.write_text(yaml.safe_dump(config))
    return str(path)


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Iterator[Cloud]:
    """Both stacks in one Region."""
    import os  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("together")
    with running(folder, mwaa=STAND_IN) as aws:
        backend = folder / "backend"
        init_stacks(backend=backend)
        environment = {**os.environ, **pulumi_environment(backend=backend), **aws.environment}
        cloud = Cloud(aws, environment, folder, committed())
        for stack in ("dr", "primary"):
            file = stack_file(folder, stack)
            cloud.must("up", "--yes", "--skip-preview", "-s", stack, "--config-file", file)
        yield cloud


def test_both_stacks_are_up_and_a_second_update_finds_nothing_to_do(together: Cloud) -> None:
    for stack in ("dr", "primary"):
        file = stack_file(together.folder, stack)
        options = ("--skip-preview", "--expect-no-changes", "-s", stack, "--config-file", file)
        together.must("up", "--yes", *options)


def test_no_alarm_topic_alias_or_role_is_there_twice(together: Cloud) -> None:
    client = together.client("cloudwatch", Site.DR)
    names = [
        alarm["AlarmName"]
        for page in client.get_paginator("describe_alarms").paginate()
        for alarm in page["MetricAlarms"]
    ]
    assert max(Counter(names).values()) == 1
    assert {name.split("-")[1] for name in names} == {"primary", "dr"}
    aliases = {
        one["AliasName"]: one["TargetKeyId"]
        for one in together.client("kms", Site.DR).list_aliases()["Aliases"]
        if one["AliasName"].startswith("alias/analytics")
    }
    assert len(aliases) == 4
    assert aliases[NAMES.seal_alias(Site.PRIMARY)] == aliases[NAMES.seal_alias(Site.DR)]
    assert aliases[NAMES.data_alias(Site.PRIMARY)] != aliases[NAMES.data_alias(Site.DR)]


def test_objects_are_copied_inside_the_region(together: Cloud) -> None:
    client = together.client("s3", Site.DR)
    put = client.put_object(
        Bucket=NAMES.dag_bucket(Site.PRIMARY), Key="dags/new.py", Body=b"x = 1\n"
    )
    deadline = time.monotonic() + 30
    while "dags/new.py" not in together.versions(NAMES.dag_bucket(Site.DR), Site.DR):
        assert time.monotonic() < deadline, "the copy did not come"
        time.sleep(0.5)
    found = together.versions(NAMES.dag_bucket(Site.DR), Site.DR)
    assert found["dags/new.py"] == put["VersionId"]


def test_a_passive_environment_stands_beside_the_primary_one(together: Cloud) -> None:
    file = stack_file(together.folder, "dr", "active-passive")
    plan = together.plan("--config-file", file)
    assert ("create", ENVIRONMENT) in plan
    assert not {op for op, _ in plan if "delete" in op or "replace" in op}
    together.must("up", "--yes", "--skip-preview", "-s", "dr", "--config-file", file)
    client = together.client("mwaa", Site.DR)
    for site in Site:
        found = client.get_environment(Name=NAMES.environment(site))["Environment"]
        assert found["Status"] == "AVAILABLE"
        assert found["SourceBucketArn"].endswith(NAMES.dag_bucket(site))
