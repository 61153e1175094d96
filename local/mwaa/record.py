"""An environment as GetEnvironment returns it: what was asked for, the defaults, what MWAA adds."""

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.mwaa.install import RELEASES
from local.mwaa.validation import input_shape

LOG_GROUPS = {
    "DagProcessingLogs": "DAGProcessing",
    "SchedulerLogs": "Scheduler",
    "TaskLogs": "Task",
    "WebserverLogs": "WebServer",
    "WorkerLogs": "Worker",
}
DEFAULT_LOGGING = {"TaskLogs": {"Enabled": True, "LogLevel": "INFO"}}

RESTARTS = frozenset(
    {
        "AirflowConfigurationOptions",
        "AirflowVersion",
        "DagS3Path",
        "EnvironmentClass",
        "PluginsS3ObjectVersion",
        "PluginsS3Path",
        "RequirementsS3ObjectVersion",
        "RequirementsS3Path",
        "SourceBucketArn",
        "StartupScriptS3ObjectVersion",
        "StartupScriptS3Path",
    }
)
"""Members whose change makes MWAA replace the containers; the others touch no Airflow here."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an environment is."""

    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def arn(place: Place, name: str) -> str:
    return place.arn("airflow", f"environment/{name}")


def defaults(environment_class: str) -> dict[str, Any]:
    """What MWAA fills in (user guide, CreateEnvironment; botocore's documentation of it)."""
    micro = environment_class == "mw1.micro"
    return {
        "AirflowVersion": list(RELEASES)[-1],
        "AirflowConfigurationOptions": {},
        "EnvironmentClass": environment_class,
        "EndpointManagement": "SERVICE",
        "LoggingConfiguration": DEFAULT_LOGGING,
        "MinWorkers": 1,
        "MaxWorkers": 1 if micro else 10,
        "MinWebservers": 1 if micro else 2,
        "MaxWebservers": 1 if micro else 2,
        "Schedulers": 1 if micro else 2,
        "Tags": {},
        "WebserverAccessMode": "PRIVATE_ONLY",
        "WeeklyMaintenanceWindowStart": "SUN:03:30",
    }


def _accepted(operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The members that the operation knows; the API ignores others."""
    known = input_shape(operation).members
    return {key: value for key, value in request.items() if key in known and value is not None}


def _logging(place: Place, name: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: {
            **value,
            "CloudWatchLogGroupArn": place.arn(
                "logs", f"log-group:airflow-{name}-{LOG_GROUPS[key]}"
            ),
        }
        for key, value in configuration.items()
    }


def requested(name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """A CreateEnvironment request with its defaults filled in."""
    given = _accepted("CreateEnvironment", request)
    return {**defaults(given.get("EnvironmentClass", "mw1.small")), **given, "Name": name}


def created(place: Place, wanted: Mapping[str, Any], at: float) -> dict[str, Any]:
    """The first GetEnvironment answer of an environment; times are seconds since 1970."""
    name = wanted["Name"]
    return {
        **wanted,
        "LoggingConfiguration": _logging(place, name, wanted["LoggingConfiguration"]),
        "Arn": arn(place, name),
        "Status": "CREATING",
        "CreatedAt": at,
        "ServiceRoleArn": (
            f"arn:aws:iam::{place.account}:role/aws-service-role/airflow.amazonaws.com"
            "/AWSServiceRoleForAmazonMWAA"
        ),
        "CeleryExecutorQueue": place.arn("sqs", f"airflow-celery-{uuid.uuid4()}"),
        "DatabaseVpcEndpointService": _endpoint_service(place),
        "WebserverVpcEndpointService": _endpoint_service(place),
    }


def _endpoint_service(place: Place) -> str:
    return f"com.amazonaws.vpce.{place.region}.vpce-svc-{secrets.token_hex(8)}1"


def updated(
    place: Place, current: Mapping[str, Any], request: Mapping[str, Any]
) -> tuple[dict[str, Any], frozenset[str]]:
    """The environment after an UpdateEnvironment, and which members it changes."""
    given = _accepted("UpdateEnvironment", request)
    for key in ("Name", "WorkerReplacementStrategy"):
        given.pop(key, None)
    network, teams = given.pop("NetworkConfiguration", None), given.pop("Teams", None)
    logging = given.pop("LoggingConfiguration", {})
    after = {
        **current,
        **given,
        "LoggingConfiguration": {
            **current["LoggingConfiguration"],
            **_logging(place, current["Name"], logging),
        },
    }
    if network:
        after["NetworkConfiguration"] = {**current["NetworkConfiguration"], **network}
    if teams:
        gone = teams.get("Remove", [])
        kept = {key: value for key, value in current.get("Teams", {}).items() if key not in gone}
        after["Teams"] = {**kept, **teams.get("AddOrUpdate", {})}
    return after, frozenset(key for key in after if after[key] != current.get(key))
