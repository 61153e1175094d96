"""Restores a backup into this environment, as ordered."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from contract.agent_config import AgentConfig
from contract.orders import Order
from contract.sites import InFlightRule
from mwaa_dr_metadata import (
    ImportMode,
    ImportOptions,
    Phase,
    engine_from_env,
    forecast_backup,
    import_backup,
)
from mwaa_dr_site.backups import Backups, airflow_version
from mwaa_dr_site.knowledge import known
from mwaa_dr_site.mailbox import Mailbox
from mwaa_dr_site.progress import Heartbeat
from mwaa_dr_site.silence import lived_until

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 600
"""A sync that is under way ends soon, and what it wrote need not be written again."""
FORETOLD, ENTRIES = 100, 2
"""DAGs of a forecast that travel with the answer, those with something to say first, and entries of
each of their lists: a quarter of a megabyte."""
FOLLOWED = 500
"""Runs of a DAG that a forecast counts, so that it takes seconds however much has piled up."""


def run(config: AgentConfig, environ: Mapping[str, str], ordered: dict[str, Any]) -> dict[str, Any]:
    """Import the ordered backup and answer the order.

    Raises:
        BackupRefusedError: the backup is bad or does not fit; recovery takes an older one.
        TargetRefusedError: this environment must not be written.
    """
    mailbox = Mailbox(config)
    order = Order.from_json(json.dumps(ordered))
    with Heartbeat(mailbox, order) as heartbeat:
        engine, backups = engine_from_env(environ), Backups(config, environ)
        mode = ImportMode(order.payload.get("mode", ImportMode.RESTORE))
        report = import_backup(
            engine,
            backups.read,
            backups.sealer,
            backups.fernet,
            order.payload["backup"],
            ImportOptions(
                mode=mode,
                phase=Phase(order.payload["phase"]),
                patience=PATIENCE_SECONDS,
                in_flight=InFlightRule(order.payload.get("in_flight", InFlightRule.FAIL)),
                expected_installation=config.name,
                airflow_version=airflow_version(environ),
                # Going back to an earlier state is the one import that an owner asks for.
                owner_check=None
                if mode is ImportMode.REPLACE
                else lambda: known(mailbox, engine).owned_by(config.site),
            ),
            progress=heartbeat.note,
        )
        result = report.to_dict()
        if report.phase is not Phase.HISTORY:
            result["forecast"] = foretell(backups, order)
        heartbeat.succeed(result)
        return {"backup": report.backup, "rows": report.rows, "seconds": report.seconds}


def foretell(backups: Backups, order: Order) -> dict[str, Any]:
    """What Airflow will run in the hour after a promotion that comes now; people read it before."""
    try:
        # A standby that follows stages only what changed, so its import cannot tell all of it.
        found = forecast_backup(
            backups.read,
            backups.sealer,
            order.payload["backup"],
            InFlightRule(order.payload.get("in_flight", InFlightRule.FAIL)),
            datetime.now(UTC),
            outage_at=lived_until(backups.config, order.payload.get("outage_at", "")),
            most=FOLLOWED,
            unpaused=lambda backup: backups.fenced(backup, order.payload),
        )
        return found.cut(FORETOLD, ENTRIES).to_dict()
    except Exception as error:
        # What is restored is worth more than what was not foretold.
        logger.exception("there is no forecast")
        return {"headline": f"there is none: {type(error).__name__}: {error}"}
