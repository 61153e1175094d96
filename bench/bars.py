"""The bars: how each figure follows from what was measured, and what it must reach."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

Raw = Mapping[str, Sequence[float]]
"""Seconds or MiB of every repetition, by `operation/side/task instances`."""

FULL, SMALL, LARGE = 1_000_000, 10_000, 5_000_000
SIZES = (SMALL, 100_000, FULL, LARGE)


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure.

    Args:
        group: the scenarios that measure it.
        what: the comparison, in words.
        limit: what it must reach.
        at_least: whether more is better.
        inputs: the raw figures it needs.
        value: computes it from the medians of the inputs, in their order.
        unit: of the value; empty for a ratio.
    """

    name: str
    group: str
    what: str
    limit: float
    at_least: bool
    inputs: tuple[str, ...]
    value: Callable[..., float]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bar against what was measured.

    Args:
        value: None where something was not measured.
        reason: why there is no value.
    """

    what: str
    value: float | None
    bar: float
    at_least: bool
    unit: str
    met: bool | None
    reason: str = ""


def _ratio(one: float, other: float) -> float:
    return one / other


def _growth(*seconds: float) -> float:
    """The worse of several operations' growth per row; large and full times alternate."""
    rows = LARGE / FULL
    return max(large / full / rows for large, full in zip(seconds[::2], seconds[1::2], strict=True))


def _worst(*values: float) -> float:
    return max(values)


def _same(value: float) -> float:
    return value


def _at(side: str, size: int = FULL) -> str:
    return f"{side}/{size}"


_RSS = tuple(_at(f"rss/{operation}", size) for size in SIZES for operation in ("export", "import"))

BARS: tuple[Bar, ...] = (
    Bar(
        "export_speedup_vs_mwaa_dr",
        "export",
        "full export, the peer's time / ours",
        8,
        at_least=True,
        inputs=(_at("export/peer"), _at("export/ours")),
        value=_ratio,
    ),
    Bar(
        "export_time_vs_copy",
        "export",
        "full export, our time / plain parallel COPY to files",
        1.25,
        at_least=False,
        inputs=(_at("export/ours"), _at("export/copy")),
        value=_ratio,
    ),
    Bar(
        "live_import_speedup_vs_mwaa_dr",
        "live",
        "full import from inside a task beside a live scheduler, the peer's time / ours",
        1.5,
        at_least=True,
        inputs=(_at("live/peer"), _at("live/ours")),
        value=_ratio,
    ),
    Bar(
        "bulk_import_speedup_vs_mwaa_dr",
        "bulk",
        "the peer's restore / our offline bulk import",
        2.3,
        at_least=True,
        inputs=(_at("bulk/peer"), _at("bulk/ours")),
        value=_ratio,
    ),
    Bar(
        "bulk_import_time_vs_copy_rebuild",
        "bulk",
        "our offline bulk import / COPY plus index and key rebuild by hand",
        1.25,
        at_least=False,
        inputs=(_at("bulk/ours"), _at("bulk/copy")),
        value=_ratio,
    ),
    Bar(
        "resume_seconds_1m",
        "resume",
        "import start until every active DAG's next run is the source's, beside a live scheduler",
        3,
        at_least=False,
        inputs=(_at("resume/ours"),),
        value=_same,
        unit="s",
    ),
    Bar(
        "resume_ratio_1m_vs_10k",
        "resume",
        "the same, 1 M / 10 k task instances",
        1.5,
        at_least=False,
        inputs=(_at("resume/ours"), _at("resume/ours", SMALL)),
        value=_ratio,
    ),
    Bar(
        "incremental_export_vs_mwaa_dr_full",
        "incremental",
        "incremental after 600 updates, 200 inserts, 200 deletes / the peer's full export",
        1 / 50,
        at_least=False,
        inputs=(_at("incremental_export/ours"), _at("incremental_export/peer")),
        value=_ratio,
    ),
    Bar(
        "incremental_apply_seconds",
        "incremental",
        "applying that incremental to a standby",
        2,
        at_least=False,
        inputs=(_at("incremental_apply/ours"),),
        value=_same,
        unit="s",
    ),
    Bar(
        "peak_rss_mib",
        "sizes",
        "most resident memory of an export or import, every size",
        200,
        at_least=False,
        inputs=_RSS,
        value=_worst,
        unit="MiB",
    ),
    Bar(
        "row_time_5m_vs_1m",
        "sizes",
        "time per row at 5 M / at 1 M task instances, the worse of export and bulk import",
        1.2,
        at_least=False,
        inputs=(
            *(_at("sizes_export/ours", LARGE), _at("sizes_export/ours")),
            *(_at("sizes_bulk/ours", LARGE), _at("sizes_bulk/ours")),
        ),
        value=_growth,
    ),
)

GROUPS = tuple(dict.fromkeys(bar.group for bar in BARS))


def judge(raw: Raw, missing: Mapping[str, str]) -> dict[str, Verdict]:
    """Every bar against what was measured.

    Args:
        missing: why an input was not measured.
    """
    return {bar.name: _judge(bar, raw, missing) for bar in BARS}


def _judge(bar: Bar, raw: Raw, missing: Mapping[str, str]) -> Verdict:
    absent = [name for name in bar.inputs if not raw.get(name)]
    if absent:
        reasons = dict.fromkeys(missing.get(name, f"{name} was not measured") for name in absent)
        return Verdict(bar.what, None, bar.limit, bar.at_least, bar.unit, None, "; ".join(reasons))
    # Memory is a promise about every run, times are about a typical one.
    middle = max if bar.unit == "MiB" else median
    value = bar.value(*(middle(raw[name]) for name in bar.inputs))
    met = value >= bar.limit if bar.at_least else value <= bar.limit
    return Verdict(bar.what, round(value, 4), bar.limit, bar.at_least, bar.unit, met)


def as_results(
    raw: Raw, missing: Mapping[str, str], facts: Mapping[str, object]
) -> dict[str, object]:
    """What `results.json` holds: the figures by name, and beside them all they come from."""
    verdicts = judge(raw, missing)
    return {
        "metadata": {name: verdict.value for name, verdict in verdicts.items()},
        "metadata_bars": {name: asdict(verdict) for name, verdict in verdicts.items()},
        "metadata_raw": {name: list(values) for name, values in sorted(raw.items())},
        "metadata_missing": dict(sorted(missing.items())),
        "metadata_facts": dict(facts),
    }


def groups_of(names: Sequence[str]) -> list[str]:
    """The scenarios that measure the named figures or groups, in their order.

    Raises:
        ValueError: no figure and no group has such a name.
    """
    by_name = {bar.name: bar.group for bar in BARS} | {group: group for group in GROUPS}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; use any of {', '.join(by_name)}")
    wanted = {by_name[name] for name in names}
    return [group for group in GROUPS if group in wanted]
