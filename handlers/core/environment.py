"""Maps a captured GetEnvironment to the CreateEnvironment of the DR Region, field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from contract.agent_config import SECTION
from contract.metrics import TAG_INCIDENT, TAG_INSTALLATION, TAG_SITE
from contract.sites import Site

KEPT = (
    "AirflowVersion",
    "DagS3Path",
    "EndpointManagement",
    "EnvironmentClass",
    "MaxWebservers",
    "MaxWorkers",
    "MinWebservers",
    "MinWorkers",
    "PluginsS3Path",
    "RequirementsS3Path",
    "Schedulers",
    "Teams",
    "WebserverAccessMode",
    "WeeklyMaintenanceWindowStart",
)
"""Copied as they are."""

REGIONAL = (
    "AirflowConfigurationOptions",
    "ExecutionRoleArn",
    "KmsKey",
    "LoggingConfiguration",
    "Name",
    "NetworkConfiguration",
    "PluginsS3ObjectVersion",
    "RequirementsS3ObjectVersion",
    "SourceBucketArn",
    "StartupScriptS3ObjectVersion",
    "StartupScriptS3Path",
    "Tags",
)
"""Computed for the DR Region."""

LEFT_OUT = {
    "IdentityCenterConfiguration": "an IAM Identity Center instance belongs to one Region",
}

READ_ONLY = (
    "Arn",
    "CeleryExecutorQueue",
    "CreatedAt",
    "DatabaseVpcEndpointService",
    "LastUpdate",
    "ServiceRoleArn",
    "Status",
    "WebserverUrl",
    "WebserverVpcEndpointService",
)
"""In GetEnvironment only."""

FORCED_OPTIONS = {"core.dags_are_paused_at_creation": "True"}
"""No business DAG may run in a new environment before its site is promoted."""

CODE_FILES = {
    "PluginsS3Path": "PluginsS3ObjectVersion",
    "RequirementsS3Path": "RequirementsS3ObjectVersion",
    "StartupScriptS3Path": "StartupScriptS3ObjectVersion",
}
"""The fields that name a file in the DAG bucket, each with the field of its version."""


class Progress(StrEnum):
    """How far an environment is."""

    READY = "ready"
    PENDING = "pending"
    FAILED = "failed"


PROGRESS: dict[str, Progress] = {
    "AVAILABLE": Progress.READY,
    "UPDATE_FAILED": Progress.READY,
    "CREATING": Progress.PENDING,
    "PENDING": Progress.PENDING,
    "UPDATING": Progress.PENDING,
    "CREATING_SNAPSHOT": Progress.PENDING,
    "ROLLING_BACK": Progress.PENDING,
    "MAINTENANCE": Progress.PENDING,
    "CREATE_FAILED": Progress.FAILED,
    "UNAVAILABLE": Progress.FAILED,
    "DELETING": Progress.FAILED,
    "DELETED": Progress.FAILED,
}


@dataclass(frozen=True, slots=True)
class Place:
    """The values of the DR Region that replace captured ones."""

    name: str
    bucket_arn: str
    execution_role_arn: str
    kms_key_arn: str
    subnet_ids: list[str]
    security_group_ids: list[str]
    options: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Code:
    """Files in the DR DAG bucket that are known to exist.

    Args:
        versions: version id by path, for each captured plugins and requirements path.
        startup_path: our startup script.
    """

    versions: Mapping[str, str]
    startup_path: str
    startup_version: str


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """The input of CreateEnvironment, and what a person should know about it."""

    arguments: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def create_request(
    captured: Mapping[str, Any],
    place: Place,
    code: Code,
    *,
    airflow_version: str,
    primary_region: str,
) -> CreateRequest:
    """The CreateEnvironment input that rebuilds `captured` in the DR Region.

    Args:
        captured: the `Environment` that GetEnvironment returned.
        airflow_version: of the backup that will be restored; a backup fits its own version only.
        primary_region: to warn about options that still name it.
    """
    arguments = {key: captured[key] for key in KEPT if captured.get(key) is not None}
    warnings = [f"{key} is left out: {why}" for key, why in LEFT_OUT.items() if captured.get(key)]
    known = {*KEPT, *REGIONAL, *LEFT_OUT, *READ_ONLY}
    warnings += [f"{key} is not known here and left out" for key in captured if key not in known]
    if captured.get("AirflowVersion") != airflow_version:
        warnings.append(
            f"the captured Airflow is {captured.get('AirflowVersion')}, but the backup is of "
            f"{airflow_version}, which is created"
        )
        arguments["AirflowVersion"] = airflow_version
    options = _options(captured.get("AirflowConfigurationOptions") or {}, place.options)
    warnings += [
        f"option {key} names {primary_region}; override it for the DR Region"
        for key, value in sorted(options.items())
        if primary_region in value and key not in place.options
    ]
    arguments |= {
        "Name": place.name,
        "ExecutionRoleArn": place.execution_role_arn,
        "SourceBucketArn": place.bucket_arn,
        "KmsKey": place.kms_key_arn,
        "NetworkConfiguration": {
            "SubnetIds": list(place.subnet_ids),
            "SecurityGroupIds": list(place.security_group_ids),
        },
        "AirflowConfigurationOptions": options,
        "StartupScriptS3Path": code.startup_path,
        "StartupScriptS3ObjectVersion": code.startup_version,
        "Tags": {**_tags(captured.get("Tags") or {}), **place.tags},
    }
    for path_field in ("PluginsS3Path", "RequirementsS3Path"):
        path = captured.get(path_field)
        if path:
            arguments[CODE_FILES[path_field]] = code.versions[path]
    logging = _logging(captured.get("LoggingConfiguration") or {})
    if logging:
        arguments["LoggingConfiguration"] = logging
    return CreateRequest(arguments, warnings)


def _options(captured: Mapping[str, str], target: Mapping[str, str]) -> dict[str, str]:
    """Captured options without our own section, which tells an environment its site."""
    kept = {key: value for key, value in captured.items() if not key.startswith(f"{SECTION}.")}
    return {**kept, **target, **FORCED_OPTIONS}


def _tags(captured: Mapping[str, str]) -> dict[str, str]:
    """Tags without those that AWS reserves for itself, which no caller may set."""
    return {key: value for key, value in captured.items() if not key.startswith("aws:")}


def _logging(captured: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Log types without their (regional) group, and without those that have no level."""
    return {
        kind: {"Enabled": bool(block.get("Enabled")), "LogLevel": block["LogLevel"]}
        for kind, block in captured.items()
        if block and block.get("LogLevel")
    }


def our_tags(name: str, incident_id: str) -> dict[str, str]:
    """Tags by which recovery knows an environment that it created."""
    return {TAG_INSTALLATION: name, TAG_SITE: Site.DR.value, TAG_INCIDENT: incident_id}


def made_by(tags: Mapping[str, str], *, name: str) -> str:
    """The incident of ours that created an environment; empty if none did."""
    if tags.get(TAG_INSTALLATION) != name or tags.get(TAG_SITE) != Site.DR.value:
        return ""
    return tags.get(TAG_INCIDENT, "")


def stable(environment: Mapping[str, Any]) -> dict[str, Any]:
    """A captured environment without what changes by itself, for comparing two captures."""
    return {key: value for key, value in environment.items() if key not in ("Status", "LastUpdate")}
