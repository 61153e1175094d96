"""The table of unused grants speaks of grants that there are, and would miss nothing else."""

import json

import pytest

from tests.access.programs import STACKS, program
from tests.access.unused import REASONS, unexplained


def granted():
    """Every grant of both stacks, as the local AWS tells of those that nobody used."""
    for stack in STACKS:
        for policy in program(stack).of("RolePolicy"):
            for statement in json.loads(policy.inputs["policy"])["Statement"]:
                for action in statement["Action"]:
                    for resource in statement["Resource"]:
                        yield {
                            "role": policy.inputs["role"],
                            "policy": policy.inputs["name"],
                            "action": action,
                            "resource": resource,
                        }


@pytest.mark.parametrize("reason", REASONS, ids=lambda one: f"{one.role}-{one.actions[0]}")
def test_a_reason_is_about_a_grant_that_there_is(reason):
    for action in reason.actions:
        alone = type(reason)(reason.role, (action,), reason.reason, reason.resource)
        assert any(alone.covers(one) for one in granted()), action


def test_a_grant_that_nobody_uses_and_nobody_explains_is_found():
    new = {"role": "x-dr-assess", "policy": "access", "action": "s3:DeleteObject", "resource": "*"}
    assert unexplained({"unused": [new]}) == [new]
    assert unexplained({"unused": [{**new, "role": "x-dr-approval"}]}) == []
