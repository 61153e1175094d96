"""What every handler shares: configuration, clients, clock, logging and named failures."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from contract.handler_config import HandlerConfig
from contract.sites import Site
from handlers.adapters.answers import AWS_ERRORS, step_error
from handlers.adapters.clients import Clients
from handlers.adapters.notices import Notices
from handlers.adapters.objects import Bucket
from handlers.adapters.state_table import StateTable
from handlers.core.errors import RequestError

logger = logging.getLogger("handlers")

Event = Mapping[str, Any]
Word = TypeVar("Word", bound=StrEnum)


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The means of one function."""

    config: HandlerConfig
    clients: Clients
    now: Callable[[], datetime] = _utc_now

    def at(self) -> str:
        """Now, ISO 8601, UTC."""
        return self.now().isoformat()

    @property
    def state(self) -> StateTable:
        return StateTable(
            self.clients.dynamodb(self.config.dr.region), self.config.names.state_table
        )

    @property
    def notices(self) -> Notices:
        region = self.config.dr.region
        return Notices(
            sns=self.clients.sns(region),
            events=self.clients.events(region),
            topic_arn=self.config.topic_arn,
            escalation_arn=self.config.escalation_arn,
            installation=self.config.name,
        )

    def backups(self, site: Site = Site.DR, *, probe: bool = False) -> Bucket:
        """A site's backup bucket."""
        place = self.config.place(site)
        return Bucket(self.clients.s3(place.region, probe=probe), place.backup_bucket)

    def code(self, site: Site) -> Bucket:
        """A site's DAG bucket."""
        place = self.config.place(site)
        return Bucket(self.clients.s3(place.region), place.dag_bucket)


@cache
def _runtime() -> Runtime:
    """One per function instance: its configuration is fixed and its connections are reused."""
    config = HandlerConfig.from_env(os.environ)
    return Runtime(config, Clients(config.detection.probe_seconds))


Step = Callable[[Event, Runtime], dict[str, Any]]


def entry(step: Step) -> Callable[[Event, Any], dict[str, Any]]:
    """The Lambda entry point of a step.

    An AWS error becomes `TransientError`, which the state machines retry, or `AwsCallError`, which
    they do not.
    """

    def handler(event: Event, _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
        _set_up_logging()
        runtime = _runtime()
        logger.info("%s %s", step.__module__, event.get("incident_id", ""))
        try:
            return step(event, runtime)
        except AWS_ERRORS as error:
            raise step_error(error) from error

    return handler


def required(event: Event, key: str) -> Any:  # noqa: ANN401
    """A value that the state machine must give.

    Raises:
        RequestError: it did not.
    """
    if event.get(key) in (None, ""):
        raise RequestError(
            f"the event lacks {key!r}; it has {', '.join(sorted(event)) or 'nothing'}"
        )
    return event[key]


def one_of(event: Event, key: str, words: type[Word]) -> Word:
    """A word of a fixed vocabulary that the event must give.

    Raises:
        RequestError: it is missing or not one of them.
    """
    value = required(event, key)
    try:
        return words(value)
    except ValueError:
        raise RequestError(
            f"{key}: {value!r} is not allowed; use one of {', '.join(words)}"
        ) from None


def site_in(event: Event, key: str) -> Site:
    """A site that the event must give. Raises RequestError if it is missing or not a site."""
    return one_of(event, key, Site)


def _set_up_logging() -> None:
    """Lambda installs a root handler of its own; elsewhere there is none."""
    if not logging.getLogger().handlers:
        logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    logger.setLevel(logging.INFO)
