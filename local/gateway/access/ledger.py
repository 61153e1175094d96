"""What callers asked for: how often, by which statements it was allowed, and what was refused."""

import threading
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from local.gateway.access.policy import Use

KEPT_REFUSALS = 1000


@dataclass(frozen=True, slots=True)
class Refusal:
    """One action that was not allowed."""

    time: float
    caller: str
    action: str
    resource: str
    region: str
    message: str


def group(resource: str) -> str:
    """The resource, but of an object only its bucket and the first part of its key."""
    if not resource.startswith("arn:") or ":s3:::" not in resource:
        return resource
    bucket, _, key = resource.partition("/")
    first, slash, _ = key.partition("/")
    return f"{bucket}/{first}{'/*' if slash else ''}" if key else bucket


class Ledger:
    """Everything since the start; objects are counted in groups, so that it stays small."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self._uses: set[tuple[str, Use]] = set()
        self._refusals: deque[Refusal] = deque(maxlen=KEPT_REFUSALS)

    def allowed(self, caller: str, action: str, resource: str, uses: tuple[Use, ...]) -> None:
        with self._lock:
            self._calls[caller, action, group(resource)] += 1
            self._uses.update((caller, use) for use in uses)

    def refused(self, caller: str, action: str, resource: str, region: str, message: str) -> None:
        with self._lock:
            self._refusals.append(Refusal(time.time(), caller, action, resource, region, message))

    def describe(self) -> dict[str, list[dict[str, Any]]]:
        """`calls`, `uses` and `refused`, in order."""
        with self._lock:
            calls, uses = sorted(self._calls.items()), set(self._uses)
            refused = list(self._refusals)
        return {
            "calls": [
                {"caller": caller, "action": action, "resource": resource, "count": count}
                for (caller, action, resource), count in calls
            ],
            "uses": sorted(
                ({"caller": caller, **asdict(use)} for caller, use in uses),
                key=lambda one: tuple(one.values()),
            ),
            "refused": [asdict(one) for one in refused],
        }
