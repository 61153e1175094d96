"""What was asked of the local AWS lately, for drills and tests to look at."""

import threading
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

CAPACITY = 20_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `status` is None while it hangs or when its connection was dropped."""

    number: int
    time: float
    region: str | None
    service: str | None
    operation: str
    status: int | None
    seconds: float


class RequestLog:
    """The newest requests; older ones fall out."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._lock = threading.Lock()
        self._count = 0

    def add(
        self,
        *,
        time: float,
        region: str | None,
        service: str | None,
        operation: str,
        status: int | None,
        seconds: float,
    ) -> None:
        with self._lock:
            self._count += 1
            self._entries.append(
                Entry(self._count, time, region, service, operation, status, round(seconds, 4))
            )

    def read(
        self,
        *,
        after: int = 0,
        region: str | None = None,
        service: str | None = None,
        limit: int = 1000,
    ) -> list[dict[str, Any]]:
        """The newest `limit` entries with a number above `after`, oldest first."""
        with self._lock:
            entries = list(self._entries)
        chosen = [
            entry
            for entry in entries
            if entry.number > after
            and region in (None, entry.region)
            and service in (None, entry.service)
        ]
        return [asdict(entry) for entry in chosen[-limit:]]
