"""Keeps an order's answer moving while its work goes on."""

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract.orders import Order, OrderStatus
from mwaa_dr_site.mailbox import AWS_ERRORS, Mailbox

if TYPE_CHECKING:
    from mwaa_dr_metadata import Progress

logger = logging.getLogger(__name__)

EVERY_SECONDS = 5.0
"""Well below `inbox.STALE_AFTER`, so that a live worker is never taken for a dead one."""


@dataclass(slots=True)
class Heartbeat:
    """Writes `RUNNING` answers while the work inside its `with` block goes on, then the last one.

    A worker that is killed leaves a stale answer behind, and the agent starts the order again.
    """

    mailbox: Mailbox
    order: Order
    _latest: dict[str, Any] = field(default_factory=dict)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Heartbeat":
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()
        return self

    def note(self, progress: "Progress") -> None:
        """Remember the newest step; called from the engine's threads."""
        self._latest = {"step": progress.step, "part": progress.part, "table": progress.table}

    def succeed(self, result: dict[str, Any]) -> None:
        self._stop()
        self.mailbox.acknowledge(self.order, OrderStatus.SUCCEEDED, result=result)

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        self._stop()
        if error is not None:
            self.mailbox.acknowledge(self.order, OrderStatus.FAILED, error=error)

    def _stop(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _beat(self) -> None:
        started = time.monotonic()
        while not self._done.wait(EVERY_SECONDS):
            seconds = round(time.monotonic() - started, 1)
            try:
                self.mailbox.acknowledge(
                    self.order, OrderStatus.RUNNING, result={**self._latest, "seconds": seconds}
                )
            except AWS_ERRORS:
                logger.exception("the progress of %s could not be written", self.order.order_id)
