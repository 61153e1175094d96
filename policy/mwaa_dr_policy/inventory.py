"""What a site of an installation must have at all: other rules judge only what is there."""

from collections.abc import Iterator
from dataclasses import dataclass

from contract.agent_config import SECTION, AgentConfig, variable
from contract.names import AGENT_DAG, EXPORT_DAG, IMPORT_DAG
from contract.objects import ObjectRole
from contract.sites import Site
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import (
    BUCKET,
    ENVIRONMENT,
    FUNCTION,
    KEY,
    OBJECTS,
    REPLICA_KEY,
    ROLE,
    STATE_MACHINE,
    TABLE,
    TOPIC,
)
from mwaa_dr_policy.rule import Option, ResourceRule, Settings, Severity, SiteRule, StackRule
from mwaa_dr_policy.subjects import airflow_option, is_at, is_for
from mwaa_dr_policy.values import any_of, known


@dataclass(frozen=True, slots=True)
class _Part:
    """A resource that a site needs: one of these types, with the tag of this role."""

    role: ObjectRole
    types: tuple[str, ...]

    def is_in(self, stack: Stack, site: Site) -> bool:
        return any_of(
            [one for one in stack.own if one.type in self.types],
            lambda one: is_for(one, self.role) and is_at(one, site),
        )

    def __str__(self) -> str:
        return f"{self.role} ({self.types[0].rpartition(':')[2]})"


_COMMON = (
    _Part(ObjectRole.BACKUPS, (BUCKET,)),
    _Part(ObjectRole.DAGS, (BUCKET,)),
    _Part(ObjectRole.DATA_KEY, (KEY,)),
    _Part(ObjectRole.ALERTS, (TOPIC,)),
    _Part(ObjectRole.ENVIRONMENT, (ROLE,)),
)
PARTS: dict[Site, tuple[_Part, ...]] = {
    Site.PRIMARY: (*_COMMON, _Part(ObjectRole.ENVIRONMENT, (ENVIRONMENT,))),
    Site.DR: (
        *_COMMON,
        _Part(ObjectRole.SEAL_KEY, (KEY,)),
        _Part(ObjectRole.STATE, (TABLE,)),
        _Part(ObjectRole.MONITOR, (STATE_MACHINE,)),
        _Part(ObjectRole.RECOVERY, (STATE_MACHINE,)),
        _Part(ObjectRole.FUNCTION, (FUNCTION,)),
    ),
}
_ELSEWHERE = Option(
    key="elsewhere",
    default=[],
    description="Values of the tag `mwaa-dr:object` whose resources another program declares.",
    schema={
        "type": "array",
        "items": {"type": "string", "enum": [role.value for role in ObjectRole]},
    },
)
_TOPIC_ONLY = 1
"""So few parts do not make a site: a program may keep, say, a topic for one."""


def _lacks(stack: Stack, settings: Settings) -> Iterator[tuple[str, str]]:
    for site, parts in PARTS.items():
        missing = [part for part in parts if not part.is_in(stack, site)]
        if len(parts) - len(missing) <= _TOPIC_ONLY:
            continue
        for part in missing:
            if part.role not in settings[_ELSEWHERE.key]:
                yield f"site {site}", f"it has no {part}"


SITE_COMPLETE = SiteRule(
    name="mwaa-dr-site-complete",
    description="A site of an installation has every part that a recovery needs.",
    why=(
        "What is missing is judged by no other rule: without the state table, the monitor or the "
        "tag that says what a bucket is for, all of them are content."
    ),
    remedy=(
        "Declare it with the tags mwaa-dr:site and mwaa-dr:object, or name it in `elsewhere` if "
        "another program does."
    ),
    severity=Severity.CRITICAL,
    options=(_ELSEWHERE,),
    check=_lacks,
)


def _shares_seal_key(environment: Resource) -> bool:
    """With both sites in one Region they share the sealing key: KMS has no replica beside it."""
    return airflow_option(environment, "dr_region") == environment.region


def _cannot_seal(environment: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    if not _shares_seal_key(environment) and not any_of(
        stack.of(KEY, REPLICA_KEY),
        lambda key: is_for(key, ObjectRole.SEAL_KEY) and key.region == environment.region,
    ):
        yield "there is no sealing key in its Region"


def _is_ours(environment: Resource, _: Stack, __: Settings) -> bool:
    return airflow_option(environment, "seal_key") is not None


ENVIRONMENT_SEALS = StackRule(
    name="mwaa-dr-environment-seals",
    description="An environment that writes backups has the sealing key in its own Region.",
    why=(
        "Each backup is sealed with it. With the key in the other Region only, an outage there "
        "would stop the backups here."
    ),
    remedy="Add a ReplicaKey of the sealing key with the tag mwaa-dr:object = seal-key.",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    applies=_is_ours,
    check=_cannot_seal,
)


def _without_agent(_environment: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    objects = stack.of(*OBJECTS)
    missing = [
        dag
        for dag in (AGENT_DAG, EXPORT_DAG, IMPORT_DAG)
        if not any_of(objects, lambda one, dag=dag: (one.get("key") or "").endswith(f"/{dag}.py"))
    ]
    if missing:
        yield f"nothing uploads {', '.join(missing)}"


ENVIRONMENT_AGENT = StackRule(
    name="mwaa-dr-environment-agent",
    description="The recovery DAGs are uploaded for an environment that is to run them.",
    why=(
        "Without the agent DAG an environment proves no life and takes no order; without the "
        "export DAG there are no backups."
    ),
    remedy="Upload the recovery DAGs to the environment's bucket.",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    applies=lambda environment, stack, settings: (
        _is_ours(environment, stack, settings) and is_at(environment, Site.PRIMARY)
    ),
    check=_without_agent,
)


def _misplaced(environment: Resource, _: Settings) -> Iterator[str]:
    options = environment.get("airflowConfigurationOptions") or {}
    own = {key: value for key, value in options.items() if key.startswith(f"{SECTION}.")}
    if not own:
        return
    environ = {variable(key.partition(".")[2]): str(known(value)) for key, value in own.items()}
    try:
        AgentConfig.from_env(environ)
    except (KeyError, ValueError) as error:
        yield f"its agent would not start: {error.args[0]}"


ENVIRONMENT_PLACE = ResourceRule(
    name="mwaa-dr-environment-place",
    description="An environment that is told its place by options is told all of it.",
    why=(
        "The agent refuses to run without them: no pulse, no orders, no backups, although the "
        "environment itself is healthy."
    ),
    remedy=f"Set every option of the section {SECTION} that has no default.",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    check=_misplaced,
)

RULES = (SITE_COMPLETE, ENVIRONMENT_SEALS, ENVIRONMENT_AGENT, ENVIRONMENT_PLACE)
