"""Objectives: the arithmetic, worked out by hand here, and the message that shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_judge import DELETE, judge, unknown, violated
from policy_programs import dr, handlers, primary, standby

from components.settings import SettingsError, parse
from contract.sites import CopyMode
from mwaa_dr_policy.stack_config import from_settings

RPO, RTO = "mwaa-dr-objective-rpo", "mwaa-dr-objective-rto"
OPTIONS = "airflowConfigurationOptions"
SETTINGS = {
    **{"name": "demo", "account": "123456789012", "strategy": "backup-restore"},
    **{"primaryRegion": "us-east-1", "drRegion": "us-west-2", "witnessRegion": "eu-west-1"},
    "environment": {"airflowVersion": "2.10.3"},
}


def promised(rto=60, strategy="backup-restore", **recovery):
    config = handlers(rto_minutes=rto, strategy=strategy, recovery=recovery)
    return dr().set("capture", "environment.variables.MWAA_DR_CONFIG", config)


def backing_up(seconds, mode="direct"):
    program = primary()
    program.set("environment", f"{OPTIONS}.mwaa_dr~export_seconds", str(seconds))
    return program.set("environment", f"{OPTIONS}.mwaa_dr~copy_mode", mode)


def message(rule, program):
    violations, _ = judge(program)
    assert set(violations) == {rule}
    [found] = violations[rule]
    return found


@pytest.mark.parametrize(
    ("seconds", "mode", "minutes"),
    [
        (300, "direct", 6),  # 5 of schedule, 1 of export
        (600, "direct", 11),
        (300, "replicate", 21),  # and 15 of Replication Time Control
        (3600, "replicate", 76),
    ],
)
def test_the_recovery_point_is_schedule_and_export_and_copy(seconds, mode, minutes):
    program = backing_up(seconds, mode)
    assert RPO not in violated(program, config={RPO: {"rpoMinutes": minutes}})
    assert RPO in violated(program, config={RPO: {"rpoMinutes": minutes - 0.5}})


@given(
    mode=st.sampled_from(CopyMode), interval=st.integers(120, 7200), spare=st.integers(-120, 120)
)
def test_the_settings_and_the_rules_refuse_the_same_recovery_points(mode, interval, spare):
    copied = 900 if mode is CopyMode.REPLICATE else 0
    rpo = (interval + 60 + copied + spare) / 60
    settings = {
        **SETTINGS,
        "backup": {"intervalSeconds": interval, "copyMode": mode.value},
        "objectives": {"rpoMinutes": rpo},
    }
    try:
        parse(settings)
        refused = False
    except SettingsError as error:
        refused = "cannot be kept" in str(error)
    config = {RPO: from_settings(settings)[RPO]}
    assert refused == (RPO in violated(backing_up(interval, mode.value), config=config))


def test_the_message_shows_the_arithmetic_and_what_another_copy_mode_would_give():
    violations, _ = judge(backing_up(300, "replicate"), config={RPO: {"rpoMinutes": 20}})
    [found] = violations[RPO]
    assert (
        "a recovery point objective of 20 minutes cannot be kept with copy mode replicate: "
        "schedule 5 + export 1 + copy by S3 replication 15 = 21 minutes; with copy mode direct: "
        "schedule 5 + export 1 = 6 minutes"
    ) in found


def test_the_objective_of_the_other_stack_counts_if_it_is_at_hand():
    other = dr().set("capture", "environment.variables.MWAA_DR_CONFIG", handlers(rpo_minutes=10))
    assert RPO in violated(backing_up(600), other=other)
    assert RPO not in violated(backing_up(600))


@pytest.mark.parametrize(
    ("strategy", "minutes"),
    [
        # Staleness 3 and two readings of 20 s; fence 2; creation 30; import 5; two orders of 1.
        ("backup-restore", 42.7),
        # Only the last changes, 2, in place of creation and import.
        ("active-passive", 9.7),
    ],
)
@pytest.mark.parametrize("copy_mode", ["direct", "replicate"])
def test_the_recovery_time_of_each_strategy_is_the_same_with_each_copy_mode(
    strategy, minutes, copy_mode
):
    for rto, expected in ((minutes, set()), (minutes - 0.1, {RTO})):
        config = handlers(rto_minutes=rto, strategy=strategy, copy_mode=copy_mode)
        program = dr().set("capture", "environment.variables.MWAA_DR_CONFIG", config)
        assert violated(program) == expected


def test_a_person_takes_time():
    assert violated(promised(rto=72)) == set()
    assert violated(promised(rto=72, automatic=False)) == {RTO}
    assert violated(promised(rto=73, automatic=False)) == set()
    config = {RTO: {"approvalMinutes": 10}}
    assert violated(promised(rto=53, automatic=False), config=config) == set()


def test_the_message_shows_every_part_and_what_the_other_strategy_would_give():
    found = message(RTO, promised(rto=20))
    assert (
        "recovery: a recovery time objective of 20 minutes cannot be kept with backup-restore: "
        "detection 3.667 + approval 0 + fence 2 + creation 30 + import 5 + orders 2 = 42.67 "
        "minutes; with active-passive: detection 3.667 + approval 0 + fence 2 + sync 2 + orders 2 "
        "= 9.667 minutes. Choose active-passive"
    ) in found
    alone = message(RTO, promised(rto=5, strategy="active-passive"))
    assert "; with active-passive" not in alone


def test_an_environments_own_interval_of_orders_counts():
    program = standby().set("environment", f"{OPTIONS}.mwaa_dr~agent_seconds", "300")
    config = handlers(rto_minutes=43, strategy="backup-restore")
    program.set("capture", "environment.variables.MWAA_DR_CONFIG", config)
    assert violated(program, other=primary()) == {RTO}


def test_what_the_functions_do_not_say_yet_is_left_open_unless_it_is_configured():
    program = dr().set("capture", "environment.variables.MWAA_DR_CONFIG", unknown())
    violations, undecided = judge(program)
    assert violations == {}
    assert RTO in undecided
    given = {"strategy": "backup-restore", "detectionMinutes": 3, "fenceMinutes": 2}
    assert RTO in violated(program, config={RTO: {**given, "rtoMinutes": 30}})
    violations, undecided = judge(program, config={RTO: {**given, "rtoMinutes": 60}})
    assert RTO not in {*violations, *undecided}


def test_a_program_without_our_functions_is_judged_by_configuration_alone():
    program = primary()
    for name in [key for key in program["environment"]["props"][OPTIONS] if "mwaa_dr." in key]:
        program.set("environment", f"{OPTIONS}.{name.replace('.', '~')}", DELETE)
    assert RTO not in violated(program)
    assert RTO in violated(program, config={RTO: {"rtoMinutes": 30}})
    ready = {"rtoMinutes": 30, "strategy": "active-passive"}
    assert RTO not in violated(program, config={RTO: ready})
    assert RPO in violated(program, config={RPO: {"intervalMinutes": 60, "rpoMinutes": 60}})
    assert RPO not in violated(
        program, config={RPO: {"intervalMinutes": 60, "rpoMinutes": 61, "copyMode": "direct"}}
    )
