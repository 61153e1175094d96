"""Route tables, routes and VPC endpoints."""

import hashlib
from typing import Any

from local.pulumi.provider.catalog.ec2 import TAGGING, arn_of, tagged
from local.pulumi.provider.model import Part, Resource, Scope
from local.pulumi.provider.regular import Creates, Deletes, Reads, properties
from local.pulumi.provider.shapes import parameters
from local.pulumi.provider.wire import Values

DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}
HOPS = (
    "gatewayId",
    "natGatewayId",
    "networkInterfaceId",
    "transitGatewayId",
    "vpcEndpointId",
    "vpcPeeringConnectionId",
)
ENDPOINT_SETS = {
    "routeTableIds": "RouteTableIds",
    "securityGroupIds": "SecurityGroupIds",
    "subnetIds": "SubnetIds",
}


def _destination(values: Values) -> dict[str, str]:
    found = {m: values[n] for n, m in DESTINATIONS.items() if values.get(n)}
    if len(found) != 1:
        raise ValueError(f"a route needs exactly one of {', '.join(DESTINATIONS)}")
    return found


def _route_id(values: Values) -> str:
    target = next(iter(_destination(values).values()))
    return f"r-{values['routeTableId']}{hashlib.sha256(target.encode()).hexdigest()[:10]}"


def _write_route(operation: str, scope: Scope, values: Values) -> None:
    shape = scope.input_shape(operation)
    hop = parameters(shape, {n: values[n] for n in HOPS if values.get(n)}, {})
    scope.call(operation, RouteTableId=values["routeTableId"], **_destination(values), **hop)


def _create_route(scope: Scope, values: Values) -> str:
    _write_route("CreateRoute", scope, values)
    return _route_id(values)


def _replace_route(scope: Scope, values: Values) -> None:
    _write_route("ReplaceRoute", scope, values)


def _read_route(scope: Scope) -> Values | None:
    """An id from outside is `<route table>_<destination>`, as pulumi-aws imports it."""
    state = scope.state
    if "_" in scope.id:
        table, _, target = scope.id.partition("_")
        member = "destinationIpv6CidrBlock" if ":" in target else "destinationCidrBlock"
        state = {"routeTableId": table, member: target}
        scope.id = _route_id(state)
    tables = scope.call("DescribeRouteTables", RouteTableIds=[state["routeTableId"]])
    wanted = _destination(state)
    for route in tables["RouteTables"][0]["Routes"]:
        if all(route.get(member) == value for member, value in wanted.items()):
            return {**properties(scope, route, {}), "routeTableId": state["routeTableId"]}
    return None


def _delete_route(scope: Scope) -> None:
    scope.call("DeleteRoute", RouteTableId=scope.state["routeTableId"], **_destination(scope.state))


def _read_association(scope: Scope) -> Values | None:
    mine = {"Name": "association.route-table-association-id", "Values": [scope.id]}
    for table in scope.call("DescribeRouteTables", Filters=[mine])["RouteTables"]:
        for association in table["Associations"]:
            if association["RouteTableAssociationId"] == scope.id:
                return properties(scope, association, {})
    return None


def _write_endpoint(scope: Scope, values: Values) -> None:
    """ModifyVpcEndpoint adds to and removes from its sets."""
    arguments: dict[str, Any] = {}
    for name, member in ENDPOINT_SETS.items():
        old, new = set(scope.state.get(name) or []), set(values.get(name) or [])
        if new - old:
            arguments[f"Add{member}"] = sorted(new - old)
        if old - new and name in scope.changed:
            arguments[f"Remove{member}"] = sorted(old - new)
    if "privateDnsEnabled" in scope.changed:
        arguments["PrivateDnsEnabled"] = bool(values.get("privateDnsEnabled"))
    if "policy" in scope.changed:
        policy = values.get("policy")
        arguments |= {"PolicyDocument": policy} if policy else {"ResetPolicy": True}
    if arguments:
        scope.call("ModifyVpcEndpoint", VpcEndpointId=scope.id, **arguments)


def _endpoint_details(scope: Scope, values: Values, answer: Values) -> Values:
    return {
        **arn_of("vpc-endpoint")(scope, values, answer),
        "securityGroupIds": [group["GroupId"] for group in answer.get("Groups", [])],
    }


def _endpoint_ready(scope: Scope) -> None:
    def available() -> bool:
        found = scope.call("DescribeVpcEndpoints", VpcEndpointIds=[scope.id])["VpcEndpoints"][0]
        state = found.get("State", "available").lower()
        if state in ("failed", "rejected", "expired"):
            raise RuntimeError(f"VPC endpoint {scope.id} is {state}")
        return state not in ("pending", "deleting")

    scope.wait(f"VPC endpoint {scope.id}", available)


ENDPOINT_NAMES = {"policy": "PolicyDocument"}

RESOURCES = (
    Resource(
        type="aws:ec2/routeTable:RouteTable",
        service="ec2",
        create=Creates("CreateRouteTable", ".RouteTable.RouteTableId", adapt=tagged("route-table")),
        read=Reads(
            "DescribeRouteTables",
            {"RouteTableIds": ["{id}"]},
            "RouteTables",
            after=arn_of("route-table"),
        ),
        delete=Deletes("DeleteRouteTable", {"RouteTableId": "{id}"}),
        fixed=("vpcId",),
        tagging=TAGGING,
    ),
    Resource(
        type="aws:ec2/route:Route",
        service="ec2",
        create=_create_route,
        read=_read_route,
        delete=_delete_route,
        fixed=("routeTableId", *DESTINATIONS),
        parts=(Part(HOPS, _replace_route, created=True),),
        identity=("routeTableId", *DESTINATIONS),
    ),
    Resource(
        type="aws:ec2/routeTableAssociation:RouteTableAssociation",
        service="ec2",
        create=Creates("AssociateRouteTable", ".AssociationId"),
        read=_read_association,
        delete=Deletes("DisassociateRouteTable", {"AssociationId": "{id}"}),
        fixed=("gatewayId", "routeTableId", "subnetId"),
        identity=("gatewayId", "subnetId"),
    ),
    Resource(
        type="aws:ec2/vpcEndpoint:VpcEndpoint",
        service="ec2",
        create=Creates(
            "CreateVpcEndpoint",
            ".VpcEndpoint.VpcEndpointId",
            names=ENDPOINT_NAMES,
            adapt=tagged("vpc-endpoint"),
        ),
        read=Reads(
            "DescribeVpcEndpoints",
            {"VpcEndpointIds": ["{id}"]},
            "VpcEndpoints",
            names=ENDPOINT_NAMES,
            after=_endpoint_details,
        ),
        delete=Deletes("DeleteVpcEndpoints", {"VpcEndpointIds": ["{id}"]}),
        ready=_endpoint_ready,
        fixed=("serviceName", "vpcEndpointType", "vpcId"),
        parts=(
            Part((*ENDPOINT_SETS, "policy", "privateDnsEnabled"), _write_endpoint, created=True),
        ),
        defaults={"vpcEndpointType": "Gateway", "privateDnsEnabled": False},
        chosen=("policy", *ENDPOINT_SETS),
        json=("policy",),
        tagging=TAGGING,
    ),
)
