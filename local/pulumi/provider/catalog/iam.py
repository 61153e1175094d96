"""IAM roles and their policies. IAM is global: its calls go to the provider's own Region."""

import json

from local.pulumi.provider import tags
from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Deletes, Updates, properties
from local.pulumi.provider.wire import Value, Values

ROLE = {"RoleName": "{id}"}
ROLE_NAMES = {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}


def _document(policy: Value) -> str:
    """boto3 decodes IAM's documents; a policy is a text to Pulumi."""
    return policy if isinstance(policy, str) else json.dumps(policy)


def _read_role(scope: Scope) -> Values | None:
    role = scope.call("GetRole", RoleName=scope.id)["Role"]
    return {
        **properties(scope, role, {"uniqueId": "RoleId", "name": "RoleName"}),
        "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
        "permissionsBoundary": role.get("PermissionsBoundary", {}).get(
            "PermissionsBoundaryArn", ""
        ),
        "tagsAll": tags.to_map(role.get("Tags", [])),
    }


def _write_boundary(scope: Scope, values: Values) -> None:
    boundary = values.get("permissionsBoundary")
    if boundary:
        scope.call("PutRolePermissionsBoundary", RoleName=scope.id, PermissionsBoundary=boundary)
    else:
        scope.call("DeleteRolePermissionsBoundary", RoleName=scope.id)


def _delete_role(scope: Scope) -> None:
    """AWS refuses to delete a role that still has policies; `forceDetachPolicies` takes them."""
    if scope.state.get("forceDetachPolicies"):
        attached = scope.call("ListAttachedRolePolicies", RoleName=scope.id)["AttachedPolicies"]
        for policy in attached:
            scope.call("DetachRolePolicy", RoleName=scope.id, PolicyArn=policy["PolicyArn"])
        for name in scope.call("ListRolePolicies", RoleName=scope.id)["PolicyNames"]:
            scope.call("DeleteRolePolicy", RoleName=scope.id, PolicyName=name)
    scope.call("DeleteRole", RoleName=scope.id)


def _role_and_name(scope: Scope) -> dict[str, str]:
    role, _, name = scope.id.partition(":")
    return {"RoleName": role, "PolicyName": name}


def _put_policy(scope: Scope, values: Values) -> str:
    scope.call(
        "PutRolePolicy",
        RoleName=values["role"],
        PolicyName=values["name"],
        PolicyDocument=values["policy"],
    )
    return f"{values['role']}:{values['name']}"


def _overwrite_policy(scope: Scope, values: Values) -> None:
    _put_policy(scope, values)


def _delete_policy(scope: Scope) -> None:
    scope.call("DeleteRolePolicy", **_role_and_name(scope))


def _read_policy(scope: Scope) -> Values | None:
    found = scope.call("GetRolePolicy", **_role_and_name(scope))
    return {
        "role": found["RoleName"],
        "name": found["PolicyName"],
        "policy": _document(found["PolicyDocument"]),
    }


def _read_attachment(scope: Scope) -> Values | None:
    role, _, arn = scope.id.partition("/")
    attached = scope.call("ListAttachedRolePolicies", RoleName=role)["AttachedPolicies"]
    found = any(policy["PolicyArn"] == arn for policy in attached)
    return {"role": role, "policyArn": arn} if found else None


RESOURCES = (
    Resource(
        type="aws:iam/role:Role",
        service="iam",
        create=Creates("CreateRole", "{name}", names=ROLE_NAMES),
        read=_read_role,
        delete=_delete_role,
        fixed=("name", "namePrefix", "path"),
        parts=(
            Part(
                ("assumeRolePolicy",),
                Updates(
                    "UpdateAssumeRolePolicy",
                    ROLE,
                    names={"assumeRolePolicy": "PolicyDocument"},
                    only=("assumeRolePolicy",),
                ),
                created=True,
            ),
            Part(
                (
                    "description",
                    "maxSessionDuration",
                ),
                Updates("UpdateRole", ROLE, cleared={"description": ""}),
                created=True,
            ),
            Part(("permissionsBoundary",), _write_boundary, created=True),
        ),
        local=("forceDetachPolicies",),
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
        json=("assumeRolePolicy",),
        naming=Naming(),
        identity=("name",),
        tagging=Tagging("RoleName", "{id}", "", "TagRole", "UntagRole"),
    ),
    Resource(
        type="aws:iam/rolePolicy:RolePolicy",
        service="iam",
        create=_put_policy,
        read=_read_policy,
        delete=_delete_policy,
        fixed=("name", "namePrefix", "role"),
        parts=(Part(("policy",), _overwrite_policy, created=True),),
        json=("policy",),
        naming=Naming(limit=128),
        identity=("name", "role"),
    ),
    Resource(
        type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        service="iam",
        create=Creates("AttachRolePolicy", "{role}/{policyArn}", names={"role": "RoleName"}),
        read=_read_attachment,
        delete=Deletes("DetachRolePolicy", {"RoleName": "{role}", "PolicyArn": "{policyArn}"}),
        fixed=("policyArn", "role"),
        identity=("policyArn", "role"),
    ),
)
