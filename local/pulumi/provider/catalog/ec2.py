"""VPCs, subnets, gateways and addresses."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from local.pulumi.provider.clients import is_missing
from local.pulumi.provider.model import Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Deletes, Keys, Reads
from local.pulumi.provider.wire import Value, Values

TAGGING = Tagging("Resources", "{id}", "", "CreateTags", "DeleteTags")


def tagged(kind: str) -> Callable[[Scope, Values], dict[str, Any]]:
    """The parameter that tags a new EC2 resource."""

    def specification(_: Scope, values: Values) -> dict[str, Any]:
        wanted = values.get("tagsAll")
        if not wanted:
            return {}
        pairs = [{"Key": key, "Value": value} for key, value in sorted(wanted.items())]
        return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs}]}

    return specification


def arn_of(kind: str) -> Callable[[Scope, Values, Value], Values]:
    """EC2 gives few ARNs itself."""

    def arn(scope: Scope, _: Values, __: Value) -> Values:
        return {"arn": scope.arn("ec2", f"{kind}/{scope.id}")}

    return arn


def toggles(operation: str, key: str, names: tuple[str, ...]) -> tuple[Part, ...]:
    """Settings that one operation takes one at a time, each as `{"Value": true}`."""

    def writer(name: str) -> Callable[[Scope, Values], None]:
        member = name[0].upper() + name[1:]

        def write(scope: Scope, values: Values) -> None:
            scope.call(operation, **{key: scope.id, member: {"Value": bool(values.get(name))}})

        return write

    return tuple(Part((name,), writer(name)) for name in names)


def vanishes(operation: str, keys: Keys, gone: Callable[[Scope], bool]) -> Callable[[Scope], None]:
    """Delete and wait until it is gone."""

    def delete(scope: Scope) -> None:
        Deletes(operation, keys)(scope)
        scope.wait(f"{scope.id} to be deleted", lambda: gone(scope))

    return delete


VPC_TOGGLES = ("enableDnsHostnames", "enableDnsSupport")
SUBNET_TOGGLES = ("mapPublicIpOnLaunch",)


def _vpc_details(scope: Scope, _: Values, __: Value) -> Values:
    found: Values = {"arn": scope.arn("ec2", f"vpc/{scope.id}"), "ownerId": scope.account}
    for name in VPC_TOGGLES:
        member = name[0].upper() + name[1:]
        answer = scope.call("DescribeVpcAttribute", VpcId=scope.id, Attribute=name)
        found[name] = answer[member]["Value"]
    for name, operation, member, key, condition in (
        ("mainRouteTableId", "DescribeRouteTables", "RouteTables", "RouteTableId",
         {"Name": "association.main", "Values": ["true"]}),
        ("defaultSecurityGroupId", "DescribeSecurityGroups", "SecurityGroups", "GroupId",
         {"Name": "group-name", "Values": ["default"]}),
        ("defaultNetworkAclId", "DescribeNetworkAcls", "NetworkAcls", "NetworkAclId",
         {"Name": "default", "Values": ["true"]}),
    ):  # fmt: skip
        mine = {"Name": "vpc-id", "Values": [scope.id]}
        listed = scope.call(operation, Filters=[mine, condition])[member]
        found[name] = listed[0][key] if listed else ""
    return found


def _attach(scope: Scope, values: Values) -> None:
    attached = scope.state.get("vpcId")
    if attached and scope.state.get("arn"):
        scope.call("DetachInternetGateway", InternetGatewayId=scope.id, VpcId=attached)
    if values.get("vpcId"):
        scope.call("AttachInternetGateway", InternetGatewayId=scope.id, VpcId=values["vpcId"])


def _gateway_details(scope: Scope, _: Values, answer: Values) -> Values:
    attachments = answer.get("Attachments", [])
    return {
        "arn": scope.arn("ec2", f"internet-gateway/{scope.id}"),
        "ownerId": scope.account,
        "vpcId": attachments[0]["VpcId"] if attachments else "",
    }


def _delete_gateway(scope: Scope) -> None:
    if scope.state.get("vpcId"):
        scope.call("DetachInternetGateway", InternetGatewayId=scope.id, VpcId=scope.state["vpcId"])
    scope.call("DeleteInternetGateway", InternetGatewayId=scope.id)


def _nat_state(scope: Scope) -> str:
    try:
        found = scope.call("DescribeNatGateways", NatGatewayIds=[scope.id])["NatGateways"]
    except ClientError as error:
        if is_missing(error):
            return "deleted"
        raise
    return found[0]["State"] if found else "deleted"


def _nat_ready(scope: Scope) -> None:
    def available() -> bool:
        state = _nat_state(scope)
        if state == "failed":
            raise RuntimeError(f"NAT gateway {scope.id} failed")
        return state == "available"

    scope.wait(f"NAT gateway {scope.id}", available)


def _nat_details(_: Scope, __: Values, answer: Values) -> Values:
    address = (answer.get("NatGatewayAddresses") or [{}])[0]
    return {
        name: address[member]
        for name, member in (
            ("allocationId", "AllocationId"),
            ("associationId", "AssociationId"),
            ("networkInterfaceId", "NetworkInterfaceId"),
            ("privateIp", "PrivateIp"),
            ("publicIp", "PublicIp"),
        )
        if address.get(member)
    }


def _read_nat(scope: Scope) -> Values | None:
    if _nat_state(scope) in ("deleting", "deleted"):
        return None
    return Reads(
        "DescribeNatGateways", {"NatGatewayIds": ["{id}"]}, "NatGateways", after=_nat_details
    )(scope)


RESOURCES = (
    Resource(
        type="aws:ec2/vpc:Vpc",
        service="ec2",
        create=Creates("CreateVpc", ".Vpc.VpcId", adapt=tagged("vpc")),
        read=Reads("DescribeVpcs", {"VpcIds": ["{id}"]}, "Vpcs", after=_vpc_details),
        delete=Deletes("DeleteVpc", {"VpcId": "{id}"}),
        fixed=("cidrBlock", "instanceTenancy"),
        parts=toggles("ModifyVpcAttribute", "VpcId", VPC_TOGGLES),
        defaults={
            "enableDnsHostnames": False,
            "enableDnsSupport": True,
            "instanceTenancy": "default",
        },
        tagging=TAGGING,
    ),
    Resource(
        type="aws:ec2/subnet:Subnet",
        service="ec2",
        create=Creates("CreateSubnet", ".Subnet.SubnetId", adapt=tagged("subnet")),
        read=Reads(
            "DescribeSubnets",
            {"SubnetIds": ["{id}"]},
            "Subnets",
            names={"arn": "SubnetArn"},
            after=arn_of("subnet"),
        ),
        delete=Deletes("DeleteSubnet", {"SubnetId": "{id}"}),
        fixed=("availabilityZone", "availabilityZoneId", "cidrBlock", "vpcId"),
        parts=toggles("ModifySubnetAttribute", "SubnetId", SUBNET_TOGGLES),
        defaults={"mapPublicIpOnLaunch": False},
        chosen=("availabilityZone", "availabilityZoneId"),
        identity=("cidrBlock", "vpcId"),
        tagging=TAGGING,
    ),
    Resource(
        type="aws:ec2/internetGateway:InternetGateway",
        service="ec2",
        create=Creates(
            "CreateInternetGateway",
            ".InternetGateway.InternetGatewayId",
            adapt=tagged("internet-gateway"),
        ),
        read=Reads(
            "DescribeInternetGateways",
            {"InternetGatewayIds": ["{id}"]},
            "InternetGateways",
            after=_gateway_details,
        ),
        delete=_delete_gateway,
        parts=(Part(("vpcId",), _attach),),
        tagging=TAGGING,
    ),
    Resource(
        type="aws:ec2/eip:Eip",
        service="ec2",
        create=Creates("AllocateAddress", ".AllocationId", adapt=tagged("elastic-ip")),
        read=Reads(
            "DescribeAddresses",
            {"AllocationIds": ["{id}"]},
            "Addresses",
            after=arn_of("elastic-ip"),
        ),
        delete=Deletes("ReleaseAddress", {"AllocationId": "{id}"}),
        fixed=("domain",),
        defaults={"domain": "vpc"},
        tagging=TAGGING,
    ),
    Resource(
        type="aws:ec2/natGateway:NatGateway",
        service="ec2",
        create=Creates("CreateNatGateway", ".NatGateway.NatGatewayId", adapt=tagged("natgateway")),
        read=_read_nat,
        delete=vanishes(
            "DeleteNatGateway",
            {"NatGatewayId": "{id}"},
            lambda scope: _nat_state(scope) == "deleted",
        ),
        ready=_nat_ready,
        fixed=("allocationId", "connectivityType", "subnetId"),
        defaults={"connectivityType": "public"},
        identity=("allocationId",),
        tagging=TAGGING,
    ),
)
