"""The environment itself: one that can be made again, and understood after it is gone."""

from collections.abc import Iterator

from contract.metrics import TAG_SITE
from contract.sites import Site
from mwaa_dr_policy.graph import Resource
from mwaa_dr_policy.kinds import ENVIRONMENT
from mwaa_dr_policy.rule import Level, Option, ResourceRule, Settings, Severity
from mwaa_dr_policy.values import is_given, read

PAUSED = "core.dags_are_paused_at_creation"
LOGS = (
    "dagProcessingLogs",
    "schedulerLogs",
    "taskLogs",
    "webserverLogs",
    "workerLogs",
)
_LOGS = Option(
    key="logs",
    default=list(LOGS),
    description="The logs that must be on.",
    schema={"type": "array", "items": {"type": "string", "enum": list(LOGS)}, "minItems": 1},
)


def _mute(environment: Resource, settings: Settings) -> Iterator[str]:
    off = [
        log
        for log in settings[_LOGS.key]
        if environment.get(f"loggingConfiguration.{log}.enabled") is not True
    ]
    if off:
        yield f"these logs are off: {', '.join(off)}"


ENVIRONMENT_LOGGED = ResourceRule(
    name="mwaa-dr-environment-logged",
    description="An environment writes all its logs to CloudWatch.",
    why=(
        "MWAA gives no shell: without these logs nobody learns why a scheduler died or why a "
        "restored environment does not start a DAG."
    ),
    remedy="Set enabled to true for each of them in loggingConfiguration.",
    severity=Severity.HIGH,
    types=(ENVIRONMENT,),
    options=(_LOGS,),
    check=_mute,
)

_REFUSED = Option(
    key="refusedVersions",
    default=["1.10.12", "2.0.2", "2.2.2", "2.4.3", "2.5.1", "2.6.3"],
    description="Airflow versions with which MWAA creates no environment any more.",
    schema={"type": "array", "items": {"type": "string"}},
)


def _ended(environment: Resource, settings: Settings) -> Iterator[str]:
    version = environment.get("airflowVersion")
    if version in settings[_REFUSED.key]:
        yield f"MWAA creates no environment with Airflow {version} any more"


ENVIRONMENT_SUPPORTED = ResourceRule(
    name="mwaa-dr-environment-supported",
    description="An environment runs a version of Airflow with which MWAA can create a new one.",
    why=(
        "An environment past its version's end of support keeps running but cannot be created "
        "again: after the loss of the Region a restore of its metadata has nowhere to go."
    ),
    remedy="Upgrade to a version that MWAA still creates, in both Regions alike.",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    options=(_REFUSED,),
    check=_ended,
)


def _lent_key(environment: Resource, _: Settings) -> Iterator[str]:
    if not is_given(environment.props, "kmsKey"):
        yield "it uses the key that AWS owns"


ENVIRONMENT_KEY = ResourceRule(
    name="mwaa-dr-environment-key",
    description="An environment is encrypted with a customer managed KMS key.",
    why=(
        "MWAA cannot change the key of an environment later, and DAGs read buckets and queues "
        "whose keys must be managed together with it in both Regions."
    ),
    remedy="Set kmsKey to a key of the environment's Region.",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    types=(ENVIRONMENT,),
    check=_lent_key,
)


def _losable(environment: Resource, _: Settings) -> Iterator[str]:
    # A passive environment holds a copy; a switch of strategy takes it away on purpose.
    if environment.tag(TAG_SITE) != Site.DR and not environment.protect:
        yield "the Pulumi option `protect` is not set"


ENVIRONMENT_PROTECTED = ResourceRule(
    name="mwaa-dr-environment-protected",
    description="An environment that runs DAGs cannot be deleted by a change of the program.",
    why=(
        "The metadata database goes with the environment, also when a change of its name or key "
        "replaces it: history, variables and connections are gone until a restore."
    ),
    remedy="Set protect=True on the environment.",
    severity=Severity.HIGH,
    types=(ENVIRONMENT,),
    check=_losable,
)


def _waits_for_a_person(environment: Resource, _: Settings) -> Iterator[str]:
    if environment.get("endpointManagement") == "CUSTOMER":
        yield "with endpointManagement CUSTOMER a new environment waits for endpoints made by hand"


ENVIRONMENT_UNATTENDED = ResourceRule(
    name="mwaa-dr-environment-unattended",
    description="An environment can be created again without a person.",
    why=(
        "MWAA stops the creation until somebody makes the endpoints: a recovery at night would "
        "wait for the morning, and then for its time limit."
    ),
    remedy="Leave endpointManagement out, or set it to SERVICE.",
    severity=Severity.HIGH,
    types=(ENVIRONMENT,),
    check=_waits_for_a_person,
)


def _starts_running(environment: Resource, _: Settings) -> Iterator[str]:
    if environment.tag(TAG_SITE) != Site.DR:
        return
    options = environment.get("airflowConfigurationOptions") or {}
    paused = read({"option": options.get(PAUSED)}, "option")
    if str(paused).lower() in ("false", "0", "f"):
        yield f"its option {PAUSED} is {paused}"


ENVIRONMENT_PAUSED = ResourceRule(
    name="mwaa-dr-environment-paused",
    description="In a passive environment a new DAG is paused.",
    why=(
        "A DAG that replication brings to the DR Region would start there at once, while the "
        "primary environment runs the same DAG: both write to the same places."
    ),
    remedy=f"Leave {PAUSED} out (Airflow's default is True), or set it to True.",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    check=_starts_running,
)

RULES = (
    ENVIRONMENT_LOGGED,
    ENVIRONMENT_SUPPORTED,
    ENVIRONMENT_KEY,
    ENVIRONMENT_PROTECTED,
    ENVIRONMENT_UNATTENDED,
    ENVIRONMENT_PAUSED,
)
