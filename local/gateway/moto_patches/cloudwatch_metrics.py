"""CloudWatch metrics: exact series, clock-aligned periods, percentiles and metric math.

moto mixes series when a query has no dimensions, aligns periods to the query, answers 500 to
percentiles and nothing to metric math. What is not understood here is refused, never left empty.
"""

import math
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from local.gateway import metric_math
from local.gateway.metric_store import MetricStore, Sample, Series, dimensions_of, statistic
from local.gateway.patching import put, replace

_stores: dict[tuple[str, str], MetricStore] = {}


def store_of(backend: Any) -> MetricStore:  # noqa: ANN401
    """The samples of one Region's CloudWatch."""
    return _stores.setdefault((backend.account_id, backend.region_name), MetricStore())


def apply() -> None:
    put(CloudWatchBackend, "put_metric_data", _put_metric_data)
    put(CloudWatchBackend, "get_metric_data", _get_metric_data)
    put(CloudWatchBackend, "list_metrics", _list_metrics)
    put(CloudWatchResponse, "get_metric_statistics", _get_metric_statistics)
    replace(CloudWatchResponse, "get_metric_data", _no_insights)


def timestamp(moment: datetime) -> float:
    """moto's times are UTC without saying so."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _put_metric_data(self: Any, namespace: str, metric_data: list[dict[str, Any]]) -> None:  # noqa: ANN401
    for number, datum in enumerate(metric_data, 1):
        self._validate_parameters_put_metric_data(datum, number)
    now = datetime.now(UTC)
    for datum in metric_data:
        series = Series(namespace, datum["MetricName"], dimensions_of(datum.get("Dimensions")))
        store_of(self).add(series, _sample(datum, datum.get("Timestamp") or now))


def _sample(datum: dict[str, Any], moment: datetime) -> Sample:
    time, unit = timestamp(moment), datum.get("Unit") or "None"
    statistics = datum.get("StatisticValues")
    if statistics:
        return Sample(
            time,
            float(statistics["SampleCount"]),
            float(statistics["Sum"]),
            float(statistics["Minimum"]),
            float(statistics["Maximum"]),
            unit,
        )
    values = [float(value) for value in datum.get("Values") or [datum.get("Value", 0.0)]]
    counts = [float(count) for count in datum.get("Counts") or [1.0] * len(values)]
    pairs = tuple(zip(values, counts, strict=True))
    return Sample(
        time,
        sum(counts),
        sum(value * count for value, count in pairs),
        min(values),
        max(values),
        unit,
        pairs,
    )


def points_of(
    backend: Any,  # noqa: ANN401
    metric_stat: dict[str, Any],
    start: float,
    end: float,
) -> metric_math.Points:
    """The points of one MetricStat query, by period start."""
    metric = metric_stat["Metric"]
    series = Series(
        metric["Namespace"], metric["MetricName"], dimensions_of(metric.get("Dimensions"))
    )
    periods = store_of(backend).periods(
        series, start, end, int(metric_stat["Period"]), metric_stat.get("Unit")
    )
    return {time: statistic(samples, metric_stat["Stat"]) for time, samples in periods.items()}


def query(
    backend: Any,  # noqa: ANN401
    queries: list[dict[str, Any]],
    start: float,
    end: float,
) -> dict[str, metric_math.Points]:
    """All queries' points by id; expressions may use each other in any order.

    Raises:
        ValueError: an expression or statistic that is not understood, or an unknown id.
    """
    results: dict[str, metric_math.Points] = {}
    by_id = {item["Id"]: item for item in queries}
    default = [int(q["MetricStat"]["Period"]) for q in queries if q.get("MetricStat")]

    def resolve(key: str, above: tuple[str, ...]) -> metric_math.Points:
        if key in above or key not in by_id:
            raise ValueError(f"expression {above[-1]!r} uses {key!r}, which cannot be resolved")
        if key not in results:
            item = by_id[key]
            if item.get("MetricStat"):
                results[key] = points_of(backend, item["MetricStat"], start, end)
            else:
                period = int(item.get("Period") or (default[0] if default else 60))
                first = start - start % period
                periods = [first + n * period for n in range(math.ceil((end - first) / period))]
                text = item["Expression"]
                inputs = {n: resolve(n, (*above, key)) for n in metric_math.names(text)}
                results[key] = metric_math.evaluate(text, inputs, periods)
        return results[key]

    for key in by_id:
        resolve(key, ("",))
    return results


def _get_metric_data(
    self: Any,  # noqa: ANN401
    queries: list[dict[str, Any]],
    start_time: datetime,
    end_time: datetime,
    scan_by: str = "TimestampDescending",
) -> list[dict[str, Any]]:
    start, end = timestamp(start_time), timestamp(end_time)
    if start >= end:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    try:
        results = query(self, queries, start, end)
    except ValueError as error:
        raise ValidationError(f"not supported by the local AWS: {error}") from error
    answer = []
    for item in queries:
        if item.get("ReturnData") is False:
            continue
        points = sorted(results[item["Id"]].items(), reverse=scan_by == "TimestampDescending")
        stat = item.get("MetricStat")
        label = stat["Metric"]["MetricName"] if stat else item["Id"]
        answer.append(
            {
                "id": item["Id"],
                "label": item.get("Label") or label,
                "timestamps": [datetime.fromtimestamp(time, UTC) for time, _ in points],
                "values": [value for _, value in points],
                "status_code": "Complete",
            }
        )
    return answer


def _no_insights(original: Any) -> Any:  # noqa: ANN401
    def get_metric_data(self: Any) -> ActionResult:  # noqa: ANN401
        for item in self._get_params().get("MetricDataQueries", []):
            text = item.get("Expression") or ""
            if text.lstrip().upper().startswith(("SELECT", "SEARCH")):
                raise ValidationError(f"not supported by the local AWS: {text}")
        return original(self)

    return get_metric_data


def _get_metric_statistics(self: Any) -> ActionResult:  # noqa: ANN401
    start, end = timestamp(self._get_param("StartTime")), timestamp(self._get_param("EndTime"))
    if start >= end:
        raise InvalidParameterValue("The parameter StartTime must be less than EndTime.")
    series = Series(
        self._get_param("Namespace"),
        self._get_param("MetricName"),
        dimensions_of(self._get_param("Dimensions", [])),
    )
    plain = self._get_param("Statistics", []) or []
    extended = self._get_param("ExtendedStatistics", []) or []
    unit = self._get_param("Unit")
    grouped = store_of(self.cloudwatch_backend).periods(
        series, start, end, int(self._get_param("Period")), unit
    )
    datapoints = []
    for time, samples in sorted(grouped.items()):
        point: dict[str, Any] = {
            "Timestamp": datetime.fromtimestamp(time, UTC),
            "Unit": samples[-1].unit,
            **{name: statistic(samples, name) for name in plain},
        }
        if extended:
            point["ExtendedStatistics"] = {name: statistic(samples, name) for name in extended}
        datapoints.append(point)
    return ActionResult({"Label": series.name, "Datapoints": datapoints})


def _list_metrics(
    self: Any,  # noqa: ANN401
    next_token: str | None,
    namespace: str | None,
    metric_name: str | None,
    dimensions: list[dict[str, str]] | None,
) -> tuple[str | None, list[dict[str, Any]]]:
    start = int(next_token or 0)
    page = 500
    found = store_of(self).series(namespace, metric_name, dimensions or [])
    token = str(start + page) if start + page < len(found) else None
    return token, [
        {
            "Namespace": series.namespace,
            "MetricName": series.name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in series.dimensions],
        }
        for series in found[start : start + page]
    ]
