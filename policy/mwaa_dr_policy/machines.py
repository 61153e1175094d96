"""State machines of a recovery: whole, and started by something."""

import json
import re
from collections.abc import Iterator
from typing import Any

from contract.functions import FUNCTIONS as STEPS
from contract.handler_config import VARIABLE, HandlerConfig
from contract.objects import ObjectRole
from mwaa_dr_policy.graph import Resource, Stack, arn_region
from mwaa_dr_policy.kinds import EVENT_RULE, EVENT_TARGET, FUNCTION, SCHEDULE, STATE_MACHINE
from mwaa_dr_policy.options import MACHINES, OTHER_STACK
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_for, is_recovery_machine
from mwaa_dr_policy.values import any_of, either, known, peek

_HANDLERS = frozenset(spec.handler for spec in STEPS)
_CALLED = re.compile(r"arn:[a-z-]+:(lambda|states):[a-z0-9-]+:\d{12}:[a-zA-Z0-9:_-]+")
_KINDS = {"lambda": FUNCTION, "states": STATE_MACHINE}
_MINUTES = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNITS = {"minute": 1, "hour": 60, "day": 1440}


def is_machine(machine: Resource, _: Stack, settings: Settings) -> bool:
    return is_recovery_machine(machine, settings)


def _incomplete(machine: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    definition = machine.get("definition") or ""
    if not _starts_somewhere(definition):
        yield "its definition is not JSON with a StartAt that names one of its States"
    called = {match[0]: _KINDS[match[1]] for match in _CALLED.finditer(definition)}
    for arn, kind in sorted(called.items()):
        if not any_of(stack.of(kind), lambda one, arn=arn: _is_meant(one, arn)):
            yield f"it calls {arn}, which no program at hand declares"


def _starts_somewhere(definition: str) -> bool:
    try:
        parsed = json.loads(definition)
        return parsed["StartAt"] in parsed["States"]
    except (ValueError, KeyError, TypeError):
        return False


def _is_meant(resource: Resource, arn: str) -> bool:
    # A version or an alias of a function may follow its name.
    names = arn.split(":")[6:]
    own = resource.props.get("arn")
    if isinstance(own, str):
        return arn == own or arn.startswith(f"{own}:")
    return resource.physical_name in names and arn_region(arn) == resource.region


STATE_MACHINE_COMPLETE = StackRule(
    name="mwaa-dr-state-machine-complete",
    description="Every function and machine that a recovery's state machine calls is declared.",
    why=(
        "A state machine is accepted with the ARN of a function that is not there; the recovery "
        "finds out at that step, in the middle of an incident."
    ),
    remedy="Declare it, correct the definition, or give the program that declares it.",
    severity=Severity.CRITICAL,
    types=(STATE_MACHINE,),
    options=(MACHINES, OTHER_STACK),
    applies=is_machine,
    check=_incomplete,
)

_EVERY = Option(
    key="everyMinutes",
    default=5,
    description="Longest time between two starts of a monitor, in minutes.",
    schema={"type": "number", "minimum": 1},
)


def _unscheduled(machine: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    faults: list[str] = []

    def starts(trigger: tuple[Resource, str, Any, Resource]) -> bool:
        holder, prop, target, timer = trigger
        if not stack.mentions(holder, prop, target, machine):
            return False
        wrong = list(_asleep(timer, settings))
        faults.extend(wrong)
        return not wrong

    schedules = [(one, "target", peek(one.props, "target.arn"), one) for one in stack.of(SCHEDULE)]
    events = [
        (target, "arn", peek(target.props, "arn"), rule)
        for target in stack.of(EVENT_TARGET)
        for rule in stack.of(EVENT_RULE)
        if stack.refers(target, "rule", rule)
    ]
    if not any_of([*schedules, *events], starts):
        yield "; ".join(faults) or "nothing starts it"


def _asleep(timer: Resource, settings: Settings) -> Iterator[str]:
    if either(
        lambda: timer.get("state") in ("DISABLED", "disabled"),
        lambda: timer.get("isEnabled") is False,
    ):
        yield f"its schedule {timer.name} is disabled"
    expression = timer.get("scheduleExpression") or ""
    match = _MINUTES.fullmatch(expression)
    minutes = int(match[1]) * _UNITS[match[2]] if match else 0
    if not expression or minutes > settings[_EVERY.key]:
        yield (
            f"its schedule {timer.name} starts it by {expression or 'nothing'}; at least every "
            f"{settings[_EVERY.key]:g} minutes is needed"
        )


MONITOR_SCHEDULED = StackRule(
    name="mwaa-dr-monitor-scheduled",
    description="The monitor is started by a schedule that is on.",
    why="A monitor that nobody starts sees no outage; all alarms but the dead-man ones stay green.",
    remedy="Add an enabled Schedule in the DR Region with the machine as its target.",
    severity=Severity.CRITICAL,
    types=(STATE_MACHINE,),
    options=(_EVERY,),
    applies=lambda machine, _, __: is_for(machine, ObjectRole.MONITOR),
    check=_unscheduled,
)


def _misconfigured(function: Resource, _: Stack, __: Settings) -> Iterator[str]:
    variables = function.get("environment.variables") or {}
    try:
        HandlerConfig.from_json(str(known(variables.get(VARIABLE)) or ""))
    except ValueError as error:
        yield f"its variable {VARIABLE} is no configuration ({error})"
    handler = function.get("handler")
    if handler not in _HANDLERS:
        yield f"its handler {handler!r} is no step of a recovery"


FUNCTION_CONFIGURED = StackRule(
    name="mwaa-dr-function-configured",
    description="The functions of an installation are its steps and carry its configuration.",
    why=(
        "A step reads nothing else to know both sites; without it, it fails at its first call, "
        "which for most steps is during an incident."
    ),
    remedy=f"Set the handler of a step and {VARIABLE} as the `dr` stack writes it.",
    severity=Severity.CRITICAL,
    types=(FUNCTION,),
    applies=lambda function, _, __: is_for(function, ObjectRole.FUNCTION),
    check=_misconfigured,
)

RULES = (STATE_MACHINE_COMPLETE, MONITOR_SCHEDULED, FUNCTION_CONFIGURED)
