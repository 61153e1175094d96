"""What the settings mean for agents and handlers: the same on both stacks, with no AWS call."""

from dataclasses import replace

import pulumi

from components.base import Place
from components.execution_role import PURPOSE
from components.settings import Settings
from contract.agent_config import RENDERED_FIELDS, AgentConfig
from contract.handler_config import Detection, HandlerConfig, Recovery, SitePlace, Target
from contract.objects import ObjectRole
from contract.sites import Site, Strategy

VARIABLE_BYTES = 4096
"""What all environment variables of a Lambda function may take together (Lambda quotas)."""
RESERVED_BYTES = 64
"""The variable's own name and a margin."""
PRIVATE = "PRIVATE_ONLY"


class ConfigSizeError(pulumi.RunError):
    """The handlers' configuration does not fit into a Lambda function's variables."""


def agent_config(place: Place) -> AgentConfig:
    """What the environment at `place` knows of its own place."""
    settings, names = place.settings, place.names
    return AgentConfig(
        name=settings.name,
        site=place.site,
        environment=place.environment,
        region=place.region,
        dr_region=settings.dr_region,
        local_bucket=place.backup_bucket,
        dr_bucket=names.backup_bucket(Site.DR),
        dag_bucket=place.dag_bucket,
        seal_key=names.arn("kms", place.region, names.seal_alias(place.site)),
        copy_mode=settings.backup.copy_mode,
        agent_seconds=settings.agent.interval_seconds,
        export_seconds=settings.backup.interval_seconds,
        base_seconds=settings.backup.base_interval_hours * 3600,
        purge_days=settings.metadata.retention_days or 0,
        leave_out="" if settings.backup.rendered_fields else RENDERED_FIELDS,
        sync_seconds=settings.sync_seconds,
    )


def execution_role_arn(place: Place) -> str:
    if place.existing.execution_role_arn:
        return place.existing.execution_role_arn
    names = place.names
    role = names.role(place.site, PURPOSE)
    return f"arn:{names.partition}:iam::{names.account}:role/{role}"


def target(
    settings: Settings, *, key_arn: str, subnet_ids: list[str], security_group_ids: list[str]
) -> Target:
    """What a created environment gets in the DR Region."""
    place = Place(settings, Site.DR)
    return Target(
        execution_role_arn=execution_role_arn(place),
        kms_key_arn=key_arn,
        subnet_ids=subnet_ids,
        security_group_ids=security_group_ids,
        options={**settings.recovery.airflow_options, **agent_config(place).to_options()},
        tags=place.tags(ObjectRole.ENVIRONMENT),
    )


def may_be_private(settings: Settings) -> bool:
    """Whether the DR site's web server may answer within its own network only.

    What a recovery creates is like the primary environment, and of one that somebody else made the
    settings do not tell.
    """
    if settings.strategy is Strategy.BACKUP_RESTORE and settings.existing.primary.environment:
        return True
    modes = {settings.environment.webserver_access_mode}
    if settings.adopted:
        modes.add(settings.adopted.webserver_access_mode or PRIVATE)
    return PRIVATE in modes


NO_TARGET = Target("", "", [], [])
"""Stands in where only the rest of the configuration matters."""


def handler_config(settings: Settings) -> HandlerConfig:
    """Everything the handlers need except the target, which waits for the network and the key."""
    detection, recovery = settings.detection, settings.recovery
    primary, dr = Place(settings, Site.PRIMARY), Place(settings, Site.DR)
    return HandlerConfig(
        name=settings.name,
        account=settings.account,
        partition=settings.partition,
        strategy=settings.strategy,
        copy_mode=settings.backup.copy_mode,
        primary=_site_place(primary),
        dr=_site_place(dr),
        witness_region=settings.witness_region,
        topic_arn=dr.topic_arn,
        detection=Detection(
            **detection.model_dump(exclude={"checks"}),
            checks=tuple(check.to_contract() for check in detection.checks),
        ),
        recovery=Recovery(
            automatic=recovery.automatic,
            in_flight=recovery.in_flight,
            order_seconds=round(recovery.order_minutes * 60),
            fence_seconds=recovery.fence_seconds,
            create_seconds=round(recovery.create_minutes * 60),
            drain_seconds=round(recovery.drain_minutes * 60),
            approval_seconds=round((recovery.approval_minutes or 0) * 60),
            proceed_unanswered=recovery.proceed_unanswered,
            escalation_seconds=round(settings.escalation.after_minutes * 60)
            if dr.escalation_arn
            else 0,
        ),
        target=NO_TARGET,
        rto_minutes=settings.objectives.rto_minutes,
        rpo_minutes=settings.objectives.rpo_minutes,
        escalation_arn=dr.escalation_arn,
        hastens_inside=may_be_private(settings),
    )


def with_target(config: HandlerConfig, found: Target) -> str:
    """The whole configuration as the functions read it.

    Raises:
        ConfigSizeError: it is too long for a function's variables.
    """
    text = replace(config, target=found).to_json()
    size = len(text.encode())
    limit = VARIABLE_BYTES - RESERVED_BYTES
    if size > limit:
        raise ConfigSizeError(
            "mwaa-dr:recovery.airflowOptions and mwaa-dr:tags and mwaa-dr:detection.checks: the "
            f"handlers' configuration takes {size} bytes with them and Lambda allows {limit}; "
            f"shorten them by {size - limit}"
        )
    return text


def _site_place(place: Place) -> SitePlace:
    return SitePlace(place.region, place.environment, place.dag_bucket, place.backup_bucket)
