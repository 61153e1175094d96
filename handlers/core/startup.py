"""Composes the startup script of a new environment: our guard, then the user's script unchanged."""

import base64
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from contract.names import RECOVERY_DAG_PREFIX

GUARD = Path(__file__).parent.parent / "guard" / "insert_paused_dags.py"

_DEFAULT_SHEBANG = b"#!/bin/sh"
_PRELUDE = b"""
# mwaa-dr: holds the DAGs of the restored backup back until this site is promoted. It runs in a
# process of its own and cannot fail the rest of this script. Only a scheduler's container needs it
# (`hybrid` on the smallest environment class).
case "${MWAA_AIRFLOW_COMPONENT:-scheduler}" in scheduler|hybrid)
python3 - <<'MWAA_DR_GUARD' || echo "mwaa-dr guard: it ended with status $?"
"""
_EPILOGUE = b"""MWAA_DR_GUARD
;; esac
# mwaa-dr: end of the guard; what follows is the environment's own startup script.
"""


def guarded_dags(dag_ids: Iterable[str]) -> list[str]:
    """The DAGs to hold back: never our own, which do the restoring."""
    return sorted({dag for dag in dag_ids if not dag.startswith(RECOVERY_DAG_PREFIX)})


def compose(dag_ids: Iterable[str], users_script: bytes) -> bytes:
    """The startup script for an environment that must hold `dag_ids` back.

    The user's shebang line leads, since MWAA may run the file by it.
    """
    first, _, _ = users_script.partition(b"\n")
    shebang = first if first.startswith(b"#!") else _DEFAULT_SHEBANG
    packed = zlib.compress(json.dumps(guarded_dags(dag_ids)).encode(), 9)
    call = f"\n\nmain({base64.b64encode(packed).decode()!r})\n"
    return b"".join((shebang, _PRELUDE, GUARD.read_bytes(), call.encode(), _EPILOGUE, users_script))
