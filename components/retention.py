"""How long objects are kept: rows that the buckets turn into lifecycle rules.

A backup that expires becomes a noncurrent version and is kept once more as long: if exports stop,
the last good backup is not lost when its retention ends. Versions of DAG files outlive every backup
that names them. Plugins, requirements and start-up scripts are never expired, since an environment
names their version for as long as it lives.
"""

from dataclasses import dataclass

CONTROL_DAYS = 30
"""Orders and acknowledgements, for looking back at an incident."""
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


def backup_bucket(retention_days: int) -> tuple[Retention, ...]:
    """The rules of a backup bucket; `contract.keys` gives its layout."""
    return (
        Retention("backups", "backups/", retention_days, retention_days),
        Retention("control", "control/", None, PULSE_DAYS),
        Retention("orders", "control/orders/", CONTROL_DAYS),
        Retention("acks", "control/acks/", CONTROL_DAYS),
        Retention("config", "config/", None, CONFIG_DAYS),
    )


def dag_bucket(retention_days: int) -> tuple[Retention, ...]:
    """The rules of a DAG bucket."""
    return (Retention("dags", "dags/", None, 2 * retention_days + 1),)
