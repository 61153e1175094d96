"""Rules fit to catalogues of several generations, in an order that foreign keys allow."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mwaa_dr_metadata.catalogue import Catalogue, Column, ForeignKey, Table
from mwaa_dr_metadata.plan import in_order, make_plan, renamed
from mwaa_dr_metadata.rules import EXCLUDED, IDENTITY, RENAMED_TABLES, RULES, Merge
from mwaa_dr_metadata.selection import between, parts_of, slices_of


@given(
    st.dictionaries(st.integers(0, 30), st.sets(st.integers(0, 30), max_size=5), max_size=30).map(
        lambda graph: {str(k): {str(v) for v in vs if v < k} for k, vs in graph.items()}
    )
)
def test_parents_always_come_first(graph):
    order = in_order(graph)
    place = {name: number for number, name in enumerate(order)}
    assert all(place[parent] < place[name] for name, parents in graph.items() for parent in parents)
    assert graph.keys() <= set(order)
    assert order == in_order(dict(reversed(graph.items())))


def test_tables_that_depend_on_each_other_are_reported():
    with pytest.raises(ValueError, match="circle"):
        in_order({"a": {"b"}, "b": {"a"}})


@given(st.lists(st.integers(0, 400)), st.integers(1, 1000), st.integers(1, 50))
def test_parts_hold_every_run_once_in_order_and_stay_small(weights, tasks, most):
    runs = list(enumerate(weights))
    parts = parts_of(runs, tasks, most)
    assert [run for part in parts for run in part] == [run for run, _ in runs]
    for part in parts:
        assert 1 <= len(part) <= most
        assert len(part) == 1 or sum(weights[run] for run in part) <= tasks


@given(
    st.dictionaries(st.integers(1, 40), st.integers(1, 30), max_size=12),
    st.lists(st.none() | st.integers(0, 50)),
    st.integers(1, 60),
)
def test_slices_hold_every_row_once_newest_first(hours, values, most):
    """Also rows of hours that nobody counted, and rows without a time."""
    units = [(f"{hour:02}", rows) for hour, rows in sorted(hours.items(), reverse=True)]
    starts = slices_of(units, most)
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (v TEXT)")
    texts = [None if value is None else f"{value:02}" for value in values]
    database.executemany("INSERT INTO t VALUES (?)", [(text,) for text in texts])
    found = [
        [row[0] for row in database.execute(f"SELECT v FROM t WHERE {condition}")]  # noqa: S608
        for condition in between("t.v", starts)
    ]
    database.close()
    assert sorted((v for part in found for v in part), key=str) == sorted(texts, key=str)
    newest = [max((v for v in part if v is not None), default="") for part in found]
    filled = [v for v in newest if v]
    assert filled == sorted(filled, reverse=True)


@given(st.dictionaries(st.integers(1, 40), st.integers(1, 30), max_size=12), st.integers(1, 60))
def test_slices_stay_small(hours, most):
    units = [(f"{hour:02}", rows) for hour, rows in sorted(hours.items(), reverse=True)]
    edges = [*slices_of(units, most), ""]
    above = "99"
    for edge in edges:
        inside = [rows for start, rows in units if edge <= start < above]
        assert sum(inside) <= most or len(inside) == 1
        above = edge


def test_every_rule_is_whole():
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert not set(names) & set(EXCLUDED)
    known = {*IDENTITY, *(renamed(name, RENAMED_TABLES) for name in IDENTITY)}
    for rule in RULES:
        if rule.merge in (Merge.UPSERT, Merge.MIRROR, Merge.RUN, Merge.TEMPLATE):
            assert rule.key, rule.name
        if rule.merge is Merge.LEDGER:
            assert rule.time, rule.name
        assert all(ref.parent in known for ref in rule.refs), rule.name
        assert all(item.flag or rule.merge is Merge.PARKED for item in rule.sealed), rule.name


def table(name, *columns, unique=()):
    made = Table(name, unique=[tuple(key) for key in unique])
    for column in columns:
        kind = "integer" if column.endswith("id") and column not in ("dag_id", "run_id") else "text"
        sequence = f"{name}_id_seq" if column == "id" else ""
        made.columns[column] = Column(column, kind, sequence, has_default=bool(sequence))
    return made


def generation(dataset, date):
    tables = [
        table("dag_run", "id", "dag_id", "run_id", date, "log_template_id"),
        table("log_template", "id", "filename", "elasticsearch_id"),
        table(dataset, "id", "uri"),
        table(f"{dataset}_event", "id", f"{dataset}_id", "timestamp", "source_dag_id"),
        table(f"dagrun_{dataset}_event", "dag_run_id", "event_id"),
        table("brand_new", "id"),
    ]
    keys = (ForeignKey(f"{dataset}_event", (f"{dataset}_id",), dataset),)
    return make_plan(Catalogue({item.name: item for item in tables}, keys))


@pytest.mark.parametrize(
    ("dataset", "date"), [("dataset", "execution_date"), ("asset", "logical_date")]
)
def test_renamed_tables_and_columns_are_found(dataset, date):
    plan = generation(dataset, date)
    assert plan.run_date == date
    event = plan.named("dataset_event")
    assert event is not None
    assert event.name == f"{dataset}_event"
    assert list(event.carried) == ["timestamp", "source_dag_id", f"{dataset}_id:uri"]
    link = plan.tables[f"dagrun_{dataset}_event"]
    assert f"{dataset}_id" in link.identity[f"{dataset}_event"]["digest"]
    order = list(plan.tables)
    assert order.index(dataset) < order.index(f"{dataset}_event")
    assert order.index("dag_run") < order.index(f"dagrun_{dataset}_event")


def test_a_table_without_a_rule_is_left_out_with_a_reason():
    assert "no rule" in generation("dataset", "execution_date").excluded["brand_new"]


def test_a_serial_id_is_no_column_that_a_merge_writes():
    run = generation("dataset", "execution_date").tables["dag_run"]
    assert "id" not in {column.name for column in run.columns}
    assert "id" in run.carried, "for a database without any run"
    assert "log_template_id:digest" in run.carried
