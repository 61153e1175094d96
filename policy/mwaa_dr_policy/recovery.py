"""What acts in an incident: it must leave a trace, end in time and keep its memory."""

import json
from collections.abc import Iterator

from contract.handler_config import VARIABLE
from contract.objects import ObjectRole
from mwaa_dr_policy.graph import Resource
from mwaa_dr_policy.kinds import FUNCTION, STATE_MACHINE, TABLE
from mwaa_dr_policy.options import FUNCTIONS, MACHINES
from mwaa_dr_policy.rule import Option, ResourceRule, Settings, Severity
from mwaa_dr_policy.subjects import is_for, is_recovery_function, is_recovery_machine
from mwaa_dr_policy.values import any_of, either, is_given, known, read


def _unlogged(machine: Resource, settings: Settings) -> Iterator[str]:
    if not is_recovery_machine(machine, settings):
        return
    level = machine.get("loggingConfiguration.level")
    if level in (None, "OFF"):
        yield "its executions are not logged"
    elif not is_given(machine.props, "loggingConfiguration.logDestination"):
        yield "its log has no destination"


STATE_MACHINE_LOGGED = ResourceRule(
    name="mwaa-dr-state-machine-logged",
    description="The state machines of a recovery log their executions.",
    why="After an incident the log is the only account of what was decided, when and why.",
    remedy="Set loggingConfiguration with level ERROR or ALL and a log group as logDestination.",
    severity=Severity.HIGH,
    types=(STATE_MACHINE,),
    options=(MACHINES,),
    check=_unlogged,
)


def _untraced(machine: Resource, settings: Settings) -> Iterator[str]:
    if not is_recovery_machine(machine, settings):
        return
    if machine.get("tracingConfiguration.enabled") is not True:
        yield "its executions are not traced"


STATE_MACHINE_TRACED = ResourceRule(
    name="mwaa-dr-state-machine-traced",
    description="The state machines of a recovery trace their executions.",
    why="A trace shows which call of which step the recovery time went to.",
    remedy="Set tracingConfiguration.enabled to true.",
    severity=Severity.MEDIUM,
    types=(STATE_MACHINE,),
    options=(MACHINES,),
    check=_untraced,
)

_MINIMUM = Option(
    key="minimumSeconds",
    default=10,
    description=(
        "Shortest time-out: above what the function's AWS clients may take together, connecting, "
        "reading and trying again."
    ),
    schema={"type": "number", "minimum": 1},
)
_MAXIMUM = Option(
    key="maximumSeconds",
    default=900,
    description="Longest time-out; 900 seconds is the limit of Lambda.",
    schema={"type": "number", "minimum": 1, "maximum": 900},
)


def _badly_timed(function: Resource, settings: Settings) -> Iterator[str]:
    if not is_recovery_function(function, settings):
        return
    timeout = function.get("timeout")
    if timeout is None:
        yield "it has no time-out of its own and gets the 3 seconds of Lambda"
        return
    least, most = settings[_MINIMUM.key], settings[_MAXIMUM.key]
    if timeout < least:
        yield f"its time-out of {timeout:g} seconds is below {least:g}"
    if timeout > most:
        yield f"its time-out of {timeout:g} seconds is above {most:g}"
    probe = _probe_seconds(function)
    if timeout <= probe:
        yield f"its time-out of {timeout:g} seconds ends before one probe of {probe:g} seconds"


def _probe_seconds(function: Resource) -> float:
    """The time-out of one client, where the function carries the configuration of our handlers."""
    variables = function.get("environment.variables") or {}
    text = known(variables.get(VARIABLE))
    try:
        return float(read(json.loads(text), "detection.probe_seconds") or 0) if text else 0
    except (ValueError, TypeError):
        # Not our configuration after all: then it says nothing of clients.
        return 0


FUNCTION_TIMEOUT = ResourceRule(
    name="mwaa-dr-function-timeout",
    description=(
        "The functions of a recovery have a time-out of their own, above those of their clients."
    ),
    why=(
        "A function that is stopped before its client gives up cannot tell an unreachable Region "
        "from its own failure: the outage it should report looks like a bug."
    ),
    remedy="Set timeout above the sum of the clients' time-outs, and lower those if need be.",
    severity=Severity.HIGH,
    types=(FUNCTION,),
    options=(_MINIMUM, _MAXIMUM, FUNCTIONS),
    check=_badly_timed,
)

_TABLES = Option(
    key="tables",
    default=[],
    description="Names of ownership tables that carry no tag `mwaa-dr:object` = `state`.",
    schema={"type": "array", "items": {"type": "string"}},
)


def _is_state_table(table: Resource, settings: Settings) -> bool:
    names = settings[_TABLES.key]
    return either(
        lambda: is_for(table, ObjectRole.STATE),
        lambda: any_of(names, lambda name: table.physical_name == name),
    )


def _unrecoverable(table: Resource, settings: Settings) -> Iterator[str]:
    if _is_state_table(table, settings) and table.get("pointInTimeRecovery.enabled") is not True:
        yield "point-in-time recovery is off"


STATE_TABLE_RECOVERABLE = ResourceRule(
    name="mwaa-dr-state-table-recoverable",
    description="The ownership table has point-in-time recovery.",
    why=(
        "Which Region may run DAGs is known here alone; a record that is overwritten by mistake "
        "must be found again."
    ),
    remedy="Set pointInTimeRecovery.enabled to true.",
    severity=Severity.CRITICAL,
    types=(TABLE,),
    options=(_TABLES,),
    check=_unrecoverable,
)


def _forgetful(table: Resource, settings: Settings) -> Iterator[str]:
    if _is_state_table(table, settings) and table.get("ttl.enabled") is True:
        yield "a time-to-live deletes its records"


STATE_TABLE_PERMANENT = ResourceRule(
    name="mwaa-dr-state-table-permanent",
    description="The ownership table has no time-to-live.",
    why=(
        "An ownership record that expires hands the epoch back to the primary Region: both "
        "Regions would run the same DAGs."
    ),
    remedy="Remove ttl, or set ttl.enabled to false.",
    severity=Severity.CRITICAL,
    types=(TABLE,),
    options=(_TABLES,),
    check=_forgetful,
)


def _losable(table: Resource, settings: Settings) -> Iterator[str]:
    if not _is_state_table(table, settings):
        return
    if not table.protect:
        yield "the Pulumi option `protect` is not set"
    if table.get("deletionProtectionEnabled") is not True:
        yield "DynamoDB would delete it: deletionProtectionEnabled is not set"


STATE_TABLE_PROTECTED = ResourceRule(
    name="mwaa-dr-state-table-protected",
    description="The ownership table cannot be deleted by a change of the program or by hand.",
    why=(
        "Without the record of ownership a returning primary Region finds nobody who forbids it to "
        "run the DAGs that the DR Region runs."
    ),
    remedy="Set protect=True and deletionProtectionEnabled to true.",
    severity=Severity.CRITICAL,
    types=(TABLE,),
    options=(_TABLES,),
    check=_losable,
)


def _lent_key(table: Resource, settings: Settings) -> Iterator[str]:
    if _is_state_table(table, settings) and not (
        table.get("serverSideEncryption.enabled") is True
        and is_given(table.props, "serverSideEncryption.kmsKeyArn")
    ):
        yield "it is not encrypted with a key of KMS that you manage"


STATE_TABLE_ENCRYPTED = ResourceRule(
    name="mwaa-dr-state-table-encrypted",
    description="The ownership table is encrypted with a customer managed KMS key.",
    why=(
        "Who can write the table decides which Region runs the DAGs; the policy of the key is a "
        "second lock that the key of AWS does not have."
    ),
    remedy="Set serverSideEncryption with enabled true and kmsKeyArn.",
    severity=Severity.MEDIUM,
    types=(TABLE,),
    options=(_TABLES,),
    check=_lent_key,
)

RULES = (
    STATE_MACHINE_LOGGED,
    STATE_MACHINE_TRACED,
    FUNCTION_TIMEOUT,
    STATE_TABLE_RECOVERABLE,
    STATE_TABLE_PERMANENT,
    STATE_TABLE_PROTECTED,
    STATE_TABLE_ENCRYPTED,
)
