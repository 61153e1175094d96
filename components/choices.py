"""Existing or created, exactly one of the two: every choice that the settings leave.

Each function gives something with the same attributes either way, so that what is built on it does
not ask. `docs/configuration.md` has the table.
"""

from collections.abc import Sequence

import pulumi

from components.base import Place
from components.code import DagCode
from components.environment import AirflowEnvironment, EnvironmentArgs
from components.execution_role import ExecutionArgs, ExecutionRole
from components.existing import (
    ExistingBucket,
    ExistingBucketArgs,
    ExistingEnvironment,
    ExistingEnvironmentArgs,
    ExistingKey,
    ExistingKeyArgs,
    Named,
    NamedArgs,
)
from components.keys import DataKey, KeyArgs
from components.network import EnvironmentNetwork, NetworkArgs
from components.plan import agent_config
from components.retention import Retention
from components.settings.tree import Notification
from components.storage import BucketArgs, SafeBucket
from components.topic import AlertTopic, TopicArgs
from contract.objects import ObjectRole
from contract.severity import Severity


def data_key(place: Place, opts: pulumi.ResourceOptions) -> DataKey | ExistingKey:
    """The key of a site's data."""
    existing = place.existing.data_key_arn
    if existing:
        return ExistingKey("data", ExistingKeyArgs(place=place, arn=existing))
    return DataKey("data", KeyArgs(place=place), opts)


def dag_bucket(
    place: Place, key_arn: pulumi.Input[str], retention: Sequence[Retention], *, linked: bool
) -> SafeBucket | ExistingBucket:
    """The bucket that a site's environment loads from; `linked` where this stack replicates it."""
    if place.existing.dag_bucket:
        return ExistingBucket("dags", ExistingBucketArgs(place=place, linked=linked))
    return SafeBucket(
        "dags",
        BucketArgs(
            place=place,
            bucket=place.dag_bucket,
            role=ObjectRole.DAGS,
            key_arn=key_arn,
            retention=retention,
        ),
    )


def execution_role(args: ExecutionArgs) -> ExecutionRole | Named:
    """The role that a site's environment runs as."""
    existing = args.place.existing.execution_role_arn
    if existing:
        return Named("execution", NamedArgs(arn=existing))
    return ExecutionRole("execution", args)


def alert_topics(place: Place, key_arn: pulumi.Input[str]) -> dict[Severity, pulumi.Output[str]]:
    """Where alarms of each severity go: one topic for all, until somebody wants pages only."""
    existing = place.existing.topic_arn
    if existing:
        return dict.fromkeys(Severity, Named("alerts", NamedArgs(arn=existing)).arn)
    people = place.settings.notifications

    def topic(name: str, physical: str, told: Sequence[Notification]) -> pulumi.Output[str]:
        args = TopicArgs(place=place, topic=physical, key_arn=key_arn, notifications=told)
        return AlertTopic(name, args).arn

    pages = topic("alerts", place.names.topic(place.site), people)
    if not place.sorts_by_severity:
        return dict.fromkeys(Severity, pages)
    everything = [one for one in people if one.severity is Severity.TICKET]
    tickets = topic("tickets", place.names.ticket_topic(place.site), everything)
    return {Severity.PAGE: pages, Severity.TICKET: tickets}


def primary_environment(
    place: Place,
    *,
    role: ExecutionRole | Named,
    dags: SafeBucket | ExistingBucket,
    key_arn: pulumi.Input[str],
    code: DagCode,
    after: Sequence[pulumi.Resource],
    opts: pulumi.ResourceOptions,
) -> AirflowEnvironment | ExistingEnvironment:
    """Where the pipelines run; an environment that is there has its network too."""
    options = agent_config(place).to_options()
    if place.settings.existing.primary.environment:
        return ExistingEnvironment("airflow", ExistingEnvironmentArgs(place=place, options=options))
    network = EnvironmentNetwork("network", NetworkArgs(place=place, key_arn=key_arn))
    return AirflowEnvironment(
        "airflow",
        EnvironmentArgs(
            place=place,
            role_arn=role.arn,
            bucket_arn=dags.arn,
            key_arn=key_arn,
            subnet_ids=network.subnet_ids,
            security_group_ids=network.security_group_ids,
            options=options,
            files=code.extra,
            after=(*after, network),
        ),
        opts,
    )
