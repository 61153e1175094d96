"""Each rule by its name through the real engine: one property away from a program that passes."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from policy_breaks import BREAKS
from policy_judge import urn
from policy_programs import BESIDE, primary

from local.paths import ROOT
from local.pulumi.environment import pulumi_environment
from mwaa_dr_policy import RULES

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

BY_NAME = {}
for row in BREAKS:
    BY_NAME.setdefault(row[0], row)
"""The first change that breaks each rule."""
ELSEWHERE = {"mwaa-dr-exception-current"}
"""Needs a configuration; tested by name below."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    backend = tmp_path_factory.mktemp("backend")
    return {**os.environ, **pulumi_environment(backend=backend)}


def export(program):
    resources = [
        {
            "urn": urn(raw["type"], name),
            "custom": True,
            "id": raw["props"].get("id") or name,
            "type": raw["type"],
            "inputs": raw["props"],
            "outputs": raw["props"],
            "protect": raw["protect"],
        }
        for name, raw in program.items()
    ]
    manifest = {"time": "2026-11-26T00:00:00Z", "magic": "", "version": ""}
    return {"version": 3, "deployment": {"manifest": manifest, "resources": resources}}


def analyze(environment, folder, program, config):
    """The exit code, and `(level, rule)` of everything that the engine shows."""
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps(export(program)))
    (folder / "config.json").write_text(json.dumps(config))
    done = subprocess.run(
        [
            *("pulumi", "policy", "analyze", "--file", str(folder / "state.json")),
            *("--policy-pack", str(ROOT / "policy")),
            *("--policy-pack-config", str(folder / "config.json")),
            *("--non-interactive", "--color", "never"),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines() if "- [" in line]
    shown = {(words[1].strip("[]"), words[4]) for words in lines}
    assert shown or done.returncode == 0, done.stdout + done.stderr
    return done.returncode, shown


def beside(folder, program):
    """Configuration that puts another program's export at hand."""
    file = folder / "other.json"
    file.write_text(json.dumps(export(program)))
    return {
        rule.name: {"otherStack": str(file)}
        for rule in RULES
        if "otherStack" in {option.key for option in rule.options}
    }


def test_every_rule_refuses_its_own_change_and_nothing_else(environment, tmp_path):
    at_hand = {
        make: beside(_folder(tmp_path / make.__name__), other()) for make, other in BESIDE.items()
    }

    def judged(rule):
        _, make, name, path, value = BY_NAME[rule]
        program = make().set(name, path, value)
        return rule, analyze(environment, tmp_path / rule, program, at_hand[make])

    with ThreadPoolExecutor(2) as pool:
        found = dict(pool.map(judged, BY_NAME))
    levels = {rule.name: rule.level.value for rule in RULES}
    protected = {"mwaa-dr-environment-protected"}
    assert found.keys() == levels.keys() - ELSEWHERE - protected
    assert found == {
        rule: (int(levels[rule] == "mandatory"), {(levels[rule], rule)}) for rule in found
    }


def test_the_programs_without_a_change_pass(environment, tmp_path):
    for make, other in BESIDE.items():
        folder = _folder(tmp_path / make.__name__)
        config = beside(folder, other())
        assert analyze(environment, folder / "run", make(), config) == (0, set())


def test_an_environment_without_protection_is_refused(environment, tmp_path):
    program = primary()
    program["environment"]["protect"] = False
    assert analyze(environment, tmp_path / "run", program, {}) == (
        1,
        {("mandatory", "mwaa-dr-environment-protected")},
    )


def test_levels_and_exceptions_of_the_configuration_reach_the_engine(environment, tmp_path):
    rule = "mwaa-dr-environment-supported"
    program = primary().set("environment", "airflowVersion", "2.6.3")
    for number, (config, expected) in enumerate(
        (
            ({rule: {"enforcementLevel": "advisory"}}, (0, {("advisory", rule)})),
            ({rule: "disabled"}, (0, set())),
            ({"all": "disabled"}, (0, set())),
            ({rule: excuse("environment")}, (0, set())),
            (
                {rule: excuse("another")},
                (1, {("mandatory", rule), ("advisory", "mwaa-dr-exception-current")}),
            ),
            ({rule: excuse("environment", until="2020-01-01")}, (1, {("mandatory", rule)})),
        )
    ):
        assert analyze(environment, tmp_path / str(number), program, config) == expected, config


def test_a_bad_configuration_is_refused_before_anything_is_judged(environment, tmp_path):
    (tmp_path / "state.json").write_text(json.dumps(export(primary())))
    for config, said in (
        ({"mwaa-dr-key-kept": {"waitDays": "long"}}, "waitDays"),
        ({"mwaa-dr-key-kept": {"exceptions": [{"resource": "data"}]}}, "exceptions"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        done = subprocess.run(
            [
                *("pulumi", "policy", "analyze", "--file", "state.json", "--non-interactive"),
                *("--policy-pack", str(ROOT / "policy"), "--policy-pack-config", "config.json"),
            ],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode != 0
        assert said in done.stdout + done.stderr


def excuse(resource, until=None):
    until = until or (datetime.now(UTC) + timedelta(days=60)).date().isoformat()
    return {"exceptions": [{"resource": resource, "reason": "gone by March", "until": until}]}


def _folder(path):
    path.mkdir()
    return path
