"""The benchmark's figures: names, directions, and that nothing is made up for what is missing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import bars, changes
from bench.bars import BARS, FULL, LARGE, SMALL

NAMES = {
    "export_speedup_vs_mwaa_dr": (8, True),
    "export_time_vs_copy": (1.25, False),
    "live_import_speedup_vs_mwaa_dr": (1.5, True),
    "bulk_import_speedup_vs_mwaa_dr": (2.3, True),
    "bulk_import_time_vs_copy_rebuild": (1.25, False),
    "resume_seconds_1m": (3, False),
    "resume_ratio_1m_vs_10k": (1.5, False),
    "incremental_export_vs_mwaa_dr_full": (1 / 50, False),
    "incremental_apply_seconds": (2, False),
    "peak_rss_mib": (200, False),
    "row_time_5m_vs_1m": (1.2, False),
}


def raw(**changed: list[float]) -> dict[str, list[float]]:
    every = {name: [10.0] for bar in BARS for name in bar.inputs}
    return every | {name.replace("__", "/"): values for name, values in changed.items()}


def test_figures_and_bars_are_the_agreed_ones():
    assert {bar.name: (bar.limit, bar.at_least) for bar in BARS} == NAMES


def test_what_one_group_measures_is_never_half_of_another_groups_figure():
    """A group that is measured again alone would change one side of the ratio."""
    groups: dict[str, set[str]] = {}
    for bar in BARS:
        for name in bar.inputs:
            groups.setdefault(name, set()).add(bar.group)
    assert {name for name, found in groups.items() if len(found) > 1} == set()


def test_results_hold_plain_numbers_under_the_figures_names():
    figures = bars.as_results(raw(), {}, {})["metadata"]
    assert list(figures) == list(NAMES)
    assert all(isinstance(value, float) for value in figures.values())


def test_a_speed_up_is_the_peers_median_over_ours():
    found = bars.judge(
        raw(**{f"export__peer__{FULL}": [90, 50, 60], f"export__ours__{FULL}": [6, 5, 99]}), {}
    )
    assert found["export_speedup_vs_mwaa_dr"].value == 10
    assert found["export_speedup_vs_mwaa_dr"].met is True


def test_memory_is_judged_by_its_worst_repetition():
    found = bars.judge(raw(**{f"rss__import__{LARGE}": [50, 201, 50]}), {})["peak_rss_mib"]
    assert (found.value, found.met) == (201, False)


def test_growth_is_that_of_the_worse_operation_per_row():
    seconds = {
        f"sizes_export__ours__{FULL}": [4.0],
        f"sizes_export__ours__{LARGE}": [20.0],
        f"sizes_bulk__ours__{FULL}": [10.0],
        f"sizes_bulk__ours__{LARGE}": [65.0],
    }
    assert bars.judge(raw(**seconds), {})["row_time_5m_vs_1m"].value == 1.3


def test_resume_at_both_sizes_is_compared():
    seconds = {f"resume__ours__{FULL}": [2.0], f"resume__ours__{SMALL}": [1.6]}
    found = bars.judge(raw(**seconds), {})
    assert found["resume_seconds_1m"].value == 2
    assert found["resume_ratio_1m_vs_10k"].value == 1.25


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.name)
def test_a_figure_without_all_its_measurements_has_no_value_but_the_reason(bar):
    for name in bar.inputs:
        measured = raw()
        del measured[name]
        verdict = bars.judge(measured, {name: "no bulk mode yet"})[bar.name]
        assert (verdict.value, verdict.met) == (None, None)
        assert verdict.reason == "no bulk mode yet"
        assert bars.judge(measured, {})[bar.name].reason == f"{name} was not measured"


@given(st.data(), st.sampled_from([bar for bar in BARS if len(bar.inputs) == 2]))
def test_more_time_of_ours_never_turns_a_missed_bar_into_a_met_one(data, bar):
    ours = next(name for name in bar.inputs if "/ours/1000000" in name or "ours/1000000" in name)
    seconds = data.draw(st.floats(0.01, 1e4))
    slower = seconds * data.draw(st.floats(1, 100))
    before = bars.judge(raw() | {ours: [seconds]}, {})[bar.name]
    after = bars.judge(raw() | {ours: [slower]}, {})[bar.name]
    assert before.met or not after.met
    assert math.isfinite(after.value or 0)


def test_a_figure_or_a_group_names_what_is_measured():
    assert bars.groups_of(["resume_ratio_1m_vs_10k", "export"]) == ["export", "resume"]
    with pytest.raises(ValueError, match=r"unknown: exports; use any of .*export_time_vs_copy"):
        bars.groups_of(["exports"])


def test_changes_between_backups_are_as_many_as_agreed():
    assert changes.totals() == {"update": 600, "insert": 200, "delete": 200}
    for verb in ("update", "insert", "delete"):
        touched = {change.table for change in changes.CHANGES if change.verb == verb}
        assert len(touched) >= 8
    assert {"xcom", "dataset_dag_run_queue"} <= changes.tables()
