"""What goes together in the network of a site."""

import ipaddress
from collections.abc import Iterator

from components.settings.tree import Settings, SiteNetwork
from contract.sites import Site

MADE_ONLY = {
    "nat_gateways": "natGateways",
    "egress": "egress",
    "endpoint_services": "endpointServices",
    "flow_log_days": "flowLogDays",
}
"""Settings of a VPC that this program makes."""


def network(s: Settings) -> Iterator[str]:
    """A site's network exists, or is made: exactly one of the two."""
    for site in Site:
        one, key = s.network.of(site), f"network.{site}"
        if bool(one.vpc_cidr) == one.exists:
            yield f"{key}: give either subnetIds and securityGroupIds, or vpcCidr"
        elif one.exists:
            yield from _there(key, one)
        else:
            yield from _made(key, one)
    if s.network.primary.closed and s.primary_region != s.dr_region:
        yield (
            "network.primary.egress: 'endpoints' is not allowed with a DR site in another Region: "
            "the agent writes its pulse and its answers, and backup.copyMode direct its backups, "
            "into the DR Region's bucket, which such a VPC does not reach; use nat"
        )


def _there(key: str, one: SiteNetwork) -> Iterator[str]:
    if len(one.subnet_ids) != 2:  # noqa: PLR2004 - MWAA takes exactly two
        yield f"{key}.subnetIds: {list(one.subnet_ids)} is not allowed; give two"
    if not one.security_group_ids:
        yield f"{key}.securityGroupIds: is missing; give 1 to 5 group ids"
    for name, shown in MADE_ONLY.items():
        if name in one.model_fields_set:
            yield f"{key}.{shown}: goes with vpcCidr only; leave it out"


def _made(key: str, one: SiteNetwork) -> Iterator[str]:
    yield from _cidr(f"{key}.vpcCidr", one.vpc_cidr or "")
    if one.security_group_ids:
        yield f"{key}.securityGroupIds: goes with subnetIds only; leave it out"
    if one.closed and one.nat_gateways:
        yield f"{key}.natGateways: goes with egress nat only; leave it out"
    if one.endpoint_services and not one.closed:
        yield f"{key}.endpointServices: goes with egress endpoints only; leave it out"


def _cidr(key: str, cidr: str) -> Iterator[str]:
    try:
        found = ipaddress.IPv4Network(cidr)
    except ValueError:
        found = None
    if not found or not found.is_private or not 16 <= found.prefixlen <= 24:  # noqa: PLR2004
        yield f"{key}: {cidr!r} is not allowed; use a private IPv4 range of /16 to /24"
