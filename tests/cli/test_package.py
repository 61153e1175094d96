"""The built package carries everything that the command needs, outside of this folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.paths import ROOT

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
def installed(tmp_path: Path) -> Path:
    """A folder that a wheel of this source was unpacked into."""
    source, target = tmp_path / "source", tmp_path / "installed"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "cli", "contract", "dags"):
        (source / name).symlink_to(ROOT / name)
    wheel = subprocess.run(
        [sys.executable, "-c", BUILD, tmp_path],
        cwd=source, check=True, capture_output=True, text=True,
    ).stdout.splitlines()[-1]  # fmt: skip
    subprocess.run(
        [Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--no-deps", "--offline",
         "--target", target, tmp_path / wheel],
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
