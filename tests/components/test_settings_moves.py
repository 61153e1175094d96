"""Settings of drills that begin by themselves, and of an environment that was adopted."""

from copy import deepcopy
from typing import Any

import pytest
from program_run import LEAST_ADOPTED, run_program, settings_of

from components.settings import SettingsError, parse

ADOPTED = {
    **LEAST_ADOPTED,
    "maxWorkers": 10,
    "airflowConfigurationOptions": {"core.parallelism": "32"},
    "loggingConfiguration": {"taskLogs": {"enabled": True, "logLevel": "INFO"}},
    "tags": {"team": "data"},
}


def settings(**changes: Any) -> dict[str, Any]:
    return {**deepcopy(settings_of("dr")), **changes}


def problems(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(settings(**changes))
    return str(caught.value)


@pytest.mark.parametrize(
    "schedule", ["rate(1 day)", "rate(30 days)", "rate(12 hours)", "cron(0 4 ? * SUN *)"]
)
def test_a_schedule_of_drills_is_taken(schedule: str) -> None:
    drill = parse(settings(drill={"schedule": schedule, "timezone": "Europe/Berlin"})).drill
    assert (drill.schedule, drill.timezone) == (schedule, "Europe/Berlin")


@pytest.mark.parametrize(
    "schedule", ["30 days", "rate(0 days)", "rate(1 days)", "rate(5 minutes)", "cron(0 4 * * *)"]
)
def test_another_schedule_is_refused_with_what_is_allowed(schedule: str) -> None:
    said = problems(drill={"schedule": schedule})
    assert f"mwaa-dr:drill.schedule: {schedule!r} is not allowed" in said
    assert "rate(30 days)" in said


def test_an_unknown_zone_is_refused() -> None:
    said = problems(drill={"schedule": "rate(30 days)", "timezone": "Mars/Olympus"})
    assert "mwaa-dr:drill.timezone: 'Mars/Olympus' is not allowed" in said


def test_drills_are_off_unless_they_are_asked_for() -> None:
    assert parse(settings()).drill.schedule is None
    names = [one.inputs["name"] for one in run_program("dr").of("Schedule")]
    assert names == ["analytics-dr-monitor"]


def test_a_drill_schedule_calls_the_function_with_the_time_it_was_due() -> None:
    found = run_program("dr", {"drill": {"schedule": "rate(30 days)"}})
    schedule = found.one("Schedule", name="analytics-dr-drill")
    assert schedule.inputs["scheduleExpression"] == "rate(30 days)"
    assert schedule.inputs["target"]["arn"].endswith(":function:analytics-dr-rehearse")
    assert "<aws.scheduler.scheduled-time>" in schedule.inputs["target"]["input"]
    assert schedule.inputs["region"] == "us-west-2"


def test_an_adopted_environment_goes_with_its_strategy_only() -> None:
    said = problems(strategy="active-passive", adopted=ADOPTED)
    assert "mwaa-dr:adopted: goes with strategy backup-restore only" in said
    assert "`mwaa-dr adopt --release`" in said


def test_only_the_environment_that_a_recovery_creates_can_be_adopted() -> None:
    said = problems(adopted={**ADOPTED, "environmentName": "other"})
    assert "mwaa-dr:adopted.environmentName: 'other' is not allowed" in said
    assert "creates analytics-dr" in said


def test_a_half_written_section_is_refused_by_key() -> None:
    said = problems(adopted={"environmentName": "analytics-dr"})
    assert "mwaa-dr:adopted.incident: is missing" in said


def test_the_program_imports_it_as_it_is_and_protects_it() -> None:
    found = run_program("dr", {"adopted": ADOPTED}).one("Environment")
    assert found.protect
    inputs = found.inputs
    assert (inputs["name"], inputs["region"]) == ("analytics-dr", "us-west-2")
    assert inputs["maxWorkers"] == 10
    options = inputs["airflowConfigurationOptions"]
    assert (options["core.parallelism"], options["mwaa_dr.site"]) == ("32", "dr")
    assert inputs["loggingConfiguration"] == {"taskLogs": {"enabled": True, "logLevel": "INFO"}}
    assert inputs["tags"]["mwaa-dr:incident"] == "failover-e0001-01"
    assert inputs["tags"]["team"] == "data"
    assert not run_program("dr").of("Environment")
