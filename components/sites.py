"""The two sites: which building blocks each stack has and how they hang together."""

from typing import Any

import pulumi
import pulumi_aws as aws

from components import retention
from components.alarms import Alarms, AlarmsArgs, dr_rows, primary_rows
from components.base import Place
from components.choices import (
    alert_topics,
    dag_bucket,
    data_key,
    execution_role,
    primary_environment,
)
from components.code import CodeArgs, DagCode
from components.dashboard import Dashboard, DashboardArgs
from components.events import AwsEvents, EventsArgs
from components.execution_role import ExecutionArgs, policies
from components.existing import ExistingBucket, ExistingBucketArgs
from components.functions import FunctionsArgs, StepFunctions
from components.grants import DrKeys
from components.keys import KeyArgs, ReplicaArgs, SealKey, SealReplica
from components.links import LinksArgs, ReplicationLinks
from components.machines import MachineArgs, StateMachine
from components.network import EnvironmentNetwork, NetworkArgs
from components.owners import OUTPUT as OWNERS_ADD
from components.owners import owners_add
from components.plan import handler_config, with_target
from components.schedule import (
    REHEARSE,
    DrillArgs,
    DrillSchedule,
    MonitorSchedule,
    ScheduleArgs,
)
from components.seed import SeedArgs, SeedRole
from components.storage import BucketArgs, Lock, SafeBucket
from components.strategies import STRATEGIES
from components.strategies.base import DrGround
from components.switching import OUTPUT, checked_strategy
from components.table import StateTable, TableArgs
from components.taking_down import guard_of
from components.topic import AlertTopic, TopicArgs
from contract.functions import NOTE_EVENT
from contract.machines import MONITOR, RECOVERY, substitutions
from contract.objects import ObjectRole
from contract.severity import Severity
from contract.sites import Site, Strategy

Outputs = dict[str, Any]

KEPT = (
    "refused; to take the installation down with its backups set mwaa-dr:backup.allowDeletion to "
    "true, run `pulumi up`, then `pulumi destroy`: `primary` first, then `dr`"
)
GOING = "allowed: `pulumi destroy` removes everything, backups too"


def build(place: Place) -> Outputs:
    """Everything of one site; gives the stack's outputs."""
    make = _primary if place.site is Site.PRIMARY else _dr
    return {
        "account": _checked_account(place),
        "region": place.region,
        "environmentName": place.environment,
        "dagBucket": place.dag_bucket,
        "backupBucket": place.backup_bucket,
        "deletion": KEPT if place.keep else GOING,
        **make(place),
    }


def _dr(place: Place) -> Outputs:
    strategy = checked_strategy(place)
    guard = guard_of(place)  # before anything is registered
    kept = pulumi.ResourceOptions(protect=place.keep)
    key = data_key(place, kept)
    seal = SealKey("seal", KeyArgs(place=place), kept)
    dags, backups = _buckets(place, key.arn)
    if place.escalation_arn:
        AlertTopic(
            "escalation",
            TopicArgs(
                place=place,
                topic=place.names.escalation_topic,
                key_arn=key.arn,
                notifications=place.settings.escalation.notifications,
            ),
        )
    table = StateTable("state", TableArgs(place=place, key_arn=key.arn, guard=guard), kept)
    topics = alert_topics(place, key.arn)
    network = EnvironmentNetwork("network", NetworkArgs(place=place, key_arn=key.arn))
    # A recovery may need it when IAM's control plane is out of reach.
    allowed = ExecutionArgs(place=place, data_keys=(key.arn,), seal_key=seal.arn)
    role = execution_role(allowed)
    found = STRATEGIES[place.settings.strategy](
        DrGround(
            place=place,
            key_arn=key.arn,
            dag_bucket=dags,
            backup_bucket=backups,
            role=role,
            network=network,
            code=_dr_code(place, dags),
        )
    )
    config = handler_config(place.settings)
    functions = StepFunctions(
        "steps",
        FunctionsArgs(
            place=place,
            keys=DrKeys(data=key.arn),
            config=_guarded(place, found.apply(lambda target: with_target(config, target))),
            network=network,
        ),
    )
    machines = {
        machine: StateMachine(
            machine,
            MachineArgs(
                place=place,
                machine=machine,
                values=substitutions(config),
                key_arn=key.arn,
                after=(functions, backups, table),
            ),
        )
        for machine in (RECOVERY, MONITOR)
    }
    MonitorSchedule(
        "monitor-schedule", ScheduleArgs(place=place, machine_arn=machines[MONITOR].arn)
    )
    drill = place.settings.drill
    if drill.schedule:
        DrillSchedule(
            "drill-schedule",
            DrillArgs(
                place=place,
                expression=drill.schedule,
                timezone=drill.timezone,
                function_arn=functions.arns[REHEARSE],
            ),
        )
    AwsEvents("events", EventsArgs(place=place, function_arn=functions.arns[NOTE_EVENT]))
    Alarms("alarm", AlarmsArgs(place=place, rows=dr_rows(place), topic_arns=topics))
    dashboard = Dashboard("overview", DashboardArgs(place=place))
    return {
        OUTPUT: strategy,
        "stateTable": table.name,
        "topicArn": topics[Severity.PAGE],
        "monitorMachineArn": machines[MONITOR].arn,
        "recoveryMachineArn": machines[RECOVERY].arn,
        "dashboardUrl": dashboard.url,
        **_to_add(place, allowed),
    }


def _primary(place: Place) -> Outputs:
    kept = pulumi.ResourceOptions(protect=place.keep)
    dr = place.other
    dr_key = dr.existing.data_key_arn or _key_in_dr(dr, dr.names.data_alias(dr.site))
    dr_seal = _key_in_dr(dr, dr.names.seal_alias(dr.site))
    key = data_key(place, kept)
    seal = SealReplica("seal", ReplicaArgs(place=place, source_arn=dr_seal), kept)
    dags, backups = _buckets(place, key.arn)
    topics = alert_topics(place, key.arn)
    allowed = ExecutionArgs(place=place, data_keys=(key.arn, dr_key), seal_key=seal.arn)
    role = execution_role(allowed)
    links = ReplicationLinks(
        "replication",
        LinksArgs(
            place=place,
            data_keys={Site.PRIMARY: key.arn, Site.DR: dr_key},
            dag_buckets=_checked_dag_buckets(dags, dr),
            after=(dags, backups),
        ),
    )
    if place.settings.code.seed:
        SeedRole("seed", SeedArgs(place=place, key_arn=key.arn))
    code = DagCode("code", CodeArgs(place=place, bucket=dags.bucket, after=(dags, links)))
    environment = primary_environment(
        place,
        role=role,
        dags=dags,
        key_arn=key.arn,
        code=code,
        after=(code, dags, backups, role),
        # The metadata database goes with it, also when a change would replace it.
        opts=kept,
    )
    AwsEvents("events", EventsArgs(place=place))
    Alarms("alarm", AlarmsArgs(place=place, rows=primary_rows(place), topic_arns=topics))
    return {
        "topicArn": topics[Severity.PAGE],
        "environmentArn": environment.arn,
        "webserverUrl": environment.webserver_url,
        **_to_add(place, allowed),
    }


def _guarded(place: Place, config: pulumi.Output[str]) -> pulumi.Output[str]:
    """Airflow options and addresses may hold secrets: then the state shows nothing of it."""
    settings = place.settings
    addresses = [one.url for one in settings.detection.checks if one.url]
    hides = settings.recovery.airflow_options or addresses
    return pulumi.Output.secret(config) if hides else config


def _to_add(place: Place, allowed: ExecutionArgs) -> Outputs:
    """What the owners of existing things have to do; nothing where all of it is made here."""
    found = owners_add(
        place, role_policies=policies(allowed), dag_retention=retention.dag_bucket(_days(place))
    )
    return {OWNERS_ADD: found} if found else {}


def _checked_dag_buckets(
    dags: SafeBucket | ExistingBucket, dr: Place
) -> dict[Site, pulumi.Output[str]]:
    """Names that are known once nobody else turned out to own the buckets' replication."""
    found: dict[Site, pulumi.Output[str]] = {}
    if not dr.settings.code.replication:
        return found
    if isinstance(dags, ExistingBucket):
        found[Site.PRIMARY] = dags.bucket
    if dr.existing.dag_bucket:
        args = ExistingBucketArgs(place=dr, linked=True)
        found[Site.DR] = ExistingBucket("dr-dags", args).bucket
    return found


def _dr_code(place: Place, dags: SafeBucket | ExistingBucket) -> DagCode | None:
    """What the DR bucket cannot get by replication alone.

    A passive environment is created with versions of files that are there, and is never without the
    recovery DAGs. They stay when the strategy changes: S3 would carry their deletion to the primary
    bucket.
    """
    settings = place.settings
    if not settings.code.replication:
        return DagCode("code", CodeArgs(place=place, bucket=dags.bucket, after=(dags,)))
    if settings.strategy is Strategy.BACKUP_RESTORE:
        return None
    return DagCode(
        "code", CodeArgs(place=place, bucket=dags.bucket, users=False, kept=True, after=(dags,))
    )


def _days(place: Place) -> int:
    backup = place.settings.backup
    return retention.backup_days(
        backup.retention_days, backup.base_interval_hours * 3600, backup.interval_seconds
    )


def _buckets(
    place: Place, key_arn: pulumi.Input[str]
) -> tuple[SafeBucket | ExistingBucket, SafeBucket]:
    days, backup = _days(place), place.settings.backup
    linked = place.site is Site.PRIMARY and place.settings.code.replication
    dags = dag_bucket(place, key_arn, retention.dag_bucket(days), linked=linked)
    backups = SafeBucket(
        "backups",
        BucketArgs(
            place=place,
            bucket=place.backup_bucket,
            role=ObjectRole.BACKUPS,
            key_arn=key_arn,
            retention=retention.backup_bucket(days),
            lock=Lock(backup.object_lock_mode, backup.object_lock_days)
            if backup.object_lock_days
            else None,
        ),
        pulumi.ResourceOptions(protect=place.keep),
    )
    return dags, backups


def _key_in_dr(dr: Place, alias: str) -> pulumi.Output[str]:
    """Only `primary` looks at the other Region, and only at DR, which is deployed before it."""
    return aws.kms.get_alias_output(name=alias, region=dr.region).target_key_arn


class WrongAccountError(pulumi.RunError):
    """The credentials belong to another account than the settings say."""


def _checked_account(place: Place) -> pulumi.Output[str]:
    def check(found: str) -> str:
        if found != place.settings.account:
            raise WrongAccountError(
                f"mwaa-dr:account: {place.settings.account!r}, but these credentials are of "
                f"account {found!r}; names and policies are made from the setting"
            )
        return found

    return aws.get_caller_identity_output().account_id.apply(check)
