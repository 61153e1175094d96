"""Airflow's own command on a database, and what a database holds."""

# ruff: noqa: S608 - names from the catalogue

import os
import subprocess
from collections import Counter
from pathlib import Path

from local.mwaa import install
from tests.metadata.metadata_world import World


def environment(url: str, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
        "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # What MWAA has: web sessions in the database.
        "AIRFLOW__WEBSERVER__SESSION_BACKEND": "database",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
    }


def airflow(version: str, url: str, home: Path, *arguments: str) -> None:
    done = subprocess.run(
        [install.ensure(version).parent / "airflow", *arguments],
        env=environment(url, home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def tables(world: World) -> list[str]:
    found = world.sql(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1"
    )
    return [name for (name,) in found]


def rows(world: World) -> dict[str, Counter[str]]:
    """Every row of the database as text; what a command writes about itself apart."""
    found = {
        name: Counter(text for (text,) in world.sql(f'SELECT row_to_json(t)::text FROM "{name}" t'))
        for name in tables(world)
    }
    found["log"] = Counter(text for text in found["log"].elements() if "cli_cleanup" not in text)
    return found


def versions(world: World) -> dict[str, list[tuple[str, ...]]]:
    """Where every row lies and who wrote or locked it."""
    return {
        name: world.sql(f'SELECT ctid::text, xmin::text, xmax::text FROM "{name}" ORDER BY 1')
        for name in tables(world)
    }
