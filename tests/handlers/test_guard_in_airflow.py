"""The startup script's guard in real Airflows with a real PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.core.startup import compose
from local import postgres
from local.mwaa import install

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(300)]

USERS = b"echo mine\n"
ROWS = {
    2: "SELECT dag_id, is_paused, is_active FROM dag",
    3: "SELECT dag_id, is_paused, NOT is_stale FROM dag",
}
EAGER = """
from datetime import datetime
from airflow.decorators import dag, task

@dag("{name}", schedule="@daily", start_date=datetime(2024, 1, 1), catchup=False,
     is_paused_upon_creation=False)
def pipeline():
    task(lambda: None, task_id="work")()

pipeline()
"""


class Environment:
    """A database migrated by Airflow, and a folder with DAGs that start un-paused."""

    def __init__(self, version: str, home: Path, cluster: postgres.Cluster) -> None:
        self.cluster = cluster
        self.generation = int(version[0])
        self.python = install.ensure(version)
        self.home = home
        (home / "dags").mkdir()
        self.variables = {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": cluster.url,
            "MWAA_AIRFLOW_COMPONENT": "scheduler",
        }

    def start(self, script: bytes, **variables: str) -> str:
        """Run a startup script as MWAA does; return what it printed."""
        file = self.home / "startup.sh"
        file.write_bytes(script)
        done = subprocess.run(
            ["bash", file],
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def airflow(self, *arguments: str) -> None:
        subprocess.run(
            [self.python, "-m", "airflow", *arguments],
            env=self.variables,
            check=True,
            capture_output=True,
            timeout=200,
        )

    def parse(self, *names: str) -> None:
        """What the scheduler's DAG processor does with the files."""
        for name in names:
            (self.home / "dags" / f"{name}.py").write_text(EAGER.format(name=name))
        self.airflow("dags", "reserialize")

    def rows(self) -> dict[str, tuple[bool, bool]]:
        connection = self.cluster.connect()
        try:
            cursor = connection.cursor()
            cursor.execute(ROWS[self.generation])
            return {dag_id: (paused, active) for dag_id, paused, active in cursor.fetchall()}
        finally:
            connection.close()


@pytest.fixture(scope="module", params=["2.10.3", "3.2.1"])
def migrated(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Environment]:
    home = tmp_path_factory.mktemp("airflow")
    cluster = postgres.start(tmp_path_factory.mktemp("pg") / "data")
    try:
        environment = Environment(request.param, home, cluster)
        environment.airflow("db", "migrate")
        yield environment
    finally:
        cluster.destroy()


def test_dags_that_want_to_start_are_held_back_and_others_are_not(migrated: Environment) -> None:
    output = migrated.start(compose(["held_back", "gone", "mwaa_dr_agent"], USERS))
    assert "mwaa-dr guard: 2 DAGs inserted paused, 0 were there already" in output
    assert output.endswith("mine\n")
    assert migrated.rows() == {"held_back": (True, False), "gone": (True, False)}
    migrated.parse("held_back", "not_in_the_backup", "mwaa_dr_agent")
    rows = migrated.rows()
    assert rows["held_back"] == (True, True), "its row keeps it paused though its code says not"
    assert rows["not_in_the_backup"] == (False, True), "the proof that the code would start it"
    assert rows["mwaa_dr_agent"] == (False, True), "the agent must run"
    assert rows["gone"] == (True, False), "a DAG without a file does not appear"

    # A scheduler's container starts again after promotion: what was un-paused stays so.
    migrated.airflow("dags", "unpause", "held_back")
    output = migrated.start(compose(["held_back", "gone", "new_one"], USERS))
    assert "1 DAGs inserted paused, 2 were there already" in output
    assert migrated.rows()["held_back"] == (False, True)


def test_a_database_that_is_away_does_not_stop_the_users_script(migrated: Environment) -> None:
    url = migrated.cluster.url.replace(f":{migrated.cluster.port}/", ":1/")
    impatient = compose(["a"], USERS).replace(b"TABLE_SECONDS = 60", b"TABLE_SECONDS = 2")
    output = migrated.start(impatient, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    assert "gave up waiting for the table dag: OperationalError" in output
    assert output.endswith("mine\n")
