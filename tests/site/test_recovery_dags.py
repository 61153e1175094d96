"""The recovery DAGs load in a real Airflow, as they lie in a DAG folder."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from contract.agent_config import variable
from contract.names import AGENT_DAG, EXPORT_DAG, IMPORT_DAG, SYNC_DAG
from local.mwaa import install
from local.paths import ROOT
from tests.site.test_mailbox import CONFIG

pytestmark = pytest.mark.airflow

VERSIONS = pytest.mark.parametrize("version", ["2.10.3", "3.2.1"])

LOAD = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
    NAMED = "schedule"
except ImportError:
    from airflow.models.dagbag import DagBag
    NAMED = "schedule_interval"
bag = DagBag(sys.argv[1], include_examples=False)
print(json.dumps({"errors": bag.import_errors, "dags": {
    dag.dag_id: [str(getattr(dag, NAMED)), dag.is_paused_upon_creation, dag.max_active_runs]
    for dag in bag.dags.values()},
    "tasks": {dag.dag_id: sorted(dag.task_ids) for dag in bag.dags.values()}}))
"""


def load(version: str, folder: Path, home: Path, options: dict[str, str]) -> dict:
    done = subprocess.run(
        [install.ensure(version), "-W", "ignore", "-c", LOAD, str(folder)],
        env={
            "PATH": os.environ["PATH"],
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            **{variable(key.partition(".")[2]): value for key, value in options.items()},
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "dags" / "mwaa_dr"
    shutil.copytree(ROOT / "dags", target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "contract", target / "contract")
    return target.parent


@VERSIONS
def test_they_load_with_their_schedules(version: str, folder: Path, tmp_path: Path) -> None:
    found = load(version, folder, tmp_path / "home", CONFIG.to_options())
    assert found["errors"] == {}
    assert found["dags"] == {
        AGENT_DAG: ["0:01:00", False, 1],
        EXPORT_DAG: ["0:05:00", False, 1],
        IMPORT_DAG: ["None", False, 1],
    }


@VERSIONS
def test_a_standby_syncs_only_where_one_stands_by(
    version: str, folder: Path, tmp_path: Path
) -> None:
    options = replace(CONFIG, sync_seconds=120).to_options()
    found = load(version, folder, tmp_path / "home", options)
    assert found["errors"] == {}
    assert found["dags"][SYNC_DAG] == ["0:02:00", False, 1]


@VERSIONS
@pytest.mark.parametrize(("days", "tasks"), [(0, ["export"]), (90, ["export", "purge"])])
def test_a_purge_is_part_of_the_export_only_where_it_was_asked_for(
    version: str, folder: Path, tmp_path: Path, days: int, tasks: list[str]
) -> None:
    options = replace(CONFIG, purge_days=days).to_options()
    assert load(version, folder, tmp_path / "home", options)["tasks"][EXPORT_DAG] == tasks


@VERSIONS
def test_without_their_options_the_import_error_says_which_are_missing(
    version: str, folder: Path, tmp_path: Path
) -> None:
    options = CONFIG.to_options()
    del options["mwaa_dr.seal_key"]
    found = load(version, folder, tmp_path / "home", options)
    assert found["dags"] == {}
    assert len(found["errors"]) == 4
    assert all("AIRFLOW__MWAA_DR__SEAL_KEY" in text for text in found["errors"].values())
