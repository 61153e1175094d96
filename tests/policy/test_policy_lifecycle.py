"""How long a backup and its base must stay: worked out by hand here."""

import pytest
from policy_judge import judge, violated
from policy_programs import dr, primary

RULE = "mwaa-dr-backup-retention"


def kept(days, make=dr):
    program = make().set("backups-lifecycle", "rules.0.transitions", [])
    return program.set("backups-lifecycle", "rules.0.expiration.days", float(days))


@pytest.mark.parametrize(
    ("config", "needed"),
    [
        ({}, 16),  # 14, a day of base, and five minutes which S3 counts as another day
        ({"retentionDays": 30}, 32),
        ({"baseHours": 168}, 22),
        ({"baseHours": 23}, 15),  # 23 hours and five minutes are one day
        ({"baseHours": 24, "exportMinutes": 1440}, 16),
        ({"baseHours": 23, "exportMinutes": 61}, 16),
    ],
)
def test_a_backup_stays_for_its_retention_and_one_base_interval(config, needed):
    assert violated(kept(needed), config={RULE: config}) == set()
    assert violated(kept(needed - 1), config={RULE: config}) == {RULE}


def test_the_base_interval_of_an_environment_at_hand_counts():
    options = "airflowConfigurationOptions.mwaa_dr~base_seconds"
    other = primary().set("environment", options, str(7 * 24 * 3600))
    assert RULE not in violated(kept(16))
    assert RULE in violated(kept(21), other=other)
    assert RULE not in violated(kept(22), other=other)


def test_a_bucket_of_whole_backups_only_needs_no_base():
    program = kept(14)
    program["backups"]["props"]["tags"] = {}
    named = {"backupBuckets": ["demo-dr-backups"]}
    assert RULE not in violated(program, config={RULE: named})
    assert RULE in violated(program, config={RULE: {**named, "baseHours": 24}})


def test_the_message_shows_the_arithmetic():
    violations, _ = judge(kept(14))
    [message] = violations[RULE]
    assert (
        "deletes objects after 14 days; backups must stay for 16: 14 of retention and, in whole "
        "days, one base interval of 24 hours plus one backup interval of 5 minutes"
    ) in message
