"""Installs the peer, PyPI `mwaa-dr`, unmodified in an Airflow of its own."""

import subprocess
import sys
from pathlib import Path

from bench.databases import VERSION
from local.mwaa.install import RELEASES
from local.paths import ROOT

PEER = "2.2.0"
HOME = ROOT / "build" / "bench" / "peer"


def ensure() -> Path:
    """Install it unless it is there; return its interpreter."""
    python, done = HOME / "bin" / "python", HOME / f".installed-{PEER}"
    if not done.exists():
        uv = [sys.executable, "-m", "uv", "--quiet"]
        airflow = f"apache-airflow[postgres,amazon,fab]=={VERSION}"
        install = [*uv, "pip", "install", "--compile-bytecode", "--python", python]
        subprocess.run([*uv, "venv", "--clear", "--python", sys.executable, HOME], check=True)
        subprocess.run([*install, "--exclude-newer", RELEASES[VERSION].as_of, airflow], check=True)
        subprocess.run([*install, airflow, f"mwaa-dr=={PEER}"], check=True)
        done.touch()
    return python
