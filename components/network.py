"""The network of an environment: an existing one, or a VPC made for it."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.endpoints import GATEWAY, interfaces, service_name
from components.flow_logs import FlowLogArgs, FlowLogs
from components.settings.tree import FLOW_LOG_DAYS, SiteNetwork
from contract.objects import ObjectRole

ZONES = 2
"""MWAA takes exactly two private subnets, in two availability zones."""
ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkArgs:
    """Whose network, and which key encrypts its flow logs."""

    place: Place
    key_arn: pulumi.Input[str]


def subnet_cidrs(vpc: str) -> list[str]:
    """Four equal ranges of `vpc`: public one and two, private one and two."""
    return [str(part) for part in ipaddress.IPv4Network(vpc).subnets(prefixlen_diff=2)]


class EnvironmentNetwork(Component):
    """Two private subnets, a way out or endpoints, and a security group that trusts itself.

    Produces these resources: cloudwatch.LogGroup, ec2.Eip, ec2.FlowLog, ec2.InternetGateway,
    ec2.NatGateway, ec2.Route, ec2.RouteTable, ec2.RouteTableAssociation, ec2.SecurityGroup,
    ec2.Subnet, ec2.Vpc, ec2.VpcEndpoint, iam.Role, iam.RolePolicy, vpc.SecurityGroupEgressRule,
    vpc.SecurityGroupIngressRule.
    """

    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        self._name = name
        self._place = args.place
        network = args.place.settings.network.of(args.place.site)
        if network.exists:
            self.subnet_ids = network.subnet_ids
            self.security_group_ids = network.security_group_ids
        else:
            vpc = self._vpc(network.vpc_cidr or "")
            group = self._security_group(vpc)
            self.subnet_ids = self._subnets(vpc, network, group)
            self.security_group_ids = [group]
            days = FLOW_LOG_DAYS if network.flow_log_days is None else network.flow_log_days
            if days:
                flow = FlowLogArgs(place=args.place, vpc_id=vpc.id, key_arn=args.key_arn, days=days)
                FlowLogs(f"{name}-logs", flow, self.child())
        self.register_outputs(
            {"subnet_ids": self.subnet_ids, "security_group_ids": self.security_group_ids}
        )

    def _tags(self, suffix: str) -> dict[str, str]:
        return {
            **self._place.tags(ObjectRole.NETWORK),
            "Name": f"{self._place.environment}-{suffix}",
        }

    def _vpc(self, cidr: str) -> aws.ec2.Vpc:
        return aws.ec2.Vpc(
            f"{self._name}-vpc",
            region=self._place.region,
            cidr_block=cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags("vpc"),
            opts=self.child(),
        )

    def _subnets(
        self, vpc: aws.ec2.Vpc, network: SiteNetwork, group: pulumi.Output[str]
    ) -> list[pulumi.Output[str]]:
        name, region = self._name, self._place.region
        zones = aws.get_availability_zones_output(
            region=region,
            state="available",
            # Local zones are opted into; MWAA does not run there.
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
        ).names
        ranges = subnet_cidrs(network.vpc_cidr or "")
        tables = [self._table(vpc, f"private-{zone}") for zone in range(ZONES)]
        private: list[pulumi.Output[str]] = []
        for zone in range(ZONES):
            subnet = self._subnet(vpc, f"private-{zone}", ranges[ZONES + zone], zones[zone])
            self._associate(f"private-{zone}", subnet, tables[zone])
            private.append(subnet.id)
        if network.closed:
            self._endpoints(vpc, private, group)
        else:
            public = [
                self._subnet(vpc, f"public-{zone}", ranges[zone], zones[zone])
                for zone in range(ZONES)
            ]
            self._way_out(vpc, public, tables, network.nat_gateways or 1)
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            region=region,
            vpc_id=vpc.id,
            service_name=service_name(self._place, GATEWAY),
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags=self._tags("s3"),
            opts=self.child(),
        )
        return private

    def _endpoints(
        self, vpc: aws.ec2.Vpc, subnets: list[pulumi.Output[str]], group: pulumi.Output[str]
    ) -> None:
        for service in interfaces(self._place):
            suffix = service.replace(".", "-")
            aws.ec2.VpcEndpoint(
                f"{self._name}-{suffix}",
                region=self._place.region,
                vpc_id=vpc.id,
                service_name=service_name(self._place, service),
                vpc_endpoint_type="Interface",
                subnet_ids=subnets,
                security_group_ids=[group],
                private_dns_enabled=True,
                tags=self._tags(suffix),
                opts=self.child(),
            )

    def _way_out(
        self,
        vpc: aws.ec2.Vpc,
        public: list[aws.ec2.Subnet],
        private_tables: list[aws.ec2.RouteTable],
        gateways: int,
    ) -> None:
        name, region = self._name, self._place.region
        internet = aws.ec2.InternetGateway(
            f"{name}-internet",
            region=region,
            vpc_id=vpc.id,
            tags=self._tags("internet"),
            opts=self.child(),
        )
        public_table = self._table(vpc, "public")
        out = aws.ec2.Route(
            f"{name}-public-out",
            region=region,
            route_table_id=public_table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=internet.id,
            opts=self.child(),
        )
        nats: list[aws.ec2.NatGateway] = []
        for zone, subnet in enumerate(public):
            self._associate(f"public-{zone}", subnet, public_table)
            if zone < gateways:
                nats.append(self._nat(zone, subnet, out))
            aws.ec2.Route(
                f"{name}-private-{zone}-out",
                region=region,
                route_table_id=private_tables[zone].id,
                destination_cidr_block=ANYWHERE,
                nat_gateway_id=nats[-1].id,
                opts=self.child(),
            )

    def _subnet(
        self, vpc: aws.ec2.Vpc, suffix: str, cidr: str, zone: pulumi.Input[str]
    ) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{suffix}",
            region=self._place.region,
            vpc_id=vpc.id,
            cidr_block=cidr,
            availability_zone=zone,
            tags=self._tags(suffix),
            opts=self.child(),
        )

    def _table(self, vpc: aws.ec2.Vpc, suffix: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            f"{self._name}-{suffix}-routes",
            region=self._place.region,
            vpc_id=vpc.id,
            tags=self._tags(suffix),
            opts=self.child(),
        )

    def _associate(self, suffix: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> None:
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{suffix}-association",
            region=self._place.region,
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=self.child(),
        )

    def _nat(self, zone: int, subnet: aws.ec2.Subnet, out: aws.ec2.Route) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(
            f"{self._name}-nat-{zone}-address",
            region=self._place.region,
            domain="vpc",
            tags=self._tags(f"nat-{zone}"),
            opts=self.child(depends_on=[out]),
        )
        return aws.ec2.NatGateway(
            f"{self._name}-nat-{zone}",
            region=self._place.region,
            subnet_id=subnet.id,
            allocation_id=address.id,
            tags=self._tags(f"nat-{zone}"),
            opts=self.child(depends_on=[out]),
        )

    def _security_group(self, vpc: aws.ec2.Vpc) -> pulumi.Output[str]:
        name, region = self._name, self._place.region
        group = aws.ec2.SecurityGroup(
            f"{name}-group",
            region=region,
            name=f"{self._place.environment}-airflow",
            description="Airflow components of the environment",
            vpc_id=vpc.id,
            tags=self._tags("airflow"),
            opts=self.child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-group-in",
            region=region,
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            description="The components of MWAA talk to each other",
            tags=self._tags("airflow-in"),
            opts=self.child(),
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-group-out",
            region=region,
            security_group_id=group.id,
            cidr_ipv4=ANYWHERE,
            ip_protocol="-1",
            description="AWS APIs, the other Region and whatever the DAGs reach",
            tags=self._tags("airflow-out"),
            opts=self.child(),
        )
        return group.id
