"""Defects R1 to R20 that are known of another tool, as far as they concern metadata.

R4, R5: test_metadata_in_flight. R7, R15: test_metadata_refusals. R18: test_metadata_control.
R16, R17 and R20 concern callbacks, customising and CreateEnvironment, which are not the engine's.
"""

import pickle
import threading
import time

import pytest

from mwaa_dr_metadata import Phase, list_backups
from mwaa_dr_metadata.export import export_backup
from mwaa_dr_metadata.storage import FileStorage
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import IDENTITY, World

pytestmark = pytest.mark.airflow


def test_r1_r2_r3_unfinished_tasks_do_not_break_the_restore(filled, target, vault):
    """A running task with an XCom, one up for retry with a failure, a deferred one with JSON."""
    key, _ = vault.export(filled)
    vault.restore(target, key, Phase.RESUME)
    links = target.sql("SELECT task_id FROM xcom WHERE key = '_link' ORDER BY 1")
    assert [row[0] for row in links] == ["t_deferred", "t_retry", "t_running"]
    assert target.one("SELECT count(*) FROM task_fail WHERE task_id = 't_retry'") == 1


def test_r6_runs_keep_their_log_template_and_new_runs_get_the_targets(filled, target, vault):
    latest = target.sql("SELECT id, filename FROM log_template ORDER BY id DESC LIMIT 1")
    key, _ = vault.export(filled)
    vault.restore(target, key)
    joined = (
        "SELECT DISTINCT l.filename FROM dag_run r JOIN log_template l ON l.id = log_template_id"
    )
    assert sorted(target.sql(joined)) == sorted(filled.sql(joined))
    assert target.sql("SELECT id, filename FROM log_template ORDER BY id DESC LIMIT 1") == latest
    order = "SELECT filename FROM log_template ORDER BY id"
    brought = [row for row in target.sql(order) if row in filled.sql(order)]
    assert [row for row in brought if row[0][:3] in ("old", "new")] == [
        ("old/{{ ti }}",),
        ("new/{{ ti }}",),
    ]


def test_r7_equal_rows_all_come_back_once(filled, target, vault):
    key, _ = vault.export(filled)
    for _ in range(2):
        vault.restore(target, key)
        count = target.one("SELECT count(*) FROM log WHERE event = 'running' AND dag_id = 'etl'")
        assert count == 3


def test_r8_xcoms_belong_to_the_targets_runs_and_new_ones_never_collide(filled, target, vault):
    for n in range(3):
        target.run("mwaa_dr_agent", f"own{n}", n)
    key, _ = vault.export(filled)
    vault.restore(target, key)
    stray = target.one(
        "SELECT count(*) FROM xcom x LEFT JOIN dag_run r ON r.id = x.dag_run_id "
        "AND r.dag_id = x.dag_id AND r.run_id = x.run_id WHERE r.id IS NULL"
    )
    assert stray == 0
    for table in ("dag_run", "task_fail", "task_reschedule", "log", "dataset_event", "variable",
                  "connection", "slot_pool", "ab_role", "trigger", "dataset"):  # fmt: skip
        new = target.one(f"SELECT nextval(pg_get_serial_sequence('{table}', 'id'))")
        assert new > (target.one(f"SELECT max(id) FROM {table}") or 0)  # noqa: S608


def test_r8_a_sequence_that_lags_behind_is_mended_first(filled, target, vault):
    for n in range(5):
        target.run("mwaa_dr_agent", f"own{n}", n)
    target.sql("SELECT setval(pg_get_serial_sequence('dag_run', 'id'), 1)")
    key, _ = vault.export(filled)
    vault.restore(target, key)
    assert hard.rows(target, "dag_run") == hard.rows(filled, "dag_run")


def test_r8_a_renamed_sequence_is_found(filled, target, vault):
    target.sql("ALTER SEQUENCE dag_run_id_seq RENAME TO task_run_old_seq")
    filled.sql("ALTER SEQUENCE log_id_seq RENAME TO other_seq")
    key, _ = vault.export(filled)
    vault.restore(target, key)
    assert hard.rows(target, "log") == hard.rows(filled, "log")


def test_r9_a_backup_is_one_moment_although_the_source_goes_on(filled, target, vault):
    """Runs with their tasks are committed together all the time; none comes back in halves."""
    stop = threading.Event()
    writer = World(filled.cluster, filled.name, filled.key)
    for n in range(400):
        writer.run("etl", f"base_{n}", 1000 + n)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            writer.sql(
                """
                WITH r AS (INSERT INTO dag_run (dag_id, run_id, execution_date, run_type, state,
                  clear_number, log_template_id) SELECT 'etl', %s, now() + %s * interval '1 s',
                  'manual', 'success', 0, 1 RETURNING id, dag_id, run_id),
                t AS (INSERT INTO task_instance (dag_id, run_id, task_id, map_index, pool,
                  pool_slots, state) SELECT dag_id, run_id, 't', -1, 'p', 1, 'success' FROM r
                  RETURNING dag_id)
                INSERT INTO log (dttm, event, dag_id, run_id) SELECT now(), 'wrote', dag_id, run_id
                FROM r, (SELECT count(*) FROM t) x
                """,
                f"w{number}",
                number,
            )

    thread = threading.Thread(target=write)
    thread.start()
    try:
        time.sleep(0.3)
        key, _ = vault.export(filled, progress=lambda _: time.sleep(0.02))
    finally:
        stop.set()
        thread.join()
        writer.close()
    vault.restore(target, key)
    written = "FROM dag_run WHERE run_id ~ '^w[0-9]'"
    runs = {row[0] for row in target.sql(f"SELECT run_id {written}")}
    tasks = {row[0] for row in target.sql("SELECT run_id FROM task_instance WHERE task_id = 't'")}
    logs = {row[0] for row in target.sql("SELECT run_id FROM log WHERE event = 'wrote'")}
    assert runs
    assert runs == tasks == logs
    later = filled.one(f"SELECT count(*) {written}")
    assert later > len(runs), "nothing was written during the export"


def test_r10_the_recovery_dags_own_rows_are_never_carried(filled, new_world, vault):
    for _ in range(2):
        key, _ = vault.export(filled)
        target = new_world()
        vault.restore(target, key)
        for table in ("dag", "dag_run", "task_instance", "xcom", "log"):
            own = f"SELECT count(*) FROM {table} WHERE left(dag_id, 8) = 'mwaa_dr_'"  # noqa: S608
            assert target.one(own) == 0, table
            assert filled.one(own) > 0, table


def test_r11_r12_text_comes_back_to_the_last_byte(source, target, vault):
    texts = ["", "\\N", "\\.", "\n", "\r\n", "\r", "a\r\nb\rc\nd", "\t", "\\", "'", '"', "NULL",
             "\x7f\x01", "Ω≈ç", "🙂", " trailing ", "\\n", "\\\\N"]  # fmt: skip
    for n, text in enumerate(texts):
        source.insert(
            "variable",
            {"key": f"v{n}", "val": source.encrypted(text) if n % 2 else text, "description": text,
             "is_encrypted": bool(n % 2)},
        )  # fmt: skip
        source.insert("log", {"dttm": hard.T0, "event": f"e{n}", "extra": text})
    source.insert("log", {"dttm": hard.T0, "event": "null", "extra": None})
    key, _ = vault.export(source)
    vault.restore(target, key)
    assert hard.rows(target, "log") == hard.rows(source, "log")
    assert hard.secrets(target) == hard.secrets(source)


def test_r13_no_run_is_restored_running(filled, target, vault):
    key, _ = vault.export(filled)
    vault.restore(target, key)
    assert target.one("SELECT count(*) FROM dag_run WHERE state IN ('running', 'queued')") == 0


def test_r14_the_sites_own_settings_stay(filled, target, vault):
    own = {"key": "mwaa_dr_bucket", "val": "own-bucket", "is_encrypted": False}
    target.insert("variable", own)
    target.insert("connection", {"conn_id": "mwaa_dr_aws", "conn_type": "aws", "host": "own"})
    key, _ = vault.export(filled)
    vault.restore(target, key)
    assert target.one("SELECT val FROM variable WHERE key = 'mwaa_dr_bucket'") == "own-bucket"
    assert target.one("SELECT host FROM connection WHERE conn_id = 'mwaa_dr_aws'") == "own"


class Disconnected(FileStorage):
    """Loses its connection at the given object."""

    def __init__(self, root, after: int) -> None:
        super().__init__(root)
        self.left = after

    def create(self, key: str):
        self.left -= 1
        if self.left < 0:
            raise ConnectionError("no route to the bucket")
        return super().create(key)


@pytest.mark.parametrize("after", [0, 1, 7, 30])
def test_r19_an_export_that_dies_leaves_earlier_backups_alone(filled, target, vault, after):
    key, _ = vault.export(filled)
    before = {p: p.read_bytes() for p in (vault.folder / "backups").rglob("*") if p.is_file()}
    broken = Disconnected(vault.folder / "backups", after)
    with pytest.raises(ConnectionError):
        export_backup(filled.engine, broken, vault.sealer, filled.fernet, IDENTITY)
    assert [info.manifest_key for info in list_backups(vault.storage)] == [key]
    assert all(path.read_bytes() == data for path, data in before.items())
    vault.restore(target, key)


def test_undecryptable_secrets_are_reported_and_fail_in_the_target_as_in_the_source(
    filled, target, vault
):
    stranger = World(filled.cluster, "none")
    filled.insert("variable", {"key": "lost", "val": stranger.encrypted("x"), "is_encrypted": True})
    key, manifest = vault.export(filled)
    assert manifest.unreadable == [
        {
            "table": "variable",
            "key": "lost",
            "column": "val",
            "reason": "the Fernet key does not fit",
        }
    ]
    report = vault.restore(target, key)
    assert report.unreadable == manifest.unreadable
    value = target.one("SELECT val FROM variable WHERE key = 'lost'")
    assert stranger.fernet.decrypt(value.encode()) == b"x"


def test_pickles_and_bytes_come_back_as_they_were(filled, target, vault):
    key, _ = vault.export(filled)
    vault.restore(target, key)
    value = target.one("SELECT value FROM xcom WHERE key = 'pickled' AND run_id = 'scheduled__3'")
    assert pickle.loads(bytes(value)) == 3  # noqa: S301
    conf = target.one("SELECT conf FROM dag_run WHERE run_id = 'scheduled__3'")
    assert bytes(conf) == hard.PICKLED


def test_one_connection_is_enough_where_snapshots_cannot_be_shared(filled, target, vault):
    """Behind a pooler the export of a snapshot may be refused."""
    filled.sql("REVOKE EXECUTE ON FUNCTION pg_export_snapshot() FROM public")
    key, _ = vault.export(filled)
    vault.restore(target, key)
    for name in hard.COMPARED:
        assert hard.rows(target, name) == hard.rows(filled, name), name
