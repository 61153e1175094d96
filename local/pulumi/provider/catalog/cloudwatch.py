"""CloudWatch alarms, dashboards and log groups."""

from typing import Any

from local.pulumi.provider.model import Naming, Part, Resource, Scope, Tagging
from local.pulumi.provider.regular import Creates, Deletes, Reads, properties, put
from local.pulumi.provider.wire import Values

ALARM = (
    "actionsEnabled",
    "alarmActions",
    "alarmDescription",
    "comparisonOperator",
    "datapointsToAlarm",
    "dimensions",
    "evaluateLowSampleCountPercentiles",
    "evaluationPeriods",
    "extendedStatistic",
    "insufficientDataActions",
    "metricName",
    "metricQueries",
    "namespace",
    "okActions",
    "period",
    "statistic",
    "threshold",
    "thresholdMetricId",
    "treatMissingData",
    "unit",
)
ALARM_NAMES = {
    "name": "AlarmName",
    "arn": "AlarmArn",
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
}
DASHBOARD_NAMES = {"dashboardArn": "DashboardArn"}
LOG_GROUP_NAMES = {"name": "logGroupName"}
WITHIN_METRIC = ("namespace", "metricName", "dimensions")
WITHIN_STATISTIC = ("period", "stat", "unit")


def _metrics(_: Scope, values: Values) -> dict[str, Any]:
    """`metricQueries`: a metric with its period is one object to Pulumi and two to AWS."""
    if not values.get("metricQueries"):
        return {}
    return {"Metrics": [_metric_query(query) for query in values["metricQueries"]]}


def _metric_query(query: Values) -> dict[str, Any]:
    result: dict[str, Any] = {"Id": query["id"], "ReturnData": query.get("returnData", False)}
    for name, member in (("expression", "Expression"), ("label", "Label"), ("period", "Period")):
        if query.get(name):
            result[member] = query[name]
    if query.get("accountId"):
        result["AccountId"] = query["accountId"]
    metric = query.get("metric")
    if metric:
        inner: dict[str, Any] = {"MetricName": metric["metricName"]}
        if metric.get("namespace"):
            inner["Namespace"] = metric["namespace"]
        inner["Dimensions"] = [
            {"Name": name, "Value": value} for name, value in metric.get("dimensions", {}).items()
        ]
        statistic = {"Metric": inner, "Period": int(metric["period"]), "Stat": metric["stat"]}
        if metric.get("unit"):
            statistic["Unit"] = metric["unit"]
        result["MetricStat"] = statistic
    return result


def _read_metrics(_: Scope, __: Values, alarm: Values) -> Values:
    queries = []
    for entry in alarm.get("Metrics", []):
        query = {
            name: entry[member]
            for name, member in (
                ("id", "Id"),
                ("accountId", "AccountId"),
                ("expression", "Expression"),
                ("label", "Label"),
                ("period", "Period"),
                ("returnData", "ReturnData"),
            )
            if entry.get(member)
        }
        statistic = entry.get("MetricStat")
        if statistic:
            flat = {**statistic["Metric"], **{k: v for k, v in statistic.items() if k != "Metric"}}
            query["metric"] = _metric(flat)
        queries.append(query)
    return {"metricQueries": queries} if queries else {}


def _metric(flat: Values) -> Values:
    found: Values = {}
    for name in (*WITHIN_METRIC, *WITHIN_STATISTIC):
        value = flat.get(name[0].upper() + name[1:])
        if name == "dimensions":
            value = {item["Name"]: item["Value"] for item in value or []}
        if value:
            found[name] = value
    return found


def _read_log_group(scope: Scope) -> Values | None:
    pages = scope.client("logs").get_paginator("describe_log_groups")
    for page in pages.paginate(logGroupNamePrefix=scope.id):
        for group in page["logGroups"]:
            if group["logGroupName"] == scope.id:
                values = properties(scope, group, LOG_GROUP_NAMES)
                # The trailing `:*` of older answers is no part of the ARN that others take.
                return {**values, "arn": group["arn"].removesuffix(":*")}
    return None


def _write_retention(scope: Scope, values: Values) -> None:
    days = int(values.get("retentionInDays") or 0)
    if days:
        scope.call("PutRetentionPolicy", logGroupName=scope.id, retentionInDays=days)
    elif scope.state.get("arn"):
        scope.call("DeleteRetentionPolicy", logGroupName=scope.id)


def _write_key(scope: Scope, values: Values) -> None:
    key = values.get("kmsKeyId")
    if key:
        scope.call("AssociateKmsKey", logGroupName=scope.id, kmsKeyId=key)
    else:
        scope.call("DisassociateKmsKey", logGroupName=scope.id)


def _delete_log_group(scope: Scope) -> None:
    if not scope.state.get("skipDestroy"):
        scope.call("DeleteLogGroup", logGroupName=scope.id)


RESOURCES = (
    put(
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "cloudwatch",
        "PutMetricAlarm",
        identity="{name}",
        key=("name",),
        body=ALARM,
        keys={"AlarmName": "{name}"},
        read=Reads(
            "DescribeAlarms",
            {"AlarmNames": ["{id}"]},
            "MetricAlarms",
            names=ALARM_NAMES,
            after=_read_metrics,
        ),
        delete=Deletes("DeleteAlarms", {"AlarmNames": ["{id}"]}),
        names=ALARM_NAMES,
        adapt=_metrics,
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        chosen=("evaluateLowSampleCountPercentiles",),
        naming=Naming(limit=255),
        tagging=Tagging("ResourceARN"),
    ),
    put(
        "aws:cloudwatch/dashboard:Dashboard",
        "cloudwatch",
        "PutDashboard",
        identity="{dashboardName}",
        key=("dashboardName",),
        body=("dashboardBody",),
        read=Reads("GetDashboard", {"DashboardName": "{id}"}, names=DASHBOARD_NAMES),
        delete=Deletes("DeleteDashboards", {"DashboardNames": ["{id}"]}),
        json=("dashboardBody",),
    ),
    Resource(
        type="aws:cloudwatch/logGroup:LogGroup",
        service="logs",
        create=Creates("CreateLogGroup", "{name}", names=LOG_GROUP_NAMES),
        read=_read_log_group,
        delete=_delete_log_group,
        fixed=("logGroupClass", "name", "namePrefix"),
        parts=(
            Part(("kmsKeyId",), _write_key, created=True),
            Part(("retentionInDays",), _write_retention),
        ),
        local=("skipDestroy",),
        defaults={"retentionInDays": 0, "skipDestroy": False},
        chosen=("logGroupClass",),
        naming=Naming(limit=512),
        identity=("name",),
        tagging=Tagging("resourceArn", answer="tags"),
    ),
)
