"""Settings that are each fine and do not go together: one row per rule."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil

from components.settings import declared, existing_checks, network_checks
from components.settings.airflow import MICRO
from components.settings.tree import Settings
from contract.metrics import TAG_INSTALLATION
from contract.names import RESERVED
from contract.objectives import recovery_point
from contract.severity import Severity
from contract.sites import CopyMode, Site, Strategy

PARTITION_OF_PREFIX = {"us-gov-": "aws-us-gov", "cn-": "aws-cn"}
TWO_REGIONS = ("aws-us-gov", "aws-cn")
"""Partitions without a third Region that could be the witness."""
TAG_PREFIX = TAG_INSTALLATION.partition(":")[0] + ":"
ENDPOINT_START = {
    "https": "https://",
    "sms": "+",
    "sqs": "arn:",
    "lambda": "arn:",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One rule.

    Args:
        keys: what it compares; it is left out when one of them was refused by itself.
        problems: gives a message, which starts with the key, for everything that is wrong.
    """

    keys: tuple[str, ...]
    problems: Callable[[Settings], Iterator[str]]


def problems(settings: Settings, refused: set[str]) -> list[str]:
    """Everything that is wrong with `settings`, except where a key in `refused` takes part."""
    return [
        f"mwaa-dr:{problem}"
        for check in CHECKS
        if not any(_touches(key, other) for key, other in product(check.keys, refused))
        for problem in check.problems(settings)
    ]


def _touches(key: str, refused: str) -> bool:
    return f"{refused}.".startswith(f"{key}.") or f"{key}.".startswith(f"{refused}.")


def _name(s: Settings) -> Iterator[str]:
    if f"{s.name}-".startswith(RESERVED):
        yield (
            f"name: {s.name!r} is not allowed; use one that does not begin with "
            f"{', '.join(RESERVED)}, which S3 or EC2 refuse"
        )


def _witness(s: Settings) -> Iterator[str]:
    if s.witness_region == s.primary_region:
        yield (
            f"witnessRegion: {s.witness_region!r} is not allowed; use a Region other than "
            "primaryRegion, or an outage there could not be told from one of the monitor"
        )
    if s.witness_region != s.dr_region or s.dr_region == s.primary_region:
        return
    if s.partition not in TWO_REGIONS:
        yield (
            f"witnessRegion: {s.witness_region!r} is not allowed; use a Region other than "
            "drRegion, or an outage there could not be told from one of the monitor"
        )
    elif s.recovery.automatic and (
        s.recovery.approval_minutes is None or s.recovery.proceed_unanswered
    ):
        yield (
            f"witnessRegion: {s.witness_region!r} is drRegion too, so that a cut line between the "
            "sites looks like the loss of one: a person has to decide; set "
            "recovery.approvalMinutes and leave proceedUnanswered out, or set recovery.automatic "
            "to false"
        )


def _partition(s: Settings) -> Iterator[str]:
    for key, region in (
        ("primaryRegion", s.primary_region),
        ("drRegion", s.dr_region),
        ("witnessRegion", s.witness_region),
    ):
        found = (part for prefix, part in PARTITION_OF_PREFIX.items() if region.startswith(prefix))
        partition = next(found, "aws")
        if partition != s.partition:
            yield f"{key}: {region!r} is not allowed in {s.partition}; it is in {partition}"


def _rpo(s: Settings) -> Iterator[str]:
    need = recovery_point(s.backup.interval_seconds, s.backup.copy_mode)
    if need.within(s.objectives.rpo_minutes):
        return
    instead = ", or backup.copyMode direct" if s.backup.copy_mode is CopyMode.REPLICATE else ""
    yield (
        f"objectives.rpoMinutes: {s.objectives.rpo_minutes:g} cannot be kept with "
        f"backup.intervalSeconds {s.backup.interval_seconds} and backup.copyMode "
        f"{s.backup.copy_mode}: {need}; use at least {ceil(need.minutes)}{instead}"
    )


def _backup_age(s: Settings) -> Iterator[str]:
    least, most = 2 * s.backup.interval_seconds, s.objectives.rpo_minutes * 60
    if s.detection.backup_seconds < least:
        yield (
            f"detection.backupSeconds: {s.detection.backup_seconds} is not allowed; use at least "
            f"{least}, twice backup.intervalSeconds, or a healthy backup looks stale"
        )
    elif s.detection.backup_seconds > most:
        yield (
            f"detection.backupSeconds: {s.detection.backup_seconds} is not allowed; use at most "
            f"{most:g} (objectives.rpoMinutes), or the alarm comes after the promise is broken"
        )


def _object_lock(s: Settings) -> Iterator[str]:
    days, kept = s.backup.object_lock_days, s.backup.retention_days
    if days is None:
        if "object_lock_mode" in s.backup.model_fields_set:
            yield "backup.objectLockMode: goes with backup.objectLockDays only; leave it out"
    elif days > kept:
        yield (
            f"backup.objectLockDays: {days} is not allowed; use at most {kept} "
            "(backup.retentionDays), since what is locked is kept and paid for longer than that"
        )


def _purge(s: Settings) -> Iterator[str]:
    purge, backups = s.metadata.retention_days, s.backup.retention_days
    if purge is not None and purge < backups:
        yield (
            f"metadata.retentionDays: {purge} is not allowed; use at least {backups} "
            "(backup.retentionDays), or after going back to the oldest backup nobody could tell "
            "any more what had run since"
        )


def _votes(s: Settings) -> Iterator[str]:
    if s.detection.needed > s.detection.window:
        yield (
            f"detection.needed: {s.detection.needed} is not allowed; use at most "
            f"{s.detection.window} (detection.window)"
        )


def _probe(s: Settings) -> Iterator[str]:
    if s.detection.probe_seconds >= s.detection.reading_seconds:
        yield (
            f"detection.probeSeconds: {s.detection.probe_seconds:g} is not allowed; use less than "
            f"{s.detection.reading_seconds} (detection.readingSeconds)"
        )


def _agent(s: Settings) -> Iterator[str]:
    least = 2 * s.agent.interval_seconds
    for key, seconds, why in (
        ("detection.pulseSeconds", s.detection.pulse_seconds, "one late agent run looks dead"),
        ("recovery.fenceSeconds", s.recovery.fence_seconds, "a live agent has no time to answer"),
    ):
        if seconds < least:
            yield (
                f"{key}: {seconds} is not allowed; use at least {least}, twice "
                f"agent.intervalSeconds, or {why}"
            )


def _sizes(s: Settings) -> Iterator[str]:
    e = s.environment
    for low, high, least, most in (
        ("minWorkers", "maxWorkers", e.min_workers, e.max_workers),
        ("minWebservers", "maxWebservers", e.min_webservers, e.max_webservers),
    ):
        if least > most:
            yield f"environment.{low}: {least} is not allowed; use at most {most} ({high})"
    counts = {
        "schedulers": e.schedulers,
        "minWebservers": e.min_webservers,
        "maxWebservers": e.max_webservers,
    }
    micro = e.environment_class == MICRO
    if micro:
        counts |= {"minWorkers": e.min_workers, "maxWorkers": e.max_workers}
    for key, count in counts.items():
        if micro != (count == 1):
            allowed = "1" if micro else "2 to 5"
            yield (
                f"environment.{key}: {count} is not allowed with {e.environment_class}; "
                f"use {allowed}"
            )


def _access(s: Settings) -> Iterator[str]:
    if s.environment.airflow_version is None:
        return
    version = tuple(int(part) for part in s.environment.airflow_version.split("."))
    if s.environment.webserver_access_mode == "PUBLIC_AND_PRIVATE" and version < (3, 2):
        yield (
            "environment.webserverAccessMode: 'PUBLIC_AND_PRIVATE' is not allowed before Airflow "
            f"3.2 (airflowVersion is {s.environment.airflow_version}); use PRIVATE_ONLY"
        )


def _files(s: Settings) -> Iterator[str]:
    e, c = s.environment, s.code
    for name, file, path, version in (
        ("plugins", c.plugins_file, e.plugins_s3_path, e.plugins_s3_object_version),
        (
            "requirements",
            c.requirements_file,
            e.requirements_s3_path,
            e.requirements_s3_object_version,
        ),
        (
            "startupScript",
            c.startup_script_file,
            e.startup_script_s3_path,
            e.startup_script_s3_object_version,
        ),
    ):
        if (path is None) != (version is None):
            yield (
                f"environment.{name}S3Path: goes with {name}S3ObjectVersion; give both or neither"
            )
        if file and path:
            yield f"code.{name}File: goes without environment.{name}S3Path; give one of them"


def _notifications(s: Settings) -> Iterator[str]:
    everybody = [
        *((f"notifications.{index}", one) for index, one in enumerate(s.notifications)),
        *(
            (f"escalation.notifications.{index}", one)
            for index, one in enumerate(s.escalation.notifications)
        ),
    ]
    for key, one in everybody:
        start = ENDPOINT_START.get(one.protocol, "")
        if not one.endpoint.startswith(start) or ("email" in one.protocol) != ("@" in one.endpoint):
            wanted = f"one that starts with {start}" if start else "a mail address"
            # It may hold a token: it is not repeated.
            yield f"{key}.endpoint: is not allowed with {one.protocol}; use {wanted}"


def _told(s: Settings) -> Iterator[str]:
    if s.notifications and all(one.severity is Severity.PAGE for one in s.notifications):
        yield (
            "notifications: nobody is told of tickets; leave severity out for at least one of "
            "them, or alarms that can wait until tomorrow reach no one"
        )


def _adopted(s: Settings) -> Iterator[str]:
    if s.adopted is None:
        return
    if s.strategy is not Strategy.BACKUP_RESTORE:
        yield (
            f"adopted: goes with strategy {Strategy.BACKUP_RESTORE} only; under {s.strategy} the "
            "stack has an environment of its own; `mwaa-dr adopt --release` lets the other one go"
        )
    name = s.names.environment(Site.DR)
    if s.adopted.environment_name != name:
        yield (
            f"adopted.environmentName: {s.adopted.environment_name!r} is not allowed; a recovery "
            f"of {s.name} creates {name}"
        )


def _tags(s: Settings) -> Iterator[str]:
    for key in sorted(s.tags):
        if key.startswith(("aws:", TAG_PREFIX)):
            yield f"tags: {key!r} is not allowed; tags of `aws:` and `{TAG_PREFIX}` are reserved"


CHECKS = (
    Check(("name",), _name),
    Check(("partition", "primaryRegion", "drRegion", "witnessRegion", "recovery"), _witness),
    Check(("partition", "primaryRegion", "drRegion", "witnessRegion"), _partition),
    Check(("objectives.rpoMinutes", "backup.intervalSeconds", "backup.copyMode"), _rpo),
    Check(
        ("detection.backupSeconds", "backup.intervalSeconds", "objectives.rpoMinutes"), _backup_age
    ),
    Check(("backup",), _object_lock),
    Check(("metadata.retentionDays", "backup.retentionDays"), _purge),
    Check(("detection.needed", "detection.window"), _votes),
    Check(("detection.probeSeconds", "detection.readingSeconds"), _probe),
    Check(("agent.intervalSeconds", "detection.pulseSeconds", "recovery.fenceSeconds"), _agent),
    Check(("environment",), _sizes),
    Check(("environment.airflowVersion", "environment.webserverAccessMode"), _access),
    Check(("environment", "code"), _files),
    Check(
        ("existing.primary", "environment", "network", "code", "strategy"),
        existing_checks.environment,
    ),
    Check(
        ("existing", "account", "partition", "primaryRegion", "drRegion"), existing_checks.regions
    ),
    Check(("existing", "notifications", "code", "environment"), existing_checks.combinations),
    Check(("network", "primaryRegion", "drRegion"), network_checks.network),
    Check(("notifications", "escalation.notifications"), _notifications),
    Check(("notifications",), _told),
    Check(("detection.checks",), lambda s: declared.problems(s.detection.checks)),
    Check(("adopted", "strategy", "name", "account"), _adopted),
    Check(("tags",), _tags),
)
