"""What an environment must know of its own place, carried as Airflow configuration options.

MWAA turns the option `mwaa_dr.site` into the variable `AIRFLOW__MWAA_DR__SITE` of every container.
A metadata restore therefore cannot overwrite it, and a new environment has it before its first DAG.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields

from contract.sites import CopyMode, Site

SECTION = "mwaa_dr"
BASE_SECONDS = 24 * 3600
"""How often a base is taken where nothing else is set."""
RENDERED_FIELDS = "rendered_task_instance_fields"
"""The table with tasks' rendered templates: it can hold secrets, and nothing runs by it."""


def option(key: str) -> str:
    return f"{SECTION}.{key}"


def variable(key: str) -> str:
    return f"AIRFLOW__{SECTION.upper()}__{key.upper()}"


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """The options of one environment.

    Args:
        name: the installation.
        site: the site this environment stands for.
        environment: this environment's MWAA name.
        region: this environment's Region.
        dr_region: Region of the DR bucket, where pulses and acknowledgements go.
        local_bucket: backup bucket of this site: orders and the ownership mirror are read there.
        dr_bucket: backup bucket of the DR site.
        dag_bucket: this site's DAG bucket (its object versions go into the manifest).
        seal_key: ARN or alias ARN of the sealing key in this environment's Region.
        copy_mode: where the export writes.
        agent_seconds: interval of the agent DAG.
        export_seconds: interval of the export DAG.
        base_seconds: age at which a base is followed by another one; incrementals between them.
        purge_days: age at which rows of Airflow's database are purged; 0 for never.
        leave_out: tables that are not to be in backups, separated by commas.
        sync_seconds: interval at which a standby takes over the owner's backups; 0 for never.
    """

    name: str
    site: Site
    environment: str
    region: str
    dr_region: str
    local_bucket: str
    dr_bucket: str
    dag_bucket: str
    seal_key: str
    copy_mode: CopyMode
    agent_seconds: int
    export_seconds: int
    base_seconds: int = BASE_SECONDS
    purge_days: int = 0
    leave_out: str = ""
    sync_seconds: int = 0

    @property
    def export_bucket(self) -> str:
        return self.dr_bucket if self.copy_mode is CopyMode.DIRECT else self.local_bucket

    @property
    def export_region(self) -> str:
        return self.dr_region if self.copy_mode is CopyMode.DIRECT else self.region

    def to_options(self) -> dict[str, str]:
        """The AirflowConfigurationOptions that carry this.

        Defaults are left out: an option that is new does not update every environment.
        """
        return {
            option(f.name): str(value)
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default
        }

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "AgentConfig":
        """Raises KeyError naming the variables that are missing, ValueError on a bad value."""
        found = {f.name: environ.get(variable(f.name)) for f in fields(cls)}
        missing = [
            variable(f.name) for f in fields(cls) if f.default is MISSING and not found[f.name]
        ]
        if missing:
            raise KeyError(
                f"this environment lacks the configuration options {', '.join(missing)}; "
                "deploy them with the `primary` or `dr` stack"
            )
        read = {str: str, int: int, Site: Site, CopyMode: CopyMode}
        return cls(**{f.name: read[f.type](found[f.name]) for f in fields(cls) if found[f.name]})
