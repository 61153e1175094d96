"""Hands requests for MWAA to the emulator, which is made when it is first needed."""

import importlib
import threading
from typing import Any, Protocol

from local.gateway.world import World


class Environments(Protocol):
    """What the gateway needs of an MWAA emulator."""

    def handle(
        self,
        region: str,
        method: str,
        path: str,
        query: str,
        body: bytes,
        *,
        subnets: tuple[str, ...] | None = None,
    ) -> tuple[int, dict[str, str], bytes]: ...

    def lose_region(self, region: str) -> None: ...

    def restore_region(self, region: str) -> None: ...

    def lose_environment(self, region: str, name: str) -> None: ...

    def restore_environment(self, region: str, name: str) -> None: ...

    def describe(self) -> list[dict[str, Any]]: ...

    def close(self) -> None: ...


class Mwaa:
    """The emulator named by `module:Class`, called with root, endpoint, account and its clock."""

    def __init__(self, name: str, world: World) -> None:
        self._name = name
        self._world = world
        self._made: Environments | None = None
        self._lock = threading.Lock()

    def get(self) -> Environments:
        """Raises ImportError or AttributeError if there is no such class."""
        with self._lock:
            if self._made is None:
                module, _, attribute = self._name.partition(":")
                factory = getattr(importlib.import_module(module), attribute)
                world = self._world
                self._made = factory(
                    world.root / "mwaa", world.endpoint, world.account, ahead=world.clocks.airflow
                )
            assert self._made is not None  # noqa: S101
            return self._made

    @property
    def made(self) -> Environments | None:
        """The emulator if anybody has asked for it yet."""
        return self._made
