"""CloudWatch alarms: they begin without data, keep their state on update, act, and remember.

Composite alarms are refused with a clear error; moto answers 500.
"""

import json
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import ResourceNotFound, ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from local.gateway.alarm_logic import COMPARISONS, TREATMENTS
from local.gateway.alarms import Alarms
from local.gateway.moto_patches.cloudwatch_metrics import timestamp
from local.gateway.patching import add, put, replace


def apply(alarms: Alarms) -> None:
    def stateful(original: Any) -> Any:  # noqa: ANN401
        def put_metric_alarm(self: Any, **arguments: Any) -> Any:  # noqa: ANN401
            _refuse_unknown(arguments)
            former = self.alarms.get(arguments["name"])
            alarm = original(self, **arguments)
            if former is None:
                alarm.state_value = "INSUFFICIENT_DATA"
                summary = f'Alarm "{alarm.name}" created'
            else:
                for name in ("value", "reason", "reason_data", "updated_timestamp"):
                    setattr(alarm, f"state_{name}", getattr(former, f"state_{name}"))
                summary = f'Alarm "{alarm.name}" updated'
            alarms.history.add(alarm, "ConfigurationUpdate", summary, {})
            return alarm

        return put_metric_alarm

    def set_alarm_state(
        self: Any,  # noqa: ANN401
        alarm_name: str,
        reason: str,
        reason_data: str | None,
        state_value: str,
    ) -> None:
        alarm = self.alarms.get(alarm_name)
        if alarm is None:
            raise ResourceNotFound("Unknown")
        alarms.change(alarm, state_value, reason, json.loads(reason_data or "{}"))

    def describe_alarm_history(self: Any) -> ActionResult:  # noqa: ANN401
        return ActionResult({"AlarmHistoryItems": _history(self, alarms)})

    def put_composite_alarm(self: Any) -> ActionResult:  # noqa: ANN401, ARG001
        raise ValidationError("composite alarms are not supported by the local AWS")

    replace(CloudWatchBackend, "put_metric_alarm", stateful)
    put(CloudWatchBackend, "set_alarm_state", set_alarm_state)
    add(CloudWatchResponse, "describe_alarm_history", describe_alarm_history)
    add(CloudWatchResponse, "put_composite_alarm", put_composite_alarm)


def _refuse_unknown(arguments: dict[str, Any]) -> None:
    for key, known in (
        ("comparison_operator", tuple(COMPARISONS)),
        ("treat_missing_data", (*TREATMENTS, None)),
    ):
        if arguments.get(key) not in known:
            raise ValidationError(
                f"{key}: {arguments.get(key)!r} is not supported by the local AWS; "
                f"use one of {', '.join(k for k in known if k)}"
            )


def _history(response: Any, alarms: Alarms) -> list[dict[str, Any]]:  # noqa: ANN401
    name, kind = response._get_param("AlarmName"), response._get_param("HistoryItemType")
    start, end = response._get_param("StartDate"), response._get_param("EndDate")
    chosen = [
        item
        for item in alarms.history.items
        if item.region == response.region
        and name in (None, item.alarm)
        and kind in (None, item.kind)
        and (start is None or item.time >= timestamp(start))
        and (end is None or item.time <= timestamp(end))
    ]
    if response._get_param("ScanBy") != "TimestampAscending":
        chosen.reverse()
    limit = int(response._get_param("MaxRecords") or 100)
    return [
        {
            "AlarmName": item.alarm,
            "AlarmType": "MetricAlarm",
            "Timestamp": datetime.fromtimestamp(item.time, UTC),
            "HistoryItemType": item.kind,
            "HistorySummary": item.summary,
            "HistoryData": item.data,
        }
        for item in chosen[:limit]
    ]
