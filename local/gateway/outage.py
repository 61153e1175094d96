"""The outage switch: which Region, or which services of it, fail now and in what way."""

import functools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import botocore.session
from botocore.model import ServiceModel


class Mode(StrEnum):
    """What a caller sees."""

    HANG = "hang"
    """The connection is accepted and nothing is ever answered."""
    REFUSE = "refuse"
    """The connection is closed without an answer."""
    THROTTLE = "throttle"
    """Every call is refused as too many; the services themselves go on working."""
    ERROR = "5xx"
    """Every call is answered with the service's own kind of server error."""
    FLAPPING = "flapping"
    """Turns of `flap_seconds`: first 5xx, then service, then 5xx again."""
    ENVIRONMENT = "environment"
    """AWS answers as ever; one MWAA environment is dead and says that it is UNAVAILABLE."""


_SIGNING_NAMES = {"airflow", "monitoring", "states"}
"""Signing names that are no boto3 service names, of the services that matter here most."""


@functools.cache
def signing_name(service: str) -> str:
    """The signing name of a service, given as boto3 calls it or already as a signing name.

    Raises:
        ValueError: AWS has no such service.
    """
    if service in _SIGNING_NAMES:
        return service
    loader = botocore.session.get_session().get_component("data_loader")
    if service not in loader.list_available_services("service-2"):
        raise ValueError(
            f"services: {service!r} is no AWS service; use a boto3 name such as "
            "s3, cloudwatch, mwaa, stepfunctions, lambda, dynamodb"
        )
    return ServiceModel(loader.load_service_model(service, "service-2"), service).signing_name


@dataclass(frozen=True, slots=True)
class Outage:
    """One failure that lasts until it is ended.

    Args:
        region: where.
        services: signing names that fail; None means the whole Region.
        mode: how.
        lose_environments: whether the Region's Airflow processes were killed with it.
        flap_seconds: length of one turn of `Mode.FLAPPING`.
        environment: the one that is dead in `Mode.ENVIRONMENT`.
        started: Unix time.
    """

    region: str
    services: frozenset[str] | None
    mode: Mode
    lose_environments: bool
    flap_seconds: float
    started: float
    environment: str = ""

    def covers(self, service: str | None) -> bool:
        return self.services is None or service in self.services

    def effect(self, now: float) -> Mode | None:
        """What a call meets at `now`; None while a flapping service is up."""
        if self.mode is Mode.ENVIRONMENT:
            return None
        if self.mode is not Mode.FLAPPING:
            return self.mode
        down = int((now - self.started) // self.flap_seconds) % 2 == 0
        return Mode.ERROR if down else None

    def describe(self) -> dict[str, Any]:
        return {
            "region": self.region,
            "services": None if self.services is None else sorted(self.services),
            "mode": self.mode.value,
            "lose_environments": self.lose_environments,
            "flap_seconds": self.flap_seconds,
            "environment": self.environment,
            "started": self.started,
        }


def parse(raw: dict[str, Any], now: float) -> Outage:
    """The outage that a control request asks for.

    Raises:
        ValueError: naming the key, the value and what is allowed.
    """
    known = {"region", "services", "mode", "lose_environments", "flap_seconds", "environment"}
    unknown = sorted(set(raw) - known)
    if unknown:
        raise ValueError(f"{unknown[0]}: not a key of an outage; use {', '.join(sorted(known))}")
    region = raw.get("region")
    if not isinstance(region, str) or not region:
        raise ValueError(f"region: {region!r} is not allowed; name a Region such as us-east-1")
    services = raw.get("services")
    mode = raw.get("mode") or Mode.HANG
    if mode not in {m.value for m in Mode}:
        raise ValueError(f"mode: {mode!r} is not allowed; use {', '.join(m.value for m in Mode)}")
    environment = raw.get("environment") or ""
    if bool(environment) != (mode == Mode.ENVIRONMENT):
        raise ValueError(
            f"environment: {environment!r} is not allowed with mode {Mode(mode)}; name the "
            f"environment with mode {Mode.ENVIRONMENT}, and only then"
        )
    flap = float(raw.get("flap_seconds") or 15)
    if flap <= 0:
        raise ValueError(f"flap_seconds: {flap} is not allowed; use a number above 0")
    return Outage(
        region=region,
        services=frozenset(signing_name(s) for s in services) if services else None,
        mode=Mode(mode),
        lose_environments=bool(raw.get("lose_environments", False)),
        flap_seconds=flap,
        started=now,
        environment=environment,
    )


@dataclass(slots=True)
class Outages:
    """All outages that last now, one per Region; safe to use from many threads."""

    clock: Callable[[], float] = time.time
    _current: dict[str, Outage] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, outage: Outage) -> None:
        """Start it; a former one of the same Region is replaced."""
        with self._changed:
            self._current = {**self._current, outage.region: outage}
            self._changed.notify_all()

    def end(self, region: str | None = None) -> list[Outage]:
        """End the outage of a Region, or all; return those that were ended."""
        with self._changed:
            ended = [o for o in self._current.values() if region in (None, o.region)]
            self._current = {r: o for r, o in self._current.items() if o not in ended}
            self._changed.notify_all()
            return ended

    def current(self) -> list[Outage]:
        return list(self._current.values())

    def effect(self, regions: Iterable[str], service: str | None) -> Mode | None:
        """What a call meets that needs `service` in all of `regions`."""
        current = self._current
        now = self.clock()
        for region in regions:
            outage = current.get(region)
            if outage is not None and outage.covers(service):
                effect = outage.effect(now)
                if effect is not None:
                    return effect
        return None

    def suspended(self, region: str, service: str) -> bool:
        """Whether the service's own work (ticks, replication, evaluation) stands still."""
        return self.effect((region,), service) not in (None, Mode.THROTTLE)

    def wait(self, seconds: float) -> None:
        """Sleep until something changes or the time is over."""
        with self._changed:
            self._changed.wait(seconds)
