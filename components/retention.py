"""How long objects are kept: rows that the buckets turn into lifecycle rules.

To go back to any moment of the retention one needs the newest backup from before it as well, with
the base that it rests on: `backup_days` keeps both. S3 ends each object by its own age, so when the
retention is over, a base goes before its last incrementals; those cannot be restored any more.

A backup that expires becomes a noncurrent version and is kept once more as long: if exports stop,
the last good backup is not lost when its retention ends. Versions of DAG files outlive every backup
that names them. Plugins, requirements and start-up scripts are never expired, since an environment
names their version for as long as it lives.
"""

import math
from dataclasses import dataclass

from contract.keys import BATCH_REPORTS, DAGS

DAY = 24 * 3600
CONTROL_DAYS = 30
"""Orders, acknowledgements and reports, for looking back."""
PULSE_DAYS = 7
"""Old versions of control objects: a pulse is written each minute."""
CONFIG_DAYS = 365
"""Old versions of the captured configuration."""
UPLOAD_DAYS = 2
"""Parts of an upload that was never finished."""


@dataclass(frozen=True, slots=True)
class Retention:
    """One rule.

    Args:
        name: the rule's id.
        prefix: the keys it is about; empty for all.
        expire_days: age at which the current version goes; None for never.
        noncurrent_days: how long a version is kept once it is not current; None for ever.
    """

    name: str
    prefix: str
    expire_days: int | None = None
    noncurrent_days: int | None = None


def backup_days(retention_days: int, base_seconds: int, export_seconds: int) -> int:
    """How long a base must stay, in whole days as S3 counts them.

    At the start of the retention the newest backup is up to an export interval old, and its base up
    to a base interval older.
    """
    return retention_days + math.ceil((base_seconds + export_seconds) / DAY)


def backup_bucket(backup_days: int) -> tuple[Retention, ...]:
    """The rules of a backup bucket; `contract.keys` gives its layout."""
    return (
        Retention("backups", "backups/", backup_days, backup_days),
        Retention("control", "control/", None, PULSE_DAYS),
        Retention("orders", "control/orders/", CONTROL_DAYS),
        Retention("acks", "control/acks/", CONTROL_DAYS),
        Retention("config", "config/", None, CONFIG_DAYS),
        Retention("batch-reports", BATCH_REPORTS, CONTROL_DAYS, CONTROL_DAYS),
    )


def dag_bucket(backup_days: int) -> tuple[Retention, ...]:
    """The rules of a DAG bucket."""
    return (Retention("dags", DAGS, None, 2 * backup_days + 1),)
