"""Every rule: programs that break none, and one change for each way to break one."""

import pytest
from policy_breaks import BREAKS
from policy_judge import judge, violated
from policy_programs import BESIDE, OPEN_WITHOUT_PRIMARY, dr, primary, standby

from mwaa_dr_policy import RULES

STATES = "mwaa-dr-state-machine-failure-alarm"
HEARTBEAT = "mwaa-dr-environment-heartbeat-alarm"


def test_the_programs_break_no_rule_and_leave_nothing_open_when_seen_together():
    for make, beside in BESIDE.items():
        assert judge(make(), other=beside()) == ({}, {})


def test_primary_alone_leaves_nothing_open():
    assert judge(primary()) == ({}, {})


def test_dr_alone_leaves_only_its_replication_open():
    violations, undecided = judge(dr())
    assert violations == {}
    assert set(undecided) == OPEN_WITHOUT_PRIMARY
    assert "otherStack" in undecided["mwaa-dr-bucket-replicated"][0]


@pytest.mark.parametrize(
    ("rule", "make", "name", "path", "value"),
    BREAKS,
    ids=[f"{row[0]}:{row[2]}.{row[3]}-{index}" for index, row in enumerate(BREAKS)],
)
def test_a_rule_alone_objects_to_its_own_change(rule, make, name, path, value):
    other = primary() if make is standby else None
    assert violated(make().set(name, path, value), other=other) == {rule}


def test_every_rule_has_a_change_that_breaks_it():
    elsewhere = {"mwaa-dr-environment-protected", "mwaa-dr-exception-current"}
    assert {row[0] for row in BREAKS} | elsewhere == {rule.name for rule in RULES}


@pytest.mark.parametrize("part", ["versioning", "encryption", "public", "policy"])
@pytest.mark.parametrize("bucket", ["backups", "dags"])
@pytest.mark.parametrize("make", [primary, dr])
def test_a_bucket_without_one_of_its_parts_is_refused(make, bucket, part):
    program = make()
    del program[f"{bucket}-{part}"]
    rules = {
        "versioning": "mwaa-dr-bucket-versioned",
        "encryption": "mwaa-dr-bucket-encrypted",
        "public": "mwaa-dr-bucket-private",
        "policy": "mwaa-dr-bucket-tls-only",
    }
    assert violated(program) == {rules[part]}


@pytest.mark.parametrize(
    ("make", "alarm", "rule"),
    [
        (primary, "heartbeat", HEARTBEAT),
        (primary, "monitor", "mwaa-dr-reverse-dead-man-alarm"),
        (dr, "age", "mwaa-dr-backup-age-alarm"),
        (dr, "dead-man", "mwaa-dr-dead-man-alarm"),
        (dr, "verdict", "mwaa-dr-verdict-alarm"),
        (dr, "capture-errors", "mwaa-dr-function-error-alarm"),
        (dr, "recovery-ExecutionsFailed", STATES),
        (dr, "monitor-ExecutionsTimedOut", STATES),
    ],
)
def test_a_missing_alarm_is_refused(make, alarm, rule):
    program = make()
    del program[alarm]
    violations, _ = judge(program)
    assert set(violations) == {rule}
    assert "no alarm watches" in violations[rule][0]


def test_a_message_names_the_resource_what_is_wrong_and_what_to_do():
    violations, _ = judge(dr().set("age", "treatMissingData", "missing"))
    [message] = violations["mwaa-dr-backup-age-alarm"]
    assert message.startswith("backups: alarm age does not treat missing data as breaching. Add ")


@pytest.mark.parametrize(
    ("make", "name", "rule"),
    [
        (dr, "state", "mwaa-dr-state-table-protected"),
        (dr, "seal", "mwaa-dr-key-kept"),
        (primary, "data", "mwaa-dr-key-kept"),
        (primary, "environment", "mwaa-dr-environment-protected"),
    ],
)
def test_what_cannot_be_made_again_is_protected(make, name, rule):
    program = make()
    program[name]["protect"] = False
    assert violated(program) == {rule}


def test_a_passive_environment_may_go_with_its_strategy():
    program = standby()
    assert program["environment"]["protect"] is False
    assert violated(program, other=primary()) == set()


def test_an_unprotected_backup_bucket_is_refused_and_an_unprotected_dag_bucket_is_not():
    program = dr()
    program["backups"]["protect"] = False
    assert violated(program) == {"mwaa-dr-backup-bucket-protected"}
    program = dr()
    program["dags"]["protect"] = False
    assert violated(program) == set()


def test_thresholds_come_from_the_configuration():
    config = {
        "mwaa-dr-backup-retention": {"retentionDays": 60},
        "mwaa-dr-function-timeout": {"minimumSeconds": 60},
        "mwaa-dr-backup-age-alarm": {"rpoMinutes": 30},
        "mwaa-dr-dead-man-alarm": {"withinSeconds": 120},
    }
    assert violated(dr(), config=config) == set(config)


def test_an_unknown_configuration_key_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'retentionDay' is not known; use retentionDays,"):
        judge(dr(), config={"mwaa-dr-backup-retention": {"retentionDay": 60}})
