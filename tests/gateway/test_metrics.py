import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.metric_math import UnsupportedExpressionError, evaluate, names
from local.gateway.metric_store import MetricStore, Sample, Series, dimensions_of, statistic

SERIES = Series("N", "m", ())


def sample(time, value, unit="None"):
    return Sample(time, 1, value, value, value, unit, ((value, 1),))


@given(st.lists(st.tuples(st.integers(0, 600), st.floats(-1e6, 1e6)), min_size=1))
def test_periods_hold_every_sample_once_and_are_aligned(pairs):
    store = MetricStore()
    for time, value in pairs:
        store.add(SERIES, sample(time, value))
    grouped = store.periods(SERIES, 0, 601, 60)
    assert sum(len(samples) for samples in grouped.values()) == len(pairs)
    assert all(start % 60 == 0 for start in grouped)
    assert all(start <= s.time < start + 60 for start, found in grouped.items() for s in found)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1), st.sampled_from([50, 90, 99, 100]))
def test_percentile_covers_its_share(values, percent):
    found = statistic([sample(0, value) for value in values], f"p{percent}")
    below = sum(value <= found for value in values)
    assert below >= percent / 100 * len(values) - 1e-9
    assert found in values


def test_unit_filters():
    store = MetricStore()
    store.add(SERIES, sample(1, 1, "Count"))
    store.add(SERIES, sample(2, 2, "Seconds"))
    assert [s.total for s in store.between(SERIES, 0, 10, "Seconds")] == [2]


def test_order_of_dimensions_does_not_matter():
    one = dimensions_of([{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}])
    assert one == dimensions_of([{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}])


def test_unknown_statistic_is_refused():
    with pytest.raises(ValueError, match="TM"):
        statistic([sample(0, 1)], "TM(10%:90%)")


INPUTS = {"m1": {0.0: 1.0, 60.0: 2.0}, "m2": {60.0: 4.0}}
PERIODS = [0.0, 60.0, 120.0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1 + 1", {0: 2, 60: 3}),
        ("m1 / m2", {60: 0.5}),
        ("-m1 * 2 ^ 2", {0: -4, 60: -8}),
        ("FILL(m2, 0)", {0: 0, 60: 4, 120: 0}),
        ("FILL(m1, REPEAT)", {0: 1, 60: 2, 120: 2}),
        ("FILL(m2, 0) + m1", {0: 1, 60: 6}),
        ("IF(m1 > 1, m1, 9)", {0: 9, 60: 2}),
        ("IF(m1 >= 1 AND m1 < 2, 1, 0)", {0: 1, 60: 0}),
        ("m1 == 1 || m1 == 2", {0: 1, 60: 1}),
        ("MAX([m1, m2])", {0: 1, 60: 4}),
        ("SUM([m1, m2])", {0: 1, 60: 6}),
        ("AVG(m1)", {0: 1.5, 60: 1.5, 120: 1.5}),
        ("m1 / 0", {}),
        ("7", {0: 7, 60: 7, 120: 7}),
    ],
)
def test_metric_math(expression, expected):
    assert evaluate(expression, INPUTS, PERIODS) == expected


def test_names_are_the_series_an_expression_needs():
    assert names("IF(FILL(m1, REPEAT) > 1, MAX([m2, m3]), 0)") == {"m1", "m2", "m3"}


@pytest.mark.parametrize(
    "expression",
    ["SEARCH('x', 'Sum')", "RATE(m1)", "m1 %", "[m1, m2]", "m9 + 1", "m1.__class__", "m1[0]"],
)
def test_what_is_not_understood_is_refused(expression):
    with pytest.raises(UnsupportedExpressionError):
        evaluate(expression, INPUTS, PERIODS)
