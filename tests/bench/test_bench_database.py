"""Benchmark databases and the yardstick, on a real PostgreSQL with a real Airflow's schema."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import check, dataset, ddl, live, yardstick
from bench.databases import EMPTY, OWNER, VERSION, Server, serve
from local.mwaa import install

pytestmark = pytest.mark.airflow
SIZE = 10_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("bench"), dataset.today()) as server:
        dataset.fill(server, SIZE)
        yield server


@pytest.fixture
def source(server: Server) -> str:
    return server.sources[str(SIZE)]


def definitions(server: Server, database: str) -> list[tuple[object, ...]]:
    return server.rows(
        database,
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace "
        "UNION ALL SELECT tablename, indexname, indexdef FROM pg_indexes "
        "WHERE schemaname = 'public' ORDER BY 1, 2, 3",
    )


def order(server: Server, do: str, database: str, folder: Path) -> dict[str, str]:
    dsn = f"host=127.0.0.1 port={server.port} user={OWNER} password={server.password}"
    return {"do": do, "dsn": f"{dsn} dbname={database}", "folder": str(folder)}


def test_a_filled_database_has_the_schema_that_airflow_made(server, source):
    assert definitions(server, source) == definitions(server, EMPTY)


def test_a_filled_database_has_what_its_size_promises(server, source):
    count = dict(
        server.rows(
            source,
            "SELECT 'ti', count(*) FROM task_instance UNION ALL SELECT 'log', count(*) FROM log "
            "UNION ALL SELECT 'xcom', count(*) FROM xcom "
            "UNION ALL SELECT 'run', count(*) FROM dag_run "
            "UNION ALL SELECT 'dag', count(*) FROM dag "
            "UNION ALL SELECT 'deferred', count(*) FROM task_instance t "
            "JOIN \"trigger\" g ON g.id = t.trigger_id WHERE state = 'deferred' "
            "UNION ALL SELECT 'large', count(*) FROM xcom WHERE length(value) > 1000000",
        )
    )
    assert (count["ti"], count["log"], count["run"], count["dag"]) == (SIZE, SIZE, SIZE // 50, 200)
    assert count["xcom"] == pytest.approx(SIZE / 2, rel=0.05)
    assert count["deferred"] == count["large"] == 10


def test_a_size_that_is_no_whole_number_of_runs_is_refused(server):
    with pytest.raises(ValueError, match="size 12345: use a multiple of 10000"):
        dataset.fill(server, 12_345)


def test_the_yardstick_copies_everything_and_leaves_every_index_and_key(server, source, tmp_path):
    yardstick.perform(order(server, "export", source, tmp_path))
    target = server.copy(EMPTY, "yardstick")
    yardstick.perform(order(server, "import", target, tmp_path))
    assert definitions(server, target) == definitions(server, source)
    key = server.source_key  # a plain copy keeps the ciphertext
    wanted = check.contents(server, source, source, key)
    check.require_equal(check.contents(server, target, source, key), wanted, "COPY")
    ((following,),) = server.rows(target, "SELECT nextval('log_id_seq')")
    assert following == SIZE + 1


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE xcom SET value = value || '\\x20' WHERE key = 'return_value' AND ctid = "
         "(SELECT x.ctid FROM xcom x JOIN dag_run r ON r.id = dag_run_id "
         "WHERE r.state = 'success' LIMIT 1)", "xcom"),
        ("DELETE FROM log WHERE id = 7", "log"),
        ("UPDATE dag SET next_dagrun_create_after = now() WHERE dag_id = 'sales_pipeline_000'",
         "dag"),
        ("UPDATE variable SET description = 'x' WHERE key = 'setting_001'", "variable"),
    ],
)  # fmt: skip
def test_a_single_wrong_row_is_noticed(server, source, change, table):
    wrong = server.copy(source, "wrong")
    server.rows(wrong, change)
    wanted = check.contents(server, source, source, server.source_key)
    found = check.contents(server, wrong, source, server.source_key)
    with pytest.raises(check.WrongResultError, match=f"differs in {table} "):
        check.require_equal(found, wanted, "a restore")


def test_what_was_taken_off_is_put_back(server, source):
    copy = server.copy(source, "taken")
    connection = server.connect(copy)
    with connection:
        taken = ddl.take_off(connection)
    assert not [row for row in definitions(server, copy) if str(row[2]).startswith("CREATE")]
    connection.close()
    ddl.put_back(lambda: server.connect(copy), taken)
    assert definitions(server, copy) == definitions(server, source)


def test_the_sources_runs_belong_to_the_dags_that_a_scheduler_parses(server, source, tmp_path):
    home = live.make_home(tmp_path / "home")
    code = """
import json, sys
from airflow.models.dagbag import DagBag
bag = DagBag(sys.argv[1], include_examples=False)
assert not bag.import_errors, bag.import_errors
print(json.dumps({d.dag_id: [sorted(d.task_ids), d.catchup] for d in bag.dags.values()}))
"""
    done = subprocess.run(
        [install.ensure(VERSION), "-c", code, str(home / "dags")],
        env=live.environment(server, source, home),
        capture_output=True,
        text=True,
        check=True,
    )
    parsed = json.loads(done.stdout.splitlines()[-1])
    assert parsed.pop(live.RESTORE_DAG)
    rows = server.rows(
        source,
        "SELECT dag_id, array_agg(DISTINCT task_id ORDER BY task_id) FROM task_instance "
        "GROUP BY dag_id",
    )
    assert {dag_id: tasks for dag_id, (tasks, _) in parsed.items()} == dict(rows)
    assert sum(catchup for _, catchup in parsed.values()) == 20


def test_the_command_keeps_a_cluster_and_says_how_to_reach_it(tmp_path):
    said = tmp_path / "said.json"
    command = [sys.executable, "-m", "bench.dataset", "--size", str(SIZE)]
    held = subprocess.Popen(
        [*command, "--dir", str(tmp_path / "kept"), "--json", str(said)], stdout=subprocess.DEVNULL
    )
    try:
        live.wait_until(said.exists, 120, "the database is filled")
        known = json.loads(said.read_text())
        kept = Server(**{name: known[name] for name in Server.__dataclass_fields__})
        assert kept.rows(kept.sources[str(SIZE)], "SELECT count(*) FROM dag") == [(200,)]
    finally:
        held.terminate()
        held.wait(20)
    assert not (tmp_path / "kept" / "data").exists()
