"""Purges old rows of this environment's database, right after a base of it was backed up."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from contract.agent_config import AgentConfig
from contract.manifest import BackupKind
from mwaa_dr_metadata import control, engine_from_env
from mwaa_dr_metadata.purge import purge

logger = logging.getLogger(__name__)

SHARE = 1 / 3
"""Of the export's interval: the next backup must not wait for a purge."""
MOST_SECONDS = 600.0


class NotDueError(Exception):
    """What was taken is no base: the next base is time enough."""


def run(
    config: AgentConfig, environ: Mapping[str, str], exported: Mapping[str, Any]
) -> dict[str, Any]:
    """Purge what was older than the configured age when the backup's snapshot was taken.

    Args:
        exported: what `export.run` returned.

    Raises:
        NotDueError: the backup is an incremental.
    """
    if exported["kind"] != BackupKind.BASE:
        raise NotDueError(f"{exported['backup']} is {exported['kind']}; a purge follows a base")
    engine = engine_from_env(environ)
    report = purge(
        engine,
        datetime.fromisoformat(exported["snapshot_at"]) - timedelta(days=config.purge_days),
        deadline_seconds=min(MOST_SECONDS, config.export_seconds * SHARE),
    )
    # The next incremental finds these deletions, and is to know that they were meant.
    control.note_purge(engine, exported["backup_id"], report.rows)
    logger.info("purged %s rows in %s s: %s", report.total, report.seconds, report.rows)
    if not report.complete:
        logger.warning("the purge ran out of time; it goes on after the next base")
    return report.to_dict()
