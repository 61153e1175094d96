"""Every edge of the machines is taken by a test; the page that says which is kept current."""

import ast
from pathlib import Path

import pytest

from tests.handlers.machine_edges import (
    RECORDED,
    TABLE,
    UNTAKEN,
    all_edges,
    first,
    read_table,
    recorded,
    table,
)

HERE = Path(__file__).parent


def known() -> set[str]:
    """Every test of the machines that there is."""
    return {
        node.name
        for file in HERE.glob(f"{RECORDED}*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }


def named() -> set[str]:
    """Every test that the page names."""
    return {how for how in read_table().values() if not how.startswith("none")}


def test_the_page_lists_exactly_the_edges_there_are() -> None:
    assert list(read_table()) == all_edges()


def test_an_edge_without_a_test_has_a_reason() -> None:
    without = {edge for edge, how in read_table().items() if how.startswith("none")}
    assert without == UNTAKEN.keys()
    assert all(UNTAKEN.values())


def test_every_test_of_the_page_exists() -> None:
    assert {name.partition("[")[0] for name in named()} <= known()


@pytest.mark.edges
def test_every_edge_was_taken_and_the_page_says_by_which_test() -> None:
    """Reads what the tests of the machines left behind; `make engine` runs it after them."""
    tests = recorded(known())
    absent = {name for name in named() if name.partition("[")[0] in known()} - tests.keys()
    assert not absent, f"run the tests of the machines first; these were not run: {sorted(absent)}"
    found = first(tests)
    assert sorted(set(all_edges()) - found.keys() - UNTAKEN.keys()) == []
    assert not UNTAKEN.keys() & found.keys(), "a reason for an edge that is taken"
    wrong = [
        edge
        for edge, how in read_table().items()
        if edge not in UNTAKEN and edge not in tests.get(how, ())
    ]
    if wrong or list(read_table()) != all_edges():
        TABLE.write_text(table(found))
    assert wrong == [], f"{TABLE.name} was out of date and is written anew: commit it"
