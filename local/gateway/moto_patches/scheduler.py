"""Schedules and schedule rules with an expression that AWS refuses are refused."""

from typing import Any

from moto.events.exceptions import ValidationException as RuleValidationException
from moto.events.models import EventsBackend
from moto.scheduler.exceptions import ValidationException
from moto.scheduler.models import EventBridgeSchedulerBackend

from local.gateway.patching import replace
from local.gateway.schedule import parse


def apply() -> None:
    for name in ("create_schedule", "update_schedule"):
        replace(EventBridgeSchedulerBackend, name, _checked_schedule)
    replace(EventsBackend, "put_rule", _checked_rule)


def _checked_schedule(original: Any) -> Any:  # noqa: ANN401
    def method(self: Any, **arguments: Any) -> Any:  # noqa: ANN401
        zone = arguments.get("schedule_expression_timezone") or "UTC"
        try:
            parse(arguments["schedule_expression"], zone)
        except ValueError as error:
            raise ValidationException(message=f"Invalid Schedule Expression: {error}") from error
        return original(self, **arguments)

    return method


def _checked_rule(original: Any) -> Any:  # noqa: ANN401
    def put_rule(self: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        expression = named.get("scheduled_expression")
        if expression:
            try:
                parse(expression)
            except ValueError as error:
                raise RuleValidationException(
                    f"Parameter ScheduleExpression is not valid. {error}"
                ) from error
        return original(self, *arguments, **named)

    return put_rule
