"""The network that an environment is created in: MWAA finds out late what it lacks."""

from collections.abc import Iterator
from typing import Any

from contract.objects import ObjectRole
from mwaa_dr_policy.graph import Resource, Stack
from mwaa_dr_policy.kinds import (
    EGRESS_RULE,
    ENVIRONMENT,
    INGRESS_RULE,
    ROUTE,
    ROUTE_TABLE,
    ROUTE_TABLE_ASSOCIATION,
    SECURITY_GROUP,
    SECURITY_GROUP_RULE,
    SUBNET,
)
from mwaa_dr_policy.rule import Option, Settings, Severity, StackRule
from mwaa_dr_policy.subjects import is_for
from mwaa_dr_policy.values import any_of, either, is_given, items, read

_ANYWHERE = "0.0.0.0/0"
_WAYS = (
    *("gatewayId", "natGatewayId", "transitGatewayId", "networkInterfaceId", "vpcEndpointId"),
    "vpcPeeringConnectionId",
)


def _serves_mwaa(key: str, part: Resource, stack: Stack) -> bool:
    """Whether an environment names it, or its tag says that one will."""
    return either(
        lambda: is_for(part, ObjectRole.NETWORK),
        lambda: any_of(
            [
                (environment, value)
                for environment in stack.of(ENVIRONMENT)
                for value in items(environment.props, f"networkConfiguration.{key}")
            ],
            lambda pair: stack.mentions(pair[0], "networkConfiguration", pair[1], part),
        ),
    )


_CLOSED = Option(
    key="closed",
    default=False,
    description=(
        "Whether the network has no way out on purpose and reaches every service of AWS through "
        "VPC endpoints."
    ),
    schema={"type": "boolean"},
)


def _leads_out(route: Any, cidr: str) -> bool:  # noqa: ANN401
    return read(route, cidr) == _ANYWHERE and any(is_given(route, way) for way in _WAYS)


def _shut_in(subnet: Resource, stack: Stack, settings: Settings) -> Iterator[str]:
    if settings[_CLOSED.key]:
        return
    tables = [
        table
        for association in stack.attached(ROUTE_TABLE_ASSOCIATION, "subnetId", subnet)
        for table in stack.of(ROUTE_TABLE)
        if stack.refers(association, "routeTableId", table)
    ]
    if not tables:
        yield "no route table is associated with it"
        return
    routed = any_of(
        tables,
        lambda table: either(
            lambda: any_of(
                stack.attached(ROUTE, "routeTableId", table),
                lambda route: _leads_out(route.props, "destinationCidrBlock"),
            ),
            lambda: any_of(
                items(table.props, "routes"), lambda route: _leads_out(route, "cidrBlock")
            ),
        ),
    )
    if not routed:
        yield f"its route table {tables[0].name} has no way to {_ANYWHERE}"


NETWORK_WAY_OUT = StackRule(
    name="mwaa-dr-network-way-out",
    description="The subnets of an environment have a way out.",
    why=(
        "Without one Airflow reaches neither its queue nor the other Region. MWAA tries for half "
        "an hour and then says CREATE_FAILED: half an hour that a recovery does not have."
    ),
    remedy=(
        "Associate a route table with a route to 0.0.0.0/0; with VPC endpoints only set `closed`."
    ),
    severity=Severity.HIGH,
    types=(SUBNET,),
    options=(_CLOSED,),
    applies=lambda subnet, stack, _: _serves_mwaa("subnetIds", subnet, stack),
    check=_shut_in,
)


def _deaf(group: Resource, stack: Stack, _: Settings) -> Iterator[str]:
    def hears_itself(rule: Resource) -> bool:
        return stack.refers(rule, "referencedSecurityGroupId", group)

    def old_rule_hears_itself(rule: Resource) -> bool:
        return rule.get("type") == "ingress" and either(
            lambda: rule.get("self") is True,
            lambda: stack.refers(rule, "sourceSecurityGroupId", group),
        )

    old = stack.attached(SECURITY_GROUP_RULE, "securityGroupId", group)
    if not either(
        lambda: any_of(stack.attached(INGRESS_RULE, "securityGroupId", group), hears_itself),
        lambda: any_of(old, old_rule_hears_itself),
        lambda: any_of(items(group.props, "ingress"), lambda one: read(one, "self") is True),
    ):
        yield "it does not let its own members in"
    if not either(
        lambda: stack.has_attached(EGRESS_RULE, "securityGroupId", group),
        lambda: any_of(old, lambda rule: rule.get("type") == "egress"),
        lambda: bool(items(group.props, "egress")),
    ):
        yield "it lets nothing out"


NETWORK_SELF_TRUST = StackRule(
    name="mwaa-dr-network-self-trust",
    description="A security group of an environment trusts itself and lets traffic out.",
    why=(
        "Scheduler, workers, web server and database talk to each other through it. MWAA finds out "
        "only when it creates the environment, which is when a recovery waits for it."
    ),
    remedy="Add an ingress rule whose source is the group itself, and an egress rule.",
    severity=Severity.HIGH,
    types=(SECURITY_GROUP,),
    applies=lambda group, stack, _: _serves_mwaa("securityGroupIds", group, stack),
    check=_deaf,
)

RULES = (NETWORK_WAY_OUT, NETWORK_SELF_TRUST)
