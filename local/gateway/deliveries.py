"""Carries payloads to the targets of schedules, rules, alarms and topics, with retries."""

import heapq
import itertools
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.gateway.access.callers import Caller
from local.gateway.access.guard import Guard
from local.gateway.casing import to_boto_parameters
from local.gateway.world import OPERATOR, Credentials, World

log = logging.getLogger(__name__)
_WORKERS = 8
_MAX_BACKOFF = 60.0
_TRANSIENT = {"Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"}
_PRINCIPALS = {
    "scheduler": "scheduler.amazonaws.com",
    "events": "events.amazonaws.com",
    "monitoring": "cloudwatch.amazonaws.com",
}
"""Who acts, by the service that sends; subscriptions of topics are not judged."""
_CLIENT_ERRORS = range(400, 500)
READ_SECONDS = 20.0
"""Longer than any target needs to accept a payload; a lost Region costs a worker this long."""


class UnsupportedTargetError(ValueError):
    """The local AWS cannot deliver there; nothing is ever dropped in silence."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One payload on its way.

    Args:
        source: ARN of what sends it, for the log.
        region: Region of the sender; while the sender's service is lost there, nothing leaves.
        service: signing name of the sending service.
        arn: the target.
        payload: JSON text for it.
        options: the rest of the target's definition.
        max_attempts: attempts in all.
        max_age: seconds after which it is given up.
        dead_letter: ARN of an SQS queue for what was given up.
        done: told about the end, with the error that ended it.
    """

    source: str
    region: str
    service: str
    arn: str
    payload: str
    options: dict[str, Any] = field(default_factory=dict)
    max_attempts: int = 5
    max_age: float = 86_400
    dead_letter: str | None = None
    done: Callable[[Exception | None], None] | None = None
    created: float = field(default_factory=time.time)


Get = Callable[[str], Any]
"""Makes a client of a service in the target's Region, with the sender's credentials."""


def _lambda(client: Get, delivery: Delivery) -> None:
    client("lambda").invoke(
        FunctionName=delivery.arn, InvocationType="Event", Payload=delivery.payload.encode()
    )


def _states(client: Get, delivery: Delivery) -> None:
    client("stepfunctions").start_execution(stateMachineArn=delivery.arn, input=delivery.payload)


def _sns(client: Get, delivery: Delivery) -> None:
    subject = delivery.options.get("Subject")
    client("sns").publish(
        TopicArn=delivery.arn,
        Message=delivery.payload,
        **({"Subject": subject[:100]} if subject else {}),
    )


def _sqs(client: Get, delivery: Delivery) -> None:
    sqs = client("sqs")
    group = delivery.options.get("SqsParameters", {}).get("MessageGroupId")
    account, queue = delivery.arn.split(":")[4:6]
    sqs.send_message(
        QueueUrl=f"{sqs.meta.endpoint_url}/{account}/{queue}",
        MessageBody=delivery.payload,
        **({"MessageGroupId": group} if group else {}),
    )


def _logs(client: Get, delivery: Delivery) -> None:
    logs = client("logs")
    group = delivery.arn.split(":log-group:", 1)[1].removesuffix(":*")
    stream = f"{time.time_ns()}"
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(time.time() * 1000), "message": delivery.payload}],
    )


ENVELOPE = ("id", "time", "account", "region")
FORWARDED = "_local_forwarded"
"""In the detail on its way: what a forwarded event keeps and PutEvents would make anew."""


def _bus(client: Get, delivery: Delivery) -> None:
    """An event stays the same on the next bus: its Region is where it happened."""
    event = json.loads(delivery.payload)
    detail = event
    if "source" in event:
        kept = {name: event[name] for name in ENVELOPE if name in event}
        detail = {**event["detail"], FORWARDED: kept}
    parameters = delivery.options.get("EventBridgeParameters", {})
    client("events").put_events(
        Entries=[
            {
                "Source": event.get("source", parameters.get("Source")),
                "DetailType": event.get("detail-type", parameters.get("DetailType")),
                "Detail": json.dumps(detail),
                "Resources": event.get("resources", []),
                "EventBusName": delivery.arn,
            }
        ]
    )


def _universal(client: Get, delivery: Delivery) -> None:
    """`arn:aws:scheduler:::aws-sdk:<service>:<action>`: the payload is the call's input."""
    service, action = delivery.arn.split(":aws-sdk:", 1)[1].split(":", 1)
    made = client({"sfn": "stepfunctions"}.get(service, service))
    method, parameters = to_boto_parameters(made.meta, action, json.loads(delivery.payload))
    getattr(made, method)(**parameters)


_CARRIERS: dict[str, Callable[[Get, Delivery], None]] = {
    "lambda": _lambda,
    "states": _states,
    "sns": _sns,
    "sqs": _sqs,
    "logs": _logs,
    "events": _bus,
    "scheduler": _universal,
}


def _carrier(arn: str) -> Callable[[Get, Delivery], None]:
    service = (arn.split(":") + [""] * 3)[2]
    carrier = _CARRIERS.get(service)
    if carrier is None or (service == "events" and ":event-bus/" not in arn):
        raise UnsupportedTargetError(
            f"{arn}: the local AWS delivers to {', '.join(sorted(_CARRIERS))} only"
        )
    return carrier


def _final(error: Exception) -> bool:
    """Whether another attempt cannot help: the target is missing or refuses this payload."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code")
        return status in _CLIENT_ERRORS and code not in _TRANSIENT
    return isinstance(error, ValueError | KeyError)


class Deliveries:
    """A small pool that delivers, and retries what failed after 1, 2, 4 ... 60 seconds."""

    def __init__(self, world: World, guard: Guard) -> None:
        self._world = world
        self._guard = guard
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="delivery")
        self._later: list[tuple[float, int, Delivery, int]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self.failed: deque[dict[str, Any]] = deque(maxlen=1000)

    def submit(self, delivery: Delivery) -> None:
        self._pool.submit(self._attempt, delivery, 1)

    def tick(self) -> None:
        """Start the retries that are due; called by the gateway's clock."""
        due: list[tuple[Delivery, int]] = []
        with self._lock:
            while self._later and self._later[0][0] <= time.time():
                _, _, delivery, attempt = heapq.heappop(self._later)
                due.append((delivery, attempt))
        for delivery, attempt in due:
            self._pool.submit(self._attempt, delivery, attempt)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _attempt(self, delivery: Delivery, attempt: int) -> None:
        outages = self._world.outages
        if outages.suspended(delivery.region, delivery.service):
            self._postpone(delivery, attempt, 1.0)  # a lost sender makes no attempts
            return
        try:
            carrier = _carrier(delivery.arn)
            place = delivery.arn.split(":")[3] or delivery.region
            credentials = self._credentials(delivery)

            def client(service: str) -> Any:  # noqa: ANN401
                return self._world.clients.get(
                    service, place, read_seconds=READ_SECONDS, credentials=credentials
                )

            carrier(client, delivery)
        except (ClientError, BotoCoreError, UnsupportedTargetError, ValueError, KeyError) as error:
            self._failed(delivery, attempt, error)
        except Exception as error:  # a worker must never die in silence
            log.exception("delivery from %s to %s", delivery.source, delivery.arn)
            self._failed(delivery, delivery.max_attempts, error)
        else:
            if delivery.done:
                delivery.done(None)

    def _credentials(self, delivery: Delivery) -> Credentials:
        """Of the target's role; without one, of the sending service itself.

        Raises:
            DeniedError: the service may not act as that role.
        """
        role, principal = delivery.options.get("RoleArn"), _PRINCIPALS.get(delivery.service)
        if role and principal:
            return self._guard.acting(role, principal, session=delivery.service)
        if principal:
            return self._guard.credentials(Caller(service=principal, source=delivery.source))
        return OPERATOR

    def _failed(self, delivery: Delivery, attempt: int, error: Exception) -> None:
        age = time.time() - delivery.created
        if not _final(error) and attempt < delivery.max_attempts and age < delivery.max_age:
            self._postpone(delivery, attempt + 1, min(_MAX_BACKOFF, 2.0 ** (attempt - 1)))
            return
        log.warning("%s -> %s given up: %s", delivery.source, delivery.arn, error)
        self.failed.append(
            {
                "time": time.time(),
                "source": delivery.source,
                "target": delivery.arn,
                "attempts": attempt,
                "error": str(error),
            }
        )
        if delivery.dead_letter:
            self.submit(
                Delivery(
                    source=delivery.source,
                    region=delivery.region,
                    service=delivery.service,
                    arn=delivery.dead_letter,
                    payload=delivery.payload,
                )
            )
        if delivery.done:
            delivery.done(error)

    def _postpone(self, delivery: Delivery, attempt: int, seconds: float) -> None:
        with self._lock:
            heapq.heappush(
                self._later, (time.time() + seconds, next(self._order), delivery, attempt)
            )
