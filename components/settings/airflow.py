"""Settings of the MWAA environment: what CreateEnvironment accepts, with MWAA's defaults."""

from typing import Literal, get_args

from pydantic import Field

from components.settings.section import OPTIONS, Options, Section

LogLevel = Literal["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "OFF"]
LEVEL = "CRITICAL, ERROR, WARNING, INFO, DEBUG or OFF"

MICRO = "mw1.micro"
EnvironmentClass = Literal[
    "mw1.micro", "mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge"
]

AccessMode = Literal["PRIVATE_ONLY", "PUBLIC_ONLY", "PUBLIC_AND_PRIVATE"]


class Logging(Section):
    """What goes to CloudWatch Logs, by component."""

    dag_processing: LogLevel = Field(default="INFO", description=LEVEL)
    scheduler: LogLevel = Field(default="INFO", description=LEVEL)
    task: LogLevel = Field(default="INFO", description=LEVEL)
    webserver: LogLevel = Field(default="INFO", description=LEVEL)
    worker: LogLevel = Field(default="INFO", description=LEVEL)


class Environment(Section):
    """The environment of the primary site; recovery creates the DR one from what it captured.

    The DAG path is always `dags`; bucket, key, network and role belong to this program.
    `endpointManagement` is always SERVICE: with CUSTOMER a new environment waits for endpoints that
    a person makes, and so would a recovery.
    """

    airflow_version: str | None = Field(
        default=None,
        pattern=r"^\d+\.\d+\.\d+$",
        description="a version that MWAA can create, like 2.10.3",
    )
    environment_class: EnvironmentClass = Field(
        default="mw1.small", description=f"one of {', '.join(get_args(EnvironmentClass))}"
    )
    schedulers: int = Field(default=2, ge=1, le=5, description="2 to 5, or 1 with mw1.micro")
    min_workers: int = Field(default=1, ge=1, le=25, description="1 to 25, not above maxWorkers")
    max_workers: int = Field(default=10, ge=1, le=25, description="1 to 25")
    min_webservers: int = Field(default=2, ge=1, le=5, description="2 to 5, or 1 with mw1.micro")
    max_webservers: int = Field(default=2, ge=1, le=5, description="2 to 5, or 1 with mw1.micro")
    webserver_access_mode: AccessMode = Field(
        default="PRIVATE_ONLY",
        description="PRIVATE_ONLY, PUBLIC_ONLY or (from 3.2) PUBLIC_AND_PRIVATE",
    )
    weekly_maintenance_window_start: str | None = Field(
        default=None,
        pattern=r"^(MON|TUE|WED|THU|FRI|SAT|SUN):([01]\d|2[0-3]):(00|30)$",
        description="DAY:HH:MM in UTC and half hours, like TUE:03:30",
    )
    worker_replacement_strategy: Literal["FORCED", "GRACEFUL"] = Field(
        default="FORCED",
        description="FORCED or GRACEFUL (an update waits up to 12 hours for tasks)",
    )
    airflow_configuration_options: Options = Field(default_factory=dict, description=OPTIONS)
    logging: Logging = Field(default=Logging(), description="a level per component")
    plugins_s3_path: str | None = Field(default=None, description="a key in the DAG bucket")
    plugins_s3_object_version: str | None = Field(default=None, description="its version id")
    requirements_s3_path: str | None = Field(default=None, description="a key in the DAG bucket")
    requirements_s3_object_version: str | None = Field(default=None, description="its version id")
    startup_script_s3_path: str | None = Field(default=None, description="a key in the DAG bucket")
    startup_script_s3_object_version: str | None = Field(default=None, description="its version id")
    execution_policy_arns: tuple[str, ...] = Field(
        default=(),
        max_length=10,
        description="up to 10 ARNs of managed policies that the DAGs' own work needs",
    )
