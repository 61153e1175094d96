"""Evaluates CloudWatch alarms and carries out what their states ask for."""

import json
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from local.gateway.alarm_logic import Rule, decide
from local.gateway.deliveries import Deliveries, Delivery
from local.gateway.moto_patches import cloudwatch_metrics
from local.gateway.telemetry import Telemetry
from local.gateway.world import World

log = logging.getLogger(__name__)
ACTION_FIELDS = {
    "OK": "ok_actions",
    "ALARM": "alarm_actions",
    "INSUFFICIENT_DATA": "insufficient_data_actions",
}


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One entry of DescribeAlarmHistory."""

    alarm: str
    region: str
    time: float
    kind: str
    summary: str
    data: str


@dataclass(slots=True)
class History:
    items: deque[HistoryItem] = field(default_factory=lambda: deque(maxlen=10_000))

    def add(self, alarm: Any, kind: str, summary: str, data: dict[str, Any]) -> None:  # noqa: ANN401
        self.items.append(
            HistoryItem(alarm.name, alarm.region_name, time.time(), kind, summary, json.dumps(data))
        )


class Alarms:
    """Looks at every alarm when the clock ticks; the newest whole period counts last."""

    def __init__(self, world: World, deliveries: Deliveries, telemetry: Telemetry) -> None:
        self._world = world
        self._deliveries = deliveries
        self._telemetry = telemetry
        self.history = History()

    def tick(self) -> None:
        now = time.time()
        for region, backend in list(cloudwatch_backends[self._world.account].items()):
            if self._world.outages.suspended(region, "monitoring"):
                continue
            for alarm in list(backend.alarms.values()):
                try:
                    self._evaluate(backend, alarm, now)
                except ValueError as error:
                    if alarm.state_reason != str(error):
                        log.warning("alarm %s in %s: %s", alarm.name, region, error)
                        self.change(alarm, "INSUFFICIENT_DATA", str(error), {})

    def change(self, alarm: Any, state: str, reason: str, data: dict[str, Any]) -> None:  # noqa: ANN401
        """Put an alarm into a state; if that is news, tell everybody who asked to be told."""
        old = alarm.state_value
        former = {"value": old, "reason": alarm.state_reason}
        moment = datetime.now(UTC)
        alarm.state_reason, alarm.state_reason_data = reason, json.dumps(data)
        alarm.state_value = state
        if old == state:
            return
        alarm.state_updated_timestamp = moment.replace(tzinfo=None)
        self.history.add(
            alarm,
            "StateUpdate",
            f"Alarm updated from {old} to {state}",
            {"version": "1.0", "oldState": former, "newState": {"value": state, "reason": reason}},
        )
        self._telemetry.event(
            alarm.region_name,
            "aws.cloudwatch",
            "CloudWatch Alarm State Change",
            {
                "alarmName": alarm.name,
                "state": {"value": state, "reason": reason, "timestamp": moment.isoformat()},
                "previousState": former,
                "configuration": {"description": alarm.description},
            },
            alarm.alarm_arn,
        )
        if alarm.actions_enabled:
            for action in getattr(alarm, ACTION_FIELDS[state]) or []:
                self._act(alarm, action, old, moment)

    def _evaluate(self, backend: Any, alarm: Any, now: float) -> None:  # noqa: ANN401
        period = _period(alarm)
        rule = Rule(
            comparison=alarm.comparison_operator,
            threshold=float(alarm.threshold),
            evaluation_periods=int(alarm.evaluation_periods),
            datapoints_to_alarm=int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
            missing=alarm.treat_missing_data or "missing",
        )
        end = now - now % period
        start = end - rule.range * period
        found = _points(backend, alarm, start, end, period)
        points = [found.get(start + number * period) for number in range(rule.range)]
        state = decide(rule, points, alarm.state_value)
        recent = points[-rule.evaluation_periods :]
        shown = ", ".join("no data" if point is None else f"{point:g}" for point in recent)
        reason = (
            f"Threshold Crossed: datapoints [{shown}] against {rule.comparison} {rule.threshold:g}"
            if state != "INSUFFICIENT_DATA"
            else f"Insufficient Data: {rule.evaluation_periods} datapoints were unknown."
        )
        if state != alarm.state_value:
            self.change(alarm, state, reason, {"recentDatapoints": recent, "period": period})

    def _act(self, alarm: Any, action: str, old: str, moment: datetime) -> None:  # noqa: ANN401
        message = {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": self._world.account,
            "AlarmArn": alarm.alarm_arn,
            "NewStateValue": alarm.state_value,
            "NewStateReason": alarm.state_reason,
            "OldStateValue": old,
            "StateChangeTime": moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Region": alarm.region_name,
            "Trigger": {
                "MetricName": alarm.metric_name,
                "Namespace": alarm.namespace,
                "Statistic": alarm.statistic,
                "Period": alarm.period,
                "EvaluationPeriods": alarm.evaluation_periods,
                "Threshold": alarm.threshold,
                "ComparisonOperator": alarm.comparison_operator,
                "TreatMissingData": alarm.treat_missing_data,
                "Dimensions": [{"name": d.name, "value": d.value} for d in alarm.dimensions],
            },
        }

        def done(error: Exception | None) -> None:
            result = "Failed" if error else "Successfully executed"
            self.history.add(
                alarm, "Action", f"{result} action {action}", {"error": str(error or "")}
            )

        if action.split(":")[3] != alarm.region_name:
            done(ValueError("CloudWatch notifies only in its own Region"))
            return
        self._deliveries.submit(
            Delivery(
                source=alarm.alarm_arn,
                region=alarm.region_name,
                service="monitoring",
                arn=action,
                payload=json.dumps(message),
                options={"Subject": f'{alarm.state_value}: "{alarm.name}" in {alarm.region_name}'},
                done=done,
            )
        )


def _period(alarm: Any) -> int:  # noqa: ANN401
    if alarm.period:
        return int(alarm.period)
    periods = [q.metric_stat.period for q in alarm.metric_data_queries if q.metric_stat]
    periods += [q.period for q in alarm.metric_data_queries if q.period]
    return int(periods[0]) if periods else 60


def _points(backend: Any, alarm: Any, start: float, end: float, period: int) -> dict[float, float]:  # noqa: ANN401
    if alarm.metric_name:
        metric = {
            "Namespace": alarm.namespace,
            "MetricName": alarm.metric_name,
            "Dimensions": [{"Name": d.name, "Value": d.value} for d in alarm.dimensions],
        }
        stat = alarm.statistic or alarm.extended_statistic
        wanted = {"Metric": metric, "Period": period, "Stat": stat, "Unit": alarm.unit}
        return cloudwatch_metrics.points_of(backend, wanted, start, end)
    queries = [_query(item, period) for item in alarm.metric_data_queries]
    returned = [q["Id"] for q in queries if q["ReturnData"] is not False]
    if len(returned) != 1:
        raise ValueError("an alarm on metric math needs exactly one query that returns data")
    return cloudwatch_metrics.query(backend, queries, start, end)[returned[0]]


def _query(item: Any, period: int) -> dict[str, Any]:  # noqa: ANN401
    query: dict[str, Any] = {"Id": item.id, "ReturnData": item.return_data}
    if item.metric_stat is None:
        return {**query, "Expression": item.expression, "Period": item.period or period}
    metric = item.metric_stat.metric
    return {
        **query,
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.metric_name,
                "Dimensions": [{"Name": d.name, "Value": d.value} for d in metric.dimensions],
            },
            "Period": item.metric_stat.period,
            "Stat": item.metric_stat.stat,
            "Unit": item.metric_stat.unit,
        },
    }
