"""Keeps a standby equal to the owner: takes over the newest backup that it does not hold yet."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from contract.agent_config import AgentConfig
from contract.lifecycle import SiteState
from mwaa_dr_metadata import ImportMode, ImportOptions, control, engine_from_env, import_backup
from mwaa_dr_metadata.backups import Backup, newest
from mwaa_dr_site.backups import Backups, airflow_version
from mwaa_dr_site.knowledge import known
from mwaa_dr_site.mailbox import Mailbox

LOOK_BACK = 5
"""Backups of so many intervals are listed first."""

logger = logging.getLogger(__name__)


class NotStandbyError(Exception):
    """This site owns the epoch, or holds rows of its own: nothing may be written over here."""


class NothingNewError(Exception):
    """The standby holds the newest backup there is."""


def run(config: AgentConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """Bring this site's database to the owner's newest backup.

    Raises:
        NotStandbyError: this site is not to follow anybody now.
        NothingNewError: there is nothing to do.
        MetadataError: the backup or this database refuses; the database is as it was.
    """
    mailbox, engine = Mailbox(config), engine_from_env(environ)
    ownership = known(mailbox, engine)
    if ownership.owned_by(config.site) or ownership.standby is not SiteState.STANDBY:
        raise NotStandbyError(
            f"epoch {ownership.epoch} belongs to {ownership.owner}, the other site is "
            f"{ownership.standby}"
        )
    backups = Backups(config, environ)
    found = _newest(config, backups, ownership.epoch)
    if found is None or found.manifest.snapshot_at == control.held_snapshot_at(engine):
        raise NothingNewError(f"no newer backup of {ownership.owner} in epoch {ownership.epoch}")
    report = import_backup(
        engine,
        backups.read,
        backups.sealer,
        backups.fernet,
        found.manifest_key,
        ImportOptions(
            mode=ImportMode.FOLLOW,
            expected_installation=config.name,
            airflow_version=airflow_version(environ),
            owner_check=lambda: known(mailbox, engine).owned_by(config.site),
        ),
    )
    logger.info("took over %s in %s s", found.manifest_key, report.seconds)
    return {"backup": report.backup, "applied": report.applied, "seconds": report.seconds}


def _newest(config: AgentConfig, backups: Backups, epoch: int) -> Backup | None:
    """The owner's newest backup; a listing of the last few intervals is enough as a rule."""
    for seconds in (LOOK_BACK * config.export_seconds, config.base_seconds + config.export_seconds):
        within = timedelta(seconds=seconds)
        found = newest(backups.read, backups.sealer, config.site.other, epoch, within)
        if found is not None:
            return found
    return None
