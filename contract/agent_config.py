"""What an environment must know of its own place, carried as Airflow configuration options.

MWAA turns the option `mwaa_dr.site` into the variable `AIRFLOW__MWAA_DR__SITE` of every container.
A metadata restore therefore cannot overwrite it, and a new environment has it before its first DAG.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from contract.sites import CopyMode, Site

SECTION = "mwaa_dr"


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

    @property
    def export_bucket(self) -> str:
        return self.dr_bucket if self.copy_mode is CopyMode.DIRECT else self.local_bucket

    @property
    def export_region(self) -> str:
        return self.dr_region if self.copy_mode is CopyMode.DIRECT else self.region

    def to_options(self) -> dict[str, str]:
        """The AirflowConfigurationOptions that carry this."""
        return {option(f.name): str(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "AgentConfig":
        """Raises KeyError naming the variables that are missing, ValueError on a bad value."""
        missing = [variable(f.name) for f in fields(cls) if not environ.get(variable(f.name))]
        if missing:
            raise KeyError(
                f"this environment lacks the configuration options {', '.join(missing)}; "
                "deploy them with the `primary` or `dr` stack"
            )
        raw = {f.name: environ[variable(f.name)] for f in fields(cls)}
        return cls(
            **{
                **raw,
                "site": Site(raw["site"]),
                "copy_mode": CopyMode(raw["copy_mode"]),
                "agent_seconds": int(raw["agent_seconds"]),
                "export_seconds": int(raw["export_seconds"]),
            }
        )
