"""How long backups stay: an incremental is worth nothing without the base that it rests on."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contract.agent_config import BASE_SECONDS
from contract.objects import ObjectRole
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import BUCKET, BUCKET_LIFECYCLE
from mwaa_dr_policy.options import BACKUP_BUCKETS, OTHER_STACK
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_backup_bucket, is_for, longest_option
from mwaa_dr_policy.values import items, read

DAY = 24 * 3600
EXPORT_SECONDS = 300
"""Time between two backups of this project where nothing else is at hand."""

_RETENTION = Option(
    key="retentionDays",
    default=14,
    description="How far back one must be able to go, in days.",
    schema={"type": "number", "minimum": 1},
)
_BASE = Option(
    key="baseHours",
    default=0,
    description=(
        "Time between two bases, in hours; 0 takes it from the option `mwaa_dr.base_seconds` of "
        "the environments at hand, else 24 for a bucket with the tag `backups` and none for others."
    ),
    schema={"type": "number", "minimum": 0},
)
_EXPORT = Option(
    key="exportMinutes",
    default=0,
    description=(
        "Time between two backups, in minutes; 0 takes it from the option "
        "`mwaa_dr.export_seconds` of the environments at hand."
    ),
    schema={"type": "number", "minimum": 0},
)
_NONCURRENT = Option(
    key="noncurrentDays",
    default=7,
    description="How long an overwritten or deleted version must stay, in days.",
    schema={"type": "number", "minimum": 1},
)
_EXEMPT = Option(
    key="exemptPrefixes",
    default=["control/", "batch/"],
    description="Prefixes that hold no backups: pulses, orders, reports and the like.",
    schema={"type": "array", "items": {"type": "string"}},
)
_SLOW = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes from which an object must be ordered hours before it can be read."""


@dataclass(frozen=True, slots=True)
class _Need:
    """How long objects must stay.

    At the start of the retention the newest backup is up to an export interval old, and its base up
    to a base interval older; S3 counts in whole days.
    """

    retention_days: float
    base_seconds: float
    export_seconds: float

    @property
    def days(self) -> float:
        return self.retention_days + math.ceil((self.base_seconds + self.export_seconds) / DAY)

    def __str__(self) -> str:
        if not self.base_seconds:
            return f"backups must stay for {self.days:g}"
        return (
            f"backups must stay for {self.days:g}: {self.retention_days:g} of retention and, in "
            f"whole days, one base interval of {self.base_seconds / 3600:g} hours plus one backup "
            f"interval of {self.export_seconds / 60:g} minutes, since a backup needs its base"
        )


def _need(bucket: Resource, stack: Stack, settings: Settings) -> _Need:
    base = settings[_BASE.key] * 3600 or longest_option(stack, "base_seconds")
    export = settings[_EXPORT.key] * 60 or longest_option(stack, "export_seconds")
    if is_for(bucket, ObjectRole.BACKUPS):
        base, export = base or BASE_SECONDS, export or EXPORT_SECONDS
    return _Need(settings[_RETENTION.key], base, export)


def _short_lived(bucket: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    rules = [
        rule
        for lifecycle in stack.attached(BUCKET_LIFECYCLE, "bucket", bucket)
        for rule in items(lifecycle.props, "rules")
    ] + items(bucket.props, "lifecycleRules")
    if not rules:
        return
    need = _need(bucket, stack, settings)
    for rule in rules:
        if read(rule, "status") == "Disabled" or read(rule, "enabled") is False:
            continue
        if not any(_prefix(rule).startswith(prefix) for prefix in settings[_EXEMPT.key]):
            name = read(rule, "id") or "without an id"
            faults = _too_short(rule, need, settings[_NONCURRENT.key])
            yield from (f"lifecycle rule {name} {fault}" for fault in faults)


def _prefix(rule: Any) -> str:  # noqa: ANN401
    paths = ("filter.prefix", "filter.and.prefix", "prefix")
    return next((found for path in paths if (found := read(rule, path))), "")


def _too_short(rule: Any, need: _Need, noncurrent: float) -> Iterator[str]:  # noqa: ANN401
    if read(rule, "expiration.date"):
        yield "deletes objects of any age on a fixed date"
    days = read(rule, "expiration.days")
    if days and days < need.days:
        yield f"deletes objects after {days:g} days; {need}"
    days = read(rule, "noncurrentVersionExpiration.noncurrentDays") or read(
        rule, "noncurrentVersionExpiration.days"
    )
    if days and days < noncurrent:
        yield f"deletes old versions after {days:g} days; they must stay for {noncurrent:g}"
    for transition in items(rule, "transitions"):
        days = read(transition, "days") or 0
        if read(transition, "storageClass") in _SLOW and days < need.days:
            yield f"archives objects after {days:g} days, to be read hours later; {need}"


BACKUP_RETENTION = StackRule(
    name="mwaa-dr-backup-retention",
    description=(
        "No lifecycle rule takes a backup, or the base it rests on, away before its retention has "
        "passed."
    ),
    why=(
        "A backup that has expired, whose base has expired, or that lies in an archive class that "
        "takes hours to read, is found missing on the day it is needed."
    ),
    remedy=(
        "Lengthen the lifecycle rule, limit it to a prefix without backups, or lower the option."
    ),
    severity=Severity.HIGH,
    types=(BUCKET,),
    options=(_RETENTION, _BASE, _EXPORT, _NONCURRENT, _EXEMPT, BACKUP_BUCKETS, OTHER_STACK),
    applies=lambda bucket, _, settings: is_backup_bucket(bucket, settings),
    check=_short_lived,
)

RULES = (BACKUP_RETENTION,)
