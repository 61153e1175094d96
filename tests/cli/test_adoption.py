"""From what MWAA shows to what a stack file holds."""

from pathlib import Path
from typing import Any

import pytest

from cli.adoption import KEY, adoption
from cli.stack_file import StackFile
from components.settings import parse
from contract.created import CreatedEnvironment
from local.paths import ROOT

ASKED: dict[str, Any] = {
    "Name": "analytics-dr",
    "AirflowVersion": "2.10.3",
    "EnvironmentClass": "mw1.medium",
    "MaxWorkers": 10,
    "DagS3Path": "dags",
}
LIVE: dict[str, Any] = {
    **ASKED,
    "Status": "AVAILABLE",
    "Arn": "arn:aws:airflow:us-west-2:123456789012:environment/analytics-dr",
    "ExecutionRoleArn": "arn:aws:iam::123456789012:role/analytics-dr-execution",
    "WeeklyMaintenanceWindowStart": "SUN:03:30",
    "PluginsS3Path": None,
    "AirflowConfigurationOptions": {
        "core.parallelism": "32",
        "mwaa_dr.site": "dr",
        "smtp.smtp_password": "hunter2",
    },
    "LoggingConfiguration": {
        "TaskLogs": {"Enabled": True, "LogLevel": "INFO", "CloudWatchLogGroupArn": "arn:x"},
    },
    "Tags": {
        "mwaa-dr:installation": "analytics", "mwaa-dr:site": "dr", "mwaa-dr:object": "environment",
        "mwaa-dr:incident": "failover-e0001-01", "aws:stack": "x", "team": "data", "cost": "7",
    },
}  # fmt: skip
CREATED = CreatedEnvironment("failover-e0001-01", "2026-11-26T12:00:00+00:00", ASKED)


def adopted(live: dict[str, Any] | None = None, known: dict[str, Any] | None = None) -> Any:
    return adoption(CREATED, live or LIVE, known=known or {}, set_tags=["cost"])


def test_what_is_the_environment_s_own_is_written() -> None:
    assert adopted().section == {
        "environmentName": "analytics-dr",
        "incident": "failover-e0001-01",
        "airflowVersion": "2.10.3",
        "environmentClass": "mw1.medium",
        "maxWorkers": 10,
        "weeklyMaintenanceWindowStart": "SUN:03:30",
        "dagS3Path": "dags",
        "airflowConfigurationOptions": {"core.parallelism": "32"},
        "loggingConfiguration": {"taskLogs": {"enabled": True, "logLevel": "INFO"}},
        "tags": {"team": "data"},
    }


def test_the_settings_take_what_is_written() -> None:
    file = StackFile(ROOT / "Pulumi.dr.yaml")
    raw = {
        key.removeprefix("mwaa-dr:"): value
        for key, value in file.config.items()
        if key.startswith("mwaa-dr:")
    }
    settings = parse({**raw, "adopted": adopted().section})
    assert settings.adopted is not None
    assert settings.adopted.max_workers == 10


def test_what_somebody_changed_since_counts_and_is_told() -> None:
    found = adopted({**LIVE, "MaxWorkers": 15})
    assert found.section["maxWorkers"] == 15
    assert found.changed == {"MaxWorkers": (10, 15)}


def test_a_secret_is_not_written_in_clear() -> None:
    found = adopted()
    assert found.secrets == ("smtp.smtp_password",)
    assert "hunter2" not in str(found.section)


@pytest.mark.parametrize("known", ["hunter2", {"secure": "v1:abc"}], ids=["clear", "encrypted"])
def test_a_secret_that_the_file_has_is_taken_as_it_stands_there(known: Any) -> None:
    found = adopted(known={"smtp.smtp_password": known})
    assert found.secrets == ()
    assert found.section["airflowConfigurationOptions"]["smtp.smtp_password"] == known


FILES = {
    "indented": '# head\nconfig:\n  # why\n  a: "1"   # one\n  list:\n    - x: 1\n      y: 2\n',
    "flat": "config:\n  list:\n  - x: 1\n    y: '2'\n\n  b: yes # end\n",
    "long": "config:\n  text: " + "word " * 60 + "end\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_keeps_all_that_a_person_wrote(tmp_path: Path, name: str) -> None:
    path = tmp_path / "Pulumi.dr.yaml"
    path.write_text(FILES[name])
    file = StackFile(path)
    assert file.text() == FILES[name]
    file.config[KEY] = {"environmentName": "x", "tags": {"a": "1"}}
    file.write()
    lines = path.read_text().splitlines()
    assert [line for line in lines if line in FILES[name].splitlines()] == (
        FILES[name].splitlines()
    )
    assert f"  {KEY}:" in lines
    again = StackFile(path)
    del again.config[KEY]
    assert again.text().rstrip() == FILES[name].rstrip()
