"""Reads IAM and bucket policy documents: what they allow, and what they deny."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_READS = re.compile(
    r"get|list|describe|batchget|head|query|scan|lookup|search|view|check"
    r"|encrypt|decrypt|reencrypt|generatedatakey|verify"
)
"""How the names of actions that change nothing begin; the use of a key is one."""

_NARROWS = re.compile(r"resourcetag/|^kms:(resourcealiases|requestalias)$")
"""Condition keys that name single resources where an ARN cannot."""

_ALL_OF_A_TYPE = re.compile(r"[^/:]+[/:]\*")
"""Such as `table/*`: every table. For S3 the same form means the objects of one bucket."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; each list is empty where the document does not have the key."""

    effect: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]]

    def allows(self, action: str) -> bool:
        """Whether its actions cover `action`; conditions are not looked at."""
        if self.effect != "Allow":
            return False
        if self.not_actions:
            return not any(_covers(pattern, action) for pattern in self.not_actions)
        return any(_covers(pattern, action) for pattern in self.actions)

    @property
    def wildcard_writes(self) -> tuple[str, ...]:
        """The actions it allows that end up in more than one write, by a wildcard."""
        if self.effect != "Allow":
            return ()
        if self.not_actions:
            return tuple(f"everything but {pattern}" for pattern in self.not_actions)
        return tuple(action for action in self.actions if "*" in action and not _only_reads(action))

    @property
    def wide_resources(self) -> tuple[str, ...]:
        """The resources it names that are every one of an account or of a type.

        None, if a condition picks among them by tag or alias.
        """
        keys = [key.lower() for asked in self.conditions.values() for key in asked]
        if any(_NARROWS.search(key) for key in keys):
            return ()
        if self.not_resources:
            return tuple(f"everything but {pattern}" for pattern in self.not_resources)
        return tuple(resource for resource in self.resources if _is_wide(resource))


def statements(document: str | Mapping[str, Any]) -> list[Statement]:
    """The statements of a document. Raises JSONDecodeError if it is text but not JSON."""
    parsed = json.loads(document) if isinstance(document, str) else document
    return [
        Statement(
            effect=str(raw.get("Effect", "")),
            actions=_strings(raw.get("Action")),
            not_actions=_strings(raw.get("NotAction")),
            resources=_strings(raw.get("Resource")),
            not_resources=_strings(raw.get("NotResource")),
            principals=_principals(raw.get("Principal")),
            conditions=raw.get("Condition") or {},
        )
        for raw in _list(parsed.get("Statement"))
    ]


def readable(document: str | Mapping[str, Any]) -> list[Statement]:
    """As `statements`; none if it is not JSON, which is for the rules of documents to say."""
    try:
        return statements(document)
    except json.JSONDecodeError:
        return []


def denies_plaintext(found: Iterable[Statement], bucket: str) -> bool:
    """Whether everybody is refused every request without TLS, on the bucket and its objects."""
    closed = {
        resource.rpartition(":::")[2]
        for statement in found
        if statement.effect == "Deny"
        and "*" in statement.principals
        and any(_covers(action, "s3:*") for action in statement.actions)
        and _requires_plaintext(statement.conditions)
        for resource in statement.resources
    }
    return "*" in closed or {bucket, f"{bucket}/*"} <= closed or f"{bucket}*" in closed


def _requires_plaintext(conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the conditions ask for nothing but a request without TLS."""
    asked = [
        (operator, key.lower(), {str(value).lower() for value in _list(values)})
        for operator, keys in conditions.items()
        for key, values in keys.items()
    ]
    return len(asked) == 1 and (
        asked[0][0] in ("Bool", "BoolIfExists")
        and asked[0][1:] == ("aws:securetransport", {"false"})
    )


def _covers(pattern: str, action: str) -> bool:
    """IAM compares actions without case; `*` and `?` are the only wildcards."""
    return fnmatchcase(action.lower(), pattern.lower().replace("[", "[[]"))


def _only_reads(action: str) -> bool:
    return _READS.match(action.partition(":")[2].lower()) is not None


def _is_wide(resource: str) -> bool:
    parts = resource.split(":", 5)
    if len(parts) < 6:  # noqa: PLR2004
        return not resource.strip("*:")
    service, part = parts[2], parts[5]
    return not part.strip("*") or (service != "s3" and _ALL_OF_A_TYPE.fullmatch(part) is not None)


def _principals(raw: Any) -> tuple[str, ...]:  # noqa: ANN401
    if isinstance(raw, Mapping):
        return tuple(name for names in raw.values() for name in _strings(names))
    return _strings(raw)


def _strings(raw: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(str(item) for item in _list(raw))


def _list(raw: Any) -> list[Any]:  # noqa: ANN401
    if raw is None:
        return []
    return list(raw) if isinstance(raw, list | tuple) else [raw]
