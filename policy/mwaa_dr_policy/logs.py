"""Logs: after an incident they are the only account of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract.metrics import TAG_OBJECT
from mwaa_dr_policy.graph import Resource
from mwaa_dr_policy.kinds import LOG_GROUP
from mwaa_dr_policy.rule import Level, Option, ResourceRule, Settings, Severity
from mwaa_dr_policy.values import either, is_given

_GROUPS = Option(
    key="groups",
    default=["airflow-"],
    description=(
        "How the names of log groups begin that matter to a recovery and carry no tag "
        "`mwaa-dr:object`; those of MWAA begin with `airflow-`."
    ),
    schema={"type": "array", "items": {"type": "string"}},
)
_LEAST = Option(
    key="leastDays",
    default=30,
    description="Shortest retention, in days.",
    schema={"type": "number", "minimum": 1},
)
_DAYS = Option(
    key="days",
    default=90,
    description="What `remediate` sets; one of the numbers that CloudWatch Logs accepts.",
    schema={"type": "number", "minimum": 1},
)


def _matters(group: Resource, settings: Settings) -> bool:
    return either(
        lambda: bool(group.tag(TAG_OBJECT)),
        lambda: group.physical_name.startswith(tuple(settings[_GROUPS.key])),
    )


def _badly_kept(group: Resource, settings: Settings) -> Iterator[str]:
    if not _matters(group, settings):
        return
    days = group.get("retentionInDays")
    if not days:
        yield "nobody decided how long it is kept: it grows for ever"
    elif days < settings[_LEAST.key]:
        yield f"it is kept for {days:g} days; {settings[_LEAST.key]:g} are needed"


def _keep(_: Resource, settings: Settings) -> Mapping[str, Any]:
    return {"retentionInDays": max(settings[_DAYS.key], settings[_LEAST.key])}


LOG_KEPT = ResourceRule(
    name="mwaa-dr-log-kept",
    description="Logs of a recovery and of Airflow are kept long enough, for a time that was set.",
    why=(
        "What happened in an incident is written up weeks later; a log that was kept for a day "
        "cannot say why a recovery took so long."
    ),
    remedy="Set retentionInDays.",
    severity=Severity.MEDIUM,
    types=(LOG_GROUP,),
    options=(_LEAST, _DAYS, _GROUPS),
    check=_badly_kept,
    mend=_keep,
)


def _in_clear(group: Resource, settings: Settings) -> Iterator[str]:
    if _matters(group, settings) and not is_given(group.props, "kmsKeyId"):
        yield "it is encrypted with a key that AWS owns"


LOG_ENCRYPTED = ResourceRule(
    name="mwaa-dr-log-encrypted",
    description="Logs of a recovery and of Airflow are encrypted with a customer managed KMS key.",
    why="Execution data and task logs quote connections and parameters.",
    remedy="Set kmsKeyId to the ARN of a key of the log's Region.",
    severity=Severity.MEDIUM,
    level=Level.ADVISORY,
    types=(LOG_GROUP,),
    options=(_GROUPS,),
    check=_in_clear,
)

RULES = (LOG_KEPT, LOG_ENCRYPTED)
