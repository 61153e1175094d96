"""What an alarm must be like to count: about the right metric, in the right Region, heard."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mwaa_dr_policy.graph import Resource, Stack, arn_region
from mwaa_dr_policy.kinds import ALARM, COMPOSITE_ALARM
from mwaa_dr_policy.values import UndecidedError, Unknown, any_of, items, peek, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The alarm that a rule asks for.

    Args:
        region: where the metric is; an alarm reads only its own Region.
        is_about: whether an alarm's dimensions mean the right thing.
        falls: whether it must fire when the metric falls (a heartbeat), else when it rises.
        breaches_without_data: whether silence must fire it.
        within_seconds: how soon it must fire; None for any time.
        up_to: highest threshold; None for any.
    """

    namespace: str
    metric: str
    region: str
    is_about: Callable[[Resource, Any], bool] = lambda *_: True
    falls: bool
    breaches_without_data: bool = True
    within_seconds: float | None = None
    up_to: float | None = None


def faults(watch: Watch, stack: Stack) -> Iterator[str]:
    """What is wrong with the alarms for `watch`; nothing if one of them is right."""
    wanted = f"{watch.namespace} {watch.metric} in {watch.region}"
    found: list[str] = []
    undecided: UndecidedError | None = None
    for alarm in stack.of(ALARM):
        try:
            if not _watches(alarm, watch):
                continue
            wrong = [*_wrong(alarm, watch), *_silent(alarm, stack)]
        except UndecidedError as error:
            undecided = undecided or error
            continue
        if not wrong:
            return
        found.append(f"alarm {alarm.name} {', '.join(wrong)}")
    if undecided is not None:
        raise undecided
    yield "; ".join(found) or f"no alarm watches {wanted}"


def _watches(alarm: Resource, watch: Watch) -> bool:
    queries = [peek(query, "metric") for query in items(alarm.props, "metricQueries")]
    return any_of(
        [alarm.props, *(query for query in queries if query is not None)],
        lambda metric: (
            read(metric, "metricName") == watch.metric
            and read(metric, "namespace") == watch.namespace
            and watch.is_about(alarm, peek(metric, "dimensions"))
        ),
    )


def _wrong(alarm: Resource, watch: Watch) -> Iterator[str]:
    if alarm.region != watch.region:
        yield f"is in {alarm.region}, where the metrics of {watch.region} cannot be read"
    if watch.breaches_without_data and alarm.get("treatMissingData") != "breaching":
        yield "does not treat missing data as breaching"
    if not items(alarm.props, "metricQueries"):
        yield from _wrong_comparison(alarm, watch)


def _wrong_comparison(alarm: Resource, watch: Watch) -> Iterator[str]:
    expected = "Less" if watch.falls else "Greater"
    if not str(alarm.get("comparisonOperator")).startswith(expected):
        yield f"does not compare with {expected}Than"
    threshold = alarm.get("threshold")
    if watch.falls and threshold is not None and threshold <= 0:
        yield f"can never fire: nothing is less than {threshold:g}"
    if watch.up_to is not None and threshold is not None and threshold > watch.up_to:
        yield f"fires above {threshold:g}; at most {watch.up_to:g} is allowed"
    if watch.within_seconds is not None:
        needed = (alarm.get("period") or 0) * (alarm.get("evaluationPeriods") or 1)
        if needed > watch.within_seconds:
            yield f"needs {needed:g} seconds; {watch.within_seconds:g} are allowed"


def _silent(alarm: Resource, stack: Stack) -> Iterator[str]:
    """Nothing if it, or a composite alarm over it, has an action that can be carried out."""
    if any_of([alarm, *stack.of(COMPOSITE_ALARM)], lambda place: _acts_for(place, alarm)):
        return
    yield "has no action in its own Region that is enabled"


def _acts_for(place: Resource, alarm: Resource) -> bool:
    actions = items(place.props, "alarmActions")
    if place.get("actionsEnabled") is False or place.region != alarm.region:
        return False
    if place is not alarm and f'"{alarm.physical_name}"' not in (place.get("alarmRule") or ""):
        return False
    # An unknown action is there all the same: only its address is not known.
    return any(
        isinstance(action, Unknown) or arn_region(action) in ("", place.region)
        for action in actions
    )
