"""Objectives: what was promised must be what strategy, schedule and copy mode can keep.

The recovery point is schedule + export + copy, under both strategies: a standby takes the newest
backup too. The settings of this project's own stacks are judged by the same sum. The recovery time
is detection + approval + fence + creation (backup-restore only) + import of everything, or of the
last changes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from contract.objectives import EXPORT_SECONDS, Sum, recovery_point
from contract.objects import ObjectRole
from contract.sites import CopyMode, Site, Strategy
from mwaa_dr_policy.facts import handler_config, objective_minutes
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import ENVIRONMENT, STATE_MACHINE
from mwaa_dr_policy.options import COPY_MODE, MACHINES, OTHER_STACK, RPO_MINUTES
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import (
    airflow_option,
    is_at,
    is_for,
    is_recovery_machine,
    longest_option,
    number_option,
)
from mwaa_dr_policy.values import any_of


def _minutes(key: str, default: float, description: str) -> Option:
    return Option(
        key=key,
        default=default,
        description=description,
        schema={"type": "number", "minimum": 0},
    )


_INTERVAL = _minutes(
    "intervalMinutes",
    0,
    "Time between two backups; 0 takes it from the option `mwaa_dr.export_seconds` of the "
    "environment.",
)
_EXPORT = _minutes(
    "exportMinutes",
    EXPORT_SECONDS // 60,
    "How long a backup takes from its snapshot until it is complete.",
)


def _copy_mode(said: str | None) -> CopyMode:
    """The slower mode where nothing is said: an objective that holds with it holds."""
    return CopyMode.DIRECT if said == CopyMode.DIRECT else CopyMode.REPLICATE


def _writes_backups(environment: Resource, _: Stack, settings: Settings) -> bool:
    if settings[_INTERVAL.key]:
        return not is_at(environment, Site.DR)
    return airflow_option(environment, "export_seconds") is not None and not is_at(
        environment, Site.DR
    )


def _point_too_late(environment: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    interval = settings[_INTERVAL.key] * 60 or number_option(environment, "export_seconds")
    export = settings[_EXPORT.key] * 60
    mode = _copy_mode(settings[COPY_MODE.key] or airflow_option(environment, "copy_mode"))
    objective = objective_minutes(stack, settings)
    need = recovery_point(interval, mode, export)
    if need.within(objective):
        return
    direct = recovery_point(interval, CopyMode.DIRECT, export)
    instead = f"; with copy mode direct: {direct}" if mode is CopyMode.REPLICATE else ""
    yield (
        f"a recovery point objective of {objective:g} minutes cannot be kept with copy mode "
        f"{mode}: {need}{instead}"
    )


RPO_REACHABLE = StackRule(
    name="mwaa-dr-objective-rpo",
    description="The recovery point objective can be kept by schedule and copy mode.",
    why=(
        "An objective that arithmetic alone breaks is a promise to the business that nobody can "
        "keep, and nobody finds out before the disaster."
    ),
    remedy="Back up more often, use the copy mode `direct`, or promise less.",
    severity=Severity.HIGH,
    types=(ENVIRONMENT,),
    options=(RPO_MINUTES, _INTERVAL, _EXPORT, COPY_MODE, OTHER_STACK),
    applies=_writes_backups,
    check=_point_too_late,
)

_RTO = _minutes(
    "rtoMinutes",
    0,
    "The recovery time objective; 0 takes it from the configuration of the recovery's functions.",
)
_STRATEGY = Option(
    key="strategy",
    default="",
    description=(
        "How the DR Region gets ready; empty takes it from the configuration of the recovery's "
        "functions, else from whether there is a passive environment."
    ),
    schema={"type": "string", "enum": ["", *(one.value for one in Strategy)]},
)
_DETECTION = _minutes(
    "detectionMinutes",
    0,
    "From the outage to the verdict; 0 counts it from the detection settings of the functions "
    "(staleness of pulse or heartbeat, then N readings), else 5.",
)
_APPROVAL = _minutes(
    "approvalMinutes",
    0,
    "How long a person takes to start or approve a recovery; 0 takes the time limit of the "
    "approval from the functions, or 30 where they say that none starts by itself.",
)
_FENCE = _minutes(
    "fenceMinutes",
    0,
    "How long the old owner may take to answer; 0 takes it from the functions, else 2.",
)
_CREATION = _minutes(
    "creationMinutes", 30, "How long MWAA takes to create an environment; 20 to 30 as a rule."
)
_IMPORT = _minutes("importMinutes", 5, "How long a whole backup takes to import.")
_SYNC = _minutes("syncMinutes", 2, "How long the last changes take to import into a standby.")
_AGENT = _minutes(
    "agentMinutes",
    0,
    "How often an environment looks for orders; 0 takes it from the option "
    "`mwaa_dr.agent_seconds` of the environments at hand, else 1.",
)
_ORDERS = 2
"""Orders that wait for the agent's next run: the import, and the un-pause after it."""
DETECTION_MINUTES, APPROVAL_MINUTES, FENCE_MINUTES, AGENT_MINUTES = 5.0, 30.0, 2.0, 1.0


def detection_minutes(detection: Mapping[str, Any]) -> float:
    """From the outage to DOWN: the slower proof goes stale, then N readings must agree."""
    stale = max(detection["heartbeat_seconds"], detection["pulse_seconds"])
    return (stale + detection["needed"] * detection["reading_seconds"]) / 60


def recovery_time(
    strategy: Strategy, settings: Settings, config: Mapping[str, Any], agent: float
) -> Sum:
    """How long a recovery takes until the first DAG may run, when all goes as designed."""
    detection = settings[_DETECTION.key] or (
        detection_minutes(config["detection"]) if "detection" in config else DETECTION_MINUTES
    )
    recovery = config.get("recovery", {})
    fence = settings[_FENCE.key] or recovery.get("fence_seconds", FENCE_MINUTES * 60) / 60
    by_hand = 0 if recovery.get("automatic", True) else APPROVAL_MINUTES
    waits = recovery.get("approval_seconds", 0) / 60
    ready = (
        {"creation": settings[_CREATION.key], "import": settings[_IMPORT.key]}
        if strategy is Strategy.BACKUP_RESTORE
        else {"sync": settings[_SYNC.key]}
    )
    minutes = {
        "detection": detection,
        "approval": settings[_APPROVAL.key] or waits or by_hand,
        "fence": fence,
        **ready,
        "orders": _ORDERS * agent,
    }
    return Sum({name: value * 60 for name, value in minutes.items()})


_SAID_BY_FUNCTIONS = (_RTO, _STRATEGY, _DETECTION, _FENCE)


def _config(stack: Stack, settings: Settings) -> Mapping[str, Any]:
    """The functions' configuration, if it is needed: before the first update it is not known."""
    given = all(settings[option.key] for option in _SAID_BY_FUNCTIONS)
    return {} if given else handler_config(stack)


def _recovers(machine: Resource, settings: Settings) -> bool:
    return is_recovery_machine(machine, settings) and not is_for(machine, ObjectRole.MONITOR)


def _is_promised(subject: Resource, stack: Stack, settings: Settings) -> bool:
    """Whether there is an objective, and this is where it is judged."""
    if subject.type == STATE_MACHINE:
        return _recovers(subject, settings) and bool(
            settings[_RTO.key] or handler_config(stack).get("rto_minutes")
        )
    elsewhere = any_of(stack.of(STATE_MACHINE), lambda machine: _recovers(machine, settings))
    return bool(settings[_RTO.key]) and not elsewhere and not is_at(subject, Site.DR)


def _strategy(stack: Stack, settings: Settings, config: Mapping[str, Any]) -> Strategy:
    chosen = settings[_STRATEGY.key] or config.get("strategy")
    if chosen:
        return Strategy(chosen)
    passive = any_of(stack.of(ENVIRONMENT), lambda one: is_at(one, Site.DR))
    return Strategy.ACTIVE_PASSIVE if passive else Strategy.BACKUP_RESTORE


def _too_slow(_: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    config = _config(stack, settings)
    strategy = _strategy(stack, settings, config)
    agent = settings[_AGENT.key] or longest_option(stack, "agent_seconds") / 60 or AGENT_MINUTES
    objective = settings[_RTO.key] or config["rto_minutes"]
    need = recovery_time(strategy, settings, config, agent)
    if need.within(objective):
        return
    other = recovery_time(Strategy.ACTIVE_PASSIVE, settings, config, agent)
    instead = f"; with active-passive: {other}" if strategy is Strategy.BACKUP_RESTORE else ""
    yield (
        f"a recovery time objective of {objective:g} minutes cannot be kept with {strategy}: "
        f"{need}{instead}"
    )


RTO_REACHABLE = StackRule(
    name="mwaa-dr-objective-rto",
    description="The recovery time objective can be kept by strategy and settings.",
    why=(
        "MWAA takes 20 to 30 minutes to create an environment: with backup-restore no setting "
        "keeps an objective below that, whatever was promised."
    ),
    remedy=(
        "Choose active-passive, detect earlier, let the recovery start by itself, or promise less."
    ),
    severity=Severity.HIGH,
    types=(STATE_MACHINE, ENVIRONMENT),
    options=(
        *(_RTO, _STRATEGY, _DETECTION, _APPROVAL, _FENCE, _CREATION, _IMPORT, _SYNC, _AGENT),
        *(MACHINES, OTHER_STACK),
    ),
    applies=_is_promised,
    check=_too_slow,
)

RULES = (RPO_REACHABLE, RTO_REACHABLE)
