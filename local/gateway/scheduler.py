"""Lets time pass for EventBridge Scheduler and for rules with a schedule."""

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.events.models import events_backends
from moto.scheduler.models import scheduler_backends

from local.gateway.deliveries import Deliveries, Delivery
from local.gateway.schedule import Expression, first_due, next_due, parse
from local.gateway.telemetry import Telemetry
from local.gateway.world import World

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Clockwork:
    """When one schedule fires next; None once it never does again."""

    text: tuple[Any, ...]
    expression: Expression
    due: float | None


class Scheduler:
    """Looks twice a second which schedules are due."""

    def __init__(self, world: World, deliveries: Deliveries, telemetry: Telemetry) -> None:
        self._world = world
        self._deliveries = deliveries
        self._telemetry = telemetry
        self._clocks: dict[str, _Clockwork] = {}

    def tick(self) -> None:
        now = time.time()
        seen = set()
        for region, backend in list(scheduler_backends[self._world.account].items()):
            for group in list(backend.schedule_groups.values()):
                for schedule in _schedules(group):
                    seen.add(schedule.arn)
                    text = (schedule.schedule_expression, schedule.schedule_expression_timezone)
                    if self._is_due(schedule.arn, text, schedule.state, now):
                        self._fire_schedule(region, group, schedule, now)
        for region, backend in list(events_backends[self._world.account].items()):
            for bus in list(backend.event_buses.values()):
                for rule in list(bus.rules.values()):
                    if rule.scheduled_expression:
                        seen.add(rule.arn)
                        text = (rule.scheduled_expression, "UTC")
                        if self._is_due(rule.arn, text, rule.state, now):
                            self._fire_rule(region, rule)
        for arn in self._clocks.keys() - seen:
            del self._clocks[arn]

    def _is_due(self, arn: str, text: tuple[str, str], state: str, now: float) -> bool:
        clock = self._clocks.get(arn)
        key = (*text, state)
        if clock is None or clock.text != key:
            try:
                expression = parse(*text)
            except ValueError:
                log.exception("schedule %s is never run", arn)
                return False
            clock = self._clocks[arn] = _Clockwork(key, expression, first_due(expression, now))
        if state != "ENABLED" or clock.due is None or clock.due > now:
            return False
        clock.due = next_due(clock.expression, clock.due, now)
        return True

    def _fire_schedule(self, region: str, group: Any, schedule: Any, now: float) -> None:  # noqa: ANN401
        if self._world.outages.suspended(region, "scheduler"):
            return
        start, end = _moment(schedule.start_date), _moment(schedule.end_date)
        if (start and now < start) or (end and now > end):
            return
        target = schedule.target
        clock = self._clocks[schedule.arn]
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        payload = target.get("Input") or "{}"
        for keyword, value in (
            ("scheduled-time", stamp),
            ("schedule-arn", schedule.arn),
            ("execution-id", str(uuid.uuid4())),
            ("attempt-number", "1"),
        ):
            payload = payload.replace(f"<aws.scheduler.{keyword}>", value)
        policy = target.get("RetryPolicy", {})
        dimensions = {"ScheduleGroup": group.name}

        def done(error: Exception | None) -> None:
            name = "TargetErrorCount" if error else "InvocationAttemptCount"
            self._telemetry.metric(region, "AWS/Scheduler", {name: 1}, dimensions)

        self._deliveries.submit(
            Delivery(
                source=schedule.arn,
                region=region,
                service="scheduler",
                arn=target["Arn"],
                payload=payload,
                options=target,
                max_attempts=1 + int(policy.get("MaximumRetryAttempts", 185)),
                max_age=float(policy.get("MaximumEventAgeInSeconds", 86_400)),
                dead_letter=target.get("DeadLetterConfig", {}).get("Arn"),
                done=done,
            )
        )
        if clock.due is None and schedule.action_after_completion == "DELETE":
            group.schedules.pop(schedule.name, None)

    def _fire_rule(self, region: str, rule: Any) -> None:  # noqa: ANN401
        if not self._world.outages.suspended(region, "events"):
            rule.send_to_targets(
                {
                    "version": "0",
                    "id": str(uuid.uuid4()),
                    "detail-type": "Scheduled Event",
                    "source": "aws.events",
                    "account": self._world.account,
                    "time": time.time(),
                    "region": region,
                    "resources": [rule.arn],
                    "detail": {},
                    "ingestion-time": time.time(),
                },
                scheduled=True,
            )


def _schedules(group: Any) -> list[Any]:  # noqa: ANN401
    return list(group.schedules.values())


def _moment(value: Any) -> float | None:  # noqa: ANN401 -- moto keeps numbers or ISO 8601 text
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return datetime.fromisoformat(str(value)).timestamp()
