"""Makes the forecast of a backup, from that backup alone."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

from contract.sites import InFlightRule
from mwaa_dr_metadata.backups import Backup, open_backup
from mwaa_dr_metadata.forecast_model import Forecast
from mwaa_dr_metadata.forecasting import forecast
from mwaa_dr_metadata.sealing import Sealer
from mwaa_dr_metadata.simulation import MOST_RUNS
from mwaa_dr_metadata.storage import Storage
from mwaa_dr_metadata.unfinished import unfinished_runs


def forecast_backup(
    storage: Storage,
    sealer: Sealer,
    manifest_key: str,
    in_flight: InFlightRule,
    promoted_at: datetime,
    *,
    outage_at: datetime | None = None,
    most: int = MOST_RUNS,
    unpaused: Callable[[Backup], Collection[str]] = lambda _: (),
) -> Forecast:
    """What Airflow would run after a promotion with this backup; see `forecast`.

    Args:
        unpaused: DAGs that the promotion un-pauses though this backup shows them as paused, since
            it was taken when the old owner was fenced.

    Raises:
        BackupRefusedError: the backup is incomplete or altered.
        SealUnavailableError: the key service refused or did not answer.
    """
    backup = open_backup(storage, sealer, manifest_key)
    active = frozenset(unpaused(backup))
    return forecast(
        [
            replace(entry, is_paused=entry.is_paused and entry.dag_id not in active)
            for entry in backup.oracle()
        ],
        unfinished_runs(backup),
        in_flight,
        datetime.fromisoformat(backup.manifest.snapshot_at),
        promoted_at,
        outage_at=outage_at,
        airflow_version=backup.manifest.airflow_version,
        most=most,
    )
