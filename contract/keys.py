"""The layout of a backup bucket: the same keys at both sites.

control/ownership.json                       mirror of the ownership record
control/pulse/<site>.json                    written by that site's agent, into the DR bucket
control/orders/<site>/<order id>.json        read by that site's agent from its own bucket
control/acks/<site>/<order id>.json          written by that site's agent, into the DR bucket
control/fences/<site>/<epoch>/<time>.json    what a site without the epoch paused and ended there
config/<site>/environment.json               captured GetEnvironment of that site
config/<site>/created.json                   what a recovery asked CreateEnvironment for there
backups/<site>/<epoch>/<backup id>/...       one backup; its manifest.json is written last
divergence/backups/...                       the same, of sites that had lost the epoch
batch/...                                    reports of S3 Batch Operations
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from contract.sites import Site

OWNERSHIP = "control/ownership.json"
MANIFEST = "manifest.json"
BACKUPS = "backups/"
DIVERGENCE = "divergence/"
"""Apart from backups: no recovery may ever choose one by itself."""
BATCH_REPORTS = "batch/"
DAGS = "dags/"
"""In a DAG bucket, as are the next two: what Airflow loads."""
RECOVERY_DAGS = f"{DAGS}mwaa_dr/"
"""The recovery DAGs and what they import, beside the user's DAGs."""
STARTUP_SCRIPTS = "mwaa-dr/"
"""Start-up scripts that recoveries compose."""
BACKUP_ID_FORMAT = "%Y%m%dT%H%M%S%fZ"


def pulse(site: Site) -> str:
    return f"control/pulse/{site}.json"


def orders(site: Site) -> str:
    """Prefix of the orders that the agent of `site` reads."""
    return f"control/orders/{site}/"


def order(site: Site, order_id: str) -> str:
    return f"{orders(site)}{order_id}.json"


def ack(site: Site, order_id: str) -> str:
    return f"control/acks/{site}/{order_id}.json"


def fences(site: Site, epoch: int | None = None) -> str:
    """Prefix of a site's fence reports, of one epoch or of all."""
    return f"control/fences/{site}/" + ("" if epoch is None else f"{epoch:08d}/")


def fence(site: Site, epoch: int, at: datetime) -> str:
    return f"{fences(site, epoch)}{backup_id(at)}.json"


def captured_environment(site: Site) -> str:
    return f"config/{site}/environment.json"


def created_environment(site: Site) -> str:
    return f"config/{site}/created.json"


def startup_script(incident_id: str) -> str:
    """Of an environment that a recovery creates; in the DAG bucket."""
    return f"{STARTUP_SCRIPTS}startup-{incident_id}.sh"


def backup_id(at: datetime) -> str:
    """A name that sorts by time; `at` must be aware."""
    return at.astimezone(UTC).strftime(BACKUP_ID_FORMAT)


def backup_time(identifier: str) -> datetime:
    """The time a backup id carries. Raises ValueError if it is not a backup id."""
    return datetime.strptime(identifier, BACKUP_ID_FORMAT).replace(tzinfo=UTC)


def site_backups(site: Site) -> str:
    return f"{BACKUPS}{site}/"


def epoch_backups(site: Site, epoch: int) -> str:
    """Prefix of the backups of one epoch; padded so that a listing is in order."""
    return f"{site_backups(site)}{epoch:08d}/"


def backup_prefix(site: Site, epoch: int, identifier: str) -> str:
    """Prefix of one backup."""
    return f"{epoch_backups(site, epoch)}{identifier}/"


def manifest(site: Site, epoch: int, identifier: str) -> str:
    return backup_prefix(site, epoch, identifier) + MANIFEST


@dataclass(frozen=True, slots=True)
class BackupPlace:
    """Where a backup lies; whether it is complete is another question."""

    site: Site
    epoch: int
    backup_id: str

    @property
    def prefix(self) -> str:
        return backup_prefix(self.site, self.epoch, self.backup_id)

    @property
    def manifest_key(self) -> str:
        return manifest(self.site, self.epoch, self.backup_id)

    @property
    def at(self) -> datetime:
        return backup_time(self.backup_id)
