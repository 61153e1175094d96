"""EventBridge rules deliver to every target that is used here, not only to queues.

- targets are served by the gateway's deliveries, with Input, InputPath and InputTransformer;
- a rule with a schedule alone matches no event, and a disabled rule nothing;
- what was handed over and what was given up is counted per rule, as `AWS/Events` metrics;
- an event that a rule forwards keeps its id, time, account and Region;
- an event's time is ISO 8601 text, and targets do not see moto's own fields.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jsonpath_ng.ext.parser import parse as parse_path
from moto.events.models import Rule, events_backends

from local.gateway.deliveries import FORWARDED, Deliveries, Delivery
from local.gateway.patching import put
from local.gateway.telemetry import Telemetry
from local.gateway.world import World

_PLACEHOLDER = re.compile(r'("?)<([A-Za-z0-9_.-]+)>("?)')


def apply(world: World, deliveries: Deliveries, telemetry: Telemetry) -> None:
    def send_to_targets(
        self: Any,  # noqa: ANN401
        original_event: dict[str, Any],
        transform_input: bool = True,  # noqa: ARG001 -- moto's signature
        *,
        scheduled: bool = False,
    ) -> None:
        if self.state == "DISABLED":
            return
        original_event = as_sent(original_event)
        if not scheduled and not (
            self.event_pattern.dump() and self.event_pattern.matches_event(original_event)
        ):
            return
        event = public_form(original_event)
        for target in list(self.targets):
            if ":events:" in target["Arn"] and ":event-bus/" not in target["Arn"]:
                archive(target, original_event, self)
                continue
            policy = target.get("RetryPolicy", {})
            deliveries.submit(
                Delivery(
                    source=self.arn,
                    region=self.region_name,
                    service="events",
                    arn=target["Arn"],
                    payload=payload_for(target, event, self.arn),
                    options=target,
                    max_attempts=1 + int(policy.get("MaximumRetryAttempts", 185)),
                    max_age=float(policy.get("MaximumEventAgeInSeconds", 86_400)),
                    dead_letter=target.get("DeadLetterConfig", {}).get("Arn"),
                    done=counted(self),
                )
            )

    def counted(rule: Any) -> Callable[[Exception | None], None]:  # noqa: ANN401
        region, dimensions = rule.region_name, {"RuleName": rule.name}

        def done(error: Exception | None) -> None:
            name = "FailedInvocations" if error else "Invocations"
            telemetry.metric(region, "AWS/Events", {name: 1}, dimensions)

        return done

    def archive(target: dict[str, Any], event: Any, rule: Any) -> None:  # noqa: ANN401
        transformer = target.get("InputTransformer", {})
        arn = json.loads(transformer.get("InputTemplate", "{}")).get("archive-arn", "")
        name, _, key = arn.rsplit("/", 1)[-1].partition(":")
        kept = events_backends[world.account][rule.region_name].archives.get(name)
        if kept is not None and kept.uuid == key:
            kept.events.append(event)

    put(Rule, "send_to_targets", send_to_targets)


def as_sent(event: dict[str, Any]) -> dict[str, Any]:
    """A forwarded event as it was on the first bus."""
    detail = event.get("detail")
    if not isinstance(detail, dict) or FORWARDED not in detail:
        return event
    rest = {key: value for key, value in detail.items() if key != FORWARDED}
    return {**event, **detail[FORWARDED], "detail": rest}


def public_form(event: dict[str, Any]) -> dict[str, Any]:
    """The event as targets see it."""
    shown = {key: value for key, value in event.items() if key != "ingestion-time"}
    time = shown.get("time")
    if isinstance(time, int | float):
        shown["time"] = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return shown


def payload_for(target: dict[str, Any], event: dict[str, Any], rule_arn: str) -> str:
    """What a target receives: all of the event, a part of it, a constant or a template."""
    if target.get("Input"):
        return target["Input"]
    if target.get("InputPath"):
        found = parse_path(target["InputPath"]).find(event)
        return json.dumps(found[0].value if found else None)
    transformer = target.get("InputTransformer")
    if transformer:
        return _transformed(transformer, event, rule_arn)
    return json.dumps(event)


def _transformed(transformer: dict[str, Any], event: dict[str, Any], rule_arn: str) -> str:
    values: dict[str, Any] = {
        "aws.events.event": event,
        "aws.events.event.json": event,
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rsplit("/", 1)[-1],
        "aws.events.event.ingestion-time": event.get("time"),
    }
    for name, path in transformer.get("InputPathsMap", {}).items():
        found = parse_path(path).find(event)
        values[name] = found[0].value if found else None
    template = transformer["InputTemplate"]
    whole_text = template.lstrip().startswith('"')

    def insert(match: re.Match[str]) -> str:
        before, name, after = match.groups()
        if name not in values:
            return match[0]
        value = values[name]
        inside_text = whole_text or bool(before) != bool(after)
        if isinstance(value, str):
            text = json.dumps(value)[1:-1]
            return f"{before}{text}{after}" if before or after or inside_text else f'"{text}"'
        text = json.dumps(value)
        return f"{before}{json.dumps(text)[1:-1]}{after}" if before or inside_text else text

    return _PLACEHOLDER.sub(insert, template)
