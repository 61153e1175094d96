"""The checker compares real metadata databases row by row, and notices each spoilt one."""

import pytest
from cryptography.fernet import Fernet

from tests.checker import equality
from tests.checker.database import reading
from tests.checker.findings import Findings
from tests.checker.ledger import Ledger
from tests.checker.outcome import Outcome

pytestmark = pytest.mark.airflow


def _compare(pair):
    findings = Findings()
    inputs = pair.inputs
    with (
        reading(inputs.source, inputs.snapshot) as source,
        reading(inputs.restored, inputs.snapshot) as restored,
    ):
        outcome = Outcome(inputs, Ledger([]), source.runs(), restored.runs())
        results = equality.check(outcome, source, restored, findings)
    return findings, {table.name: table for table in results}


def test_agrees_with_a_perfect_restore(pair):
    findings, tables = _compare(pair)
    assert findings.objections == []
    assert {name: table.expected_rows for name, table in tables.items() if table.expected_rows} == {
        "variable": 2,
        "connection": 1,
        "slot_pool": 2,
        "dag": 3,
        "dag_run": 3,
        "task_instance": 3,
        "task_fail": 1,
        "task_map": 1,
        "xcom": 3,
        "rendered_task_instance_fields": 3,
        "log": 3,
        "dag_run_note": 1,
        "dataset": 1,
        "dataset_event": 1,
        "dagrun_dataset_event": 1,
        "dataset_dag_run_queue": 1,
        "ab_role": 1,
    }
    assert all(table.match for table in tables.values())


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("DELETE FROM variable WHERE key = 'colour'", "variable-equal"),
        ("UPDATE variable SET val = NULL WHERE key = 'empty'", "variable-equal"),
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
    pair.change(statement)
    findings, tables = _compare(pair)
    assert check in findings.names()
    table = check.removesuffix("-equal")
    if table in tables:
        assert not tables[table].match


def test_objects_to_a_ciphertext_that_the_new_key_opens_to_something_else(pair):
    other = Fernet(pair.inputs.restored.fernet_key.encode()).encrypt(b"red").decode()
    pair.change("UPDATE variable SET val = %s WHERE key = 'colour'", other)
    findings, _ = _compare(pair)
    assert findings.about("variable-equal") == ['["colour"]']


def test_a_used_up_event_is_excused_once_its_dag_ran(pair):
    pair.change("DELETE FROM dataset_dag_run_queue")
    pair.change(
        "INSERT INTO dag_run (id, dag_id, run_id, run_type, state, execution_date, queued_at, "
        "clear_number) VALUES (77, 'billing', 'new', 'dataset_triggered', 'success', now(), "
        "now(), 0)"
    )
    findings, tables = _compare(pair)
    assert findings.objections == []
    assert tables["dataset_dag_run_queue"].match
