import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.gateway.alarm_logic import (
    ALARM,
    COMPARISONS,
    INSUFFICIENT_DATA,
    OK,
    TREATMENTS,
    Rule,
    decide,
)

RETAIN = "the former state"
X, O, N = 10.0, 0.0, None  # noqa: E741 -- breaching, not breaching, no data


def rule(needed=3, size=3, missing="missing"):
    return Rule("GreaterThanThreshold", 5, size, needed, missing)


AWS_TABLE_3_OF_3 = [
    # points             missing            ignore  breaching  notBreaching
    ([O, N, X, N, X], OK, OK, OK, OK),
    ([O, N, N, N, N], OK, OK, OK, OK),
    ([N, N, N, N, N], INSUFFICIENT_DATA, RETAIN, ALARM, OK),
    ([O, X, X, N, X], ALARM, ALARM, ALARM, ALARM),
    ([N, N, X, N, N], ALARM, RETAIN, ALARM, OK),
]
AWS_TABLE_2_OF_3 = [
    ([O, N, X, N, X], ALARM, ALARM, ALARM, ALARM),
    ([O, O, X, O, X], ALARM, ALARM, ALARM, ALARM),
    ([O, N, X, N, N], ALARM, ALARM, ALARM, OK),
    ([N, N, N, N, O], OK, OK, ALARM, OK),
    ([N, N, N, X, N], ALARM, RETAIN, ALARM, OK),
]


@pytest.mark.parametrize("column", range(4), ids=TREATMENTS)
@pytest.mark.parametrize("row", AWS_TABLE_3_OF_3)
def test_three_of_three_is_as_in_the_user_guide(row, column):
    assert decide(rule(missing=TREATMENTS[column]), row[0], RETAIN) == row[1 + column]


@pytest.mark.parametrize("needed", [1, 2, 3])
def test_full_data_is_counted(needed):
    for points in ([O, O, O], [O, X, O], [X, O, X], [X, X, X]):
        expected = ALARM if points.count(X) >= needed else OK
        assert decide(rule(needed), [N, N, *points], RETAIN) == expected


@given(
    st.lists(st.sampled_from([X, O, N]), min_size=5, max_size=5),
    st.integers(1, 3),
    st.sampled_from(TREATMENTS),
)
def test_treatment_matters_only_while_data_is_short(points, needed, missing):
    real = [p for p in points if p is not None]
    state = decide(rule(needed, missing=missing), points, RETAIN)
    if N not in points[-3:]:
        assert state == (ALARM if points[-3:].count(X) >= needed else OK)
    elif len(real) >= 3:
        assert state == (ALARM if real[-3:].count(X) >= needed else OK)
    elif missing == "breaching":
        assert state == (ALARM if 3 - real.count(O) >= needed else OK)
    else:
        assert state in {OK, ALARM, INSUFFICIENT_DATA, RETAIN}


@pytest.mark.parametrize(
    ("comparison", "breaches"),
    [
        ("GreaterThanThreshold", [False, False, True]),
        ("GreaterThanOrEqualToThreshold", [False, True, True]),
        ("LessThanThreshold", [True, False, False]),
        ("LessThanOrEqualToThreshold", [True, True, False]),
    ],
)
def test_every_comparison(comparison, breaches):
    assert set(COMPARISONS) >= {comparison}
    for value, expected in zip([4.0, 5.0, 6.0], breaches, strict=True):
        state = decide(Rule(comparison, 5, 1, 1), [value], OK)
        assert (state == ALARM) is expected


def test_unknown_comparison_is_refused():
    with pytest.raises(ValueError, match="LessThanLowerThreshold"):
        decide(Rule("LessThanLowerThreshold", 5, 1, 1), [1.0], OK)
