"""The environment itself: one that can be made again, and understood after it is gone."""

from collections.abc import Iterator

from mwaa_dr_policy.graph import Resource
from mwaa_dr_policy.kinds import ENVIRONMENT
from mwaa_dr_policy.rule import Option, ResourceRule, Settings, Severity
from mwaa_dr_policy.values import is_given

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
    advisory=True,
    types=(ENVIRONMENT,),
    check=_lent_key,
)

RULES = (ENVIRONMENT_LOGGED, ENVIRONMENT_SUPPORTED, ENVIRONMENT_KEY)
