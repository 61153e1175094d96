"""Every configuration in examples/ goes up with the real engine, converges and goes again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine_cloud import Cloud, cloud_in

from contract.metrics import TAG_INSTALLATION
from local.paths import ROOT
from local.pulumi.environment import STACKS
from mwaa_dr_policy.stack_config import from_settings, settings_in

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/Pulumi.dr.yaml"))
BY_DEFAULT = {"bring-your-own-everything"}
"""The others run with the matrix: each takes a minute and more."""


UNPROTECTED = (
    *("mwaa-dr-backup-bucket-protected", "mwaa-dr-environment-protected"),
    *("mwaa-dr-key-kept", "mwaa-dr-state-table-protected"),
)
"""What the pack says of an installation that may be taken down, as each here is in the end."""
LOOKS = {
    "dagBucket": lambda name: ("s3", "head_bucket", {"Bucket": name}),
    "dataKeyArn": lambda arn: ("kms", "describe_key", {"KeyId": arn}),
    "environment": lambda name: ("mwaa", "get_environment", {"Name": name}),
    "executionRoleArn": lambda arn: ("iam", "get_role", {"RoleName": arn.rpartition("/")[2]}),
    "topicArn": lambda arn: ("sns", "get_topic_attributes", {"TopicArn": arn}),
}
"""By setting: how its owner looks whether it is still there."""


def _parameter(example: Path) -> Any:
    marks = () if example.name in BY_DEFAULT else pytest.mark.matrix
    return pytest.param(example, id=example.name, marks=marks)


class Installation:
    """An example, deployed in a cloud of its own."""

    def __init__(self, cloud: Cloud, example: Path) -> None:
        self.cloud = cloud
        self.config = yaml.safe_load((example / "Pulumi.dr.yaml").read_text())["config"]
        if (example / "prepare.py").exists():
            cloud.run_python(str(example / "prepare.py"))
        going = {"backup.allowDeletion": True}
        self.files = {
            stack: cloud.stack_file(example / f"Pulumi.{stack}.yaml", going) for stack in STACKS
        }

    @property
    def regions(self) -> list[str]:
        """The primary site's, then the DR site's."""
        return [self.config["mwaa-dr:primaryRegion"], self.config["mwaa-dr:drRegion"]]

    def must(self, command: str, stack: str, *arguments: str) -> str:
        which = ("-s", stack, "--config-file", self.files[stack])
        return self.cloud.must(command, *which, *arguments)

    def up(self, stack: str, *arguments: str) -> str:
        return self.must("up", stack, "--yes", "--skip-preview", *arguments)

    def policy(self, stack: str, other: str = "") -> tuple[str, ...]:
        """The flags that judge `stack` by the settings of the example.

        Args:
            other: file with the state of the other stack.
        """
        config = from_settings(settings_in(Path(self.files[stack])), other, site=stack)
        file = self.cloud.folder / f"{stack}-policy.json"
        file.write_text(json.dumps({**config, **dict.fromkeys(UNPROTECTED, "disabled")}))
        return ("--policy-pack", str(ROOT / "policy"), "--policy-pack-config", str(file))

    def exported(self, stack: str) -> str:
        """A file with the state of `stack`, without what it only reads."""
        written = json.loads(self.cloud.must("stack", "export", "-s", stack, "--show-secrets"))
        place = written["deployment"]
        place["resources"] = [one for one in place["resources"] if not one.get("external")]
        file = self.cloud.folder / f"{stack}-state.json"
        file.write_text(json.dumps(written))
        return str(file)

    def brought(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """How to look at what was there before: Region, service, operation and arguments."""
        found = []
        for site, region in (("primary", self.regions[0]), ("dr", self.regions[-1])):
            for key, look in LOOKS.items():
                if value := self.config.get("mwaa-dr:existing", {}).get(site, {}).get(key):
                    found.append((region, *look(value)))
        return found

    def left(self) -> list[str]:
        """What carries the installation's tag."""
        name = self.config["mwaa-dr:name"]
        found = []
        for region in set(self.regions):
            pages = self.cloud.client("resourcegroupstaggingapi", region).get_paginator(
                "get_resources"
            )
            mine = [{"Key": TAG_INSTALLATION, "Values": [name]}]
            for page in pages.paginate(TagFilters=mine):
                found += [one["ResourceARN"] for one in page["ResourceTagMappingList"]]
        return sorted(arn for arn in found if not self._going(arn))

    def _going(self, arn: str) -> bool:
        """KMS keeps a deleted key for a week at least, EC2 shows a deleted gateway for an hour."""
        region = arn.split(":")[3]
        if ":kms:" in arn:
            key = self.cloud.client("kms", region).describe_key(KeyId=arn)["KeyMetadata"]
            return key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion")
        if ":natgateway/" in arn:
            ids = [arn.rpartition("/")[2]]
            found = self.cloud.client("ec2", region).describe_nat_gateways(NatGatewayIds=ids)
            return found["NatGateways"][0]["State"] == "deleted"
        return False


@pytest.fixture(scope="module", params=[_parameter(example) for example in EXAMPLES])
def installation(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[Installation]:
    with cloud_in(tmp_path_factory.mktemp("cloud")) as cloud:
        yield Installation(cloud, request.param)


def test_both_stacks_are_previewed_and_deployed(installation):
    for stack in STACKS:
        # `primary` looks at keys of the DR Region, so it is previewed after `dr` is there.
        installation.must("preview", stack, *installation.policy(stack))
        installation.up(stack)
    assert installation.left()


def test_what_is_deployed_breaks_no_rule_beside_the_other_stack(installation):
    states = {stack: installation.exported(stack) for stack in STACKS}
    for stack, other in zip(STACKS, reversed(STACKS), strict=True):
        flags = installation.policy(stack, states[other])
        installation.cloud.must("policy", "analyze", "--file", states[stack], *flags)


def test_a_second_update_finds_nothing_to_do(installation):
    for stack in STACKS:
        installation.up(stack, "--expect-no-changes", "--refresh")


def test_the_dr_stack_needs_nothing_of_the_primary_region(installation):
    primary, dr = (installation.config[f"mwaa-dr:{site}Region"] for site in ("primary", "dr"))
    if primary == dr:
        pytest.skip("there is one Region")
    control = installation.cloud.aws.control
    asked = control.requests(limit=1)[-1]["number"]
    control.begin_outage(primary, mode="hang")
    try:
        installation.must("preview", "dr")
        # IAM answers from us-east-1: where that is the lost one, nothing can be refreshed.
        refresh = () if primary == "us-east-1" else ("--refresh",)
        installation.up("dr", "--expect-no-changes", *refresh)
    finally:
        control.end_outage(primary)
    found = control.requests(after=asked, service="iam", limit=20_000)
    assert [one["operation"] for one in found if not _reads(one["operation"])] == []
    if refresh:
        assert found, "the roles were looked at"


def _reads(operation: str) -> bool:
    return operation.startswith(("Get", "List"))


def test_destroy_leaves_nothing_but_what_was_there_before(installation):
    for stack in reversed(STACKS):
        # The guard of the live environment is in the program of `dr`.
        how = ("--run-program",) if stack == "dr" else ()
        installation.must("destroy", stack, "--yes", "--skip-preview", *how)
    assert installation.left() == []
    for region, service, operation, arguments in installation.brought():
        seen = getattr(installation.cloud.client(service, region), operation)(**arguments)
        deletion = seen.get("KeyMetadata", {}).get("DeletionDate")
        assert deletion is None, (service, arguments)
