"""What a preview does not know neither breaks a rule nor passes one in silence."""

from dataclasses import replace

import pytest
from policy_breaks import BREAKS, PRESENT
from policy_judge import judge, judge_resources, unknown, violated
from policy_programs import BESIDE, OPEN_WITHOUT_PRIMARY, dr, primary, replicating, standby

from mwaa_dr_policy import RULES
from mwaa_dr_policy import kinds as k

MACHINE_ALARMS = [f"recovery-Executions{end}" for end in ("Failed", "TimedOut", "Aborted")]
STATES = "mwaa-dr-state-machine-failure-alarm"


def test_a_part_whose_bucket_is_unknown_is_related_by_what_its_value_comes_from():
    program = primary()
    for part in ("versioning", "encryption", "public", "policy", "lifecycle"):
        program.link(f"dags-{part}", "bucket", "dags")
        program.link(f"backups-{part}", "bucket", "backups")
    program.link("copy-dags", "bucket", "dags")
    program.link("environment", "sourceBucketArn", "dags")
    program.set("heartbeat", "dimensions.Environment", unknown())
    program["heartbeat"]["links"]["dimensions"] = ("environment",)
    assert judge(program) == ({}, {})
    program.set("dags-versioning", "versioningConfiguration.status", "Suspended")
    assert violated(program) == {"mwaa-dr-bucket-versioned"}


def test_a_part_of_another_bucket_does_not_count_though_its_bucket_is_unknown():
    program = primary()
    program.link("dags-versioning", "bucket", "backups")
    assert violated(program) == {"mwaa-dr-bucket-versioned"}


def test_a_reference_may_pass_through_another_part():
    program = primary()
    program.link("dags-versioning", "bucket", "dags")
    program.link("copy-dags", "bucket", "dags-versioning")
    assert judge(program) == ({}, {})


def test_a_part_that_comes_from_nowhere_known_leaves_the_rule_open():
    program = primary()
    program.link("dags-versioning", "bucket")
    violations, undecided = judge(program)
    assert violations == {}
    assert set(undecided) == {"mwaa-dr-bucket-versioned"}


def test_an_unknown_value_leaves_only_its_own_resource_open():
    program = primary().set("dags-policy", "policy", unknown())
    del program["backups-policy"]
    violations, undecided = judge(program)
    assert set(violations) == set(undecided) == {"mwaa-dr-bucket-tls-only"}
    assert violations["mwaa-dr-bucket-tls-only"][0].startswith("backups:")
    assert undecided["mwaa-dr-bucket-tls-only"][0].startswith("dags:")


def test_unknown_action_addresses_are_actions():
    program = dr()
    for alarm in [name for name, raw in program.items() if raw["type"] == k.ALARM]:
        program.set(alarm, "alarmActions", [unknown()])
        program[alarm]["links"]["alarmActions"] = ("topic",)
    program.link("subscription", "topic", "topic")
    violations, undecided = judge(program)
    assert violations == {}
    assert set(undecided) == OPEN_WITHOUT_PRIMARY
    del program["subscription"]
    assert violated(program) == {"mwaa-dr-alarm-subscribed"}


def test_an_alarm_on_a_machine_of_unknown_address_is_related_by_dependencies():
    program = dr().set("recovery", "arn", unknown())
    for alarm in MACHINE_ALARMS:
        program.set(alarm, "dimensions.StateMachineArn", unknown())
        program[alarm]["links"]["dimensions"] = ("recovery",)
    assert violated(program) == set()
    program["recovery-ExecutionsFailed"]["links"]["dimensions"] = ()
    violations, undecided = judge(program)
    assert violations == {}
    assert STATES in undecided


def test_a_computed_address_matches_a_machine_whose_own_address_is_unknown():
    program = dr().set("recovery", "arn", unknown())
    violations, undecided = judge(program)
    assert violations == {}
    assert set(undecided) == OPEN_WITHOUT_PRIMARY


def test_a_replication_to_an_unknown_bucket_is_related_by_dependencies():
    program = primary()
    program.set("copy-back", "rules.0.destination.bucket", unknown())
    program["copy-back"]["links"]["rules"] = ("backups",)
    assert judge(program) == ({}, {})
    program["copy-back"]["links"]["rules"] = ("dags",)
    assert "mwaa-dr-bucket-replicated" in violated(program)


def test_an_unknown_policy_document_is_left_open_and_not_passed():
    _, undecided = judge(primary().set("other-policy", "policy", unknown()))
    assert set(undecided) == {"mwaa-dr-policy-pass-role", "mwaa-dr-policy-wildcard-writes"}


def test_an_unknown_tag_leaves_the_bucket_open():
    program = primary().set("backups", "tags", unknown())
    _, undecided = judge(program)
    assert "mwaa-dr-backup-bucket-protected" in undecided


def test_a_dag_bucket_that_is_declared_elsewhere_leaves_its_rules_open():
    program = primary()
    for name in [name for name in program if name.startswith("dags") or name == "copy-dags"]:
        del program[name]
    violations, undecided = judge(program)
    # A site of ours without a DAG bucket of its own is one thing; what is in it is another.
    assert set(violations) == {"mwaa-dr-site-complete"}
    assert set(undecided) == {
        "mwaa-dr-bucket-versioned",
        "mwaa-dr-bucket-encrypted",
        "mwaa-dr-bucket-private",
        "mwaa-dr-bucket-tls-only",
        "mwaa-dr-bucket-owned",
        "mwaa-dr-bucket-replicated",
    }
    assert "'demo-primary-dags' is not declared" in undecided["mwaa-dr-bucket-versioned"][0]


GUARDED = sorted(
    {
        (rule, make, name, ".".join(path.split(".")[: depth + 1]))
        for rule, make, name, path, _ in BREAKS
        for depth in range(path.count(".") + 1)
    },
    key=str,
)
"""By rule, each property that it guards, and whatever holds that property."""


def test_a_property_that_a_rule_guards_never_passes_it_in_silence_while_it_is_unknown():
    noted = set()
    for rule, make, name, path in GUARDED:
        program = make().set(name, path, unknown())
        violations, undecided = judge(program, other=BESIDE[make]())
        assert violations == {}, (rule, name, path)
        if (rule, path.rpartition(".")[2]) not in PRESENT:
            assert rule in undecided, (rule, name, path)
            noted.add(rule)
    # The first two ask only whether something is there, the third only for an option of Pulumi.
    assert {rule.name for rule in RULES} - noted == {
        "mwaa-dr-environment-key",
        "mwaa-dr-log-encrypted",
        "mwaa-dr-environment-protected",
        "mwaa-dr-exception-current",
    }


def test_a_broken_rule_is_not_passed_in_silence_whatever_else_is_unknown():
    """Neither what selects a resource nor what it is compared with may hide the fault."""
    first = {}
    for rule, make, *change in BREAKS:
        first.setdefault(rule, (make, *change))
    for rule, (make, *change) in first.items():
        broken = make().set(*change).resources()
        others = BESIDE[make]().resources()
        for index, resource in enumerate(broken):
            for prop in resource.props:
                props = {**resource.props, prop: unknown()}
                vague = [*broken[:index], replace(resource, props=props), *broken[index + 1 :]]
                found, left_open = judge_resources(vague, others, {}, rules=[rule])
                assert rule in {*found, *left_open}, (rule, change, resource.name, prop)


@pytest.mark.parametrize(
    ("make", "done"), [(primary, dict), (dr, dict), (standby, dr), (replicating, primary)]
)
def test_no_single_unknown_value_breaks_a_rule(make, done):
    """Whatever one property becomes unknown, no rule may object that did not object before."""
    program = make()
    for name in program.keys() - done().keys():
        for prop in program[name]["props"]:
            changed = program.copy().set(name, prop, unknown())
            assert violated(changed) == set(), (name, prop)


def test_a_part_whose_region_comes_from_its_bucket_is_in_that_region():
    program = primary().link("dags-versioning", "region", "dags")
    assert judge(program) == ({}, {})


def test_parts_whose_regions_come_from_one_place_are_in_one_region():
    program = primary()
    for name in ("dags", "dags-versioning"):
        program.link(name, "region", "environment")
    assert "mwaa-dr-bucket-versioned" not in judge(program)[1]


def test_functions_whose_variables_are_unknown_leave_the_objective_open():
    """They may hold the configuration that says what was promised."""
    for path in ("environment", "environment.variables"):
        _, undecided = judge(dr().set("capture", path, unknown()))
        assert "mwaa-dr-objective-rto" in undecided


def test_a_key_of_unknown_address_is_a_key():
    program = primary()
    default = "rules.0.applyServerSideEncryptionByDefault.kmsMasterKeyId"
    program.set("dags-encryption", default, unknown())
    program.set("environment", "kmsKey", unknown())
    key = "rules.0.destination.encryptionConfiguration.replicaKmsKeyId"
    program.set("copy-dags", key, unknown())
    assert judge(program) == ({}, {})
