"""Settings of an environment that a recovery created and this stack adopts.

`mwaa-dr adopt` writes them, as MWAA shows the environment; nobody has to type them.
"""

from pydantic import Field

from components.settings.section import OPTIONS, Options, Section

WRITTEN = "what `mwaa-dr adopt` writes"


class LogType(Section):
    """What one component logs."""

    enabled: bool = Field(description="true or false", examples=[True])
    log_level: str | None = Field(default=None, description=WRITTEN)


class LogTypes(Section):
    """What goes to CloudWatch Logs."""

    dag_processing_logs: LogType | None = Field(default=None, description=WRITTEN)
    scheduler_logs: LogType | None = Field(default=None, description=WRITTEN)
    task_logs: LogType | None = Field(default=None, description=WRITTEN)
    webserver_logs: LogType | None = Field(default=None, description=WRITTEN)
    worker_logs: LogType | None = Field(default=None, description=WRITTEN)


class Adopted(Section):
    """The environment's own values; what it stands on (bucket, key, network, role) is known."""

    environment_name: str = Field(description=WRITTEN, examples=["analytics-dr"])
    incident: str = Field(description=WRITTEN, examples=["failover-e0001-01"])
    airflow_version: str = Field(description=WRITTEN, examples=["2.10.3"])
    environment_class: str = Field(description=WRITTEN, examples=["mw1.small"])
    schedulers: int | None = Field(default=None, description=WRITTEN)
    min_workers: int | None = Field(default=None, description=WRITTEN)
    max_workers: int | None = Field(default=None, description=WRITTEN)
    min_webservers: int | None = Field(default=None, description=WRITTEN)
    max_webservers: int | None = Field(default=None, description=WRITTEN)
    webserver_access_mode: str | None = Field(default=None, description=WRITTEN)
    weekly_maintenance_window_start: str | None = Field(default=None, description=WRITTEN)
    endpoint_management: str | None = Field(default=None, description=WRITTEN)
    dag_s3_path: str = Field(description=WRITTEN, examples=["dags"])
    plugins_s3_path: str | None = Field(default=None, description=WRITTEN)
    plugins_s3_object_version: str | None = Field(default=None, description=WRITTEN)
    requirements_s3_path: str | None = Field(default=None, description=WRITTEN)
    requirements_s3_object_version: str | None = Field(default=None, description=WRITTEN)
    startup_script_s3_path: str | None = Field(default=None, description=WRITTEN)
    startup_script_s3_object_version: str | None = Field(default=None, description=WRITTEN)
    airflow_configuration_options: Options = Field(default_factory=dict, description=OPTIONS)
    logging_configuration: LogTypes | None = Field(default=None, description=WRITTEN)
    tags: dict[str, str] = Field(default_factory=dict, description=WRITTEN)
