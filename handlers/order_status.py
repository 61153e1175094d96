"""Says how far the agent is with an order."""

from datetime import datetime
from typing import Any

from contract import keys
from contract.orders import Ack, OrderStatus
from handlers.core import pacing
from handlers.core.errors import BackupRefusedError, OrderFailedError, OrderOverdueError
from handlers.runtime import Event, Runtime, entry, required, site_in

LONGEST = 200
"""Letters of a text in an answer."""


def order_status(event: Event, runtime: Runtime) -> dict[str, Any]:
    """Look for the answer to `order_id` of `site`, issued at `issued_at`.

    Returns:
        `done`, when it was (`at`), and how long to wait before looking again (`wait_seconds`).

    Raises:
        BackupRefusedError: the agent says that the backup must not be restored.
        OrderFailedError: the agent says that the order failed, and why.
        OrderOverdueError: it is not done `within_seconds` after it was issued.
    """
    site, order_id = site_in(event, "site"), required(event, "order_id")
    found = runtime.backups().read(keys.ack(site, order_id))
    ack = None if found is None else Ack.from_json(found.body)
    if ack is not None and ack.status is OrderStatus.SUCCEEDED:
        return {
            "done": True,
            "at": ack.updated_at,
            "wait_seconds": 0,
            "result": _summary(ack.result),
        }
    if ack is not None and ack.status is OrderStatus.FAILED:
        error = ack.error or {}
        name, message = error.get("type", "unknown"), error.get("message", "no message")
        if name == BackupRefusedError.__name__:
            raise BackupRefusedError(message)
        raise OrderFailedError(f"{order_id}: {name}: {message}")
    issued_at = datetime.fromisoformat(required(event, "issued_at"))
    waited = (runtime.now() - issued_at).total_seconds()
    limit = float(required(event, "within_seconds"))
    if waited > limit:
        last = "no answer at all" if ack is None else f"last heard of at {ack.updated_at}"
        raise OrderOverdueError(f"{order_id} is not done after {waited:.0f} s ({last})")
    return {"done": False, "at": "", "wait_seconds": pacing.poll_seconds(waited), "result": {}}


handler = entry(order_status)


def _summary(result: dict[str, Any]) -> dict[str, Any]:
    """Numbers and short texts: a machine's state must stay small.

    Of a list there is its length, of a part with a headline that, cut if it is long.
    """
    found: dict[str, Any] = {}
    for key, value in result.items():
        if isinstance(value, dict) and "headline" in value:
            found[key] = str(value["headline"])[:LONGEST]
        elif isinstance(value, list | dict):
            found[key] = len(value)
        elif isinstance(value, int | float | bool) or len(str(value)) <= LONGEST:
            found[key] = value
    return found
