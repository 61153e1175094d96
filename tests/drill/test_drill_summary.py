"""The page of drills keeps one row for each kind of drill."""

import pytest

from local.drill.summary import BEGIN, END, KIND, merged, row
from tests.drill.sample_report import report

EMPTY = f"before\n{BEGIN}\n{END}\nafter\n"


def test_a_drill_is_one_row():
    assert row(report()) == (
        *("backup-restore", "the Region (hang)", "2.10.3", "48 s", "53 s", "20 to 30 min"),
        *("152 s", "169 s", "17 s", "1", "0, 0", "agrees"),
    )


def test_a_newer_drill_of_a_kind_replaces_the_row_and_others_stay():
    first, other = row(report()), row({**report(), "outage": "5xx"})
    page = merged(EMPTY, [first, other])
    again = merged(page, [row(report(verified=False))])
    lines = [line for line in again.splitlines() if line.startswith("| backup")]
    assert [line.count("| agrees |") for line in lines] == [1, 0]
    assert again.startswith("before\n")
    assert again.endswith("\nafter\n")
    assert merged(page, []) == page


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"outage": "throttle"}, "throttle, then the Region (hang)"),
        ({"past": {"task_instance": 1000000}}, "the Region (hang), a past of 1,000,000 task"),
        (
            {"clocks_ahead": {"airflow": 120.0, "functions": -120.0}},
            "the Region (hang), Airflow's clock +120 s, the functions' -120 s",
        ),
        ({"private": True}, "the Region (hang), private web servers"),
        (
            {"outage": "environment", "regions": {"primary": "r", "dr": "r"}},
            "the environment alone, one Region",
        ),
    ],
)
def test_what_was_lost_tells_drills_apart(changes, what):
    cells = row({**report(), **changes})
    assert cells[1].startswith(what)
    assert cells[:KIND] != row(report())[:KIND]


def test_a_page_without_a_place_for_it_is_refused():
    with pytest.raises(ValueError, match="between which the table is"):
        merged("nothing", [])
