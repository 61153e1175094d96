"""Restores a backup into this environment, as ordered."""

import json
from collections.abc import Mapping
from typing import Any

from contract.agent_config import AgentConfig
from contract.orders import Order
from contract.sites import InFlightRule
from mwaa_dr_metadata import ImportMode, ImportOptions, Phase, engine_from_env, import_backup
from mwaa_dr_site.backups import Backups, airflow_version
from mwaa_dr_site.mailbox import Mailbox
from mwaa_dr_site.progress import Heartbeat

PATIENCE_SECONDS = 600
"""A sync that is under way ends soon, and what it wrote need not be written again."""


def run(config: AgentConfig, environ: Mapping[str, str], ordered: dict[str, Any]) -> dict[str, Any]:
    """Import the ordered backup and answer the order.

    Raises:
        BackupRefusedError: the backup is bad or does not fit; recovery takes an older one.
        TargetRefusedError: this environment must not be written.
    """
    mailbox = Mailbox(config)
    order = Order.from_json(json.dumps(ordered))
    backups = Backups(config, environ)
    mode = ImportMode(order.payload.get("mode", ImportMode.RESTORE))
    with Heartbeat(mailbox, order) as heartbeat:
        report = import_backup(
            engine_from_env(environ),
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
                else lambda: mailbox.ownership().owned_by(config.site),
            ),
            progress=heartbeat.note,
        )
        heartbeat.succeed(report.to_dict())
        return {"backup": report.backup, "rows": report.rows, "seconds": report.seconds}
