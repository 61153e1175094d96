"""The checker compares real metadata databases row by row, and notices each spoilt one."""

from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from tests.checker import equality
from tests.checker.database import reading
from tests.checker.findings import Findings
from tests.checker.generations import AIRFLOW_3
from tests.checker.ledger import Ledger
from tests.checker.outcome import Outcome

pytestmark = pytest.mark.airflow


def _compare(pair):
    findings = Findings()
    inputs = pair.inputs
    with (
        reading(inputs.source, inputs.snapshot, inputs.past) as source,
        reading(inputs.restored, inputs.snapshot, inputs.past) as restored,
    ):
        outcome = Outcome(inputs, Ledger([]), source.runs(), restored.runs())
        results = equality.check(outcome, source, restored, findings)
    return findings, {table.name: table for table in results}


def test_agrees_with_a_perfect_restore(pair):
    findings, tables = _compare(pair)
    assert findings.objections == []
    wanted = {
        "variable": 2,
        "connection": 1,
        "slot_pool": 2,
        "dag": 4,
        "dag_run": 4,
        "task_instance": 4,
        "task_fail": 1,
        "task_map": 1,
        "xcom": 4,
        "rendered_task_instance_fields": 4,
        "log": 3,
        "dag_run_note": 1,
        "dataset": 1,
        "dataset_event": 1,
        "dagrun_dataset_event": 1,
        "dataset_dag_run_queue": 1,
        "ab_role": 1,
    }
    say, gone = pair.generation.say, pair.generation.gone
    assert {name: table.expected_rows for name, table in tables.items() if table.expected_rows} == {
        say(name): rows for name, rows in wanted.items() if name not in gone
    }
    assert all(table.match for table in tables.values())


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("DELETE FROM variable WHERE key = 'colour'", "variable-equal"),
        ("UPDATE variable SET val = ' ' WHERE key = 'empty'", "variable-equal"),
        ("UPDATE connection SET login = NULL", "connection-equal"),
        ("UPDATE connection SET host = 'other'", "connection-equal"),
        ("UPDATE slot_pool SET slots = 4 WHERE pool = 'wide'", "slot_pool-equal"),
        ("UPDATE dag SET is_paused = true WHERE dag_id = 'hits'", "dag-equal"),
        ("UPDATE dag SET is_paused = false WHERE dag_id = 'paused'", "dag-equal"),
        ("DELETE FROM dag_run WHERE run_id = 'r2'", "dag_run-equal"),
        ("DELETE FROM dag_run WHERE run_id = 'r2'", "dag_run-present"),
        ("UPDATE dag_run SET conf = NULL WHERE run_id = 'r1'", "dag_run-equal"),
        ("UPDATE dag_run SET log_template_id = 1 WHERE run_id = 'r1'", "dag_run-equal"),
        ("UPDATE dag_run SET state = 'running' WHERE run_id = 'r3'", "dag_run-equal"),
        ("UPDATE task_instance SET state = 'queued' WHERE run_id = 'r3'", "task_instance-equal"),
        ("UPDATE task_instance SET try_number = 2 WHERE run_id = 'r1'", "task_instance-equal"),
        (
            "UPDATE task_instance SET next_kwargs = '{\"deep\": 0}' WHERE run_id = 'r1'",
            "task_instance-equal",
        ),
        ("UPDATE xcom SET value = '\"vu\"' WHERE run_id = 'r1'", "xcom-equal"),
        ("UPDATE xcom SET value = NULL WHERE run_id = 'r1'", "xcom-equal"),
        ("UPDATE xcom SET dag_run_id = 1002 + 7 WHERE run_id = 'r1'", "xcom-no-dangling"),
        ("DELETE FROM xcom WHERE run_id = 'r3'", "xcom-equal"),
        ("DELETE FROM log WHERE id = 1001", "log-equal"),
        ("DELETE FROM log WHERE dag_id IS NULL", "log-equal"),
        ("DELETE FROM rendered_task_instance_fields", "rendered_task_instance_fields-equal"),
        ("DELETE FROM task_fail", "task_fail-equal"),
        ("UPDATE task_map SET length = 2", "task_map-equal"),
        ("DELETE FROM dag_run_note", "dag_run_note-equal"),
        ("UPDATE dataset_event SET extra = '{}'", "dataset_event-equal"),
        ("DELETE FROM dagrun_dataset_event", "dagrun_dataset_event-equal"),
        ("DELETE FROM dataset_dag_run_queue", "dataset_dag_run_queue-equal"),
        ("DELETE FROM ab_role", "ab_role-equal"),
    ],
)
def test_objects_to_a_spoilt_restore(pair, statement, check):
    table = check.removesuffix("-equal")
    if table in pair.generation.gone:
        pytest.skip(f"Airflow {pair.generation.version} has no {table}")
    pair.change(statement)
    findings, tables = _compare(pair)
    table, check = pair.generation.say(table), pair.generation.say(check)
    assert check in findings.names()
    if table in tables:
        assert not tables[table].match


def test_objects_to_a_ciphertext_that_the_new_key_opens_to_something_else(pair):
    other = Fernet(pair.inputs.restored.fernet_key.encode()).encrypt(b"red").decode()
    pair.change("UPDATE variable SET val = %s WHERE key = 'colour'", other)
    findings, _ = _compare(pair)
    assert findings.about("variable-equal") == ['["colour"]']


def test_tells_an_empty_variable_from_one_without_a_value(pair):
    if pair.generation is AIRFLOW_3:
        pytest.skip("a variable always has a value in Airflow 3")
    pair.change("UPDATE variable SET val = NULL WHERE key = 'empty'")
    findings, _ = _compare(pair)
    assert findings.about("variable-equal") == ['["empty"]']


def test_objects_to_a_task_of_airflow_3_with_another_identity(pair):
    if pair.generation is not AIRFLOW_3:
        pytest.skip("task instances have no UUID before Airflow 3")
    pair.change("UPDATE task_instance SET id = gen_random_uuid() WHERE run_id = 'r1'")
    findings, _ = _compare(pair)
    assert findings.about("task_instance-equal") == ['["hits", "work", "r1", -1]']


@pytest.mark.parametrize("other", ["billing", "none such"])
def test_objects_to_a_run_that_lost_its_dags_version(pair, other):
    if pair.generation is not AIRFLOW_3:
        pytest.skip("DAGs have no versions before Airflow 3")
    lost = "SET {} = (SELECT id FROM dag_version WHERE dag_id = %s) WHERE run_id = 'r1'".format
    pair.change("UPDATE dag_run " + lost("created_dag_version_id"), other)
    pair.change("UPDATE task_instance " + lost("dag_version_id"), other)
    findings, _ = _compare(pair)
    assert findings.names() == {"dag_run-equal", "task_instance-equal"}


def test_a_used_up_event_is_excused_once_its_dag_ran(pair):
    pair.change("DELETE FROM dataset_dag_run_queue")
    pair.change(
        "INSERT INTO dag_run SELECT (jsonb_populate_record(r, jsonb_build_object('id', 77, "
        "'run_id', 'new', 'run_type', 'dataset_triggered', 'execution_date', now(), "
        "'queued_at', now()))).* FROM dag_run r WHERE dag_id = 'billing'"
    )
    findings, tables = _compare(pair)
    assert findings.objections == []
    assert tables[pair.generation.say("dataset_dag_run_queue")].match


def test_after_a_planned_move_a_fence_is_no_difference_but_a_pause_is(pair):
    """The source shows every DAG as paused; the workload says which of them users paused."""
    planned = replace(pair, inputs=replace(pair.inputs, planned=True))
    assert "hits" not in _compare(planned)[0].about("paused-as-before")
    pair.change("UPDATE dag SET is_paused = TRUE WHERE dag_id = 'hits'")
    findings, _ = _compare(planned)
    assert "hits" in findings.about("paused-as-before")
    assert findings.about("dag-equal") == []


PAST = [
    ("UPDATE xcom SET value = NULL WHERE dag_id = 'retired'", "xcom"),
    ("UPDATE xcom SET dag_run_id = 999 WHERE dag_id = 'retired'", "xcom"),
    ("DELETE FROM task_instance WHERE dag_id = 'retired'", "task_instance"),
    ("UPDATE dag_run SET end_date = now() WHERE dag_id = 'retired'", "dag_run"),
]


def with_past(pair):
    return replace(pair, inputs=replace(pair.inputs, past="ret"))


def test_a_long_past_is_compared_as_a_whole(pair):
    findings, tables = _compare(with_past(pair))
    assert findings.objections == []
    assert (tables["dag_run"].past_rows, tables["dag_run"].expected_rows) == (1, 3)
    assert tables["xcom"].past_rows == 1


@pytest.mark.parametrize(("statement", "table"), PAST)
def test_objects_to_a_past_that_differs(pair, statement, table):
    pair.change(statement)
    assert _compare(with_past(pair))[0].about(f"{table}-past-equal") == ["ret"]
