"""Two environments that stand for each other must be alike: a DAG must not notice the change."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from contract.agent_config import SECTION
from contract.metrics import TAG_INSTALLATION
from contract.sites import Site
from mwaa_dr_policy.environment import PAUSED
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import ENVIRONMENT
from mwaa_dr_policy.options import OTHER_STACK
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_at
from mwaa_dr_policy.values import UndecidedError, Unknown, known, peek

_OPTIONS = "airflowConfigurationOptions"
_PAIRS = Option(
    key="pairs",
    default={},
    description=(
        "By name of a passive environment, the name of its primary one; without it those with the "
        "tag `mwaa-dr:site` are compared."
    ),
    schema={"type": "object", "additionalProperties": {"type": "string"}},
)
_COMPARED = Option(
    key="compared",
    default=[
        *("airflowVersion", "environmentClass", "schedulers", "maxWorkers", "maxWebservers"),
        *("dagS3Path", "pluginsS3Path", "requirementsS3Path", "startupScriptS3Path", _OPTIONS),
    ],
    description="Properties that must be equal.",
    schema={"type": "array", "items": {"type": "string"}, "minItems": 1},
)
IGNORED = Option(
    key="ignoredOptions",
    default=[f"{SECTION}.*", "secrets.backend_kwargs", PAUSED],
    description="Airflow options that may differ, as patterns: what names a Region or a place.",
    schema={"type": "array", "items": {"type": "string"}},
)


def _primary_of(passive: Resource, stack: Stack, settings: Settings) -> Resource | None:
    """The environment that `passive` stands by for; None if it is not at hand."""
    named = settings[_PAIRS.key].get(passive.physical_name) if settings[_PAIRS.key] else None
    for other in stack.of(ENVIRONMENT):
        if other is passive:
            continue
        if named is not None:
            if other.physical_name == named:
                return other
        elif is_at(other, Site.PRIMARY) and (
            other.tag(TAG_INSTALLATION) == passive.tag(TAG_INSTALLATION)
        ):
            return other
    return None


def _is_passive(environment: Resource, _: Stack, settings: Settings) -> bool:
    pairs = settings[_PAIRS.key]
    return is_at(environment, Site.DR) or (bool(pairs) and environment.physical_name in pairs)


def _differs(passive: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    primary = _primary_of(passive, stack, settings)
    if primary is None:
        raise UndecidedError(
            "the primary environment is in no program at hand; give the export of its stack as "
            f"`{OTHER_STACK.key}`"
        )
    undecided: list[str] = []
    for key, own, other in _values(passive, primary, settings):
        if isinstance(own, Unknown) or isinstance(other, Unknown):
            undecided.append(next(one.why for one in (own, other) if isinstance(one, Unknown)))
        elif own != other:
            yield f"{key} is {_shown(own)}, and {_shown(other)} in {primary.name}"
    if undecided:
        raise UndecidedError("; ".join(dict.fromkeys(undecided)))


def _values(
    passive: Resource, primary: Resource, settings: Settings
) -> Iterator[tuple[str, Any, Any]]:
    for prop in settings[_COMPARED.key]:
        own, other = (peek(place.props, prop) for place in (passive, primary))
        if prop != _OPTIONS or isinstance(own, Unknown) or isinstance(other, Unknown):
            yield prop, own, other
            continue
        own, other = known(own) or {}, known(other) or {}
        for key in sorted({*own, *other}):
            if not any(fnmatchcase(key, pattern) for pattern in settings[IGNORED.key]):
                yield f"the option {key}", own.get(key), other.get(key)


def _shown(value: Any) -> str:  # noqa: ANN401
    return "not set" if value is None else repr(value)


ENVIRONMENT_EQUAL = StackRule(
    name="mwaa-dr-environment-equal",
    description="A passive environment equals its primary one in version, class and options.",
    why=(
        "A standby of another version cannot take the metadata; one of a smaller class or other "
        "options takes them and then cannot run the DAGs."
    ),
    remedy="Make both from the same settings, or list an option that must differ.",
    severity=Severity.CRITICAL,
    types=(ENVIRONMENT,),
    options=(_PAIRS, _COMPARED, IGNORED, OTHER_STACK),
    applies=_is_passive,
    check=_differs,
)

RULES = (ENVIRONMENT_EQUAL,)
