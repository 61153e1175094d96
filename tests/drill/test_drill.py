"""The main job, for real: work runs, a Region is lost, the work goes on in the other one."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.access.unused import unexplained

pytestmark = [pytest.mark.drill, pytest.mark.timeout(1500)]

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    "strategy", "airflow_version", "outage", "regions", "outage_at", "detected_at",
    "environment_ready_at", "restored_at", "unpaused_at", "resumed_at", "rto_seconds",
    "rpo_seconds", "objectives", "met", "steps", "tables", "runs", "access", "verified", "forecast",
}  # fmt: skip
"""What other programs read in report.json."""


def _drill(*options):
    """Run a drill; give its report and the checker's findings."""
    done = subprocess.run(
        [sys.executable, "-m", "local.drill", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    strategy = "active-passive" if "active-passive" in options else "backup-restore"
    more = [options[options.index("--outage") + 1]] if "--outage" in options else []
    more += [name for name in ("same-region", "past") if f"--{name}" in options]
    if "--clocks-apart" in options:
        more.append(f"clocks{float(options[options.index('--clocks-apart') + 1]):+g}")
    more += ["private"] if "--private" in options else []
    more += ["control"] if "--control" in options else []
    folder = ROOT / "build/drill" / "-".join([strategy, *more])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert unexplained(json.loads((folder / "access.json").read_text())) == []
    return (
        json.loads((folder / "report.json").read_text()),
        json.loads((folder / "findings.json").read_text()),
    )


BOTH_STRATEGIES = pytest.mark.parametrize("strategy", ["backup-restore", "active-passive"])
NOT_EMULATED = {("Age of the oldest waiting task (s)", "primary, dr")}
NEVER_HAPPENED = {("Executions", "monitor failed, recovery failed")}


def silent_lines(strategy):
    """(chart, its lines without data) of the dashboard that the drill drew."""
    picture = (ROOT / "build/drill" / strategy / "dashboard.svg").read_text()
    title, found = "", set()
    for one in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314 - ours
        if one.get("font-weight") and one.get("font-size") == "13":
            title = one.text
        elif one.text.startswith("no data: "):
            found.add((title, one.text.removeprefix("no data: ")))
    assert title, "there is no chart"
    return found


def test_the_work_goes_on_after_a_region_is_lost():
    report, findings = _drill()
    assert silent_lines("backup-restore") == NOT_EMULATED | NEVER_HAPPENED
    assert set(report) == NAMES
    assert findings["objections"] == []
    assert report["verified"]
    assert report["met"]
    assert report["access"]["refused"] == []
    assert {"drill-dr-assess", "drill-primary-execution"} <= report["access"]["calls"].keys()
    assert (report["runs"]["lost"], report["runs"]["doubled"]) == (0, 0)
    assert report["runs"]["in_flight"], "the Region was lost when nothing was under way"
    assert len(report["resumed_at"]) >= 30
    assert all(table["match"] for table in report["tables"])
    assert sum(table["expected_rows"] for table in report["tables"]) > 500
    assert any(step["emulated"] for step in report["steps"])


@pytest.mark.matrix
def test_the_work_goes_on_in_airflow_3():
    report, findings = _drill("--airflow", "3.2.1")
    assert (report["airflow_version"], report["verified"], report["met"]) == ("3.2.1", True, True)
    assert findings["objections"] == []
    assert (report["runs"]["lost"], report["runs"]["doubled"]) == (0, 0)
    assert report["runs"]["in_flight"], "the Region was lost when nothing was under way"
    assert len(report["resumed_at"]) >= 30
    rows = {table["name"]: table["expected_rows"] for table in report["tables"]}
    assert all(table["match"] for table in report["tables"])
    assert all(rows[name] for name in ("task_instance", "xcom", "asset_event", "log"))


@pytest.mark.timeout(2400)
def test_the_work_goes_to_the_standby_and_back_again():
    report, findings = _drill("--strategy", "active-passive")
    assert set(report) == {*NAMES, "comeback"}
    assert findings["objections"] == []
    assert (report["verified"], report["met"]) == (True, True)
    assert (report["runs"]["lost"], report["runs"]["doubled"]) == (0, 0)
    assert report["runs"]["in_flight"], "the Region was lost when nothing was under way"
    detected, unpaused = (
        datetime.fromisoformat(report[key]) for key in ("detected_at", "unpaused_at")
    )
    assert unpaused - detected < timedelta(seconds=60), "the environment stood by"
    assert not any(step["emulated"] for step in report["steps"])
    back = report["comeback"]
    assert back["verified"]
    assert back["listed"], "nothing was under way when the Region was lost"
    assert back["fence_seconds"] < 90
    moved = back["failback"]
    assert (moved["runs"]["lost"], moved["runs"]["doubled"]) == (0, 0)
    assert moved["runs"]["completed"] > 100
    assert all(table["match"] for table in moved["tables"])
    assert sum(table["expected_rows"] for table in moved["tables"]) > 500
    assert (back["drill"]["ownership_changed"], back["drill"]["unpaused"]) == (False, [])


@pytest.mark.matrix
def test_losing_the_region_at_a_quiet_moment_costs_nothing():
    report, findings = _drill("--control")
    assert findings["objections"] == []
    assert report["verified"]
    runs = report["runs"]
    assert (runs["lost"], runs["doubled"]) == (0, 0)
    assert (runs["at_risk"], runs["in_flight"]) == ([], [])
    assert runs["completed"] == runs["expected"] > 60


@pytest.mark.matrix
@pytest.mark.timeout(2400)
@BOTH_STRATEGIES
@pytest.mark.parametrize("outage", ["refuse", "5xx", "flapping", "environment"])
def test_however_the_owner_is_lost_the_work_goes_on(outage, strategy):
    report, findings = _drill("--outage", outage, "--strategy", strategy)
    assert findings["objections"] == []
    assert (report["outage"], report["verified"], report["met"]) == (outage, True, True)
    assert (report["runs"]["lost"], report["runs"]["doubled"]) == (0, 0)
    assert report["runs"]["in_flight"], "the owner was lost when nothing was under way"


@pytest.mark.matrix
@pytest.mark.timeout(2400)
@BOTH_STRATEGIES
@pytest.mark.parametrize("outage", ["throttle", "cloudwatch"])
def test_what_only_looks_like_a_loss_moves_nothing(outage, strategy):
    report, findings = _drill("--outage", outage, "--strategy", strategy)
    assert findings["objections"] == []
    assert report["verified"], "the real loss that followed was recovered from"
    seen = report["disturbance"]
    assert (seen["disturbance"], seen["seconds"]) == (outage, 60)
    assert "DEGRADED" in seen["verdicts"]
    assert not {"DOWN", "BLIND"} & set(seen["verdicts"])


@pytest.mark.matrix
@pytest.mark.timeout(2400)
@BOTH_STRATEGIES
def test_an_environment_that_is_lost_in_one_region_is_replaced_there(strategy):
    report, findings = _drill("--same-region", "--strategy", strategy)
    assert findings["objections"] == []
    assert (report["outage"], report["verified"], report["met"]) == ("environment", True, True)
    assert report["regions"]["primary"] == report["regions"]["dr"]


@pytest.mark.matrix
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("apart", ["120", "-120"])
@BOTH_STRATEGIES
def test_clocks_that_are_minutes_apart_change_nothing(strategy, apart):
    report, findings = _drill("--clocks-apart", apart, "--strategy", strategy)
    assert findings["objections"] == []
    assert report["clocks_ahead"] == {"airflow": float(apart), "functions": -float(apart)}
    assert (report["verified"], report["met"]) == (True, True)
    assert (report["runs"]["lost"], report["runs"]["doubled"]) == (0, 0)


@pytest.mark.matrix
@pytest.mark.timeout(2400)
@BOTH_STRATEGIES
def test_private_web_servers_cost_no_time(strategy):
    report, findings = _drill("--private", "--strategy", strategy)
    assert findings["objections"] == []
    assert (report["private"], report["verified"], report["met"]) == (True, True, True)
    assert recovery_seconds(report) <= SOON


SOON = 30
"""Seconds of the product's own that a recovery may take, whatever there is to restore."""


def recovery_seconds(report):
    """From the moment it was noticed until DAGs were un-paused, without what AWS would take."""
    times = {name: datetime.fromisoformat(report[name]) for name in (
        "detected_at", "environment_ready_at", "unpaused_at")}  # fmt: skip
    waits = [
        datetime.fromisoformat(step["ended_at"]) - datetime.fromisoformat(step["started_at"])
        for step in report["steps"]
        if step["emulated"]
    ]
    return (times["unpaused_at"] - times["detected_at"] - sum(waits, timedelta())).total_seconds()


@pytest.mark.matrix
@pytest.mark.timeout(2400)
@BOTH_STRATEGIES
def test_a_long_past_does_not_hold_up_a_recovery(strategy):
    report, findings = _drill("--past", "1000000", "--strategy", strategy)
    assert findings["objections"] == []
    assert report["past"]["task_instance"] == 1_000_000
    assert recovery_seconds(report) <= SOON
    assert (report["verified"], report["met"]) == (True, True)
