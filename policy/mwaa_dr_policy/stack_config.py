"""Makes the rules' configuration from a stack file, so that both say the same.

A pack cannot read the configuration of the stack it judges. `python -m
mwaa_dr_policy.stack_config Pulumi.dr.yaml` in `policy/`, or with `policy/` on PYTHONPATH, writes
what the settings say about thresholds and objectives in the form of `--policy-pack-config`. What
the stack file leaves out keeps the rules' default, which is that of the settings.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from contract.objects import ObjectRole
from contract.sites import Site
from mwaa_dr_policy import RULES
from mwaa_dr_policy.configuration import check
from mwaa_dr_policy.objectives import APPROVAL_MINUTES, detection_minutes
from mwaa_dr_policy.options import OTHER_STACK
from mwaa_dr_policy.pairs import IGNORED

PROJECT = "mwaa-dr:"
DETECTION = {
    "heartbeat_seconds": ("heartbeatSeconds", 180),
    "pulse_seconds": ("pulseSeconds", 180),
    "needed": ("needed", 2),
    "reading_seconds": ("readingSeconds", 20),
}
"""What the arithmetic of detection needs, with the settings' key and default."""


ELSEWHERE = {
    "environment": ObjectRole.ENVIRONMENT.value,
    "executionRoleArn": ObjectRole.ENVIRONMENT.value,
    "dagBucket": ObjectRole.DAGS.value,
    "dataKeyArn": ObjectRole.DATA_KEY.value,
    "topicArn": ObjectRole.ALERTS.value,
}
"""What exists already by the settings below `existing.<site>`: its owner declares it."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One option of some rules and the setting that it follows.

    Args:
        setting: path in the stack's configuration.
        default: what the settings take where the stack file says nothing.
        value: makes the option's value of the setting's.
    """

    rules: tuple[str, ...]
    option: str
    setting: str
    default: Any
    value: Callable[[Any], Any] = lambda value: value


def _minutes(seconds: float) -> float:
    return seconds / 60


_RPO = ("mwaa-dr-backup-age-alarm", "mwaa-dr-objective-rpo", "mwaa-dr-replication-in-time")
_RTO = ("mwaa-dr-objective-rto",)
_RETENTION = ("mwaa-dr-backup-retention",)
_ROWS = (
    _Row(_RPO, "rpoMinutes", "objectives.rpoMinutes", 15),
    _Row(_RTO, "rtoMinutes", "objectives.rtoMinutes", 60),
    _Row(_RTO, "strategy", "strategy", ""),
    _Row(_RTO, "fenceMinutes", "recovery.fenceSeconds", 120, _minutes),
    _Row(_RTO, "agentMinutes", "agent.intervalSeconds", 60, _minutes),
    _Row(
        ("mwaa-dr-objective-rpo", "mwaa-dr-bucket-replicated"),
        "copyMode",
        "backup.copyMode",
        "direct",
    ),
    _Row(("mwaa-dr-objective-rpo",), "intervalMinutes", "backup.intervalSeconds", 300, _minutes),
    _Row(_RETENTION, "retentionDays", "backup.retentionDays", 14),
    _Row(_RETENTION, "baseHours", "backup.baseIntervalHours", 24),
    _Row(_RETENTION, "exportMinutes", "backup.intervalSeconds", 300, _minutes),
    _Row(
        ("mwaa-dr-bucket-replicated",),
        "codeByPipeline",
        "code.replication",
        True,
        lambda carried: not carried,
    ),
)


def from_settings(
    settings: Mapping[str, Any], other_stack: str = "", *, site: str = ""
) -> dict[str, dict[str, Any]]:
    """The configuration of the rules, by rule.

    Args:
        settings: the stack's configuration without its namespace.
        other_stack: file with the other Region's stack; empty if it is not at hand.
        site: the site that the stack deploys; empty if its file does not say.
    """
    config: dict[str, dict[str, Any]] = {}
    for row in _ROWS:
        value = row.value(_at(settings, row.setting, row.default))
        for rule in row.rules:
            config.setdefault(rule, {})[row.option] = value
    said = settings.get("detection", {})
    detection = {key: said.get(name, default) for key, (name, default) in DETECTION.items()}
    config["mwaa-dr-objective-rto"]["detectionMinutes"] = detection_minutes(detection)
    recovery = settings.get("recovery", {})
    by_hand = 0 if recovery.get("automatic", True) else APPROVAL_MINUTES
    config["mwaa-dr-objective-rto"]["approvalMinutes"] = recovery.get("approvalMinutes") or by_hand
    overridden = recovery.get("airflowOptions", {})
    if overridden:
        ignored = config.setdefault("mwaa-dr-environment-equal", {})
        ignored["ignoredOptions"] = [*IGNORED.default, *sorted(overridden)]
    existing = _at(settings, f"existing.{site}", {})
    if existing:
        found = sorted({role for key, role in ELSEWHERE.items() if existing.get(key)})
        config["mwaa-dr-site-complete"] = {"elsewhere": found}
    if _at(settings, f"network.{site}.egress", "") == "endpoints":
        config["mwaa-dr-network-way-out"] = {"closed": True}
    if other_stack:
        for rule in RULES:
            if OTHER_STACK in rule.options:
                config.setdefault(rule.name, {})[OTHER_STACK.key] = other_stack
    return config


def settings_in(stack_file: Path) -> dict[str, Any]:
    """The settings in a stack file. Raises ValueError if it has no configuration."""
    try:
        config = yaml.safe_load(stack_file.read_text())["config"]
    except (OSError, TypeError, KeyError, yaml.YAMLError) as error:
        raise ValueError(f"{stack_file}: no stack file with a `config` ({error})") from error
    return {k.removeprefix(PROJECT): v for k, v in config.items() if k.startswith(PROJECT)}


def site_of(stack_file: Path) -> str:
    """The site that a stack file is named after, as Pulumi names it; empty for another name."""
    parts = stack_file.name.split(".")
    stack = parts[1] if parts[0] == "Pulumi" else ""
    return stack if stack in tuple(Site) else ""


def merged(config: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`config` with the entries of `over` (exceptions, say) put over it, rule by rule."""
    found: dict[str, Any] = dict(config)
    for rule, said in over.items():
        found[rule] = {**found.get(rule, {}), **said} if isinstance(said, Mapping) else said
    return found


def _at(settings: Mapping[str, Any], path: str, default: Any) -> Any:  # noqa: ANN401
    value: Any = settings
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stack_file", type=Path, help="Pulumi.<stack>.yaml")
    parser.add_argument("--other-stack", default="", help="file with the other stack's export")
    parser.add_argument("--over", type=Path, help="JSON file that is put over the result")
    chosen = parser.parse_args(arguments)
    try:
        settings = settings_in(chosen.stack_file)
        config = from_settings(settings, chosen.other_stack, site=site_of(chosen.stack_file))
        over = json.loads(chosen.over.read_text()) if chosen.over else {}
        made = merged(config, over)
        check(made)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    sys.stdout.write(json.dumps(made, indent=2) + "\n")


if __name__ == "__main__":
    main()
