"""Changes of settings, and what an update makes of them; rendered as docs/changes.md."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine_cloud import Cloud, Step, kind_of, steps
from program_run import short

from local.paths import ROOT

HOLD_DATA = {
    "aws:dynamodb/table:Table",
    "aws:kms/key:Key",
    "aws:kms/replicaKey:ReplicaKey",
    "aws:mwaa/environment:Environment",
    "aws:s3/bucket:Bucket",
}
HARMLESS = {"same", "create", "update", "read", "refresh"}
COUNTED = ("create", "update", "replace", "delete")
LISTED = 8
"""Types in a cell that are named one by one; what is replaced or deleted always is."""
_PROTECTED = re.compile(r'error: unable to (?:replace|delete) resource "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the committed stack files.

    Args:
        title: as a person says it.
        values: by dotted key; more than one where they only go together.
    """

    title: str
    values: Mapping[str, Any]


def _set(key: str, value: Any) -> Change:
    return Change(f"`{key}` to `{_shown(value)}`", {key: value})


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


CHANGES = (
    Change("`strategy` to `active-passive`", {"strategy": "active-passive"}),
    _set("environment.maxWorkers", 20),
    _set("environment.environmentClass", "mw1.large"),
    _set("environment.airflowVersion", "2.10.1"),
    _set("environment.webserverAccessMode", "PUBLIC_ONLY"),
    _set("environment.weeklyMaintenanceWindowStart", "MON:04:00"),
    Change(
        "an option in `environment.airflowConfigurationOptions`",
        {"environment.airflowConfigurationOptions": {"core.parallelism": "64"}},
    ),
    Change(
        "an option in `recovery.airflowOptions`",
        {"recovery.airflowOptions": {"core.parallelism": "64"}},
    ),
    _set("backup.intervalSeconds", 240),
    _set("backup.baseIntervalHours", 12),
    _set("backup.retentionDays", 30),
    _set("backup.renderedFields", False),
    Change(
        "`backup.copyMode` to `replicate`",
        {"backup.copyMode": "replicate", "objectives.rpoMinutes": 30},
    ),
    _set("backup.objectLockDays", 7),
    _set("backup.allowDeletion", True),
    _set("metadata.retentionDays", 90),
    _set("agent.intervalSeconds", 30),
    _set("detection.readingSeconds", 30),
    _set("detection.backupSeconds", 800),
    _set("recovery.automatic", False),
    _set("recovery.approvalMinutes", 10),
    _set("objectives.rtoMinutes", 90),
    _set("objectives.rpoMinutes", 20),
    _set("code.replication", False),
    _set("code.seed", True),
    _set("drill.schedule", "rate(30 days)"),
    Change(
        "another one of `notifications`",
        {"notifications": [{"protocol": "email", "endpoint": "on-call@example.com"}]},
    ),
    Change(
        "`escalation.notifications`",
        {"escalation": {"notifications": [{"protocol": "email", "endpoint": "a@example.com"}]}},
    ),
    Change("a tag", {"tags": {"cost-centre": "another"}}),
    Change(
        "`permissionsBoundary`",
        {"permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary"},
    ),
    _set("witnessRegion", "ap-southeast-2"),
    _set("network.dr.natGateways", 2),
    Change(
        "`network.dr.egress` to `endpoints`",
        {"network.dr.egress": "endpoints", "network.dr.natGateways": None},
    ),
    _set("network.dr.flowLogDays", 365),
    _set("network.dr.flowLogDays", 0),
    Change("`network.primary.vpcCidr`", {"network.primary.vpcCidr": "10.70.0.0/16"}),
    Change("`network.dr.vpcCidr`", {"network.dr.vpcCidr": "10.70.0.0/16"}),
    Change(
        "`network.dr` to subnets and groups that exist",
        {"network.dr": {"subnetIds": ["subnet-1a", "subnet-1b"], "securityGroupIds": ["sg-1"]}},
    ),
)


def planned(cloud: Cloud, stack: str, change: Change) -> list[Step] | str:
    """The steps of an update with that change, or why it is refused."""
    file = cloud.stack_file(ROOT / f"Pulumi.{stack}.yaml", change.values)
    done = cloud.pulumi("preview", "--json", "-s", stack, "--config-file", file)
    if done.returncode == 0:
        return steps(done.stdout)
    said = json.loads(done.stdout[done.stdout.index("{") :]).get("diagnostics", [])
    found = [_PROTECTED.match(one["message"]) for one in said]
    kinds = sorted({short(kind_of(one[1])) for one in found if one})
    assert kinds, f"{change.title}, {stack}: {done.stdout}{done.stderr}"
    return f"refused: {', '.join(kinds)} would be replaced"


def summary(found: list[Step] | str) -> str:
    """What an update does, in a line: counts by operation and type."""
    if isinstance(found, str):
        return found
    counted = Counter((op, kind) for op, kind, _ in found)
    parts = []
    for op in COUNTED:
        kinds = sorted(
            (short(kind), number) for (what, kind), number in counted.items() if what == op
        )
        if len(kinds) > LISTED and op in HARMLESS:
            parts.append(f"{op} resources of {len(kinds)} types")
        elif kinds:
            parts.append(f"{op} {', '.join(_counted(kind, number) for kind, number in kinds)}")
    return "; ".join(parts) or "nothing"


def _counted(kind: str, number: int) -> str:
    """Objects are files of code, of which each release has another number."""
    if kind == "s3.BucketObjectv2":
        return f"{kind} per file"
    return kind if number == 1 else f"{number} {kind}"


def harmed(found: list[Step] | str) -> list[Step]:
    """Steps that take away what holds data."""
    steps = [] if isinstance(found, str) else found
    return [step for step in steps if step[1] in HOLD_DATA and step[0] not in HARMLESS]


def page(rows: Iterable[tuple[str, str, str]]) -> str:
    """docs/changes.md."""
    lines = [
        "# What a change of a setting does",
        "",
        "Each row is a preview of both committed stacks with one change, made with the real engine",
        "by `tests/components/test_changes_on_engine.py`, which fails where a row is no longer",
        "true. What holds data (a bucket, a key, the table, an environment with its metadata",
        "database) is never replaced or deleted: where a change would, it is refused. Logs are not",
        "among it: those of a network go with the network.",
        "",
        "| change | `primary` | `dr` |",
        "|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]
    return "\n".join(lines)
