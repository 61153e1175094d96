"""Hands requests for MWAA to the emulator, which is made when it is first needed."""

import importlib
import threading
from pathlib import Path
from typing import Any, Protocol


class Environments(Protocol):
    """What the gateway needs of an MWAA emulator."""

    def handle(
        self, region: str, method: str, path: str, query: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]: ...

    def lose_region(self, region: str) -> None: ...

    def restore_region(self, region: str) -> None: ...

    def lose_environment(self, region: str, name: str) -> None: ...

    def restore_environment(self, region: str, name: str) -> None: ...

    def describe(self) -> list[dict[str, Any]]: ...

    def close(self) -> None: ...


class Mwaa:
    """The emulator named by `module:Class`, called with root, endpoint and account."""

    def __init__(self, name: str, root: Path, endpoint: str, account: str) -> None:
        self._name = name
        self._arguments = (root / "mwaa", endpoint, account)
        self._made: Environments | None = None
        self._lock = threading.Lock()

    def get(self) -> Environments:
        """Raises ImportError or AttributeError if there is no such class."""
        with self._lock:
            if self._made is None:
                module, _, attribute = self._name.partition(":")
                factory = getattr(importlib.import_module(module), attribute)
                self._made = factory(*self._arguments)
            assert self._made is not None  # noqa: S101
            return self._made

    @property
    def made(self) -> Environments | None:
        """The emulator if anybody has asked for it yet."""
        return self._made
