"""Who was told what and when: every SNS publication, readable over the control API."""

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

CAPACITY = 5_000


@dataclass(frozen=True, slots=True)
class Notification:
    """One publication and the subscriptions that it reached.

    Args:
        recipients: `protocol:endpoint` of each subscription.
    """

    time: float
    region: str
    topic: str
    subject: str | None
    message: str
    recipients: tuple[str, ...]


class Notifications:
    def __init__(self, capacity: int = CAPACITY) -> None:
        self._kept: deque[Notification] = deque(maxlen=capacity)
        self._lock = threading.Lock()

    def add(self, notification: Notification) -> None:
        with self._lock:
            self._kept.append(notification)

    def read(self, *, region: str | None = None, since: float = 0) -> list[dict[str, Any]]:
        with self._lock:
            kept = list(self._kept)
        return [asdict(n) for n in kept if n.time >= since and region in (None, n.region)]
