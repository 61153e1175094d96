"""Tags: rules and people find the parts of an installation by them."""

from collections.abc import Iterator, Mapping
from typing import Any

from contract.metrics import TAG_INSTALLATION, TAG_OBJECT, TAG_SITE
from mwaa_dr_policy.graph import Resource
from mwaa_dr_policy.kinds import TAGGED
from mwaa_dr_policy.rule import Option, ResourceRule, Settings, Severity
from mwaa_dr_policy.values import read

_OURS = (TAG_INSTALLATION, TAG_SITE, TAG_OBJECT)
_TAGS = Option(
    key="tags",
    default={},
    description=(
        "Tags that every resource of these types must carry, with the value that `remediate` adds "
        "where one is missing."
    ),
    schema={"type": "object", "additionalProperties": {"type": "string"}},
)


def _missing(resource: Resource, settings: Settings) -> list[str]:
    has_one = any(resource.tag(key) for key in _OURS)
    wanted = [*(_OURS if has_one else ()), *settings[_TAGS.key]]
    return [key for key in dict.fromkeys(wanted) if not resource.tag(key)]


def _untagged(resource: Resource, settings: Settings) -> Iterator[str]:
    missing = _missing(resource, settings)
    if missing:
        yield f"it lacks the tags {', '.join(missing)}"


def _add(resource: Resource, settings: Settings) -> Mapping[str, Any]:
    values = settings[_TAGS.key]
    added = {key: values[key] for key in _missing(resource, settings) if key in values}
    # Providers that know default tags keep the sum of both beside the tags proper.
    keys = ("tags", *(("tagsAll",) if "tagsAll" in resource.props else ()))
    return {key: {**(read(resource.props, key) or {}), **added} for key in keys}


RESOURCE_TAGGED = ResourceRule(
    name="mwaa-dr-resource-tagged",
    description="Resources carry the tags that are asked for, and those of an installation whole.",
    why=(
        "A backup bucket that lost its tag is a bucket like any other: no rule of this pack and no "
        "person in an incident would know what it is."
    ),
    remedy=(
        f"Set {', '.join(_OURS)}, and what the option `tags` asks for; `remediate` adds the latter."
    ),
    severity=Severity.MEDIUM,
    types=TAGGED,
    options=(_TAGS,),
    check=_untagged,
    mend=_add,
)

RULES = (RESOURCE_TAGGED,)
