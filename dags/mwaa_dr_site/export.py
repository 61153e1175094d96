"""Takes one backup of this environment."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3

from contract import keys, metrics
from contract.agent_config import AgentConfig
from contract.orders import Order
from mwaa_dr_metadata import (
    BackupIdentity,
    ExportOptions,
    ProgressCallback,
    control,
    engine_from_env,
    export_backup,
)
from mwaa_dr_site.backups import Backups, airflow_version
from mwaa_dr_site.code import object_versions
from mwaa_dr_site.knowledge import known
from mwaa_dr_site.mailbox import AWS_ERRORS, BOUNDED, Mailbox
from mwaa_dr_site.progress import Heartbeat

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from contract.manifest import Manifest
    from contract.ownership import Ownership

logger = logging.getLogger(__name__)


DIVERGENCE = "divergence"
"""Purpose of an ordered export: what a site that lost the epoch did alone."""


class NotOwnerError(Exception):
    """This site does not own the epoch: its database is not the one to back up."""


def run(
    config: AgentConfig, environ: Mapping[str, str], ordered: dict[str, Any] | None
) -> dict[str, Any]:
    """Back up the metadata database; answer the order if there is one.

    What a site that lost the epoch holds is exported only when it is ordered, apart from backups.

    Raises:
        NotOwnerError: this site does not own the epoch, or does when it must not.
        MetadataError: the backup could not be taken; no manifest was written.
    """
    mailbox = Mailbox(config)
    # Whatever goes wrong, a database that is kept from tasks too, is the answer to the order.
    with _answering(mailbox, ordered) as heartbeat:
        engine = engine_from_env(environ)
        ownership = known(mailbox, engine)
        divergence = bool(ordered) and ordered["payload"].get("purpose") == DIVERGENCE
        if ownership.owned_by(config.site) == divergence:
            raise NotOwnerError(f"epoch {ownership.epoch} belongs to {ownership.owner}")
        result = _export(
            config,
            environ,
            engine,
            ownership,
            heartbeat.note if heartbeat else None,
            folder=keys.DIVERGENCE if divergence else "",
        )
        if heartbeat:
            heartbeat.succeed(result)
        return result


@contextmanager
def _answering(mailbox: Mailbox, ordered: dict[str, Any] | None) -> Iterator[Heartbeat | None]:
    if ordered is None:
        yield None
        return
    with Heartbeat(mailbox, Order.from_json(json.dumps(ordered))) as heartbeat:
        yield heartbeat


def _export(
    config: AgentConfig,
    environ: Mapping[str, str],
    engine: "Engine",
    ownership: "Ownership",
    progress: ProgressCallback | None,
    *,
    folder: str,
) -> dict[str, Any]:
    started = time.monotonic()
    backups = Backups(config, environ, folder)
    parent = backups.parent(ownership.epoch)
    manifest = export_backup(
        engine,
        backups.written,
        backups.sealer,
        backups.fernet,
        BackupIdentity(
            installation=config.name,
            site=config.site,
            epoch=ownership.epoch,
            environment=config.environment,
            airflow_version=airflow_version(environ),
        ),
        ExportOptions(
            parent=parent,
            base_every=timedelta(seconds=config.base_seconds),
            without=config.leave_out.split(","),
            code_versions=object_versions(config.dag_bucket, config.region),
            purged=control.purged_after(engine, parent.manifest.backup_id) if parent else {},
        ),
        progress=progress,
    )
    seconds = time.monotonic() - started
    _publish(config, seconds)
    return {
        "backup": folder + keys.manifest(config.site, ownership.epoch, manifest.backup_id),
        "backup_id": manifest.backup_id,
        **_summary(manifest),
        "seconds": round(seconds, 2),
    }


def _summary(manifest: "Manifest") -> dict[str, Any]:
    return {
        "kind": manifest.kind.value,
        "reason": manifest.reason,
        "snapshot_at": manifest.snapshot_at,
        "rows": sum(manifest.counts.values()),
        "bytes": sum(item.size for item in manifest.objects),
        "unreadable": len(manifest.unreadable),
    }


def _publish(config: AgentConfig, seconds: float) -> None:
    """A backup that was taken is worth more than a metric that was not."""
    try:
        boto3.client("cloudwatch", region_name=config.region, config=BOUNDED).put_metric_data(
            Namespace=metrics.NAMESPACE,
            MetricData=[
                {
                    "MetricName": metrics.EXPORT_SECONDS,
                    "Dimensions": [{"Name": metrics.INSTALLATION, "Value": config.name}],
                    "Value": seconds,
                    "Unit": "Seconds",
                }
            ],
        )
    except AWS_ERRORS:
        logger.exception("the export's duration could not be published")
