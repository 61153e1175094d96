"""`make preview` and what a pull request runs: the same command, its exit code and its report."""

import shutil
import subprocess
import sys

import pytest
import yaml

from components.settings.tree import Backup, Detection, Objectives, Recovery
from local.paths import ROOT
from local.preview import Preview, report
from mwaa_dr_policy import RULES
from mwaa_dr_policy.objectives import detection_minutes
from mwaa_dr_policy.stack_config import from_settings, main, merged, settings_in

WORKFLOW = ROOT / ".github" / "workflows" / "checks.yml"
OUTPUT = """
Policies:
    ❌ mwaa-dr@v0.1.0 (local: policy)
        - [mandatory] [severity: high]  mwaa-dr-objective-rto  (aws:sfn:StateMachine: recovery)
          An objective.
          recovery: 20 minutes cannot be kept.
        - [advisory] [severity: high]  mwaa-dr-role-sufficient  (pulumi:pulumi:Stack: x)
          can't run policy 'mwaa-dr-role-sufficient' from policy pack 'x' during preview: y

Resources:
    + 12 to create
    ~ 1 to update
"""


def test_a_report_tells_violations_from_what_is_left_open():
    text = report([Preview("dr", False, 1.0, OUTPUT)])
    assert "| `dr` | **refused** | + 12 to create, ~ 1 to update | 1 | 0 | 1 |" in text
    assert "`dr`, mandatory: **mwaa-dr-objective-rto** (aws:sfn:StateMachine: recovery)" in text
    assert "recovery): recovery: 20 minutes cannot be kept.\n" in text
    assert "left open until its values are known: **mwaa-dr-role-sufficient** (1)" in text


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_preview_passes_our_stacks_and_refuses_a_promise_that_they_cannot_keep(tmp_path):
    for stack in ("dr", "primary"):
        shutil.copy(ROOT / f"Pulumi.{stack}.yaml", tmp_path)
    code, text = previewed(tmp_path)
    assert code == 0, text
    assert text.count("| passes |") == 2
    assert "mandatory:" not in text
    for stack in ("dr", "primary"):
        file = tmp_path / f"Pulumi.{stack}.yaml"
        file.write_text(file.read_text().replace("rtoMinutes: 60", "rtoMinutes: 20"))
    code, text = previewed(tmp_path)
    assert code == 1, text
    assert "mandatory: **mwaa-dr-objective-rto**" in text
    assert "detection 3.667 + approval 0 + fence 2 + creation 30 + import 5" in text


def previewed(settings):
    file = settings / "report.md"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "local.preview", "--settings", str(settings)),
            *("--report", str(file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=420,
        check=False,
    )
    assert file.exists(), done.stdout + done.stderr
    return done.returncode, file.read_text()


def test_the_workflow_runs_the_tests_and_the_preview_and_posts_the_result():
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert "pull_request" in workflow[True]  # YAML 1.1 reads the key `on` as true
    test, preview = workflow["jobs"]["test"], workflow["jobs"]["preview"]
    assert {"run": ".ci/run"} in test["steps"]
    commands = [step.get("run", "") for step in preview["steps"]]
    assert "make preview" in commands
    posting = next(step for step in preview["steps"] if "gh pr comment" in step.get("run", ""))
    assert "build/preview/report.md" in posting["run"]
    # A refused preview is what has to be shown most of all.
    assert posting["if"].startswith("always()")
    assert preview["permissions"]["pull-requests"] == "write"
    assert "pull-requests" not in workflow["permissions"]
    assert not any(step.get("continue-on-error") for step in preview["steps"])


def test_the_configuration_of_the_rules_follows_a_stack_file(tmp_path):
    config = from_settings(settings_in(ROOT / "Pulumi.dr.yaml"), "primary.json")
    assert config["mwaa-dr-objective-rto"] == {
        "rtoMinutes": 60,
        "strategy": "backup-restore",
        "fenceMinutes": 2,
        "agentMinutes": 1,
        "approvalMinutes": 0,
        "detectionMinutes": pytest.approx(220 / 60),
        "otherStack": "primary.json",
    }
    assert config["mwaa-dr-backup-retention"]["retentionDays"] == 14
    assert config["mwaa-dr-backup-retention"]["baseHours"] == 24
    assert config["mwaa-dr-backup-age-alarm"] == {"rpoMinutes": 15}
    slow = {"recovery": {"automatic": False}, "code": {"replication": False}}
    config = from_settings(slow)
    assert config["mwaa-dr-objective-rto"]["approvalMinutes"] == 30
    assert config["mwaa-dr-bucket-replicated"]["codeByPipeline"] is True
    assert (
        from_settings({"recovery": {"approvalMinutes": 7}})["mwaa-dr-objective-rto"][
            "approvalMinutes"
        ]
        == 7
    )
    with pytest.raises(ValueError, match="no stack file with a `config`"):
        settings_in(tmp_path / "Pulumi.none.yaml")


def test_what_a_stack_file_leaves_out_has_the_default_of_the_settings():
    config = from_settings({})
    assert config["mwaa-dr-objective-rto"]["rtoMinutes"] == Objectives().rto_minutes
    assert config["mwaa-dr-objective-rpo"]["rpoMinutes"] == Objectives().rpo_minutes
    assert config["mwaa-dr-objective-rpo"]["copyMode"] == Backup().copy_mode
    assert config["mwaa-dr-objective-rpo"]["intervalMinutes"] == Backup().interval_seconds / 60
    assert config["mwaa-dr-backup-retention"]["retentionDays"] == Backup().retention_days
    assert config["mwaa-dr-backup-retention"]["baseHours"] == Backup().base_interval_hours
    assert config["mwaa-dr-objective-rto"]["fenceMinutes"] == Recovery().fence_seconds / 60
    assert config["mwaa-dr-objective-rto"]["detectionMinutes"] == detection_minutes(
        Detection().model_dump()
    )


def test_every_option_that_is_made_from_settings_is_one_that_the_rule_has():
    by_name = {rule.name: rule for rule in RULES}
    overridden = {"recovery": {"airflowOptions": {"core.parallelism": 8}}}
    for rule, said in from_settings(overridden, "other.json").items():
        by_name[rule].settings(said)


def test_exceptions_for_a_rule_that_does_not_exist_are_refused(tmp_path):
    over = tmp_path / "policy-config.json"
    over.write_text('{"mwaa-dr-bucket-version": {"exceptions": []}}')
    with pytest.raises(SystemExit, match="did you mean mwaa-dr-bucket-versioned"):
        main([str(ROOT / "Pulumi.dr.yaml"), "--over", str(over)])


def test_exceptions_are_put_over_what_is_made_from_settings():
    made = {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    assert merged(made, {"a": {"y": 4}, "b": "disabled", "c": {"w": 5}}) == {
        "a": {"x": 1, "y": 4},
        "b": "disabled",
        "c": {"w": 5},
    }
