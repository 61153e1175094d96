"""What a database remembers for us: Airflow variables of our own, which no backup carries."""

import json
from typing import Any

from mwaa_dr_metadata.rules import OWN_PREFIX
from mwaa_dr_metadata.session import Session

HOLDS = f"{OWN_PREFIX}holds"
"""Which snapshot a standby holds: `{system_identifier, snapshot, snapshot_at, backup_id}`."""
OWNERSHIP = f"{OWN_PREFIX}ownership"
"""The newest ownership record that this site has read: `contract.ownership.Ownership`."""
PURGED = f"{OWN_PREFIX}purged"
"""What the last purge took: `{after: backup id, rows: {table: rows}}`."""


def read(session: Session, name: str) -> dict[str, Any]:
    """The note; empty if there is none, or if it is not one of ours."""
    rows = session.rows("SELECT val FROM variable WHERE key = %s", [name])
    try:
        note = json.loads(rows[0][0])
    except (IndexError, ValueError, TypeError):
        return {}
    return note if isinstance(note, dict) else {}


def write(session: Session, name: str, note: dict[str, Any]) -> None:
    """Replace the note."""
    forget(session, name)
    session.execute(
        "INSERT INTO variable (key, val, is_encrypted) VALUES (%s, %s, FALSE)",
        [name, json.dumps(note)],
    )


def forget(session: Session, name: str) -> None:
    session.execute("DELETE FROM variable WHERE key = %s", [name])
