"""The engine, wired to this environment's place: its database, keys and buckets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from contract.agent_config import AgentConfig
from contract.sites import InFlightRule
from mwaa_dr_metadata import (
    Backup,
    KmsSealer,
    S3Storage,
    fernet_from_env,
    newest,
    unpark,
)
from mwaa_dr_metadata.backups import open_backup

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet
    from sqlalchemy.engine import Engine


CLOSE = timedelta(seconds=1)
"""A database's clock and a worker's may differ by so much; asking for a backup takes longer."""


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def airflow_version(environ: Mapping[str, str]) -> str:
    return environ.get("AIRFLOW_VERSION") or version("apache-airflow")


@dataclass(frozen=True, slots=True)
class Backups:
    """What an export writes to, and what an import of this site reads from.

    Args:
        folder: of the bucket that exports go to; empty for its top.
    """

    config: AgentConfig
    environ: Mapping[str, str]
    folder: str = ""

    @property
    def written(self) -> S3Storage:
        """Where this site's exports go."""
        return S3Storage(
            self.config.export_bucket, region_name=self.config.export_region, prefix=self.folder
        )

    @property
    def read(self) -> S3Storage:
        """Where this site's imports come from: its own bucket, which needs no other Region."""
        return S3Storage(self.config.local_bucket, region_name=self.config.region)

    @property
    def sealer(self) -> KmsSealer:
        return KmsSealer(self.config.seal_key, region_name=self.config.region)

    @property
    def fernet(self) -> "MultiFernet | None":
        return fernet_from_env(self.environ)

    def parent(self, epoch: int) -> "Backup | None":
        """The backup that the next export goes on from; None if it has to be a base."""
        within = timedelta(seconds=self.config.base_seconds + self.config.export_seconds)
        return newest(self.written, self.sealer, self.config.site, epoch, within)

    def active(self, payload: Mapping[str, Any]) -> list[str]:
        """The DAGs that were active in the restored backup, or would be had they not been fenced.

        A final backup is taken after the old owner was fenced: by then all of its DAGs are paused.
        """
        backup = open_backup(self.read, self.sealer, payload["backup"])
        return [
            *self.fenced(backup, payload),
            *(entry.dag_id for entry in backup.oracle() if not entry.is_paused),
        ]

    def fenced(self, backup: "Backup", payload: Mapping[str, Any]) -> list[str]:
        """The DAGs that a backup shows as paused only since the old owner was fenced."""
        fence = payload.get("paused") or {}
        if fence and _moment(backup.manifest.snapshot_at) >= _moment(fence["at"]) - CLOSE:
            return fence["dags"]
        return []

    def unpark(self, engine: "Engine", payload: Mapping[str, Any]) -> dict[str, Any]:
        """Give the restored backup's unfinished work back to the scheduler, as the rule says."""
        rule = InFlightRule(payload.get("in_flight", InFlightRule.FAIL))
        report = unpark(engine, self.read, self.sealer, self.fernet, payload["backup"], rule)
        return report.to_dict()
