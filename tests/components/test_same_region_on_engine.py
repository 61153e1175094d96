"""Both sites in one Region: both stacks up beside each other, with the real engine."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from engine_cloud import Cloud, cloud_in
from test_program_on_engine import CREATING, ENVIRONMENT, NAMES, changed

from contract.sites import Site
from local.pulumi.environment import STACKS

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

REGION = "us-west-2"


def stack_file(cloud: Cloud, stack: str, strategy: str = "backup-restore") -> str:
    places = {"aws:region": REGION, "primaryRegion": REGION, "drRegion": REGION}
    return changed(cloud, stack, {**places, "strategy": strategy})


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Iterator[Cloud]:
    """Both stacks in one Region."""
    with cloud_in(tmp_path_factory.mktemp("together")) as cloud:
        for stack in STACKS:
            file = stack_file(cloud, stack)
            cloud.must("up", "--yes", "--skip-preview", "-s", stack, "--config-file", file)
        yield cloud


def test_both_stacks_are_up_and_a_second_update_finds_nothing_to_do(together: Cloud) -> None:
    for stack in ("dr", "primary"):
        file = stack_file(together, stack)
        options = ("--skip-preview", "--expect-no-changes", "-s", stack, "--config-file", file)
        together.must("up", "--yes", *options)


def test_no_alarm_topic_alias_or_role_is_there_twice(together: Cloud) -> None:
    client = together.client("cloudwatch", REGION)
    names = [
        alarm["AlarmName"]
        for page in client.get_paginator("describe_alarms").paginate()
        for alarm in page["MetricAlarms"]
    ]
    assert max(Counter(names).values()) == 1
    assert {name.split("-")[1] for name in names} == {"primary", "dr"}
    aliases = {
        one["AliasName"]: one["TargetKeyId"]
        for one in together.client("kms", REGION).list_aliases()["Aliases"]
        if one["AliasName"].startswith("alias/analytics")
    }
    assert len(aliases) == 4
    assert aliases[NAMES.seal_alias(Site.PRIMARY)] == aliases[NAMES.seal_alias(Site.DR)]
    assert aliases[NAMES.data_alias(Site.PRIMARY)] != aliases[NAMES.data_alias(Site.DR)]


def test_objects_are_copied_inside_the_region(together: Cloud) -> None:
    client = together.client("s3", REGION)
    put = client.put_object(
        Bucket=NAMES.dag_bucket(Site.PRIMARY), Key="dags/new.py", Body=b"x = 1\n"
    )
    deadline = time.monotonic() + 30
    while "dags/new.py" not in together.versions(NAMES.dag_bucket(Site.DR), REGION):
        assert time.monotonic() < deadline, "the copy did not come"
        time.sleep(0.5)
    found = together.versions(NAMES.dag_bucket(Site.DR), REGION)
    assert found["dags/new.py"] == put["VersionId"]


def test_a_passive_environment_stands_beside_the_primary_one(together: Cloud) -> None:
    file = stack_file(together, "dr", "active-passive")
    plan = together.steps("dr", "--config-file", file)
    assert ("create", ENVIRONMENT) in {(op, kind) for op, kind, _ in plan}
    gone = {kind for op, kind, _ in plan if "delete" in op or "replace" in op}
    assert gone == CREATING
    together.must("up", "--yes", "--skip-preview", "-s", "dr", "--config-file", file)
    client = together.client("mwaa", REGION)
    for site in Site:
        found = client.get_environment(Name=NAMES.environment(site))["Environment"]
        assert found["Status"] == "AVAILABLE"
        assert found["SourceBucketArn"].endswith(NAMES.dag_bucket(site))
