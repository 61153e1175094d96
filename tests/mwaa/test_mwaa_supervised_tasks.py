"""The recovery DAGs in real tasks of Airflow 3, supervised by its Task SDK, its scheduler live.

There a task has no database of its own: Airflow takes the connection out of its environment. The
engine finds the way by MWAA's own variables, and says what is lost where it cannot.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from mwaa_world import REGION, Mwaa, client, open_world, until

from contract import keys
from contract.agent_config import AgentConfig
from contract.lifecycle import SiteState
from contract.names import AGENT_DAG
from contract.orders import Ack, Order, OrderKind, OrderStatus
from contract.ownership import Ownership
from contract.sites import CopyMode, InFlightRule, Site
from local import postgres
from local.mwaa import install
from local.mwaa.errors import ApiError
from local.mwaa.web import WebServer
from local.paths import ROOT
from mwaa_dr_metadata.control import trim_own_history
from mwaa_dr_metadata.database import engine_from_url
from tests.checker import equality, generations, rows
from tests.checker.database import reading
from tests.checker.findings import Findings
from tests.checker.inputs import Database
from tests.checker.ledger import Ledger
from tests.checker.outcome import Outcome
from tests.checker.story import INPUTS

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

VERSION = generations.AIRFLOW_3.version
NAME = "data-dr"
BUCKET = "data-dr-backups"
PROBE_DAG = "mwaa_dr_probe"
"""Named like the recovery's own, so that the agent lets it run and backups leave it out."""
RUNS = 400
"""Finished runs of the filled database beside its hard rows."""
WAYS = ("MWAA__DB__", "POSTGRES_", "DB_SECRETS", "AIRFLOW__CELERY__RESULT_BACKEND")
"""Variables that lead a task to the database."""

PROBE = '''
"""What a task sees, and the export of another database: the test says which."""
import json, os, sys
from datetime import datetime
from pathlib import Path
from airflow.sdk import dag, task

sys.path.insert(0, str(Path(__file__).parent))

@dag("mwaa_dr_probe", schedule=None, start_date=datetime(2024, 1, 1),
     is_paused_upon_creation=False)
def probe():
    @task
    def look():
        from airflow.utils.session import create_session
        try:
            with create_session():
                orm = "open"
        except RuntimeError as error:
            orm = str(error)
        return {"url": os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], "orm": orm}

    @task
    def export(dag_run=None):
        from contract.agent_config import AgentConfig
        from mwaa_dr_site.export import run

        conf = dag_run.conf
        left = {k: v for k, v in os.environ.items() if not k.startswith(tuple(conf["without"]))}
        environ = {**left, **conf["environ"]}
        return run(AgentConfig.from_env(environ), environ, conf["order"])

    look() >> export()

probe()
'''
BUSINESS = """
from datetime import datetime
from airflow.sdk import Asset, dag, task

for name, schedule in (("hits", None), ("paused", None), ("billing", [Asset("s3://a/b")])):
    @dag(name, schedule=schedule, start_date=datetime(2024, 1, 1))
    def business():
        @task
        def work():
            return "here"

        work()

    business()
"""


@dataclass
class Standby:
    """A live environment that does not own the epoch, and a filled database from elsewhere."""

    world: Mwaa
    s3: Any
    config: AgentConfig
    source: postgres.Cluster
    source_key: str

    @property
    def described(self) -> dict[str, Any]:
        return self.world.describe(NAME)

    def sql(self, statement: str, *parameters: Any) -> list[tuple]:
        connection = rows.connect(self.described["database_url"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall()
        finally:
            connection.close()

    @property
    def web(self) -> WebServer:
        return self.world.service._environment(REGION, NAME).runtime.web

    def answers(self) -> bool:
        """Whether the REST API does; its first answer can take longer than MWAA waits."""
        try:
            return self.web.call("GET", "/dags", None, None)[0] == HTTPStatus.OK
        except ApiError:
            return False

    def run_probe(self, run_id: str, **conf: Any) -> str:
        """Run the probing DAG; the state of its export."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.web.call("POST", f"/dags/{PROBE_DAG}/dagRuns", None, body)
        state = "SELECT state FROM task_instance WHERE run_id = %s AND task_id = 'export'"
        ended = ("success", "failed", "upstream_failed")
        until(lambda: (self.sql(state, run_id) or [("",)])[0][0] in ended, 120)
        return self.sql(state, run_id)[0][0]

    def returned(self, run_id: str, task_id: str) -> Any:
        value = "SELECT value FROM xcom WHERE run_id = %s AND task_id = %s AND key = 'return_value'"
        return self.sql(value, run_id, task_id)[0][0]

    def give(self, order: Order) -> None:
        self._write(keys.order(Site.DR, order.order_id), order.to_json())

    def own(self, ownership: Ownership) -> None:
        self._write(keys.OWNERSHIP, ownership.to_json())

    def _write(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=text.encode())

    def read(self, key: str) -> bytes:
        try:
            return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except self.s3.exceptions.NoSuchKey:
            return b""

    def answer(self, order: Order) -> Ack:
        key = keys.ack(order.site, order.order_id)

        def done() -> Ack | None:
            text = self.read(key)
            ack = Ack.from_json(text) if text else None
            return ack if ack and ack.status is not OrderStatus.RUNNING else None

        return until(done, 120, lambda: self.read(key))

    def inspected(self) -> tuple[Database, Database]:
        """Source and target as the independent checker is told of them."""
        here = self.described
        return (
            Database("data-primary", REGION, self.source.url, self.source_key),
            Database(NAME, REGION, here["database_url"], Path(here["fernet_key_path"]).read_text()),
        )


def an_order(kind: OrderKind, number: int, epoch: int, **payload: Any) -> Order:
    now = datetime.now(UTC)
    return Order(
        f"failover-e0001-{number:02}", kind, Site.DR, epoch, now.isoformat(),
        (now + timedelta(minutes=10)).isoformat(), "failover-e0001", payload,
    )  # fmt: skip


def fill(cluster: postgres.Cluster, home: Path, key: str) -> None:
    """Migrate a database and fill it with rows of every kind and a lot of ordinary history."""
    python = install.ensure(VERSION)
    subprocess.run(
        [python, "-m", "airflow", "db", "migrate"],
        env={
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": cluster.url,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
            ),
        },
        check=True,
        capture_output=True,
    )
    history = [
        row
        for number in range(RUNS)
        for row in rows.run_rows(
            1000 + number, "hits", f"old{number}", state="success", seconds=-60 * number
        )
    ]
    connection = rows.connect(cluster.url)
    with connection, connection.cursor() as cursor:
        for table, values in (*generations.AIRFLOW_3.first, *rows.BEFORE, *history):
            for name, row in generations.AIRFLOW_3.row(table, values):
                rows.insert_row(cursor, key, name, row)
    connection.close()


@pytest.fixture(scope="module")
def standby(
    endpoint: str, surroundings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Standby]:
    s3 = client("s3", endpoint)
    for bucket in (BUCKET, "data-dags"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for folder, prefix in ((ROOT / "dags", ""), (ROOT / "contract", "contract/")):
        for file in folder.rglob("*.py"):
            key = f"dags/mwaa_dr/{prefix}{file.relative_to(folder)}"
            s3.put_object(Bucket="data-dags", Key=key, Body=file.read_bytes())
    s3.put_object(Bucket="data-dags", Key="dags/mwaa_dr/mwaa_dr_probe.py", Body=PROBE.encode())
    s3.put_object(Bucket="data-dags", Key="dags/business.py", Body=BUSINESS.encode())
    config = AgentConfig(
        name="data",
        site=Site.DR,
        environment=NAME,
        region=REGION,
        dr_region=REGION,
        local_bucket=BUCKET,
        dr_bucket=BUCKET,
        dag_bucket="data-dags",
        seal_key=client("kms", endpoint).create_key()["KeyMetadata"]["Arn"],
        copy_mode=CopyMode.DIRECT,
        agent_seconds=3,
        export_seconds=3600,
    )
    key = Fernet.generate_key().decode()
    source = postgres.start(tmp_path_factory.mktemp("source") / "pg")
    world = open_world(endpoint, tmp_path_factory.mktemp("mwaa"))
    try:
        world.api.create_environment(
            **{
                **surroundings,
                "AirflowVersion": VERSION,
                "SourceBucketArn": "arn:aws:s3:::data-dags",
            },
            Name=NAME,
            AirflowConfigurationOptions=config.to_options(),
        )
        fill(source, tmp_path_factory.mktemp("home"), key)
        document = world.wait(NAME, "AVAILABLE", "CREATE_FAILED", seconds=240)
        assert document["Status"] == "AVAILABLE", document["LastUpdate"]
        made = Standby(world, s3, config, source, key)
        parsed = "SELECT count(*) FROM serialized_dag"
        until(
            lambda: made.sql(parsed)[0][0] >= 7, 120, lambda: made.sql("SELECT * FROM import_error")
        )
        until(made.answers, 60)
        yield made
    finally:
        world.close()
        source.destroy()


def elsewhere(standby: Standby) -> dict[str, Any]:
    """What makes a task here export the filled database, as the primary site."""
    source = standby.source
    config = replace(standby.config, site=Site.PRIMARY, environment="data-primary")
    options = {
        f"AIRFLOW__{name.replace('.', '__')}".upper(): value
        for name, value in config.to_options().items()
    }
    return {
        **options,
        "MWAA__DB__POSTGRES_HOST": "127.0.0.1",
        "MWAA__DB__POSTGRES_PORT": str(source.port),
        "MWAA__DB__POSTGRES_DB": postgres.DATABASE,
        "MWAA__DB__POSTGRES_SSLMODE": "prefer",
        "MWAA__DB__CREDENTIALS": json.dumps(
            {"username": postgres.USER, "password": source.password}
        ),
        "AIRFLOW__CORE__FERNET_KEY": standby.source_key,
    }


def test_a_filled_database_comes_into_a_live_environment_from_inside_its_tasks(standby):
    began = datetime.now(UTC)
    assert standby.run_probe("export", without=[], environ=elsewhere(standby), order=None) == (
        "success"
    )
    seen = standby.returned("export", "look")
    assert seen["url"].startswith("airflow-db-not-allowed")
    assert "not allowed" in seen["orm"]
    backup = standby.returned("export", "export")["backup"]
    manifest = json.loads(standby.read(backup))
    scheduler = "SELECT id FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'"
    before = standby.sql(scheduler)

    imports = [an_order(OrderKind.IMPORT, 1, 1, backup=backup, phase="resume")]
    standby.give(imports[0])
    ack = standby.answer(imports[0])
    assert (ack.status, ack.error) == (OrderStatus.SUCCEEDED, None)
    assert [run["run_id"] for run in ack.result["interrupted"]] == ["r3"]
    awake = "SELECT dag_id FROM dag WHERE NOT is_paused AND NOT starts_with(dag_id, 'mwaa_dr_')"
    assert standby.sql(awake) == []

    promoted_at = datetime.now(UTC)
    standby.own(Ownership(Site.DR, 2, SiteState.ACTIVE))
    wake = an_order(OrderKind.UNPAUSE, 2, 2, backup=backup, in_flight=InFlightRule.FAIL.value)
    standby.give(wake)
    assert sorted(standby.answer(wake).result["unpaused"]) == ["billing", "hits"]
    imports.append(an_order(OrderKind.IMPORT, 3, 2, backup=backup, phase="history"))
    standby.give(imports[1])
    ack = standby.answer(imports[1])
    assert (ack.status, ack.error) == (OrderStatus.SUCCEEDED, None)

    _nothing_differs(standby, manifest, promoted_at)
    _work_went_on(standby, began)
    assert standby.sql(scheduler) == before, "another scheduler had to take over"


def _nothing_differs(standby: Standby, manifest: dict[str, Any], promoted_at: datetime) -> None:
    source, restored = standby.inspected()
    inputs = replace(
        INPUTS,
        workload={"dags": [{"dag_id": dag} for dag in ("hits", "billing")]},
        source=source,
        restored=restored,
        snapshot=manifest["snapshot"],
        snapshot_at=datetime.fromisoformat(manifest["snapshot_at"]),
        outage_at=promoted_at,
    )
    findings = Findings()
    with (
        reading(source, inputs.snapshot) as there,
        reading(restored, inputs.snapshot) as here,
    ):
        outcome = Outcome(inputs, Ledger([]), there.runs(), here.runs())
        tables = {t.name: t for t in equality.check(outcome, there, here, findings)}
    assert findings.objections == []
    assert tables["task_instance"].restored_rows > RUNS
    assert tables["xcom"].restored_rows > RUNS
    assert tables["variable"].restored_rows == 3
    assert tables["connection"].restored_rows == 1


def _work_went_on(standby: Standby, began: datetime) -> None:
    """The asset's event that waited in the backup makes a run, and the agent's beats all worked."""
    run = "SELECT state FROM dag_run WHERE dag_id = 'billing' AND run_type = 'asset_triggered'"
    until(lambda: ("success",) in standby.sql(run), 60, lambda: standby.sql(run))
    states = "SELECT DISTINCT state FROM dag_run WHERE dag_id = %s AND run_after > %s"
    found = {state for (state,) in standby.sql(states, AGENT_DAG, began)}
    assert "success" in found
    assert found <= {"success", "running", "queued"}


def test_the_agents_own_history_is_cut_with_all_that_hangs_on_it(standby):
    finished = (
        "SELECT id FROM dag_run WHERE dag_id = %s AND state IN ('success', 'failed') ORDER BY id"
    )
    until(lambda: len(standby.sql(finished, AGENT_DAG)) > 4, 60)
    before = standby.sql(finished, AGENT_DAG)
    cut = trim_own_history(engine_from_url(standby.described["database_url"]), keep=3)
    left = [row for row in standby.sql(finished, AGENT_DAG) if row in before]
    assert cut >= len(before) - len(left) >= len(before) - 3
    assert left == before[len(before) - len(left) :], "the newest are kept"


def test_where_the_database_is_refused_the_task_fails_and_says_what_that_costs(standby):
    order = replace(an_order(OrderKind.EXPORT, 9, 1), site=Site.PRIMARY)
    config = replace(standby.config, site=Site.PRIMARY).to_options()
    environ = {f"AIRFLOW__{k.replace('.', '__')}".upper(): v for k, v in config.items()}
    given = json.loads(order.to_json())
    standby.own(Ownership(Site.PRIMARY, 3, SiteState.ACTIVE))
    state = standby.run_probe("refused", without=list(WAYS), environ=environ, order=given)
    assert state == "failed"
    ack = standby.answer(order)
    assert ack.status is OrderStatus.FAILED
    assert ack.error is not None
    assert ack.error["type"] == "DatabaseRefusedError"
    for words in ("Airflow 3 keeps the metadata database from its tasks", "run history",
                  "connections", "secrets backend"):  # fmt: skip
        assert words in ack.error["message"]
    log = next(Path(standby.described["home"]).glob("logs/**/run_id=refused/task_id=export/*.log"))
    assert "keep variables and connections in a secrets backend" in log.read_text()
