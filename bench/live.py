"""A real scheduler on a benchmark's target, and operations inside its tasks."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bench import process
from bench.databases import Server
from bench.rows import DAGS
from local import leash
from local.paths import ROOT

DAG_FILES = Path(__file__).parent / "airflow_dags"
PIPELINE_FILES = 20
RESTORE_DAG = "mwaa_dr_bench"
"""Starts as our recovery DAGs do, so that an import leaves it alone."""

SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__CORE__PARALLELISM": "4",
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
    "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}
"""Otherwise Airflow's defaults: it parses every file again each 30 seconds."""


def environment(server: Server, database: str, home: Path) -> dict[str, str]:
    """An Airflow on `database`, its files below `home`."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{ROOT / 'dags'}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": server.url(database),
        "AIRFLOW__CORE__FERNET_KEY": server.target_key,
        **SETTINGS,
    }


def make_home(home: Path) -> Path:
    """A home whose DAG folder holds the source's pipelines and the DAG that restores."""
    dags = home / "dags"
    shutil.rmtree(home, ignore_errors=True)
    dags.mkdir(parents=True)
    for number in range(PIPELINE_FILES):
        shutil.copy(DAG_FILES / "pipelines.py", dags / f"pipelines_{number:02d}.py")
    shutil.copy(DAG_FILES / "restore.py", dags / "restore.py")
    return home


@contextlib.contextmanager
def scheduler(
    server: Server,
    database: str,
    home: Path,
    python: Path,
    extra: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """A scheduler that has parsed every DAG and goes on; it ends with the context."""
    env = environment(server, database, home) | dict(extra or {})
    ((since,),) = server.rows(database, "SELECT now()")
    with (home / "scheduler.log").open("wb") as log:
        command = [python, "-m", "airflow", "scheduler", "--skip-serve-logs"]
        held = leash.start(command, env=env, cwd=home, output=log)
        try:
            wait_until(
                lambda: _parsed(server, database, since), 180, "the scheduler parsed every DAG"
            )
            yield
        finally:
            leash.release(held)


def _parsed(server: Server, database: str, since: datetime) -> bool:
    """Whether a scheduler started since then has looked at every file."""
    ((alive, parsed),) = server.rows(
        database,
        """
        SELECT (SELECT count(*) FROM job WHERE job_type = 'SchedulerJob' AND start_date > %s),
               (SELECT count(*) FROM dag WHERE is_active AND last_parsed_time > %s)
        """,
        *(since, since),
    )
    return alive > 0 and parsed > DAGS


def wait_for_parse(server: Server, database: str) -> None:
    """Until every file was parsed once more."""
    ((since,),) = server.rows(database, "SELECT now()")

    def parsed() -> bool:
        ((count,),) = server.rows(
            database, "SELECT count(*) FROM dag WHERE is_active AND last_parsed_time > %s", since
        )
        return count > DAGS

    wait_until(parsed, 120, "every DAG was parsed again")


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Poll four times a second.

    Raises:
        TimeoutError: it did not hold within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.25)


def in_task(
    server: Server,
    database: str,
    home: Path,
    python: Path,
    *,
    module: str,
    order: dict[str, Any],
) -> dict[str, Any]:
    """Run `module.perform(order)` inside a scheduled task beside its scheduler; what it said."""
    result = home / "result.json"
    extra = {
        "BENCH_MODULE": module,
        "BENCH_ORDER": json.dumps(order),
        "BENCH_RESULT": str(result),
    }
    with scheduler(server, database, home, python, extra):
        subprocess.run(
            [python, "-m", "airflow", "dags", "trigger", RESTORE_DAG],
            env=environment(server, database, home) | extra,
            cwd=home,
            check=True,
            capture_output=True,
        )
        wait_until(result.exists, 900, "the task ended")
    said = json.loads(result.read_text())
    if error := said.get("error"):
        raise process.OperationError(error)
    return said
