"""Roles: what acts in a recovery has the rights that it cannot do without.

Only actions are compared, not resources and conditions: whether a right reaches far enough is what
a drill shows. A role without the right at all is found here, before it is deployed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from contract.functions import FUNCTIONS as STEPS
from contract.functions import Grant
from contract.objects import ObjectRole
from mwaa_dr_policy import documents
from mwaa_dr_policy.graph import Resource, Stack, arn_name
from mwaa_dr_policy.kinds import (
    BUCKET_REPLICATION,
    ENVIRONMENT,
    FLOW_LOG,
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
from mwaa_dr_policy.subjects import (
    airflow_option,
    is_for,
    is_recovery_function,
    is_recovery_machine,
)
from mwaa_dr_policy.values import UndecidedError, Unknown, any_of, is_given, items, known, peek

GRANTED: dict[Grant, tuple[str, ...]] = {
    Grant.OBSERVE: ("cloudwatch:GetMetricData", "airflow:ListEnvironments"),
    Grant.ENVIRONMENTS: ("airflow:GetEnvironment",),
    # What it takes depends on the checks; a role without it has blind checks, not a blind monitor.
    Grant.CHECKS: (),
    Grant.READ_BACKUPS: ("s3:GetObject", "s3:ListBucket", "kms:Decrypt"),
    Grant.READ_CONTROL: ("s3:GetObject", "s3:ListBucket", "kms:Decrypt"),
    Grant.WRITE_CONFIG: ("s3:PutObject", "kms:GenerateDataKey"),
    Grant.WRITE_CONTROL: ("s3:PutObject", "kms:GenerateDataKey"),
    Grant.READ_CODE: ("s3:GetObject", "kms:Decrypt"),
    Grant.STATE: ("dynamodb:GetItem", "dynamodb:PutItem"),
    Grant.METRICS: ("cloudwatch:PutMetricData",),
    Grant.NOTIFY: ("sns:Publish", "events:PutEvents"),
    Grant.CREATE_ENVIRONMENT: ("airflow:CreateEnvironment", "iam:PassRole"),
    Grant.INVOKE_REST: ("airflow:InvokeRestApi",),
    Grant.INVOKE_REST_INSIDE: ("airflow:InvokeRestApi",),
    Grant.NETWORK: ("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    Grant.START_RECOVERY: ("states:StartExecution",),
    Grant.REMOVE_ENVIRONMENT: ("airflow:GetEnvironment", "airflow:DeleteEnvironment"),
}
"""What each grant of `contract.functions` comes to at the least."""
_OF_STEP = {
    spec.handler: [action for grant in spec.grants for action in GRANTED[grant]] for spec in STEPS
}
_LOG = ("logs:CreateLogStream", "logs:PutLogEvents")
_ENVIRONMENT = (
    *("airflow:PublishMetrics", "s3:GetObject", "s3:ListBucket", *_LOG),
    *("sqs:SendMessage", "sqs:ReceiveMessage"),
)
_OF_AWS = {"AWSLambdaBasicExecutionRole": _LOG}
"""Managed policies of AWS that are known here; of others it cannot be said what they allow."""


def _of_environment(environment: Resource) -> Iterator[str]:
    """MWAA user guide, 'Amazon MWAA execution role'."""
    yield from _ENVIRONMENT
    if airflow_option(environment, "site"):
        yield "s3:PutObject"
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


def _of_flow_log(_: Resource) -> Iterator[str]:
    yield from _LOG


def _of_standby(_: Resource) -> Iterator[str]:
    """A role that waits for an environment; both sites encrypt with keys of their own."""
    yield from (*_ENVIRONMENT, "s3:PutObject", "kms:Decrypt", "kms:GenerateDataKey")


@dataclass(frozen=True, slots=True)
class _Use:
    """How resources of a type use their role.

    Args:
        path: the property that names it; empty for a role that nothing uses yet.
        service: who must be able to assume it.
        needs: the actions that it must allow.
    """

    path: str
    service: str
    needs: Callable[[Resource], Iterator[str]]


_USES = {
    ENVIRONMENT: _Use("executionRoleArn", "airflow-env.amazonaws.com", _of_environment),
    FUNCTION: _Use("role", "lambda.amazonaws.com", _of_function),
    STATE_MACHINE: _Use("roleArn", "states.amazonaws.com", _of_machine),
    SCHEDULE: _Use("target.roleArn", "scheduler.amazonaws.com", _of_schedule),
    FLOW_LOG: _Use("iamRoleArn", "vpc-flow-logs.amazonaws.com", _of_flow_log),
    BUCKET_REPLICATION: _Use("role", "s3.amazonaws.com", _of_replication),
    ROLE: _Use("", "airflow-env.amazonaws.com", _of_standby),
}


def _acts_in_recovery(user: Resource, stack: Stack, settings: Settings) -> bool:
    if user.type == FUNCTION:
        return is_recovery_function(user, settings)
    if user.type == STATE_MACHINE:
        return is_recovery_machine(user, settings)
    if user.type == FLOW_LOG:
        return is_for(user, ObjectRole.NETWORK)
    if user.type == ROLE:
        return is_for(user, ObjectRole.ENVIRONMENT)
    if user.type == SCHEDULE:
        return any_of(
            stack.of(STATE_MACHINE),
            lambda machine: (
                is_recovery_machine(machine, settings)
                and stack.mentions(user, "target", peek(user.props, "target.arn"), machine)
            ),
        )
    return user.type != BUCKET_REPLICATION or reads_precious(user, stack, settings)


def _role_of(user: Resource, use: _Use, stack: Stack) -> Resource:
    if not use.path:
        return user
    top, named = use.path.split(".", 1)[0], peek(user.props, use.path)
    role = next((one for one in stack.of(ROLE) if stack.mentions(user, top, named, one)), None)
    if role is None:
        raise UndecidedError(f"its role ({use.path}) is not declared in a program at hand")
    return role


def _powerless(user: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    use = _USES[user.type]
    role = _role_of(user, use, stack)
    trust = role.get("assumeRolePolicy")
    if trust and not any(
        use.service in one.principals and one.allows("sts:AssumeRole")
        for one in documents.readable(trust)
    ):
        yield f"{use.service} may not assume its role {role.name}"
    needed = list(dict.fromkeys(use.needs(user)))
    missing, undecided = set(needed), None
    for document in _documents(role, stack):
        try:
            allowed = documents.readable(known(document))
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
    description=(
        "The roles of a recovery can be assumed by their users and allow the actions that these "
        "cannot do without."
    ),
    why=(
        "A missing right shows when it is used: replication stops in silence, a step of the "
        "recovery fails in the middle of an incident, an environment never becomes available."
    ),
    remedy="Name the service in the trust policy, the actions in a policy of the role.",
    severity=Severity.HIGH,
    types=tuple(_USES),
    options=(MACHINES, FUNCTIONS, *BUCKETS),
    applies=_acts_in_recovery,
    check=_powerless,
)

RULES = (ROLE_SUFFICIENT,)
