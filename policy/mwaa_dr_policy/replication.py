"""Copies in the other Region: each precious bucket has one, whole, measured and in time."""

from collections.abc import Iterator

from contract.objectives import recovery_point
from contract.objects import ObjectRole
from contract.sites import CopyMode, Site
from mwaa_dr_policy.copies import (
    arrive,
    copies_from,
    copies_to,
    enabled_rules,
    leave,
    name_of,
    refuse_without_other_stack,
)
from mwaa_dr_policy.facts import objective_minutes
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import BUCKET, BUCKET_REPLICATION, ENVIRONMENT
from mwaa_dr_policy.options import BACKUP_BUCKETS, BUCKETS, COPY_MODE, OTHER_STACK, RPO_MINUTES
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import (
    airflow_option,
    backups_are_written_directly,
    is_at,
    is_backup_bucket,
    is_dag_bucket,
    is_for,
    is_precious,
    longest_option,
)
from mwaa_dr_policy.values import any_of, either, is_given, read

_PIPELINE = Option(
    key="codeByPipeline",
    default=False,
    description="Whether a pipeline deploys the DAGs to both Regions, so that no rule copies them.",
    schema={"type": "boolean"},
)


def _needs_both_ways(bucket: Resource, stack: Stack, settings: Settings) -> bool:
    """Code goes over and, after a failover, comes back; so do backups that replication carries."""
    if not any_of(tuple(Site), lambda site: is_at(bucket, site)):
        return False
    if is_for(bucket, ObjectRole.DAGS):
        return True
    if settings[COPY_MODE.key]:
        return settings[COPY_MODE.key] == CopyMode.REPLICATE
    return is_for(bucket, ObjectRole.BACKUPS) and any_of(
        stack.of(ENVIRONMENT),
        lambda environment: airflow_option(environment, "copy_mode") == CopyMode.REPLICATE,
    )


def _lonely(bucket: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    if settings[_PIPELINE.key] and is_dag_bucket(bucket, stack, settings):
        return
    leaves, arrives = leave(bucket, stack), arrive(bucket, stack)
    if leaves and arrives:
        return
    if not leaves and not arrives:
        refuse_without_other_stack(bucket, stack)
        yield "no enabled replication rule copies it to or from another bucket"
    elif _needs_both_ways(bucket, stack, settings):
        refuse_without_other_stack(bucket, stack)
        way = "another bucket to it" if leaves else "it to another bucket"
        yield f"no enabled replication rule copies {way}"


BUCKET_REPLICATED = StackRule(
    name="mwaa-dr-bucket-replicated",
    description=(
        "Backup and DAG buckets have a copy in another bucket, by an enabled rule; code and "
        "backups of both sites are carried both ways."
    ),
    why=(
        "What lies in one Region only is lost with it: without its DAGs the DR environment has "
        "nothing to run, without a second copy of the backups it cannot go back."
    ),
    remedy=(
        "Add a BucketReplicationConfig with an enabled rule from or to this bucket; if a pipeline "
        "deploys code to both Regions, set `codeByPipeline`."
    ),
    severity=Severity.CRITICAL,
    types=(BUCKET, ENVIRONMENT),
    options=(_PIPELINE, COPY_MODE, *BUCKETS),
    applies=is_precious,
    check=_lonely,
)


def _unencrypted_only(config: Resource, _: Stack, __: Settings) -> Iterator[str]:
    for rule in enabled_rules(config):
        selected = read(rule, "sourceSelectionCriteria.sseKmsEncryptedObjects.status")
        if selected != "Enabled":
            yield f"{name_of(rule)} leaves out the objects that are encrypted with KMS"
        elif not is_given(rule, "destination.encryptionConfiguration.replicaKmsKeyId"):
            yield f"{name_of(rule)} names no key for the copies"


def reads_precious(config: Resource, stack: Stack, settings: Settings) -> bool:
    """Whether its source is a backup or DAG bucket, or is not declared at hand."""
    for bucket in stack.of(BUCKET):
        if stack.refers(config, "bucket", bucket):
            return is_precious(bucket, stack, settings)
    return True


REPLICATION_COMPLETE = StackRule(
    name="mwaa-dr-replication-complete",
    description="Replication takes the objects that are encrypted with KMS along.",
    why=(
        "S3 leaves such objects out, without an error, unless the rule selects them and names a "
        "key of the other Region: the copy stays empty."
    ),
    remedy=(
        "Set sourceSelectionCriteria.sseKmsEncryptedObjects to Enabled and "
        "destination.encryptionConfiguration.replicaKmsKeyId to a key of the destination's Region."
    ),
    severity=Severity.CRITICAL,
    types=(BUCKET_REPLICATION,),
    options=BUCKETS,
    applies=reads_precious,
    check=_unencrypted_only,
)


def _unmeasured(config: Resource, _: Stack, __: Settings) -> Iterator[str]:
    for rule in enabled_rules(config):
        if read(rule, "destination.metrics.status") != "Enabled":
            yield f"{name_of(rule)} publishes no metrics"


REPLICATION_MEASURED = StackRule(
    name="mwaa-dr-replication-measured",
    description="Replication publishes its latency, its backlog and its failures.",
    why=(
        "Without metrics nobody sees a replication that stands still: a revoked key or a changed "
        "role stops it in silence."
    ),
    remedy="Set destination.metrics.status to Enabled in each rule.",
    severity=Severity.HIGH,
    types=(BUCKET_REPLICATION,),
    options=BUCKETS,
    applies=reads_precious,
    check=_unmeasured,
)

_BEST_EFFORT = Option(
    key="bestEffortMinutes",
    default=1440,
    description=(
        "Recovery point objective from which replication without a time limit is accepted, in "
        "minutes. S3 gives no bound for it."
    ),
    schema={"type": "number", "minimum": 0},
)
_EXPORT = Option(
    key="exportMinutes",
    default=0,
    description=(
        "Time between two backups, in minutes; 0 takes it from the option "
        "`mwaa_dr.export_seconds` of the program's environment."
    ),
    schema={"type": "number", "minimum": 0},
)


def _carries_backups_out(config: Resource, stack: Stack, settings: Settings) -> bool:
    """Whether the recovery point depends on it: it carries backups towards the DR Region."""
    buckets = stack.of(BUCKET)
    sources = [bucket for bucket in buckets if copies_from(config, bucket, stack)]
    targets = [bucket for bucket in buckets if copies_to(config, bucket, stack)]
    if not any_of([*sources, *targets], lambda bucket: is_backup_bucket(bucket, settings)):
        return False
    comes_back = either(
        lambda: any_of(sources, lambda bucket: is_at(bucket, Site.DR)),
        lambda: any_of(targets, lambda bucket: is_at(bucket, Site.PRIMARY)),
        lambda: backups_are_written_directly(stack),
    )
    return not comes_back


def _late(config: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    rpo = objective_minutes(stack, settings)
    if rpo >= settings[_BEST_EFFORT.key]:
        return
    for rule in enabled_rules(config):
        if read(rule, "destination.replicationTime.status") != "Enabled":
            yield f"{name_of(rule)} has no time limit, and the objective is {rpo:g} minutes"
    interval = settings[_EXPORT.key] * 60 or longest_option(stack, "export_seconds")
    need = recovery_point(interval, CopyMode.REPLICATE)
    if not need.within(rpo):
        yield (f"an objective of {rpo:g} minutes cannot be kept: {need}; write backups directly")


REPLICATION_IN_TIME = StackRule(
    name="mwaa-dr-replication-in-time",
    description="Replication that carries backups to the DR Region meets the objective.",
    why=(
        "A backup counts from when it is in the DR Region. S3 promises that only with Replication "
        "Time Control, and then within 15 minutes."
    ),
    remedy=(
        "Set destination.replicationTime and destination.metrics with 15 minutes in each rule, or "
        "use the copy mode `direct`."
    ),
    severity=Severity.HIGH,
    types=(BUCKET_REPLICATION,),
    options=(RPO_MINUTES, _BEST_EFFORT, _EXPORT, BACKUP_BUCKETS, OTHER_STACK),
    applies=_carries_backups_out,
    check=_late,
)

RULES = (BUCKET_REPLICATED, REPLICATION_COMPLETE, REPLICATION_MEASURED, REPLICATION_IN_TIME)
