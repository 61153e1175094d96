"""MWAA environments.

Which properties an update can change: the members of UpdateEnvironment. `subnetIds` is not one of
them; neither are the key and the endpoint management.
"""

from botocore.exceptions import ClientError

from local.pulumi.provider.clients import is_missing
from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Reads, Updates
from local.pulumi.provider.wire import Values

KEY = {"Name": "{id}"}
UPDATABLE = (
    "airflowConfigurationOptions",
    "airflowVersion",
    "dagS3Path",
    "environmentClass",
    "executionRoleArn",
    "loggingConfiguration",
    "maxWebservers",
    "maxWorkers",
    "minWebservers",
    "minWorkers",
    "networkConfiguration",
    "pluginsS3ObjectVersion",
    "pluginsS3Path",
    "requirementsS3ObjectVersion",
    "requirementsS3Path",
    "schedulers",
    "sourceBucketArn",
    "startupScriptS3ObjectVersion",
    "startupScriptS3Path",
    "webserverAccessMode",
    "weeklyMaintenanceWindowStart",
    "workerReplacementStrategy",
)
DEAD = ("CREATE_FAILED", "DELETED")
FAILED = (*DEAD, "UPDATE_FAILED", "UNAVAILABLE")


def _environment(scope: Scope) -> Values | None:
    try:
        return scope.call("GetEnvironment", Name=scope.id)["Environment"]
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def _ready(scope: Scope) -> None:
    """AWS takes 20 to 30 minutes for a new environment, 10 to 30 for most updates."""

    def settled() -> bool:
        found = _environment(scope)
        if found is None:
            raise RuntimeError(f"MWAA environment {scope.id} disappeared")
        if found["Status"] in FAILED:
            error = found.get("LastUpdate", {}).get("Error", {})
            words = f"{error.get('ErrorCode', '')} {error.get('ErrorMessage', '')}".strip()
            raise RuntimeError(f"MWAA environment {scope.id} is {found['Status']}: {words}")
        return found["Status"] == "AVAILABLE"

    scope.wait(f"MWAA environment {scope.id} to become AVAILABLE", settled)


def _delete(scope: Scope) -> None:
    scope.call("DeleteEnvironment", Name=scope.id)

    def gone() -> bool:
        found = _environment(scope)
        return found is None or found["Status"] == "DELETED"

    scope.wait(f"MWAA environment {scope.id} to be deleted", gone)


def _updatable(wanted: Values) -> Values:
    """UpdateEnvironment takes the security groups of a network and refuses its subnets."""
    network = wanted.get("networkConfiguration")
    if not network:
        return wanted
    groups = {"securityGroupIds": network["securityGroupIds"]}
    return {**wanted, "networkConfiguration": groups}


def _more(_: Scope, known: Values, __: Values) -> Values:
    return {"airflowConfigurationOptions": known.get("airflowConfigurationOptions", {})}


RESOURCES = (
    Resource(
        type="aws:mwaa/environment:Environment",
        service="mwaa",
        create=Creates("CreateEnvironment", "{name}"),
        read=Reads("GetEnvironment", KEY, "Environment", after=_more),
        delete=_delete,
        fixed=("endpointManagement", "kmsKey", "name"),
        fixed_members={"networkConfiguration": ("subnetIds",)},
        parts=(
            Part(
                UPDATABLE,
                Updates(
                    "UpdateEnvironment",
                    KEY,
                    changed_only=True,
                    cleared={"airflowConfigurationOptions": {}},
                    before=_updatable,
                ),
                created=True,
            ),
        ),
        refused=tuple(
            f"loggingConfiguration.{kind}Logs.cloudWatchLogGroupArn"
            for kind in ("dagProcessing", "scheduler", "task", "webserver", "worker")
        ),
        unread=("workerReplacementStrategy",),
        defaults={"webserverAccessMode": "PRIVATE_ONLY"},
        chosen=(
            "airflowVersion",
            "endpointManagement",
            "environmentClass",
            "loggingConfiguration",
            "maxWebservers",
            "maxWorkers",
            "minWebservers",
            "minWorkers",
            "pluginsS3ObjectVersion",
            "requirementsS3ObjectVersion",
            "schedulers",
            "startupScriptS3ObjectVersion",
            "weeklyMaintenanceWindowStart",
        ),
        naming=Naming(limit=80),
        identity=("name",),
        tagging=Tagging(listing=""),
        ready=_ready,
        volatile=("lastUpdateds", "status"),
        broken=lambda state: state.get("status") in DEAD,
        minutes=120,
    ),
)
