"""Policy documents, and what they say together about one action of one caller.

Source: IAM user guide, "Policy evaluation logic" for requests within one account, and KMS developer
guide, "Default key policy" (IAM policies count only where the key's policy names the account).
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from local.gateway.access.callers import Caller
from local.gateway.access.conditions import Conditions, Context, PolicyError, fits, holds, like

_KNOWN = frozenset(
    {
        *("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource"),
        *("Principal", "Condition"),
    }
)


class Reach(StrEnum):
    """How a resource policy's principal means a caller."""

    NOT = "not"
    ACCOUNT = "account"
    """It leaves the decision to the account's IAM policies."""
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Args:
        policy: where it stands.
        principals: by kind; None in policies of identities.
    """

    policy: str
    allow: bool
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]] | None
    conditions: Conditions

    def matched(self, ask: "Ask") -> "Use | None":
        """The part of the statement that means this action, if its conditions hold."""
        action = _action(self, ask.action)
        resource = _resource(self, ask)
        if action is None or resource is None or not holds(self.conditions, ask.context):
            return None
        return Use(self.policy, action, resource)


@dataclass(frozen=True, slots=True)
class Use:
    """What of a policy decided: the statement's own words."""

    policy: str
    action: str
    resource: str


@dataclass(frozen=True, slots=True)
class Ask:
    """One action on one resource. `resource` is None where only the action is judged."""

    action: str
    resource: str | None
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it is allowed, what decided, and if it is not, why."""

    allowed: bool
    uses: tuple[Use, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policies:
    """All that count for one caller and one resource.

    Args:
        identity: those of the role.
        boundary: its permissions boundary; None without one.
        resource: the resource's own policy; None where it has none.
        resource_decides: the policies of the role count only where the resource's policy says so.
    """

    identity: Sequence[Statement] = ()
    boundary: Sequence[Statement] | None = None
    resource: Sequence[Statement] | None = None
    resource_decides: bool = False


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 -- JSON
    listed = value if isinstance(value, list) else [value]
    return tuple(
        ("true" if item else "false") if isinstance(item, bool) else str(item) for item in listed
    )


@functools.lru_cache(maxsize=1024)
def parse(document: str, policy: str) -> tuple[Statement, ...]:
    """The statements of a document.

    Raises:
        PolicyError: it has an element that cannot be judged here.
    """
    found = json.loads(document).get("Statement", [])
    return tuple(_statement(raw, policy) for raw in (found if isinstance(found, list) else [found]))


def _statement(raw: dict[str, Any], policy: str) -> Statement:
    unknown = sorted(set(raw) - _KNOWN)
    if unknown:
        raise PolicyError(f"{policy}: the local AWS cannot judge {unknown[0]} in a statement")
    principal = raw.get("Principal")
    if principal == "*":
        principal = {"AWS": "*"}
    return Statement(
        policy=policy,
        allow=raw["Effect"] == "Allow",
        actions=_texts(raw.get("Action", [])),
        not_actions=_texts(raw.get("NotAction", [])),
        resources=_texts(raw.get("Resource", [])),
        not_resources=_texts(raw.get("NotResource", [])),
        principals=(
            None
            if principal is None
            else {kind: _texts(values) for kind, values in principal.items()}
        ),
        conditions={
            operator: {key: _texts(values) for key, values in tests.items()}
            for operator, tests in raw.get("Condition", {}).items()
        },
    )


def _action(statement: Statement, action: str) -> str | None:
    if statement.not_actions:
        hit = any(like(one, action, ignore_case=True) for one in statement.not_actions)
        return None if hit else f"not {','.join(statement.not_actions)}"
    return next((one for one in statement.actions if like(one, action, ignore_case=True)), None)


def _resource(statement: Statement, ask: Ask) -> str | None:
    if ask.resource is None:
        return "any"
    if statement.not_resources:
        hit = any(fits(one, ask.resource, ask.context) for one in statement.not_resources)
        return None if hit else f"not {','.join(statement.not_resources)}"
    if not statement.resources:
        return "*"  # a trust policy names no resource: it is the role's own
    return next((one for one in statement.resources if fits(one, ask.resource, ask.context)), None)


def reach(principals: Mapping[str, tuple[str, ...]] | None, caller: Caller, account: str) -> Reach:
    """Whether a resource policy's principals mean a caller."""
    if principals is None:
        return Reach.NOT
    if caller.service:
        meant = caller.service in principals.get("Service", ())
        return Reach.DIRECT if meant or "*" in principals.get("AWS", ()) else Reach.NOT
    found = Reach.NOT
    for one in principals.get("AWS", ()):
        if one in ("*", caller.role):
            return Reach.DIRECT
        if one == account or one.endswith(f":iam::{account}:root"):
            found = Reach.ACCOUNT
    return found


def judge(ask: Ask, caller: Caller, policies: Policies, account: str) -> Verdict:
    """What all policies together say."""
    denied, granted = _said(ask, policies.identity)
    forbidden, bounded = _said(ask, policies.boundary or ())
    denied += forbidden
    direct: list[Use] = []
    delegated: list[Use] = []
    for statement in policies.resource or ():
        how = reach(statement.principals, caller, account)
        use = statement.matched(ask) if how is not Reach.NOT else None
        if use is None:
            continue
        if not statement.allow:
            denied.append(use)
        else:
            (direct if how is Reach.DIRECT else delegated).append(use)
    if denied:
        return Verdict(False, tuple(denied), f"with an explicit deny in {denied[0].policy}")
    if policies.boundary is not None and not bounded:
        return Verdict(False, (), f"because no permissions boundary allows the {ask.action} action")
    if direct:
        return Verdict(True, (*direct, *granted))
    if policies.resource_decides and not delegated:
        return Verdict(
            False, (), f"because no resource-based policy allows the {ask.action} action"
        )
    if granted and not caller.service:
        return Verdict(True, tuple(granted))
    kind = "resource-based" if caller.service else "identity-based"
    return Verdict(False, (), f"because no {kind} policy allows the {ask.action} action")


def trusts(trust: Sequence[Statement], service: str, told: Mapping[str, str], account: str) -> bool:
    """Whether a role's trust policy lets a service act as the role.

    Args:
        told: condition keys that the service sends.
    """
    caller = Caller(service=service)
    context = {key.lower(): (value,) for key, value in told.items()}
    ask = Ask("sts:AssumeRole", None, {"aws:securetransport": ("true",), **context})
    meant = [
        statement
        for statement in trust
        if reach(statement.principals, caller, account) is Reach.DIRECT
        and statement.matched(ask) is not None
    ]
    return bool(meant) and all(statement.allow for statement in meant)


def _said(ask: Ask, statements: Sequence[Statement]) -> tuple[list[Use], list[Use]]:
    """(denials, grants)."""
    denied: list[Use] = []
    granted: list[Use] = []
    for statement in statements:
        use = statement.matched(ask)
        if use is not None:
            (granted if statement.allow else denied).append(use)
    return denied, granted
