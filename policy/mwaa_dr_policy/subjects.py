"""Tells by what they are which resources matter: by tags, by use, or by a configured name."""

from contract.agent_config import option
from contract.handler_config import VARIABLE
from contract.metrics import TAG_OBJECT, TAG_SITE
from contract.objects import ObjectRole
from contract.sites import CopyMode, Site
from mwaa_dr_policy.graph import Resource, Stack, arn_name
from mwaa_dr_policy.kinds import BUCKET, ENVIRONMENT, FUNCTION, STATE_MACHINE
from mwaa_dr_policy.options import BACKUP_BUCKETS, DAG_BUCKETS, FUNCTIONS, MACHINES
from mwaa_dr_policy.rule import Settings
from mwaa_dr_policy.values import UndecidedError, any_of, either, read


def is_for(resource: Resource, role: ObjectRole) -> bool:
    return resource.tag(TAG_OBJECT) == role


def is_at(resource: Resource, site: Site) -> bool:
    return resource.tag(TAG_SITE) == site


def is_backup_bucket(bucket: Resource, settings: Settings) -> bool:
    return bucket.type == BUCKET and either(
        lambda: is_for(bucket, ObjectRole.BACKUPS),
        lambda: _is_named(bucket, settings.get(BACKUP_BUCKETS.key, [])),
    )


def is_dag_bucket(bucket: Resource, stack: Stack, settings: Settings) -> bool:
    return bucket.type == BUCKET and either(
        lambda: is_for(bucket, ObjectRole.DAGS),
        lambda: _is_named(bucket, settings.get(DAG_BUCKETS.key, [])),
        lambda: any_of(
            stack.of(ENVIRONMENT),
            lambda environment: stack.refers(environment, "sourceBucketArn", bucket),
        ),
    )


def is_precious(resource: Resource, stack: Stack, settings: Settings) -> bool:
    """Whether it is a backup or DAG bucket.

    Raises UndecidedError for an environment whose DAG bucket no program at hand declares, since
    then nothing can be said of that bucket.
    """
    if resource.type != ENVIRONMENT:
        return either(
            lambda: is_backup_bucket(resource, settings),
            lambda: is_dag_bucket(resource, stack, settings),
        )
    if not stack.is_declared(resource, "sourceBucketArn", BUCKET):
        name = arn_name(resource.get("sourceBucketArn") or "")
        raise UndecidedError(
            f"its DAG bucket {name!r} is not declared in this program; check it where it is"
        )
    return False


def backups_are_written_directly(stack: Stack) -> bool:
    """Whether an environment's exporter is told to write into the DR bucket itself."""
    return any_of(
        stack.of(ENVIRONMENT),
        lambda environment: airflow_option(environment, "copy_mode") == CopyMode.DIRECT,
    )


def airflow_option(environment: Resource, key: str) -> str | None:
    """One of the options by which an environment knows its place."""
    options = environment.get("airflowConfigurationOptions") or {}
    return read({"option": options.get(option(key))}, "option")


def longest_option(stack: Stack, key: str) -> float:
    """The highest value of a number among the environments' own options; 0 where none has it."""
    return max((number_option(one, key) for one in stack.of(ENVIRONMENT)), default=0)


def number_option(environment: Resource, key: str) -> float:
    """A number among an environment's own options; 0 where it is missing or is none."""
    try:
        return float(airflow_option(environment, key) or 0)
    except ValueError:
        # The rule about the options themselves says so.
        return 0


def is_recovery_machine(machine: Resource, settings: Settings) -> bool:
    """Whether it watches or recovers an environment: a program may have many for other work."""
    return machine.type == STATE_MACHINE and either(
        lambda: machine.tag(TAG_OBJECT) in (ObjectRole.MONITOR, ObjectRole.RECOVERY),
        lambda: _is_named(machine, settings.get(MACHINES.key, [])),
        lambda: ":mwaa:" in (machine.get("definition") or ""),
    )


def is_recovery_function(function: Resource, settings: Settings) -> bool:
    """Whether it is a step of a recovery."""
    return function.type == FUNCTION and either(
        lambda: is_for(function, ObjectRole.FUNCTION),
        lambda: VARIABLE in (function.get("environment.variables") or {}),
        lambda: _is_named(function, settings.get(FUNCTIONS.key, [])),
    )


def _is_named(resource: Resource, names: list[str]) -> bool:
    return bool(names) and resource.physical_name in names
