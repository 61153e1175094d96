"""The MWAA environment of a site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.settings.airflow import Logging
from contract.objects import ObjectRole

DAG_PATH = "dags"
UPDATE_MINUTES = 150
"""An update can wait for maintenance, and with GRACEFUL replacement for tasks."""


@dataclass(frozen=True, slots=True)
class CodeFile:
    """One version of a file that the environment loads."""

    path: pulumi.Input[str]
    version: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentArgs:
    """What the environment runs on.

    Args:
        place: the site.
        role_arn: its execution role.
        bucket_arn: the DAG bucket.
        key_arn: the site's data key.
        subnet_ids: two private subnets.
        security_group_ids: one to five groups.
        options: Airflow configuration options that this program adds.
        files: `plugins`, `requirements` and `startup_script` that this program uploaded.
        after: what must be there before Airflow starts.
    """

    place: Place
    role_arn: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    security_group_ids: Sequence[pulumi.Input[str]]
    options: Mapping[str, str]
    files: Mapping[str, CodeFile] = field(default_factory=dict)
    after: Sequence[pulumi.Resource] = ()


class AirflowEnvironment(Component):
    """An environment as the settings describe it.

    Produces these resources: mwaa.Environment.
    """

    arn: pulumi.Output[str]
    webserver_url: pulumi.Output[str]

    def __init__(
        self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(name, opts)
        place, s = args.place, args.place.settings.environment
        create = f"{place.settings.recovery.create_minutes:g}m"
        environment = aws.mwaa.Environment(
            f"{name}-environment",
            region=place.region,
            name=place.environment,
            airflow_version=s.airflow_version,
            environment_class=s.environment_class,
            schedulers=s.schedulers,
            min_workers=s.min_workers,
            max_workers=s.max_workers,
            min_webservers=s.min_webservers,
            max_webservers=s.max_webservers,
            webserver_access_mode=s.webserver_access_mode,
            weekly_maintenance_window_start=s.weekly_maintenance_window_start,
            worker_replacement_strategy=s.worker_replacement_strategy,
            airflow_configuration_options={**s.airflow_configuration_options, **args.options},
            logging_configuration=_logging(s.logging),
            source_bucket_arn=args.bucket_arn,
            dag_s3_path=DAG_PATH,
            **_files(args),
            execution_role_arn=args.role_arn,
            kms_key=args.key_arn,
            network_configuration={
                "subnet_ids": list(args.subnet_ids),
                "security_group_ids": list(args.security_group_ids),
            },
            tags=place.tags(ObjectRole.ENVIRONMENT),
            opts=self.child(
                depends_on=list(args.after),
                custom_timeouts=pulumi.CustomTimeouts(
                    create=create, update=f"{UPDATE_MINUTES}m", delete=create
                ),
            ),
        )
        self.arn = environment.arn
        self.webserver_url = environment.webserver_url
        self.register_outputs({"arn": self.arn, "webserver_url": self.webserver_url})


def _logging(levels: Logging) -> Any:  # noqa: ANN401 - pulumi-aws's own dictionaries
    return {
        f"{part}_logs": {
            "enabled": level != "OFF",
            "log_level": "INFO" if level == "OFF" else level,
        }
        for part, level in levels.model_dump().items()
    }


def _files(args: EnvironmentArgs) -> dict[str, Any]:
    """Plugins, requirements and start-up script: uploaded here, or named by the settings."""
    found: dict[str, Any] = {}
    for part in ("plugins", "requirements", "startup_script"):
        path, version = f"{part}_s3_path", f"{part}_s3_object_version"
        uploaded = args.files.get(part)
        if uploaded:
            found |= {path: uploaded.path, version: uploaded.version}
        else:
            settings = args.place.settings.environment
            found |= {path: getattr(settings, path), version: getattr(settings, version)}
    return found
