"""Roles: what acts in a recovery has the rights that it cannot do without.

Only actions are compared, not resources and conditions: whether a right reaches far enough is what
a drill shows. A role without the right at all is found here, before it is deployed.
"""

from collections.abc import Callable, Iterator
from typing import Any

from contract.functions import FUNCTIONS as STEPS
from contract.functions import Grant
from mwaa_dr_policy import documents
from mwaa_dr_policy.graph import Resource, Stack, arn_name
from mwaa_dr_policy.kinds import (
    BUCKET_REPLICATION,
    ENVIRONMENT,
    FUNCTION,
    MANAGED_POLICY,
    ROLE,
    ROLE_ATTACHMENT,
    ROLE_POLICY,
    SCHEDULE,
    STATE_MACHINE,
)
from mwaa_dr_policy.options import BUCKETS, FUNCTIONS, MACHINES
from mwaa_dr_policy.replication import reads_precious
from mwaa_dr_policy.rule import Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_recovery_function, is_recovery_machine
from mwaa_dr_policy.values import UndecidedError, Unknown, any_of, is_given, items, known, peek

GRANTED: dict[Grant, tuple[str, ...]] = {
    Grant.OBSERVE: ("cloudwatch:GetMetricData", "airflow:GetEnvironment"),
    Grant.READ_BACKUPS: ("s3:GetObject", "s3:ListBucket", "kms:Decrypt"),
    Grant.WRITE_CONFIG: ("s3:PutObject", "kms:GenerateDataKey"),
    Grant.WRITE_CONTROL: ("s3:PutObject", "kms:GenerateDataKey"),
    Grant.READ_CODE: ("s3:GetObject", "kms:Decrypt"),
    Grant.STATE: ("dynamodb:GetItem", "dynamodb:PutItem"),
    Grant.METRICS: ("cloudwatch:PutMetricData",),
    Grant.NOTIFY: ("sns:Publish", "events:PutEvents"),
    Grant.CREATE_ENVIRONMENT: ("airflow:CreateEnvironment", "iam:PassRole"),
    Grant.INVOKE_REST: ("airflow:InvokeRestApi",),
}
"""What each grant of `contract.functions` comes to at the least."""
_OF_STEP = {
    spec.handler: [action for grant in spec.grants for action in GRANTED[grant]] for spec in STEPS
}
_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
_OF_AWS = {"AWSLambdaBasicExecutionRole": _LOG}
"""Managed policies of AWS that are known here; of others it cannot be said what they allow."""


def _of_environment(environment: Resource) -> Iterator[str]:
    """MWAA user guide, 'Amazon MWAA execution role'."""
    yield from ("airflow:PublishMetrics", "s3:GetObject", "s3:ListBucket", *_LOG)
    yield from ("sqs:SendMessage", "sqs:ReceiveMessage")
    if is_given(environment.props, "kmsKey"):
        yield from ("kms:Decrypt", "kms:GenerateDataKey")


def _of_function(function: Resource) -> Iterator[str]:
    yield from _LOG
    if is_given(function.props, "kmsKeyArn"):
        yield "kms:Decrypt"
    yield from _OF_STEP.get(function.get("handler") or "", ())


def _of_machine(machine: Resource) -> Iterator[str]:
    definition = machine.get("definition") or ""
    if ":function:" in definition:
        yield "lambda:InvokeFunction"
    if "startExecution" in definition:
        yield "states:StartExecution"
    if is_given(machine.props, "loggingConfiguration.logDestination"):
        yield "logs:CreateLogDelivery"
    if machine.get("tracingConfiguration.enabled"):
        yield "xray:PutTraceSegments"


def _of_replication(_: Resource) -> Iterator[str]:
    """S3 user guide, 'Setting up permissions for live replication'."""
    yield from ("s3:GetReplicationConfiguration", "s3:ListBucket")
    yield from ("s3:GetObjectVersionForReplication", "s3:ReplicateObject")
    yield from ("kms:Decrypt", "kms:Encrypt")


def _of_schedule(_: Resource) -> Iterator[str]:
    yield "states:StartExecution"


_USERS: dict[str, tuple[str, Callable[[Resource], Iterator[str]]]] = {
    ENVIRONMENT: ("executionRoleArn", _of_environment),
    FUNCTION: ("role", _of_function),
    STATE_MACHINE: ("roleArn", _of_machine),
    SCHEDULE: ("target.roleArn", _of_schedule),
    BUCKET_REPLICATION: ("role", _of_replication),
}
"""By type, the property that names the role, and the actions that it must allow."""


def _acts_in_recovery(user: Resource, stack: Stack, settings: Settings) -> bool:
    if user.type == FUNCTION:
        return is_recovery_function(user, settings)
    if user.type == STATE_MACHINE:
        return is_recovery_machine(user, settings)
    if user.type == SCHEDULE:
        return any_of(
            stack.of(STATE_MACHINE),
            lambda machine: (
                is_recovery_machine(machine, settings)
                and stack.mentions(user, "target", peek(user.props, "target.arn"), machine)
            ),
        )
    return user.type != BUCKET_REPLICATION or reads_precious(user, stack, settings)


def _powerless(user: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    path, needs = _USERS[user.type]
    needed = list(dict.fromkeys(needs(user)))
    top, named = path.split(".", 1)[0], peek(user.props, path)
    role = next((one for one in stack.of(ROLE) if stack.mentions(user, top, named, one)), None)
    if role is None:
        raise UndecidedError(f"its role ({path}) is not declared in a program at hand")
    missing, undecided = set(needed), None
    for document in _documents(role, stack):
        try:
            allowed = documents.statements(known(document))
        except UndecidedError as error:
            undecided = undecided or error
            continue
        missing -= {one for one in missing if any(part.allows(one) for part in allowed)}
    if missing and undecided is not None:
        raise undecided
    if missing:
        yield f"its role {role.name} does not allow {', '.join(x for x in needed if x in missing)}"


def _documents(role: Resource, stack: Stack) -> Iterator[Any]:
    """The policies of a role, each as a document or an `Unknown`."""
    for inline in items(role.props, "inlinePolicies"):
        yield peek(inline, "policy") or {}
    for policy in stack.attached(ROLE_POLICY, "role", role):
        yield policy.props.get("policy") or {}
    arns = items(role.props, "managedPolicyArns")
    attached = stack.attached(ROLE_ATTACHMENT, "role", role)
    for arn in (*arns, *(peek(one.props, "policyArn") for one in attached)):
        yield arn if isinstance(arn, Unknown) else _managed(arn, stack)


def _managed(arn: str, stack: Stack) -> Any:  # noqa: ANN401
    for policy in stack.of(MANAGED_POLICY):
        if policy.is_called(arn):
            return policy.props.get("policy") or {}
    if arn_name(arn) in _OF_AWS:
        return {"Statement": {"Effect": "Allow", "Action": _OF_AWS[arn_name(arn)]}}
    return Unknown(f"the policy {arn} is not declared in a program at hand")


ROLE_SUFFICIENT = StackRule(
    name="mwaa-dr-role-sufficient",
    description="The roles of a recovery allow the actions that their users cannot do without.",
    why=(
        "A missing right shows when it is used: replication stops in silence, a step of the "
        "recovery fails in the middle of an incident, an environment never becomes available."
    ),
    remedy="Add the actions to a policy of the role.",
    severity=Severity.HIGH,
    types=tuple(_USERS),
    options=(MACHINES, FUNCTIONS, *BUCKETS),
    applies=_acts_in_recovery,
    check=_powerless,
)

RULES = (ROLE_SUFFICIENT,)
