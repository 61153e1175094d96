"""Security groups and their rules, inline or as resources of their own."""

from typing import Any

from local.pulumi.provider.catalog.ec2 import TAGGING, arn_of, tagged
from local.pulumi.provider.model import Naming, Part, Resource, Scope
from local.pulumi.provider.regular import Creates, Deletes, properties
from local.pulumi.provider.wire import Values

DIRECTIONS = {"ingress": "Ingress", "egress": "Egress"}
ALL_PROTOCOLS = "-1"
GROUP_NAMES = {"name": "GroupName", "arn": "SecurityGroupArn"}
RULE_NAMES = {"fromPort": "FromPort", "toPort": "ToPort"}
ANYWHERE = {"IpProtocol": ALL_PROTOCOLS, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
RANGES = (
    ("cidrBlocks", "IpRanges", "CidrIp"),
    ("ipv6CidrBlocks", "Ipv6Ranges", "CidrIpv6"),
    ("prefixListIds", "PrefixListIds", "PrefixListId"),
    ("securityGroups", "UserIdGroupPairs", "GroupId"),
)


def _permission(scope: Scope, rule: Values) -> dict[str, Any]:
    """An inline rule as AWS's permission."""
    result: dict[str, Any] = {"IpProtocol": rule["protocol"]}
    if rule["protocol"] != ALL_PROTOCOLS:
        result |= {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    note = {"Description": rule["description"]} if rule.get("description") else {}
    for name, member, key in RANGES:
        values = list(rule.get(name) or [])
        if name == "securityGroups" and rule.get("self"):
            values.append(scope.id)
        if values:
            result[member] = [{key: value, **note} for value in values]
    return result


def _rule(scope: Scope, permission: dict[str, Any]) -> Values:
    result: Values = {
        "protocol": permission["IpProtocol"],
        "fromPort": permission.get("FromPort", 0),
        "toPort": permission.get("ToPort", 0),
    }
    for name, member, key in RANGES:
        values = []
        for item in permission.get(member, []):
            if item.get("Description"):
                result["description"] = item["Description"]
            if item[key] == scope.id:
                result["self"] = True
            else:
                values.append(item[key])
        if values:
            result[name] = values
    return result


def _write_rules(scope: Scope, values: Values) -> None:
    """Rules that are not given are left alone: other resources may own them."""
    group = scope.call("DescribeSecurityGroups", GroupIds=[scope.id])["SecurityGroups"][0]
    for name, direction in DIRECTIONS.items():
        if name not in scope.changed:
            continue
        held = group["IpPermissions" if name == "ingress" else "IpPermissionsEgress"]
        if held:
            scope.call(f"RevokeSecurityGroup{direction}", GroupId=scope.id, IpPermissions=held)
        wanted = [_permission(scope, rule) for rule in values.get(name, [])]
        if wanted:
            scope.call(f"AuthorizeSecurityGroup{direction}", GroupId=scope.id, IpPermissions=wanted)


_make_group = Creates(
    "CreateSecurityGroup", ".GroupId", names=GROUP_NAMES, adapt=tagged("security-group")
)


def _create_group(scope: Scope, values: Values) -> str:
    """As pulumi-aws: AWS's own rule that lets everything out is taken away."""
    group = _make_group(scope, values)
    if values.get("vpcId"):
        scope.call("RevokeSecurityGroupEgress", GroupId=group, IpPermissions=[ANYWHERE])
    return group


def _read_group(scope: Scope) -> Values | None:
    group = scope.call("DescribeSecurityGroups", GroupIds=[scope.id])["SecurityGroups"][0]
    return {
        **properties(scope, group, GROUP_NAMES),
        **arn_of("security-group")(scope, {}, group),
        "ingress": [_rule(scope, item) for item in group["IpPermissions"]],
        "egress": [_rule(scope, item) for item in group["IpPermissionsEgress"]],
    }


def _rule_resource(direction: str) -> Resource:
    body = (
        "cidrIpv4",
        "cidrIpv6",
        "fromPort",
        "ipProtocol",
        "prefixListId",
        "referencedSecurityGroupId",
        "toPort",
    )
    sources = (
        ("cidrIpv4", "IpRanges", "CidrIp"),
        ("cidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("prefixListId", "PrefixListIds", "PrefixListId"),
        ("referencedSecurityGroupId", "UserIdGroupPairs", "GroupId"),
    )

    def create(scope: Scope, values: Values) -> str:
        note = {"Description": values["description"]} if values.get("description") else {}
        permission: dict[str, Any] = {"IpProtocol": values["ipProtocol"]}
        for name, member in (("fromPort", "FromPort"), ("toPort", "ToPort")):
            if values["ipProtocol"] != ALL_PROTOCOLS and name in values:
                permission[member] = int(values[name])
        for name, member, key in sources:
            if values.get(name):
                permission[member] = [{key: values[name], **note}]
        answer = scope.call(
            f"AuthorizeSecurityGroup{direction}",
            GroupId=values["securityGroupId"],
            IpPermissions=[permission],
            **tagged("security-group-rule")(scope, values),
        )
        return answer["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def read(scope: Scope) -> Values | None:
        listed = scope.call("DescribeSecurityGroupRules", SecurityGroupRuleIds=[scope.id])
        found = next(
            (r for r in listed["SecurityGroupRules"] if r["SecurityGroupRuleId"] == scope.id), None
        )
        if found is None:
            return None
        values = properties(scope, found, {**RULE_NAMES, "securityGroupId": "GroupId"})
        referenced = found.get("ReferencedGroupInfo", {}).get("GroupId")
        if referenced:
            values["referencedSecurityGroupId"] = referenced
        if found["IpProtocol"] == ALL_PROTOCOLS:
            values = {k: v for k, v in values.items() if k not in ("fromPort", "toPort")}
        return {**values, **arn_of("security-group-rule")(scope, values, found)}

    def delete(scope: Scope) -> None:
        scope.call(
            f"RevokeSecurityGroup{direction}",
            GroupId=scope.state["securityGroupId"],
            SecurityGroupRuleIds=[scope.id],
        )

    kind = f"securityGroup{direction}Rule"
    return Resource(
        type=f"aws:vpc/{kind}:{kind[0].upper()}{kind[1:]}",
        service="ec2",
        create=create,
        read=read,
        delete=delete,
        fixed=(*body, "description", "securityGroupId"),
        chosen=("fromPort", "toPort"),
        identity=("securityGroupId", *body),
        tagging=TAGGING,
    )


RESOURCES = (
    Resource(
        type="aws:ec2/securityGroup:SecurityGroup",
        service="ec2",
        create=_create_group,
        read=_read_group,
        delete=Deletes("DeleteSecurityGroup", {"GroupId": "{id}"}),
        fixed=("description", "name", "namePrefix", "vpcId"),
        parts=(Part(("egress", "ingress"), _write_rules),),
        local=("revokeRulesOnDelete",),
        defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
        chosen=("egress", "ingress", "vpcId"),
        naming=Naming(limit=255),
        identity=("name", "vpcId"),
        tagging=TAGGING,
    ),
    _rule_resource("Ingress"),
    _rule_resource("Egress"),
)
