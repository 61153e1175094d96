"""The two stacks of this project: they break no rule, and losing any part of them breaks one."""

import pytest
from policy_mutations import losses
from policy_own import judged, own_stack
from policy_programs import OPEN_WITHOUT_PRIMARY

from mwaa_dr_policy.stack_config import from_settings
from mwaa_dr_policy.unguarded import UNGUARDED, matches
from tests.components.program_run import ACCOUNT, settings_of


def test_both_stacks_break_no_rule_and_leave_nothing_open_when_seen_together():
    dr, primary = own_stack("dr"), own_stack("primary")
    assert judged(dr, primary) == ({}, {})
    assert judged(primary, dr) == ({}, {})


SETTINGS = [
    {"strategy": "active-passive"},
    {"objectives": {"rtoMinutes": 60, "rpoMinutes": 25}, "backup": {"copyMode": "replicate"}},
    {"recovery": {"approvalMinutes": 15}},
    {"backup": {"baseIntervalHours": 168, "retentionDays": 30}},
    {"environment": {"airflowVersion": "3.0.6", "environmentClass": "mw1.small"}},
]


@pytest.mark.parametrize("changes", SETTINGS, ids=[next(iter(one)) for one in SETTINGS])
def test_other_settings_break_no_rule_either(changes):
    dr, primary = own_stack("dr", **changes), own_stack("primary", **changes)
    settings = {**settings_of("dr"), **changes}
    config = from_settings(settings)
    assert judged(dr, primary, config) == ({}, {})
    assert judged(primary, dr, config) == ({}, {})


EXISTING = {
    "dagBucket": "acme-dags",
    "dataKeyArn": f"arn:aws:kms:us-west-2:{ACCOUNT}:key/acme",
    "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/acme",
    "topicArn": f"arn:aws:sns:us-west-2:{ACCOUNT}:acme",
}
CLOSED = {"vpcCidr": "10.65.0.0/16", "egress": "endpoints"}
HALF = [{"existing": {"dr": EXISTING}}, {"network": {"dr": CLOSED}}]


@pytest.mark.parametrize("changes", HALF, ids=[next(iter(one)) for one in HALF])
def test_what_exists_and_what_is_closed_on_purpose_breaks_no_rule(changes):
    dr, primary = own_stack("dr", **changes), own_stack("primary", **changes)
    settings = {**settings_of("dr"), **changes}
    violations, _ = judged(dr, primary, from_settings(settings, site="dr"))
    assert violations == {}
    violations, _ = judged(primary, dr, from_settings(settings, site="primary"))
    assert violations == {}
    violations, _ = judged(dr, primary)
    assert violations, "without the settings the rules would object"


def test_each_stack_alone_leaves_only_the_replication_of_dr_open():
    assert judged(own_stack("primary")) == ({}, {})
    violations, undecided = judged(own_stack("dr"))
    assert violations == {}
    assert set(undecided) == OPEN_WITHOUT_PRIMARY


def seen(stack, **options):
    """Class and path of what was lost, whose it was, and whether a rule objected."""
    return [
        (loss.kind.rpartition(":")[2], loss.path, loss.name, bool(loss.rules))
        for loss in losses(stack, **options)
    ]


@pytest.fixture(scope="module")
def found():
    return [*seen("dr"), *seen("primary")]


def silent(found):
    """The losses that neither a rule objects to nor the page lists."""
    return [
        f"{kind} {path} ({name})"
        for kind, path, name, guarded in found
        if not guarded and not any(row.is_about(kind, path, name) for row in UNGUARDED)
    ]


@pytest.mark.timeout(1800)
def test_a_rule_objects_to_every_loss_that_the_page_does_not_list(found):
    assert silent(found) == []


@pytest.mark.matrix
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("stack", ["dr", "primary"])
def test_so_it_is_with_every_property_of_every_resource(stack):
    """Resources that are alike are judged alike: what the tests above take for granted."""
    assert silent(seen(stack, of_every=True)) == []


def test_the_page_lists_nothing_that_a_rule_guards(found):
    for row in UNGUARDED:
        for pattern in row.paths:
            about = [
                guarded
                for kind, path, name, guarded in found
                if row.is_about(kind, path, name) and matches(path, pattern)
            ]
            assert not all(about), f"{row.kinds} {pattern}: every loss of it breaks a rule"


def test_much_is_broken_and_most_of_what_matters_is_guarded(found):
    """So that the two tests above cannot pass on an empty list."""
    assert len(found) > 500
    guarded = {(kind, path) for kind, path, _, objects in found if objects}
    assert {
        ("Bucket", "(removed)"),
        ("Bucket", "(protect)"),
        ("BucketReplicationConfig", "(removed)"),
        ("Key", "(removed)"),
        ("Table", "(removed)"),
        ("StateMachine", "definition"),
        ("Environment", "executionRoleArn"),
        ("Schedule", "state"),
        ("Function", "(removed)"),
    } <= guarded
