"""The examples: what their owners bring along, or close on purpose, breaks no rule."""

import pytest
import yaml
from policy_own import judged, own_stack

from local.paths import ROOT
from mwaa_dr_policy.stack_config import from_settings, settings_in
from tests.components.program_run import settings_of

EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/Pulumi.dr.yaml"))


def deployed(example, stack):
    """The example's settings, and the states of its resources."""
    file = example / f"Pulumi.{stack}.yaml"
    settings = settings_in(file)
    region = yaml.safe_load(file.read_text())["config"]["aws:region"]
    only = {**dict.fromkeys(settings_of(stack)), **settings}
    return settings, own_stack(stack, region=region, there=_there(settings), **only)


def _there(settings):
    """The environment that an example brings along, as AWS describes it."""
    site = settings.get("existing", {}).get("primary", {})
    if "environment" not in site:
        return {}
    bucket = f"arn:aws:s3:::{site['dagBucket']}"
    role = site["executionRoleArn"]
    return {site["environment"]: {"sourceBucketArn": bucket, "executionRoleArn": role}}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_both_stacks_of_an_example_break_no_rule_with_the_configuration_of_its_settings(example):
    (settings, dr), (_, primary) = deployed(example, "dr"), deployed(example, "primary")
    for site, own, other in (("dr", dr, primary), ("primary", primary, dr)):
        violations, undecided = judged(own, other, from_settings(settings, site=site))
        assert violations == {}, site
        assert undecided == {}, site
