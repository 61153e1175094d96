"""The built package carries everything that the command needs, outside of this folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.paths import ROOT
from tests.metadata import metadata_hard as hard
from tests.metadata.metadata_world import World

BUILD = "import sys, setuptools.build_meta as m; print(m.build_wheel(sys.argv[1]))"
LOOK = """
import sys
from importlib.metadata import entry_points, distribution
import cli, contract, mwaa_dr_metadata
print(*(module.__file__ for module in (cli, contract, mwaa_dr_metadata)), sep="\\n")
(script,) = [e for e in distribution("mwaa-dr").entry_points if e.name == "mwaa-dr"]
sys.argv[1:] = ["metadata", "import", "--help"]
script.load()()
"""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Built from this source."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "cli", "contract", "dags"):
        (source / name).symlink_to(ROOT / name)
    built = subprocess.run(
        [sys.executable, "-c", BUILD, tmp_path],
        cwd=source, check=True, capture_output=True, text=True,
    ).stdout.splitlines()[-1]  # fmt: skip
    return tmp_path / built


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """A folder that the wheel was unpacked into."""
    target = tmp_path / "installed"
    subprocess.run(
        [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--no-deps", "--offline",
         "--target", target, wheel],
        check=True, capture_output=True,
    )  # fmt: skip
    return target


def test_a_wheel_brings_the_command_with_its_engine(installed: Path, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=tmp_path, env=environ, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for file in done.stdout.splitlines()[:3]:
        assert Path(file).is_relative_to(installed)
    assert "--in-flight" in done.stdout
    assert sorted(path.name for path in installed.iterdir() if path.suffix != ".dist-info") == [
        ".lock", "bin", "cli", "contract", "mwaa_dr_metadata",
    ]  # fmt: skip


@pytest.mark.matrix
@pytest.mark.timeout(900)
def test_with_dependencies_of_today_it_backs_a_database_up_and_restores_it(
    wheel: Path, tmp_path: Path, filled: World, target: World
) -> None:
    """As a user installs it: into an environment of its own, by pip, in no folder of ours."""
    own = tmp_path / "own"
    subprocess.run([sys.executable, "-m", "venv", own], check=True)
    subprocess.run([own / "bin" / "pip", "install", "--quiet", wheel], check=True)

    def command(*arguments: str, world: World | None = None) -> str:
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200"}
        if world is not None:
            environ["MWAA_DR_DATABASE_URL"] = world.url
            environ["AIRFLOW__CORE__FERNET_KEY"] = world.key
        done = subprocess.run(
            [own / "bin" / "mwaa-dr", *arguments],
            cwd=tmp_path, env=environ, check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    place = ("--storage", f"file://{tmp_path}/backups", "--json")
    assert "Disaster recovery for Amazon MWAA" in command("--help")
    assert "task_instance" in command("metadata", "tables")
    exported = json.loads(command("metadata", "export", *place, world=filled))
    business = "SELECT count(*) FROM dag_run WHERE left(dag_id, 8) <> 'mwaa_dr_'"
    assert exported["tables"]["dag_run"] == filled.one(business)
    foretold = json.loads(command("metadata", "forecast", *place))
    assert {dag["dag_id"] for dag in foretold["dags"]} >= {"busy", "etl"}
    command("metadata", "import", *place, world=target)
    assert hard.secrets(target) == hard.secrets(filled)
    assert json.loads(command("metadata", "verify", *place, world=target))["usable"]
