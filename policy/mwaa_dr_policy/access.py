"""Who may do what: a way back that everything may change is no way back."""

import json
from collections.abc import Callable, Iterable, Iterator

from mwaa_dr_policy import documents
from mwaa_dr_policy.documents import Statement
from mwaa_dr_policy.graph import Resource, arn_name
from mwaa_dr_policy.kinds import ATTACHMENTS, POLICIES, ROLE
from mwaa_dr_policy.rule import Option, ResourceRule, Settings, Severity
from mwaa_dr_policy.values import UndecidedError, items, known, read


def _judged(
    resource: Resource, judge: Callable[[Iterable[Statement]], Iterator[str]]
) -> Iterator[str]:
    """What `judge` says of each document of a role or policy; unknown ones come last."""
    if resource.type == ROLE:
        policies = items(resource.props, "inlinePolicies")
        read_one: Callable[[object], object] = lambda policy: read(policy, "policy")  # noqa: E731
    else:
        policies = [resource.props.get("policy")]
        read_one = known
    undecided: UndecidedError | None = None
    for policy in policies:
        try:
            document = read_one(policy)
            if document:
                yield from judge(documents.statements(document))
        except json.JSONDecodeError as error:
            yield f"its policy is not JSON ({error})"
        except UndecidedError as error:
            undecided = undecided or error
    if undecided is not None:
        raise undecided


def _passes_any_role(found: Iterable[Statement]) -> Iterator[str]:
    for statement in found:
        if statement.allows("iam:PassRole") and statement.wide_resources:
            yield f"it may pass any role ({', '.join(statement.wide_resources)})"


PASS_ROLE_BOUND = ResourceRule(
    name="mwaa-dr-policy-pass-role",
    description="iam:PassRole names the roles that may be passed.",
    why=(
        "Who may pass any role to a service holds every right of the account. Recovery needs one "
        "role only: the environment's."
    ),
    remedy="Name the ARN of the execution role in Resource.",
    severity=Severity.CRITICAL,
    types=(ROLE, *POLICIES),
    check=lambda resource, _: _judged(resource, _passes_any_role),
)

_MANAGED = Option(
    key="managedPolicies",
    default=["AdministratorAccess", "PowerUserAccess", "IAMFullAccess"],
    description="Managed policies of AWS that no role may have.",
    schema={"type": "array", "items": {"type": "string"}},
)


def _writes_anything(found: Iterable[Statement]) -> Iterator[str]:
    for statement in found:
        if statement.wildcard_writes and statement.wide_resources:
            actions = ", ".join(statement.wildcard_writes)
            yield f"it may do {actions} on {', '.join(statement.wide_resources)}"


def _too_wide(resource: Resource, settings: Settings) -> Iterator[str]:
    if resource.type in ATTACHMENTS:
        arns = [resource.get("policyArn")]
    else:
        yield from _judged(resource, _writes_anything)
        arns = items(resource.props, "managedPolicyArns")
    for arn in arns:
        if arn_name(known(arn) or "") in settings[_MANAGED.key]:
            yield f"it has the managed policy {arn_name(arn)}"


WRITES_BOUND = ResourceRule(
    name="mwaa-dr-policy-wildcard-writes",
    description="No policy allows writes by wildcard on every resource.",
    why=(
        "A step that fails, or is taken over, could delete the backups of both Regions. What may "
        "write must name what it writes to."
    ),
    remedy="Name the actions, or the resources, or both.",
    severity=Severity.HIGH,
    types=(ROLE, *POLICIES, *ATTACHMENTS),
    options=(_MANAGED,),
    check=_too_wide,
)

RULES = (PASS_ROLE_BOUND, WRITES_BOUND)
